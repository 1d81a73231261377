"""The backbone as a value: which network, with which weights, at which image size, and how its batch norm behaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from mtl_keras.backbones._applications import applications
from mtl_keras.backbones._cifar_efficientnet import CifarEfficientNetB0
from mtl_keras.backbones._efficientnet_lite import EfficientNetLite0
from mtl_keras.backbones._family import Family, rename_operation, repeat_gray
from mtl_keras.backbones._small_cnn import SmallCNN
from mtl_keras.backbones._weights_file import check_file, load_file
from mtl_keras.errors import MTLError, check_choice, check_option, check_path, check_side, check_text, describe, store, unknown
from mtl_keras.layers import apply_pooling

__all__ = ["BACKBONES", "Backbone", "get", "names", "offline_names"]

#: Every backbone by name: all models of `keras.applications`, found by introspection, and those of this package.
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


def names() -> list[str]:
    """Return the names of all backbones in alphabetical order; no network is built."""
    return sorted(BACKBONES)


def offline_names() -> list[str]:
    """Return the names of the backbones that are available without a network connection.

    These are the backbones without pretrained weights, those whose weights come from an installed pip package, and those of
    `keras.applications` whose weights file is in Keras' cache.
    """
    return sorted(name for name, family in BACKBONES.items() if family.offline())


@dataclass(frozen=True, init=False, repr=False)
class Backbone:
    """The network that turns images into features, with its options. A frozen, hashable value that holds no Keras object.

    The graph that `apply` builds takes `[0, 255]` images of any size: resizing and the preprocessing that the network was
    trained with are part of it. All its layers are built-in Keras classes, so a saved model loads without mtl_keras.

    Args:
        name: One of `names()`.
        weights: `"imagenet"`, None for random weights, the path of a `.weights.h5` file of the same network, or `"auto"`
            (default): `"imagenet"` if such weights exist, otherwise None.
        image_size: Height and width in px that the graph resizes images to; None (default) keeps their size. Images that are
            not square are stretched.
        batch_norm: `"inference"` keeps the network in inference mode during training too (see `fix_inference_mode`),
            `"train"` leaves the mode to Keras, `"auto"` (default) is `"inference"` for pretrained weights and `"train"` for
            random ones.
        preprocessing: Whether the graph includes the family's preprocessing; default True. With False, inputs must be
            preprocessed already. (EfficientNetB0 to B7 rescale inside the network and still expect `[0, 255]`.)
        pooling: `"avg"` (default) or `"max"` pools the feature map to `[batch, channels]`, `"flatten"` flattens it to
            `[batch, height * width * channels]`, None keeps the feature map `[batch, height, width, channels]`.
        interpolation: Method of resizing: `"bicubic"` (default), `"bilinear"` or `"nearest"`, always without antialiasing.
            (LiteRT does not support bicubic resizing, ONNX does not support antialiasing.)
        **options: Options of the family, e.g. `alpha=0.25` for MobileNet or `filters=(32, 64)` for SmallCNN.

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
        check_choice("backbone", name, BACKBONES)
        for option in options:
            if option not in BACKBONES[name].options:
                raise unknown(f"option of {name}", option, (*BACKBONES[name].options, *FIELDS))
        frozen = {option: _plain(value) for option, value in sorted(options.items())}
        values = (weights, image_size, batch_norm, preprocessing, pooling, interpolation)
        for field, value in {"name": name, **dict(zip(FIELDS, values, strict=True)), "options": tuple(frozen.items())}.items():
            store(self, **{field: check_option(field, value, CHOICES[field], of="a backbone") if field in CHOICES else value})
        BACKBONES[name].check_options(self._options())
        if image_size is not None:
            store(self, image_size=check_side("image_size", image_size, example=128))
        if weights is not None:
            check_path("weights", check_text("weights", weights, of="a backbone", example="imagenet"), of="a backbone")

    def __repr__(self) -> str:
        default = Backbone(self.name)
        given = [f"{f}={getattr(self, f)!r}" for f in FIELDS if getattr(self, f) != getattr(default, f)]
        return f"Backbone({', '.join([repr(self.name), *given, *(f'{k}={v!r}' for k, v in self.options)])})"

    @property
    def pretrained(self) -> bool:
        """Whether the network starts from pretrained weights, after resolving `"auto"`."""
        return self.resolve().weights is not None

    def resolve(self) -> Backbone:
        """Return the same backbone with `"auto"` replaced by the actual values."""
        weights = self.weights
        if weights == "auto":
            weights = "imagenet" if BACKBONES[self.name].pretrained else None
        batch_norm = self.batch_norm
        if batch_norm == "auto":
            batch_norm = "inference" if weights is not None else "train"
        return self.replace(weights=weights, batch_norm=batch_norm)

    def replace(self, **changes: Any) -> Backbone:
        """Return a copy with `changes` to fields or options."""
        return Backbone.from_config({**self.config(), **changes})

    def config(self) -> dict[str, Any]:
        """Return fields and options as one dict of JSON values."""
        options = {k: list(v) if isinstance(v, tuple) else v for k, v in self.options}
        return {"name": self.name, **{field: getattr(self, field) for field in FIELDS}, **options}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Backbone:
        """Create a backbone from the result of `config`."""
        return cls(**config)

    def check(self, image_shape: Sequence[int | None], *, files: bool = True) -> None:
        """Raise `MTLError` if the network is unavailable or does not accept such images; loads and builds nothing.

        Args:
            image_shape: `(height, width, channels)` of an image.
            files: Whether files with pretrained weights must exist on this machine; default True. A saved model needs none.
        """
        family, resolved = BACKBONES[self.name], self.resolve()
        if not isinstance(image_shape, Sequence) or isinstance(image_shape, str) or len(image_shape) != 3:
            received = tuple(image_shape) if isinstance(image_shape, list) else image_shape
            raise MTLError(
                f"`image_shape` must be (height, width, channels). Received: {describe(received)}. "
                "Add the axis of channels, or pass image_shape=data.image_shape."
            )
        if any(side is None for side in image_shape):
            raise MTLError(
                f"`image_shape` must be fully specified. Received: {tuple(image_shape)}. Pass image_shape=data.image_shape."
            )
        sizes = [check_side("image_shape", side) for side in image_shape]
        if family.channels is not None and sizes[2] not in (1, family.channels):
            raise MTLError(
                f"Images for {self.name} must have 1 or {family.channels} channels. Received: {sizes[2]} channels. "
                "Use SmallCNN, which accepts any number."
            )
        height, width = self._side(sizes)
        if min(height, width) < family.min_size:
            raise MTLError(
                f"Images for {self.name} must have at least {family.min_size} x {family.min_size} px. "
                f"Received: {height} x {width}. Pass image_size={max(family.min_size, 2 * min(height, width))} or more."
            )
        if resolved.weights not in (None, "imagenet"):
            if files:
                check_file(resolved.weights)
        elif resolved.weights == "imagenet" and not family.pretrained:
            raise MTLError(
                f"`weights` of {self.name} must be None or a file, since there are no ImageNet weights. "
                "Received: weights='imagenet'. Pass weights=None."
            )
        family.check((height, width), resolved.weights, self._options())
        if files and resolved.weights == "imagenet":
            family.check_files()

    def apply(self, images: Any, transform: Callable[[keras.Model], keras.Model] | None = None) -> Any:
        """Build the network on a symbolic input.

        Args:
            images: Keras tensor `[batch, height, width, channels]` in `[0, 255]`, of an integer or float dtype.
            transform: Called with the network after its weights are loaded; returns the network to use instead. None
                (default) uses it unchanged.

        Returns:
            Keras tensor of features, `[batch, channels]`, or `[batch, height, width, channels]` without pooling. The
            network is a nested model, the layer `backbone`; the pooling is the layer `backbone_pool`.

        Raises:
            MTLError: As `check`, or if the weights can be neither found nor downloaded.
        """
        self.check(images.shape[1:])
        family, resolved = BACKBONES[self.name], self.resolve()
        # Preprocessing
        x = images
        if not keras.backend.is_float_dtype(x.dtype):
            x = rename_operation(ops.cast(x, "float32"), "backbone_cast")
        if family.channels == 3 and x.shape[-1] == 1:
            x = repeat_gray(x)
        side = self._side(x.shape[1:])
        if x.shape[1:3] != side:
            # Not `layers.Resizing`: it puts all later layers into training mode if `training` is not passed.
            x = ops.image.resize(x, side, interpolation=self.interpolation, data_format="channels_last")
            rename_operation(x, "backbone_resize")
        if self.preprocessing:
            x = family.preprocess(x)
        # Network
        weights = "imagenet" if resolved.weights == "imagenet" else None
        try:
            network = family.network(tuple(x.shape[1:]), weights, self._options(), preprocessing=self.preprocessing)
        except OSError as error:
            raise MTLError(
                f"The ImageNet weights of {self.name} must be in Keras' cache or downloadable. "
                f"Received: {' '.join(str(error).split())}. Without a network connection use one of "
                f"{', '.join(name for name in offline_names() if name != self.name)}, or pass weights=None."
            ) from error
        if resolved.weights not in (None, "imagenet"):
            load_file(network, resolved.weights, self.name)
        if transform is not None:
            network = transform(network)
        if x.shape[1:3] != images.shape[1:3] and self.interpolation == "bicubic":
            # TensorFlow has no XLA kernel for bicubic resizing, and on a GPU Keras selects XLA by default.
            network.supports_jit = False
        self.fix_inference_mode(network)
        features = network(x)
        return apply_pooling(features, self.pooling, "backbone")

    def fix_inference_mode(self, network: keras.Model) -> None:
        """Keep the network in inference mode if `batch_norm` is `"inference"`; call it again after changing `trainable`.

        Calling a nested model with `training=False` is not enough: `fit` calls the outer model with `training=True`, which
        Keras 3 passes on to nested models instead of the value in the graph. A batch normalization layer that is not
        trainable always uses its moving statistics (its scale and offset are frozen too), and dropout of rate 0 has no
        effect. Both settings are saved with the layers.

        Args:
            network: The nested model, `model.get_layer("backbone")`.
        """
        if self.resolve().batch_norm != "inference":
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


def get(spec: Backbone | str) -> Backbone:
    """Return the backbone that `spec` describes: a name with default options, or a `Backbone`, which is returned as it is.

    Raises:
        MTLError: If the name is unknown, or it is neither.

    Example:
        >>> get("SmallCNN")
        Backbone('SmallCNN')
    """
    if isinstance(spec, Backbone):
        return spec
    if isinstance(spec, str):
        return Backbone(spec)
    raise MTLError(
        f"`backbone` must be a name or a mtl.Backbone. Received: {describe(spec)}. "
        "Pass e.g. 'SmallCNN' or mtl.Backbone('SmallCNN', filters=(32, 64))."
    )


def _plain(value: Any) -> Any:
    """Return an option with lists as tuples and NumPy's numbers as Python's, so that the backbone can be hashed and written."""
    if isinstance(value, list | tuple):
        return tuple(_plain(each) for each in value)
    return value.item() if isinstance(value, np.generic) else value
