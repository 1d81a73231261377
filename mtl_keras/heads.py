"""Heads: the layers between the shared features and a task's output layer."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import keras

from mtl_keras.errors import (
    MTLError,
    check_bool,
    check_choice,
    check_fraction,
    check_side,
    check_size,
    check_sizes,
    describe,
    store,
    unknown,
)
from mtl_keras.layers import Pooling, activation_names, apply_dense

__all__ = ["Decoder", "Head", "check", "config", "from_config", "get"]


@dataclass(frozen=True)
class Head:
    """A stack of dense layers for one task, in front of its output layer.

    Args:
        dense: Units of each dense layer, at least 1 each; default `()`, which is the output layer alone.
        dropout: Rate of the dropout after each dense layer, in `[0, 1)`; default 0.
        activation: Name of the Keras activation of each dense layer; default `"relu"`.
        pooling: Which features the head takes. None (default) takes the shared features. `"features"` takes the pooled
            features of the backbone and skips the shared layers. `"avg"`, `"max"` or `"flatten"` pools the feature map of a
            backbone with `pooling=None` for this head alone.

    Raises:
        MTLError: If a value is out of range, or the activation or pooling is unknown.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Head(dense=(256, 64), dropout=0.2).dense
        (256, 64)
    """

    dense: tuple[int, ...] = ()
    dropout: float = 0.0
    activation: str = "relu"
    pooling: Pooling | None = None

    def __post_init__(self) -> None:
        store(self, dense=check_sizes("dense", self.dense, of="a head", example=256))
        _check_common(self)

    def apply(self, features: Any, prefix: str, image_shape: Sequence[int | None] = ()) -> Any:
        """Apply the dense layers to `[batch, channels]` features.

        Args:
            features: Keras tensor.
            prefix: Layers are named `{prefix}_dense_1`, `{prefix}_dropout_1`, and so on.
            image_shape: Unused.
        """
        return apply_dense(features, self.dense, activation=self.activation, dropout=self.dropout, prefix=prefix)


@dataclass(frozen=True)
class Decoder:
    """A decoder for a task that reconstructs its input image.

    A linear bottleneck, a dense layer that is reshaped to a small map, and transposed convolutions that enlarge it to the
    size of the image. The output layer of the task is one more transposed convolution.

    Args:
        latent: Units of the bottleneck, at least 1; default 32.
        filters: Channels of each transposed convolution; default `(32, 16, 8)`. The small map has as many channels as the
            first.
        kernel_size: Size of every kernel in px; default 3.
        strides: Stride of the transposed convolutions, one integer or one per convolution; default 2. Their product must
            divide both sides of the image.
        activation: Name of the Keras activation of each transposed convolution; default `"relu"`.
        dropout: Rate of the dropout after each transposed convolution, in `[0, 1)`; default 0.
        batch_norm: Whether batch normalization follows each transposed convolution and its dropout; default False.
        pooling: As for `Head`; default `"flatten"`, which needs a backbone with `pooling=None`.

    Raises:
        MTLError: If a value is out of range, or the activation or pooling is unknown.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Decoder(filters=(16, 8)).start_shape((32, 32, 3))
        (8, 8, 16)
    """

    latent: int = 32
    filters: tuple[int, ...] = (32, 16, 8)
    kernel_size: int = 3
    strides: int | tuple[int, ...] = 2
    activation: str = "relu"
    dropout: float = 0.0
    batch_norm: bool = False
    pooling: Pooling | None = "flatten"

    def __post_init__(self) -> None:
        strides = check_sizes("strides", self.strides, of="a decoder", example=2)
        store(
            self,
            latent=check_size("latent", self.latent, of="a decoder", example=32),
            filters=check_sizes("filters", self.filters, of="a decoder", example=32),
            kernel_size=check_side("kernel_size", self.kernel_size, of="a decoder", example=3),
            strides=strides if isinstance(self.strides, Sequence) or len(strides) != 1 else strides[0],
            batch_norm=check_bool("batch_norm", self.batch_norm, of="a decoder"),
        )
        if not self.filters:
            raise MTLError("`filters` of a decoder must not be empty. Received: filters=(). Pass e.g. filters=(32, 16, 8).")
        if len(self._strides) != len(self.filters):
            raise MTLError(
                f"`strides` must be one integer, or one for each of `filters`. Received: strides={self.strides} for filters="
                f"{self.filters}. Pass {len(self.filters)} of them."
            )
        _check_common(self)

    @property
    def _strides(self) -> tuple[int, ...]:
        return (self.strides,) * len(self.filters) if isinstance(self.strides, int) else self.strides

    def start_shape(self, image_shape: Sequence[int | None]) -> tuple[int, int, int]:
        """Return height, width and channels of the small map from which the transposed convolutions start.

        Raises:
            MTLError: If the product of `strides` does not divide both sides of the image.
        """
        height, width = (int(side or 0) for side in image_shape[:2])
        factor = math.prod(self._strides)
        if height % factor or width % factor:
            raise MTLError(
                f"The product of a decoder's strides must divide both sides of the image. Received: an image of {height} x "
                f"{width} px and strides whose product is {factor}. Pass other `strides`, e.g. one for each of `filters`."
            )
        return height // factor, width // factor, self.filters[0]

    def apply(self, features: Any, prefix: str, image_shape: Sequence[int | None] = ()) -> Any:
        """Decode `[batch, channels]` features to a map `[batch, height, width, filters[-1]]` of the image's size.

        Args:
            features: Keras tensor.
            prefix: Layers are named `{prefix}_latent`, `{prefix}_start`, `{prefix}_map`, `{prefix}_decode_1`,
                `{prefix}_dropout_1`, `{prefix}_bn_1`, and so on.
            image_shape: Height, width and channels of the image.
        """
        start = self.start_shape(image_shape)
        latent = keras.layers.Dense(self.latent, name=f"{prefix}_latent")(features)
        flat = keras.layers.Dense(math.prod(start), name=f"{prefix}_start")(latent)
        x = keras.layers.Reshape(start, name=f"{prefix}_map")(flat)
        for number, (filters, stride) in enumerate(zip(self.filters, self._strides, strict=True), start=1):
            x = keras.layers.Conv2DTranspose(
                filters,
                self.kernel_size,
                stride,
                padding="same",
                activation=self.activation,
                name=f"{prefix}_decode_{number}",
            )(x)
            if self.dropout:
                x = keras.layers.Dropout(self.dropout, name=f"{prefix}_dropout_{number}")(x)
            if self.batch_norm:
                # As in SmallCNN: with few steps per epoch, the default momentum of 0.99 adapts too slowly.
                x = keras.layers.BatchNormalization(momentum=0.9, name=f"{prefix}_bn_{number}")(x)
        return x


def get(spec: Head | Decoder | Sequence[int]) -> Head | Decoder:
    """Return the head that `spec` stands for: itself, or a `Head` with these units.

    Raises:
        MTLError: If it is none of these.

    Example:
        >>> get((64,)).dense
        (64,)
    """
    if isinstance(spec, Head | Decoder):
        return spec
    if isinstance(spec, Sequence) and not isinstance(spec, str):
        return Head(tuple(spec))
    raise MTLError(
        f"A head must be a mtl.Head, a mtl.Decoder or the units of dense layers. Received: {describe(spec)}. Pass e.g. (256,)."
    )


def config(head: Head | Decoder) -> dict[str, Any]:
    """Return a head as plain JSON values; `from_config` reads them."""
    return {"kind": type(head).__name__, **asdict(head)}


def from_config(values: Mapping[str, Any]) -> Head | Decoder:
    """Rebuild a head from what `config` returned.

    Earlier versions wrote no `kind` for a `Head`, and `tap` for `pooling`.
    """
    fields = dict(values)
    if "tap" in fields:
        fields["pooling"] = fields.pop("tap")
    kinds: dict[str, type[Head] | type[Decoder]] = {"Head": Head, "Decoder": Decoder}
    kind = fields.pop("kind", "Head")
    if kind not in kinds:
        raise unknown("kind of head", kind, kinds)
    return kinds[kind](**fields)


def check(
    heads: Mapping[str, Head | Decoder],
    pooling: str | None,
    reconstructed: Collection[str],
    image_shape: Sequence[int | None],
) -> None:
    """Raise an error if a head does not fit its task or the backbone.

    Args:
        heads: The head of every task.
        pooling: Pooling of the backbone; None if it returns a feature map.
        reconstructed: Names of the tasks that reconstruct the input.
        image_shape: Height, width and channels of one input.

    Raises:
        MTLError: If a decoder belongs to a task that does not reconstruct the input, or does not produce its size, or if a
            head's pooling does not fit the backbone's.
    """
    for name, head in heads.items():
        if isinstance(head, Decoder):
            if name not in reconstructed:
                raise MTLError(
                    f"A Decoder must be the head of a task that reconstructs its input. Received: a Decoder for task {name!r}, "
                    "which does not. Pass a mtl.Head."
                )
            head.start_shape(image_shape)
        if pooling is not None and head.pooling not in (None, "features"):
            raise MTLError(
                f"`pooling` of a head must be None or 'features' if the backbone pools its features. Received: "
                f"pooling={head.pooling!r} for task {name!r} and a backbone with pooling={pooling!r}. Give the backbone "
                "pooling=None, or the head pooling=None."
            )
        if pooling is None and head.pooling == "features":
            raise MTLError(
                f"A head with pooling='features' must have a backbone that pools its features. Received: such a head for task "
                f"{name!r} and a backbone with pooling=None. Give the backbone pooling='avg', or the head pooling='avg'."
            )


def _check_common(head: Head | Decoder) -> None:
    """Check the options that both kinds of head have."""
    store(head, dropout=check_fraction("dropout", head.dropout, bounds="[)", example=0.2))
    check_choice("activation", head.activation, activation_names())
    if head.pooling is not None:
        check_choice("pooling", head.pooling, get_args(Pooling))
