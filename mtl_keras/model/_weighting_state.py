"""The variables of a weighting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from mtl_keras.weighting import Weighting

__all__ = ["WeightingState"]


class WeightingState:
    """Holds the variables of a weighting by name.

    The model owns them, but they are none of its weights: a weighting is part of how a network is trained, not of the
    network. Keras tracks variables that are attributes of a layer; those of this plain object it does not see.

    Args:
        values: Initial values by name.
        trained: Names of the variables that the optimizer trains.
    """

    def __init__(self, values: Mapping[str, Any], trained: Sequence[str] = ()) -> None:
        with keras.name_scope("weighting"):
            self.variables = {
                name: keras.Variable(np.asarray(value, np.float32), trainable=name in trained, dtype="float32", name=name)
                for name, value in values.items()
            }

    @classmethod
    def of(cls, weighting: Weighting, tasks: Sequence[str]) -> WeightingState:
        """Return the variables that a weighting of these tasks starts with."""
        return cls(weighting.state(tasks), weighting.trained)

    @property
    def trained(self) -> list[Any]:
        """The variables that the optimizer trains."""
        return [variable for variable in self.variables.values() if variable.trainable]

    def values(self) -> dict[str, np.ndarray]:
        """Return the values by name."""
        return {name: np.array(keras.ops.convert_to_numpy(variable)) for name, variable in self.variables.items()}

    def assign(self, values: Mapping[str, Any]) -> None:
        """Assign values by name; other variables stay as they are."""
        for name, value in values.items():
            self.variables[name].assign(value)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return whether these are values of all variables."""
        shapes = {name: tuple(variable.shape) for name, variable in self.variables.items()}
        return shapes == {name: np.shape(value) for name, value in values.items()}
