"""A trunk as a value: which network, with which weights, at which size, and how its batch normalization behaves."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
from keras import ops

from mtl_keras.backbones._applications import applications
from mtl_keras.backbones._cifar_efficientnet import CifarEfficientNetB0
from mtl_keras.backbones._efficientnet_lite import EfficientNetLite0
from mtl_keras.backbones._family import Family, named, repeat_gray
from mtl_keras.backbones._small_cnn import SmallCNN
from mtl_keras.errors import MTLError, unknown

__all__ = ["BACKBONES", "Backbone", "names", "offline_names"]

#: Every backbone by name: all of `keras.applications`, found by introspection, and our own.
BACKBONES: dict[str, Family] = {
    family.name: family for family in (*applications(), CifarEfficientNetB0(), EfficientNetLite0(), SmallCNN())
}

FIELDS = ("weights", "image_size", "batch_norm", "preprocessing", "pooling", "interpolation")
CHOICES: dict[str, tuple[Any, ...]] = {
    "batch_norm": ("auto", "inference", "train"),
    "preprocessing": (True, False),
    "pooling": ("avg", "max", "flatten", None),
    "interpolation": ("bicubic", "bilinear", "nearest"),
}
POOLS = {
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
    "flatten": keras.layers.Flatten,
}


def names() -> list[str]:
    """Return the names of all backbones, in alphabetical order; builds nothing."""
    return sorted(BACKBONES)


def offline_names() -> list[str]:
    """Return the names of the backbones that start here without a network.

    Those are the ones without pretrained weights, the ones whose weights a pip package brings, and those of
    `keras.applications` of which a weights file lies in Keras' cache already.
    """
    return sorted(name for name, family in BACKBONES.items() if family.offline())


@dataclass(frozen=True, init=False, repr=False)
class Backbone:
    """Which network turns images into features. Frozen and hashable; holds no Keras object.

    The graph that `apply` makes takes `[0, 255]` images of the data's own size: resizing and the preprocessing that the
    network was trained with are inside it. Everything in it is a built-in Keras class, so a model saved from it loads
    without mtl_keras.

    Args:
        name: One of `names()`.
        weights: `"imagenet"`, None for random weights, the path of a `.weights.h5` file of this very network, or `"auto"`
            (default): `"imagenet"` where such weights exist, else None.
        image_size: Side in px that images are resized to inside the graph; None (default) keeps the data's own size. An
            image that is not square is stretched.
        batch_norm: `"inference"` keeps the network in inference mode in training too (see `hold`), `"train"` leaves it to
            Keras, `"auto"` (default) is `"inference"` for pretrained weights and `"train"` for random ones.
        preprocessing: True (default) puts the family's preprocessing into the graph; with False the input must be
            preprocessed already. (EfficientNetB0 to B7 rescale within the network itself and still expect `[0, 255]`.)
        pooling: `"avg"` (default) or `"max"` over the map, giving `[batch, channels]`; `"flatten"` lays all of it in one row,
            `[batch, height * width * channels]`; None gives the feature map `[batch, height, width, channels]`.
        interpolation: How to resize: `"bicubic"` (default), `"bilinear"` or `"nearest"`, without antialiasing (LiteRT
            cannot run bicubic resizing, ONNX cannot load antialiasing).
        **options: What the family takes besides, e.g. `alpha=0.25` for MobileNet or `filters=(32, 64)` for SmallCNN.

    Raises:
        MTLError: If the name, an option or a value is unknown.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Backbone("MobileNet", alpha=0.25, image_size=224)
        Backbone('MobileNet', image_size=224, alpha=0.25)
    """

    name: str
    weights: str | None
    image_size: int | None
    batch_norm: Literal["auto", "inference", "train"]
    preprocessing: bool
    pooling: Literal["avg", "max", "flatten"] | None
    interpolation: Literal["bicubic", "bilinear", "nearest"]
    options: tuple[tuple[str, Any], ...]

    def __init__(
        self,
        name: str,
        *,
        weights: str | None = "auto",
        image_size: int | None = None,
        batch_norm: Literal["auto", "inference", "train"] = "auto",
        preprocessing: bool = True,
        pooling: Literal["avg", "max", "flatten"] | None = "avg",
        interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic",
        **options: Any,
    ) -> None:
        if name not in BACKBONES:
            raise unknown("backbone", name, BACKBONES)
        for option in options:
            if option not in BACKBONES[name].options:
                raise unknown(f"option of {name}", option, (*BACKBONES[name].options, *FIELDS))
        frozen = {k: tuple(v) if isinstance(v, list) else v for k, v in sorted(options.items())}
        values = (weights, image_size, batch_norm, preprocessing, pooling, interpolation)
        for field, value in {"name": name, **dict(zip(FIELDS, values, strict=True)), "options": tuple(frozen.items())}.items():
            if field in CHOICES and value not in CHOICES[field]:
                expected = ", ".join(map(repr, CHOICES[field]))
                raise MTLError(
                    f"`{field}` of a backbone is one of {expected}. Received: {field}={value!r}. Choose one of them."
                )
            object.__setattr__(self, field, value)
        if image_size is not None and (type(image_size) is not int or image_size < 1):
            raise MTLError(f"`image_size` is a side in px. Received: image_size={image_size!r}. Give e.g. 128, or None.")
        if weights is not None and not isinstance(weights, str):
            raise MTLError(f"`weights` is 'auto', 'imagenet', None or a path. Received: weights={weights!r}. Give text.")

    def __repr__(self) -> str:
        default = Backbone(self.name)
        given = [f"{f}={getattr(self, f)!r}" for f in FIELDS if getattr(self, f) != getattr(default, f)]
        return f"Backbone({', '.join([repr(self.name), *given, *(f'{k}={v!r}' for k, v in self.options)])})"

    @property
    def pretrained(self) -> bool:
        """Whether the network starts from weights that were trained, once `"auto"` is resolved."""
        return self.resolved().weights is not None

    def resolved(self) -> Backbone:
        """Return the same backbone with `"auto"` replaced by what it stands for."""
        weights = self.weights
        if weights == "auto":
            weights = "imagenet" if BACKBONES[self.name].pretrained else None
        batch_norm = self.batch_norm
        if batch_norm == "auto":
            batch_norm = "inference" if weights is not None else "train"
        return self.replace(weights=weights, batch_norm=batch_norm)

    def replace(self, **changes: Any) -> Backbone:
        """Return a copy in which `changes` (fields or options) stand in the place of the old values."""
        return Backbone.from_config({**self.config(), **changes})

    def config(self) -> dict[str, Any]:
        """Return the backbone as plain JSON values, options among the fields."""
        options = {k: list(v) if isinstance(v, tuple) else v for k, v in self.options}
        return {"name": self.name, **{field: getattr(self, field) for field in FIELDS}, **options}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Backbone:
        """Rebuild what `config()` returned."""
        return cls(**config)

    def check(self, image_shape: Sequence[int | None]) -> None:
        """Raise `MTLError` if the network cannot be had or refuses such images; loads and builds nothing.

        Args:
            image_shape: `(height, width, channels)` of one image of the data.
        """
        family, resolved = BACKBONES[self.name], self.resolved()
        sizes = [n for n in image_shape if type(n) is int and n > 0]
        if len(image_shape) != 3 or len(sizes) != 3:
            raise MTLError(
                f"A backbone takes images of a known (height, width, channels). Received: {tuple(image_shape)}. "
                "Add the axis of channels, or resize the images to one size."
            )
        if family.channels is not None and sizes[2] not in (1, family.channels):
            raise MTLError(
                f"{self.name} takes images of 1 or {family.channels} channels. Received: {sizes[2]} channels. "
                "Use SmallCNN, which takes any number."
            )
        height, width = self._side(sizes)
        if min(height, width) < family.min_size:
            raise MTLError(
                f"{self.name} takes images of at least {family.min_size} x {family.min_size} px. "
                f"Received: {height} x {width}. Give image_size={max(family.min_size, 2 * min(height, width))} or more."
            )
        if resolved.weights not in (None, "imagenet"):
            _check_file(resolved.weights)
        elif resolved.weights == "imagenet" and not family.pretrained:
            raise MTLError(f"{self.name} has no ImageNet weights. Received: weights='imagenet'. Give weights=None.")
        family.check((height, width), resolved.weights, self._options())

    def apply(self, images: Any, change: Callable[[keras.Model], keras.Model] | None = None) -> Any:
        """Build the network on a symbolic input.

        Args:
            images: Keras tensor `[batch, height, width, channels]` in `[0, 255]`, of an integer or float dtype.
            change: Called with the network once it has its weights, returns the one to use in its place; None leaves it.

        Returns:
            Keras tensor of features, `[batch, channels]`, or `[batch, height, width, channels]` without pooling. The
            network is one nested model, the layer `backbone`; the pooling is the layer `backbone_pool`.

        Raises:
            MTLError: As `check`; or if the weights can neither be found nor fetched.
        """
        self.check(images.shape[1:])
        family, resolved = BACKBONES[self.name], self.resolved()
        # Preprocessing
        x = images
        if not keras.backend.is_float_dtype(x.dtype):
            x = named(ops.cast(x, "float32"), "backbone_cast")
        if family.channels == 3 and x.shape[-1] == 1:
            x = repeat_gray(x)
        side = self._side(x.shape[1:])
        if x.shape[1:3] != side:
            # Not `layers.Resizing`: it puts all that follows into training mode when `training` is not passed.
            x = ops.image.resize(x, side, interpolation=self.interpolation, data_format="channels_last")
            named(x, "backbone_resize")
        if self.preprocessing:
            x = family.preprocess(x)
        # Network
        weights = "imagenet" if resolved.weights == "imagenet" else None
        try:
            network = family.network(tuple(x.shape[1:]), weights, self._options(), preprocessing=self.preprocessing)
        except OSError as error:
            raise MTLError(
                f"The ImageNet weights of {self.name} must be in Keras' cache or be downloaded. "
                f"Received: {' '.join(str(error).split())}. Without a network use one of "
                f"{', '.join(name for name in offline_names() if name != self.name)}, or give weights=None."
            ) from error
        if resolved.weights not in (None, "imagenet"):
            _load_file(network, resolved.weights, self.name)
        if change is not None:
            network = change(network)
        if x.shape[1:3] != images.shape[1:3] and self.interpolation == "bicubic":
            # TensorFlow has no XLA kernel for it, and on a GPU Keras would choose XLA by itself.
            network.supports_jit = False
        self.hold(network)
        features = network(x)
        # Pooling
        if self.pooling is None:
            return features
        return POOLS[self.pooling](name="backbone_pool")(features)

    def hold(self, network: keras.Model) -> None:
        """Keep the network in inference mode if `batch_norm` says so; to be called again after a change of `trainable`.

        Calling a nested model with `training=False` would not do: `fit` calls the outer one with `training=True`, which Keras
        3 hands down in the place of what the graph says. A batch normalization that is not trainable uses its moving
        statistics always (its scale and offset stay as they are as well), and dropout of rate 0 does nothing. Both are saved
        with the layers.

        Args:
            network: The nested model, `model.get_layer("backbone")`.
        """
        if self.resolved().batch_norm != "inference":
            return
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
            elif isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0

    def _options(self) -> dict[str, Any]:
        return {**BACKBONES[self.name].options, **dict(self.options)}

    def _side(self, image_shape: Sequence[int]) -> tuple[int, int]:
        return (self.image_size, self.image_size) if self.image_size else (image_shape[0], image_shape[1])


def _check_file(path: str) -> None:
    if not path.endswith(".weights.h5") or not Path(path).is_file():
        raise MTLError(
            f"`weights` is 'auto', 'imagenet', None or an existing .weights.h5 file. Received: weights={path!r}. "
            "Make one with model.get_layer('backbone').save_weights(path)."
        )


def _load_file(network: keras.Model, path: str, name: str) -> None:
    try:
        # Keras only warns of layers that it found no weights for.
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            network.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        reason = " ".join(str(error).split())[:200]
        raise MTLError(
            f"A weights file must belong to the network. Received: {path!r} for {name}: {reason} Use its own."
        ) from error
