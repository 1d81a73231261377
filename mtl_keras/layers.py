"""Pooling and dense layers, as heads and shared layers build them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras

__all__ = ["Pooling", "activation_names", "apply_dense", "apply_pooling"]

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


def activation_names() -> set[str]:
    """Return the names of all Keras activations."""
    names = {name for name in dir(keras.activations) if name.islower() and name[0] != "_"}
    return names - {"get", "serialize", "deserialize"}
