"""What stands between the trunk and a task's last layer: stacks of dense layers, and decoders that draw an image."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import keras

from mtl_keras.errors import MTLError, describe, unknown

__all__ = ["Decoder", "Head", "Pooling", "check", "config", "from_config", "get", "pooled"]

Pooling = Literal["features", "avg", "max", "flatten"]

POOLS = {
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
    "flatten": keras.layers.Flatten,
}


@dataclass(frozen=True)
class Head:
    """A stack of dense layers: one task's own, or the shared one before all heads.

    Args:
        dense: Units of each dense layer, in order; default none.
        dropout: Share dropped after each of them, in `[0, 1)`; default 0.
        activation: Name of a Keras activation for them; default `"relu"`.
        pooling: Where the stack starts. None (default) is the pooled features, and for a task's own stack what the shared one
            makes of them. `"features"` is the pooled features themselves, past the shared stack. `"avg"`, `"max"` or
            `"flatten"` is the feature map of a backbone with `pooling=None`, pooled for this stack alone.

    Raises:
        MTLError: If a value is out of range or the activation or pooling unknown.

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
        if not isinstance(self.dense, Sequence) or isinstance(self.dense, str):
            raise MTLError(
                f"`dense` must be a sequence with the units of each dense layer. Received: dense={self.dense!r}. "
                "Pass e.g. dense=(64,)."
            )
        object.__setattr__(self, "dense", tuple(self.dense))
        if any(not isinstance(units, int) or units < 1 for units in self.dense):
            raise MTLError(f"Dense layers have at least 1 unit each. Received: dense={self.dense}. Give e.g. dense=(256,).")
        _check_common(self)

    def apply(self, features: Any, prefix: str, image_shape: Sequence[int | None] = ()) -> Any:
        """Lay the stack on `[batch, channels]` features; layers are named `{prefix}_dense_1`, `{prefix}_dropout_1` ..."""
        for number, units in enumerate(self.dense, start=1):
            features = keras.layers.Dense(units, activation=self.activation, name=f"{prefix}_dense_{number}")(features)
            if self.dropout:
                features = keras.layers.Dropout(self.dropout, name=f"{prefix}_dropout_{number}")(features)
        return features


@dataclass(frozen=True)
class Decoder:
    """What draws an image from features: a linear bottleneck, a small map, and transposed convolutions up to its size.

    The head of a task that gives the image back, whose own last layer is then one more transposed convolution.

    Args:
        latent: Units of the bottleneck, at least 1; default 32.
        filters: Channels of each transposed convolution; default `(32, 16, 8)`. The map that they start from has as many
            channels as the first.
        kernel_size: Side of every kernel in px; default 3.
        strides: By how much each of them enlarges the map, one number or one each; default 2. Each side of the image is a
            multiple of their product.
        activation: Name of a Keras activation for them; default `"relu"`.
        dropout: Share dropped after each of them, in `[0, 1)`; default 0.
        batch_norm: Whether batch normalization follows each of them, after its dropout; default False.
        pooling: As in `Head`; default `"flatten"`, which needs a backbone with `pooling=None`.

    Raises:
        MTLError: If a value is out of range or the activation or pooling unknown.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Decoder(filters=(16, 8)).start((32, 32, 3))
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
        object.__setattr__(self, "filters", tuple(self.filters))
        if not isinstance(self.strides, int):
            object.__setattr__(self, "strides", tuple(self.strides))
        for name, numbers in {
            "latent": (self.latent,),
            "filters": self.filters,
            "kernel_size": (self.kernel_size,),
            "strides": self._strides,
        }.items():
            if not numbers or any(type(number) is not int or number < 1 for number in numbers):
                raise MTLError(
                    f"`{name}` of a decoder is made of whole numbers of at least 1. Received: {name}={getattr(self, name)!r}. "
                    "Give e.g. mtl.Decoder(latent=32, filters=(32, 16, 8))."
                )
        if len(self._strides) != len(self.filters):
            raise MTLError(
                f"`strides` is one number, or one for each of `filters`. Received: strides={self.strides} for filters="
                f"{self.filters}. Give {len(self.filters)} of them."
            )
        _check_common(self)

    @property
    def _strides(self) -> tuple[int, ...]:
        return (self.strides,) * len(self.filters) if isinstance(self.strides, int) else self.strides

    def start(self, image_shape: Sequence[int | None]) -> tuple[int, int, int]:
        """Return height, width and channels of the map that the transposed convolutions start from.

        Raises:
            MTLError: If the product of `strides` does not divide the image.
        """
        height, width = (int(side or 0) for side in image_shape[:2])
        factor = math.prod(self._strides)
        if height % factor or width % factor:
            raise MTLError(
                f"A decoder enlarges a map of whole px to the image. Received: an image of {height} x {width} px and strides "
                f"whose product is {factor}. Give strides whose product divides both sides, e.g. one for each of `filters`."
            )
        return height // factor, width // factor, self.filters[0]

    def apply(self, features: Any, prefix: str, image_shape: Sequence[int | None] = ()) -> Any:
        """Draw `[batch, height, width, channels]` of the image's size from `[batch, channels]` features.

        Layers are named `{prefix}_latent`, `{prefix}_start`, `{prefix}_map`, `{prefix}_decode_1`, `{prefix}_dropout_1`,
        `{prefix}_bn_1` ...
        """
        start = self.start(image_shape)
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
                # As in SmallCNN: with few steps an epoch the usual 0.99 would lag behind.
                x = keras.layers.BatchNormalization(momentum=0.9, name=f"{prefix}_bn_{number}")(x)
        return x


def pooled(features: Any, pooling: Pooling, prefix: str) -> Any:
    """Return `[batch, channels]` of a feature map `[batch, height, width, channels]`; the layer is `{prefix}_pool`.

    The pooling `"features"` is what has been pooled before.
    """
    if pooling == "features":
        return features
    return POOLS[pooling](name=f"{prefix}_pool")(features)


def get(spec: Head | Decoder | Sequence[int]) -> Head | Decoder:
    """Return the head that `spec` describes.

    Args:
        spec: A `Head` or `Decoder`, which is returned as it is, or the units of each dense layer, e.g. `(256, 64)`.

    Raises:
        MTLError: If it is none of these.

    Example:
        >>> get((64,)).dense
        (64,)
    """
    if isinstance(spec, Head | Decoder):
        return spec
    if isinstance(spec, Sequence) and not isinstance(spec, str):
        return Head(dense=tuple(spec))
    raise MTLError(
        f"A head must be a mtl.Head, a mtl.Decoder or the units of its dense layers. Received: {describe(spec)}. "
        "Pass e.g. mtl.Head(dense=(64,)) or (64,)."
    )


def config(head: Head | Decoder) -> dict[str, Any]:
    """Return a head as plain JSON values; `from_config` reads them."""
    return {"kind": type(head).__name__, **asdict(head)}


def from_config(values: Mapping[str, Any]) -> Head | Decoder:
    """Rebuild what `config` returned; without a `kind` it is a `Head`."""
    fields = dict(values)
    kinds: dict[str, type[Head] | type[Decoder]] = {"Head": Head, "Decoder": Decoder}
    kind = fields.pop("kind", "Head")
    if kind not in kinds:
        raise unknown("kind of head", kind, kinds)
    return kinds[kind](**fields)


def check(
    shared: Head,
    heads: Mapping[str, Head | Decoder],
    pooling: str | None,
    drawn: Collection[str],
    image_shape: Sequence[int | None],
) -> None:
    """Refuse heads that fit neither their task nor the backbone.

    Args:
        shared: The shared stack.
        heads: Every task's head.
        pooling: Of the backbone; None where it gives a map.
        drawn: The tasks that give the image back.
        image_shape: Of one input.

    Raises:
        MTLError: If a decoder is not for such a task or does not come out at the image's size, a pooling does not fit the
            pooling, or a head has nothing to start from.
    """
    for name, head in heads.items():
        if isinstance(head, Decoder):
            if name not in drawn:
                raise MTLError(
                    f"A Decoder is the head of a task that gives the image back. Received: one for {name!r}, which does not. "
                    "Give it a mtl.Head."
                )
            head.start(image_shape)
    stacks = {"the shared stack": shared, **{f"task {name!r}": head for name, head in heads.items()}}
    if pooling is not None:
        tapped = next((name for name, stack in stacks.items() if stack.pooling not in (None, "features")), None)
        if tapped is not None:
            raise MTLError(
                f"A pooling starts from a feature map. Received: pooling={stacks[tapped].pooling!r} for {tapped} and a backbone of "
                f"pooling={pooling!r}. Give the backbone pooling=None, or pooling=None."
            )
    elif past := next((name for name, stack in stacks.items() if stack.pooling == "features"), None):
        raise MTLError(
            f"The pooling 'features' is a backbone's pooled features. Received: pooling='features' for {past} and pooling=None. Give "
            "the backbone pooling='avg', or pooling='avg'."
        )
    elif shared.pooling is None:
        bare = next((name for name, head in heads.items() if head.pooling is None), None)
        if bare is not None:
            raise MTLError(
                f"Heads take pooled features. Received: pooling=None and a pooling neither for task {bare!r} nor for the shared "
                "stack. Give one of them pooling='avg', 'max' or 'flatten', or the backbone pooling='avg'."
            )


def _check_common(head: Head | Decoder) -> None:
    """Refuse values that both kinds have."""
    if not 0 <= head.dropout < 1:
        raise MTLError(f"`dropout` lies in [0, 1). Received: dropout={head.dropout}. Give e.g. 0.2.")
    known = {name for name in dir(keras.activations) if name.islower() and name[0] != "_"}
    known -= {"get", "serialize", "deserialize"}
    if head.activation not in known:
        raise unknown("activation", head.activation, known)
    if head.pooling is not None and head.pooling not in get_args(Pooling):
        raise unknown("pooling", head.pooling, get_args(Pooling))
