"""The best epoch of a phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np

from mtl_keras.callbacks._values import assign_values, get_values

__all__ = ["BestEpoch"]


class BestEpoch(keras.callbacks.Callback):
    """Stops a phase when it no longer improves, and restores the best epoch.

    Of epochs with equal monitors the one with the lower loss on the monitored rows is better, of equal ones the earliest.
    Unlike `keras.callbacks.EarlyStopping` it copies only variables that the phase can change, not those of a frozen trunk.

    Args:
        monitor: Entry of the log.
        mode: Whether a higher (`"max"`) or a lower (`"min"`) value is better.
        patience: Epochs without improvement after which training stops, at least 1.
        variables: What is restored.

    Attributes:
        best: Value of the monitor at the best epoch; None before the first.
        best_loss: The loss there, `val_loss` or `loss`.
        best_epoch: Number of that epoch, from 0.
        best_values: Values of the variables there.
        wait: Epochs since the last improvement.
    """

    def __init__(self, monitor: str, mode: Literal["max", "min"], patience: int, variables: Sequence[Any]) -> None:
        super().__init__()
        self.monitor, self.mode, self.patience = monitor, mode, patience
        self.variables = variables
        self._reset()

    def _reset(self) -> None:
        self.best: float | None = None
        self.best_loss = math.inf
        self.best_epoch, self.wait = 0, 0
        self.best_values: list[np.ndarray] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._reset()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = (logs or {}).get(self.monitor)
        # A monitor on training rows is missing in an epoch without a step of its data set.
        if value is None:
            return
        self.wait += 1
        loss = float((logs or {}).get("val_loss" if self.monitor.startswith("val_") else "loss", math.inf))
        if self.best is None or self._improves(value, loss):
            self.best, self.best_loss, self.best_epoch, self.wait = float(value), loss, epoch, 0
            self.best_values = get_values(self.variables)
        elif self.wait >= self.patience and epoch > 0:
            self.model.stop_training = True

    def _improves(self, value: float, loss: float) -> bool:
        assert self.best is not None
        new, best = _in_float32(value), _in_float32(self.best)
        if new == best:
            return _in_float32(loss) < _in_float32(self.best_loss)
        return new > best if self.mode == "max" else new < best

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.best_values:
            assign_values(self.best_values, self.variables)


def _in_float32(value: float) -> float:
    """Return a number in the precision of losses and metrics, below which differences are none, with any exponent."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(float(np.float32(mantissa)), exponent)
