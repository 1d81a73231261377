"""Values of variables as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from mtl_keras.errors import MTLError

__all__ = ["assign_values", "get_values"]


def get_values(variables: Sequence[Any]) -> list[np.ndarray]:
    """Return the values of variables."""
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def assign_values(values: Sequence[np.ndarray], variables: Sequence[Any]) -> None:
    """Assign values to variables, one to one.

    Raises:
        MTLError: If numbers or shapes differ.
    """
    if [np.shape(value) for value in values] != [tuple(variable.shape) for variable in variables]:
        raise MTLError(
            "A training must be resumed by the version of mtl-keras that started it. Received: a checkpoint of "
            f"{len(values)} variables for {len(variables)}, or of other shapes. Pass another folder, or remove the checkpoint."
        )
    for value, variable in zip(values, variables, strict=True):
        variable.assign(value)
