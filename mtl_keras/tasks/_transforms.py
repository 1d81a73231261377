"""Functions of the labels of a regression that a model is trained on instead of the labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

__all__ = ["TRANSFORMS", "Transform"]


@dataclass(frozen=True)
class Transform:
    """A function of labels and its inverse.

    Attributes:
        above: Labels must be greater than this.
        apply: The function, of tensors in float64.
        apply_array: The same of arrays.
        invert: The inverse, of arrays.
        depth: Number of layers of the inverse.
        layers: These layers, given the name of a task, which the last of them has.
    """

    above: float
    apply: Callable[[Any], Any]
    apply_array: Callable[[np.ndarray], np.ndarray]
    invert: Callable[[np.ndarray], np.ndarray]
    depth: int
    layers: Callable[[str], list[keras.layers.Layer]]


def _exponential(name: str) -> keras.layers.Layer:
    return keras.layers.Activation("exponential", dtype="float32", name=name)


#: By name.
TRANSFORMS: dict[str, Transform] = {
    "log": Transform(0.0, ops.log, np.log, np.exp, 1, lambda name: [_exponential(name)]),
    "log1p": Transform(
        *(-1.0, ops.log1p, np.log1p, np.expm1, 2),
        lambda name: [_exponential(f"{name}_exp"), keras.layers.Rescaling(1.0, offset=-1.0, dtype="float32", name=name)],
    ),
}
