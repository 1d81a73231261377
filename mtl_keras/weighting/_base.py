"""What a loss weighting answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["Weighting"]


class Weighting(ABC):
    """Turns the vector of task losses into one scalar. A frozen value: what changes in training lives in the model.

    Subclasses are frozen dataclasses of plain JSON values. `T` is the number of tasks, in the order of the model.
    """

    @abstractmethod
    def state(self, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the initial values of the variables that the model will own, by name.

        Args:
            tasks: The names of the tasks, which fix `T` and the order.

        Raises:
            MTLError: If the weighting does not fit these tasks.
        """

    @abstractmethod
    def total(self, losses: Any, present: Any, state: Mapping[str, Any]) -> Any:
        """Return the scalar to minimise.

        Args:
            losses: `[T]` float32; the mean loss of each task over the present rows of the global batch.
            present: `[T]` float32; the sum of row weights, 0 where no row of the batch carries that label.
            state: The variables of `state`, by name.
        """

    @abstractmethod
    def loss_weights(self, state: Mapping[str, Any]) -> Any:
        """Return `[T]`, the factor that each loss has at the moment, for the log."""

    @abstractmethod
    def config(self) -> Any:
        """Return the word or mapping that `weighting.get` turns back into this value."""
