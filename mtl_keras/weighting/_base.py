"""What a loss weighting answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

__all__ = ["Weighting"]


@dataclass(frozen=True)
class Weighting(ABC):
    """Turns the vector of task losses into one scalar. A frozen value: what changes in training lives in the model.

    Subclasses are frozen dataclasses of plain JSON values. `T` is the number of tasks, in the order of the model.
    """

    #: What it is called in `METHODS`.
    name: ClassVar[str] = ""
    #: Names of the variables that the optimizer trains together with the network, without weight decay.
    trained: ClassVar[tuple[str, ...]] = ()

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
        """Return the scalar to minimize.

        Args:
            losses: `[T]` float32; the mean loss of each task over the present rows of the global batch.
            present: `[T]` float32; the sum of row weights, 0 where no row of the batch carries that label.
            state: The variables of `state`, by name.
        """

    @abstractmethod
    def loss_weights(self, losses: Any, state: Mapping[str, Any]) -> Any:
        """Return `[T]`, the factor that the gradient of each loss has with all labels present, for the log.

        Args:
            losses: `[T]`, as in `total`.
            state: The variables of `state`, by name.
        """

    def on_epoch_end(self, losses: np.ndarray, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the variables that change at the end of an epoch, with their new values; none unless a method says so.

        Args:
            losses: `[T]`, the mean loss of each task over the labeled training rows of the epoch; NaN without any.
            state: The values of the variables of `state`, by name.
        """
        return {}

    def config(self) -> Any:
        """Return the word, mapping or options that `weighting.get` turns back into this value."""
        options = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {"method": self.name, **options} if options else self.name
