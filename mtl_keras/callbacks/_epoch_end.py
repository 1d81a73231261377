"""The history of a training as rows of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from mtl_keras.callbacks._values import get_values

__all__ = ["EpochEnd"]


class EpochEnd(keras.callbacks.Callback):
    """Adds the learning rate to the log, appends one row for each epoch to `rows`, and keeps the values of the last epoch.

    Rows hold `phase` (from 0), `epoch` (from 1 in each phase) and every entry of the log.

    Args:
        rows: List that rows are appended to.
        phase: Number of the phase.
        variables: Whose values are kept.

    Attributes:
        last_values: Values of the variables after the last epoch.
    """

    def __init__(self, rows: list[dict[str, Any]], phase: int, variables: Sequence[Any]) -> None:
        super().__init__()
        self.rows, self.phase, self.variables = rows, phase, variables
        self.last_values: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.rows.append({"phase": self.phase, "epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        # Runs before `BestEpoch` restores the best values.
        self.last_values = get_values(self.variables)
