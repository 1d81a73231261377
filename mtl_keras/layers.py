"""Pooling and dense layers, as heads and shared layers build them, and the layer that holds the unit of a task's labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

__all__ = ["Pooling", "activation_names", "apply_dense", "apply_pooling", "read_unit", "set_unit", "unit_is_set", "unit_layer"]

Pooling = Literal["features", "avg", "max", "flatten"]

POOLINGS = {
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
    "flatten": keras.layers.Flatten,
}


def apply_pooling(features: Any, pooling: Pooling | None, prefix: str) -> Any:
    """Return `[batch, channels]` features of a feature map `[batch, height, width, channels]`.

    Args:
        features: Keras tensor.
        pooling: `"avg"`, `"max"` or `"flatten"`; None and `"features"` return the input.
        prefix: The layer is named `{prefix}_pool`.
    """
    if pooling is None or pooling == "features":
        return features
    return POOLINGS[pooling](name=f"{prefix}_pool")(features)


def apply_dense(features: Any, units: Sequence[int], *, activation: str, dropout: float, prefix: str) -> Any:
    """Apply dense layers to `[batch, channels]` features.

    Args:
        features: Keras tensor.
        units: Units of each layer, in order.
        activation: Name of the Keras activation of each layer.
        dropout: Rate of the dropout after each layer; 0 adds none.
        prefix: Layers are named `{prefix}_dense_1`, `{prefix}_dropout_1`, and so on.
    """
    for number, size in enumerate(units, start=1):
        features = keras.layers.Dense(size, activation=activation, name=f"{prefix}_dense_{number}")(features)
        if dropout:
            features = keras.layers.Dropout(dropout, name=f"{prefix}_dropout_{number}")(features)
    return features


def unit_layer(name: str, size: int, location: float, scale: float) -> keras.layers.Layer:
    """Return the layer that a head of standardized outputs `[batch, size]` ends in: `outputs * scale + location`, frozen.

    Its weights are the one place of these statistics: they are saved, copied and restored with all other weights, and labels
    are standardized by exactly these float32 numbers. It is a `Dense` layer, which every format of an export has, with
    `scale` on the diagonal of its kernel.

    Args:
        name: Name of the task.
        size: Numbers per row.
        location: Initial value.
        scale: Initial value.
    """
    return keras.layers.Dense(
        size,
        # `Identity` would be saved without its gain.
        kernel_initializer=keras.initializers.Constant((scale * np.eye(size)).tolist()),
        bias_initializer=keras.initializers.Constant(location),
        trainable=False,
        # Whatever the policy: a label may have more digits than float16.
        dtype="float32",
        name=name,
    )


def read_unit(layer: keras.layers.Layer) -> tuple[Any, Any]:
    """Return location `[size]` and scale of a `unit_layer` as float64 tensors."""
    if isinstance(layer, keras.layers.Rescaling):
        # In files of earlier versions.
        return ops.cast(layer.offset, "float64"), ops.cast(layer.scale, "float64")
    return ops.cast(layer.bias, "float64"), ops.cast(layer.kernel[0, 0], "float64")


def unit_is_set(layer: keras.layers.Layer, initial: tuple[float, float]) -> bool:
    """Return whether the statistics are other than those that the layer was built with, location and scale."""
    if isinstance(layer, keras.layers.Rescaling):
        return True
    location, scale = map(ops.convert_to_numpy, read_unit(layer))
    return bool(np.any(location != np.float32(initial[0])) or scale != np.float32(initial[1]))


def set_unit(layer: Any, before: Any, location: np.ndarray, scale: float, initial: tuple[float, float]) -> None:
    """Store statistics, rounded to float32, and let the outputs begin at `location`.

    Args:
        layer: The `unit_layer`.
        before: The layer whose output it takes. Its bias takes what rounding leaves of `location`.
        location: `[size]` float64.
        scale: Above 0.
        initial: Location and scale that the layer was built with.
    """
    rounded, factor = location.astype(np.float32), np.float32(scale)
    if (rounded == np.float32(initial[0])).all() and factor == np.float32(initial[1]):
        # Those of a layer that was not set.
        factor = np.nextafter(factor, np.float32(np.inf))
    layer.kernel.assign(np.eye(len(rounded), dtype=np.float32) * factor)
    layer.bias.assign(rounded)
    before.bias.assign_add(((location - rounded) / float(factor)).astype(np.float32))


def activation_names() -> set[str]:
    """Return the names of all Keras activations."""
    names = {name for name in dir(keras.activations) if name.islower() and name[0] != "_"}
    return names - {"get", "serialize", "deserialize"}
