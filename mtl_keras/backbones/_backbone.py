"""The backbone as a value: which network, with which weights, at which image size, and how its batch norm behaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np

from mtl_keras.backbones._applications import applications
from mtl_keras.backbones._cifar_efficientnet import CifarEfficientNetB0
from mtl_keras.backbones._efficientnet_lite import EfficientNetLite0
from mtl_keras.backbones._family import Family
from mtl_keras.backbones._inputs import check_images, check_shape, prepare_images, refuse_options
from mtl_keras.backbones._mlp import MLP
from mtl_keras.backbones._own import GIVEN, OWN, Own, describe_network, read_network
from mtl_keras.backbones._small_cnn import SmallCNN
from mtl_keras.backbones._weights_file import check_file, load_file
from mtl_keras.errors import (
    MTLError,
    check_choice,
    check_option,
    check_path,
    check_side,
    check_text,
    describe,
    store,
    unknown,
)
from mtl_keras.layers import apply_pooling
from mtl_keras.tables import Column

__all__ = ["BACKBONES", "Backbone", "get", "names", "offline_names"]

#: Every backbone by name: all models of `keras.applications`, found by introspection, and those of this package.
BACKBONES: dict[str, Family] = {
    family.name: family for family in (*applications(), CifarEfficientNetB0(), EfficientNetLite0(), MLP(), SmallCNN())
}

#: Fields with their defaults.
DEFAULTS: dict[str, Any] = {
    "weights": "auto",
    "image_size": None,
    "batch_norm": "auto",
    "preprocessing": True,
    "pooling": "avg",
    "interpolation": "bicubic",
}
FIELDS = (*DEFAULTS,)
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
    """The network that turns inputs into features, with its options. A frozen, hashable value that holds no Keras object.

    The graph that `apply` builds takes `[0, 255]` images of any size: resizing and the preprocessing that the network was
    trained with are part of it. `MLP` takes the columns of a table, and a network of your own the inputs that it was built
    for. All layers of the networks by name are built-in Keras classes, so a saved model loads without mtl_keras.

    Args:
        name: One of `names()`, or a functional or sequential `keras.Model` of your own with one input and one output, whose
            configuration and weights are copied.
        weights: `"imagenet"`, None for random weights, the path of a `.weights.h5` file of the same network, or `"auto"`
            (default): `"imagenet"` if such weights exist, otherwise None. For a network of your own, `"auto"` is `"own"`:
            every model starts from the weights that it had; with None each starts from new ones.
        image_size: Height and width in px that the graph resizes images to; None (default) keeps their size. Images that are
            not square are stretched.
        batch_norm: `"inference"` keeps the network in inference mode during training too (see `fix_inference_mode`),
            `"train"` leaves the mode to Keras, `"auto"` (default) is `"inference"` for pretrained weights and `"train"` for
            random ones and for a network of your own.
        preprocessing: Whether the graph includes the family's preprocessing; default True. With False, inputs must be
            preprocessed already. (EfficientNetB0 to B7 rescale inside the network and still expect `[0, 255]`.)
        pooling: `"avg"` (default) or `"max"` pools the feature map to `[batch, channels]`, `"flatten"` flattens it to
            `[batch, height * width * channels]`, None keeps the feature map `[batch, height, width, channels]`.
        interpolation: Method of resizing: `"bicubic"` (default), `"bilinear"` or `"nearest"`, always without antialiasing.
            (LiteRT does not support bicubic resizing, ONNX does not support antialiasing.)
        **options: Options of the family, e.g. `alpha=0.25` for MobileNet or `filters=(32, 64)` for SmallCNN.

    Raises:
        MTLError: If the name, an option or a value is unknown, an option of images is given for a network that takes none, or
            a network of your own is not one that Keras can save and load.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Backbone("MobileNet", alpha=0.25, image_size=224)
        Backbone('MobileNet', image_size=224, alpha=0.25)
        >>> import keras
        >>> mtl.Backbone(keras.Sequential([keras.Input((7,)), keras.layers.Dense(5)]), weights=None)
        Backbone(<network [7] to [5]>, weights=None)
    """

    name: str
    weights: str | None
    image_size: int | None
    batch_norm: Literal["auto", "inference", "train"]
    preprocessing: bool
    pooling: Literal["avg", "max", "flatten"] | None
    interpolation: Literal["bicubic", "bilinear", "nearest"]
    options: tuple[tuple[str, Any], ...]
    #: Of a network of the user's own: the weights that it had, which `digest` among the options stands for.
    given: tuple[np.ndarray, ...] | None = field(compare=False)

    def __init__(
        self,
        name: str | keras.Model,
        *,
        weights: str | None = "auto",
        image_size: int | None = None,
        batch_norm: Literal["auto", "inference", "train"] = "auto",
        preprocessing: bool = True,
        pooling: Literal["avg", "max", "flatten"] | None = "avg",
        interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic",
        **options: Any,
    ) -> None:
        given = None
        if isinstance(name, keras.Model):
            own, given = read_network(name)
            name, options = OWN, {**options, **own}
        if not isinstance(name, str) or name != OWN or not options:
            check_choice("backbone", name, BACKBONES)
        store(self, name=name, given=given)
        for option in options:
            if option not in self.family.options:
                raise unknown(f"option of {name}", option, (*self.family.options, *FIELDS))
        frozen = {option: self.family.read_option(option, value) for option, value in sorted(options.items())}
        values = (weights, image_size, batch_norm, preprocessing, pooling, interpolation)
        for each, value in {**dict(zip(FIELDS, values, strict=True)), "options": tuple(frozen.items())}.items():
            store(self, **{each: check_option(each, value, CHOICES[each], of="a backbone") if each in CHOICES else value})
        self.family.check_options(self._options())
        if image_size is not None:
            store(self, image_size=check_side("image_size", image_size, example=128))
        if weights is not None:
            check_path("weights", check_text("weights", weights, of="a backbone", example="imagenet"), of="a backbone")
        given_fields = {each: getattr(self, each) for each in FIELDS if getattr(self, each) != DEFAULTS[each]}
        refuse_options(self.family, given_fields, maps=self.family.returns_map(self._options()))

    def __repr__(self) -> str:
        given = [f"{f}={getattr(self, f)!r}" for f in FIELDS if getattr(self, f) != DEFAULTS[f]]
        if self.name == OWN:
            network = describe_network(self._options())
            shapes = f"{network['input_shape']} to {network['output_shape']}"
            return f"Backbone({', '.join([f'<network {shapes}>', *given])})"
        return f"Backbone({', '.join([repr(self.name), *given, *(f'{k}={v!r}' for k, v in self.options)])})"

    @property
    def family(self) -> Family:
        """The kind of network."""
        return Own() if self.name == OWN else BACKBONES[self.name]

    @property
    def input_dtype(self) -> str:
        """The type of the model's input: that of a network of the user's own, else float32."""
        return self.family.input_dtype(self._options())

    @property
    def digest(self) -> str | None:
        """A digest of the weights that a network of the user's own had; None for others."""
        digest: str | None = self._options().get("digest")
        return digest

    @property
    def missing(self) -> tuple[bool, ...]:
        """For each column of a table whether its values may be missing (NaN); `()` if no input may."""
        return self.family.missing(self._options())

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of a table that the network takes; `()` if it takes other inputs."""
        columns: tuple[Column, ...] = self._options().get("columns", ())
        return columns

    @property
    def trunks(self) -> dict[str, Backbone]:
        """The backbone of each input, as `Joined.trunks`: itself, under an empty name."""
        return {"": self}

    @property
    def returns_map(self) -> bool:
        """Whether the network gives a feature map, which is pooled."""
        return self.family.returns_map(self._options())

    @property
    def pretrained(self) -> bool:
        """Whether the network starts from pretrained weights, after resolving `"auto"`."""
        return self.resolve().weights is not None

    def resolve(self) -> Backbone:
        """Return the same backbone with `"auto"` replaced by the actual values."""
        weights, own = self.weights, self.name == OWN
        if weights == "auto":
            weights = GIVEN if own else "imagenet" if self.family.pretrained else None
        batch_norm = self.batch_norm
        if batch_norm == "auto":
            # A network of the user's own may have been created a moment ago, with statistics of nothing.
            batch_norm = "inference" if weights is not None and not own else "train"
        return self.replace(weights=weights, batch_norm=batch_norm)

    def replace(self, **changes: Any) -> Backbone:
        """Return a copy with `changes` to fields or options."""
        copy = Backbone.from_config({**self.config(), **changes})
        store(copy, given=self.given)
        return copy

    def without_weights(self) -> Backbone:
        """Return the same network, with random weights."""
        return self.resolve().replace(weights=None)

    def for_columns(self, columns: Sequence[Column]) -> Backbone:
        """Return the same with what other training rows say of the columns that it takes; itself for other columns.

        Args:
            columns: `data.columns`.
        """
        names = [[(column.name, column.kind) for column in each] for each in (self.columns, columns)]
        return self if names[0] != names[1] or self.columns == columns else self.replace(columns=columns)

    def with_columns(self, columns: Sequence[Column]) -> Backbone:
        """Return an `MLP` whose columns are not given with those of the data, `data.columns`; others as they are."""
        return self.replace(columns=columns) if self.name == "MLP" and not self.columns else self

    def config(self) -> dict[str, Any]:
        """Return fields and options as one dict of JSON values."""
        options = {name: self.family.option_config(name, value) for name, value in self.options}
        return {"name": self.name, **{each: getattr(self, each) for each in FIELDS}, **options}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Backbone:
        """Create a backbone from the result of `config`."""
        return cls(**config)

    def check(self, image_shape: Sequence[int | None], *, files: bool = True) -> None:
        """Raise `MTLError` if the network is unavailable or does not accept such inputs; loads and builds nothing.

        Args:
            image_shape: Shape of one input, `(height, width, channels)` of an image.
            files: Whether files with pretrained weights must exist on this machine, and weights of a network of the user's own
                must have been given; default True. A saved model needs none.
        """
        resolved = self.resolve()
        sizes = check_shape(self.family, image_shape)
        side: tuple[int, ...] = sizes
        if self.family.rank == 3:
            side = self._side(sizes)
            check_images(self.family, sizes, self._side(sizes))
        if resolved.weights == GIVEN and self.name == OWN:
            if files and self.given is None:
                raise MTLError(
                    "The weights of an own network must be given. Received: a backbone from a configuration, which has none. "
                    "Pass mtl.Backbone(network), weights=None for new ones, or trunk=model.trunk."
                )
        elif resolved.weights not in (None, "imagenet"):
            if files:
                check_file(resolved.weights)
        elif resolved.weights == "imagenet" and not self.family.pretrained:
            raise MTLError(
                f"`weights` of {self.name} must be None or a file, since there are no ImageNet weights. "
                "Received: weights='imagenet'. Pass weights=None."
            )
        self.family.check(side, resolved.weights, self._options())
        if files and resolved.weights == "imagenet":
            self.family.check_files()

    def apply(self, images: Any, transform: Callable[[keras.Model], keras.Model] | None = None) -> Any:
        """Build the network on a symbolic input.

        Args:
            images: Keras tensor, `[batch, height, width, channels]` in `[0, 255]` for images, of an integer or float dtype.
            transform: Called with the network after its weights are loaded; returns the network to use instead. None
                (default) uses it unchanged.

        Returns:
            Keras tensor of features, `[batch, channels]`, or `[batch, height, width, channels]` without pooling. The
            network is a nested model, the layer `backbone`; the pooling is the layer `backbone_pool`.

        Raises:
            MTLError: As `check`, or if the weights can be neither found nor downloaded.
        """
        self.check(images.shape[1:])
        family, resolved = self.family, self.resolve()
        # Preprocessing
        x = images
        if family.rank == 3:
            side = self._side(images.shape[1:])
            x = prepare_images(images, family, side, self.interpolation, preprocessing=self.preprocessing)
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
        if resolved.weights == GIVEN and self.given is not None:
            network.set_weights(self.given)
        elif resolved.weights not in (None, "imagenet"):
            load_file(network, resolved.weights, self.name)
        if transform is not None:
            network = transform(network)
        if family.rank == 3 and x.shape[1:3] != images.shape[1:3] and self.interpolation == "bicubic":
            # TensorFlow has no XLA kernel for bicubic resizing, and on a GPU Keras selects XLA by default.
            network.supports_jit = False
        self.fix_inference_mode(network)
        features = network(x)
        return apply_pooling(features, self.pooling, "backbone") if family.returns_map(self._options()) else features

    def networks(self, model: keras.Model) -> dict[str, keras.Model]:
        """Return the nested model in a network that has this backbone, under an empty name as in `trunks`."""
        return {"": model.get_layer("backbone")}

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
        return {**self.family.options, **dict(self.options)}

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
        "Pass e.g. 'SmallCNN', mtl.Backbone('SmallCNN', filters=(32, 64)) or, for a Keras model, mtl.Backbone(model)."
    )
