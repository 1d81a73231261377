"""The training log as rows of numbers."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["EpochEnd"]


class EpochEnd(keras.callbacks.Callback):
    """Adds loss weights and learning rate to the log, appends one row an epoch to `rows`, and lets the weighting move on.

    Also keeps the last weights.

    Rows hold `phase` (from 0), `epoch` (from 1 in each phase) and every entry of the log.

    Args:
        rows: List that rows are appended to.
        phase: Number of the phase.
    """

    def __init__(self, rows: list[dict[str, Any]], phase: int) -> None:
        super().__init__()
        self.rows = rows
        self.phase = phase
        self.last_weights: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        logs.update(self.model.current_loss_weights(logs))
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.rows.append({"phase": self.phase, "epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}})
        # After the log: the weights that it names are those of this epoch.
        self.model.end_epoch(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        # Runs before EarlyStopping puts the best weights back.
        self.last_weights = self.model.get_weights()
