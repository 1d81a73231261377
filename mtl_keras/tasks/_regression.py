"""A number, or several that belong together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError
from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._labels import numbers

__all__ = ["Regression"]


@dataclass(frozen=True)
class Regression(Task):
    """Predict a real number: linear output, mean squared error, MSE and MAE.

    Labels are numbers `[n]`, or `[n, size]`; a row with NaN or None is absent. The output is `[batch, size]` in the unit
    of the label. The skill is R squared: the share of the variance that is explained.

    Args:
        name: See `Task`.
        label: See `Task`.
        size: Numbers a row, at least 1 (default).
        location: Where the labels lie, in their unit; default 0. The output begins there.
        scale: How far they spread, in their unit, above 0; default 1. The loss is the squared error in this unit, so that
            it compares with those of other tasks: give about the mean and the standard deviation of the labels.

    Raises:
        MTLError: If a value is out of range.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Regression("age", location=40.0, scale=15.0).metric.name
        'mse'
    """

    size: int = 1
    location: float = 0.0
    scale: float = 1.0

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mse", "squared unit of the label", "min", 0.0),
        Metric("mae", "unit of the label", "min", 0.0),
    )
    probabilities: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.size) is not int or self.size < 1:
            raise MTLError(f"A regression predicts at least 1 number. Received: size={self.size!r}. Give e.g. size=1.")
        if not (math.isfinite(self.location) and math.isfinite(self.scale) and self.scale > 0):
            raise MTLError(
                f"`location` is finite and `scale` above 0. Received: location={self.location}, scale={self.scale}. "
                "Give about the mean and the standard deviation of the labels."
            )

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, present = numbers(column, self.size, self.name)
        wrong = np.flatnonzero(np.isinf(values).reshape(len(values), -1).any(axis=1))
        if wrong.size:
            raise MTLError(
                f"Labels of task {self.name!r} are finite. Received: {column[wrong[0]]} in row {wrong[0]} "
                f"({wrong.size} of {len(values)} rows). Correct the column; NaN is an absent label."
            )
        return values.astype(np.float32), present

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        standard = keras.layers.Dense(self.size, name=f"{self.name}_standard")(features)
        return keras.layers.Rescaling(self.scale, offset=self.location, name=self.name)(standard)

    def loss(self, target: Any, prediction: Any) -> Any:
        return ops.mean(ops.square((self._rows(target) - prediction) / self.scale), axis=-1)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        return {"mse": ops.mean(ops.square(self._rows(target) - prediction), axis=-1)}

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        rows = stored.reshape(len(stored), self.size)
        mean = rows.mean(axis=0, dtype=np.float64) if len(rows) else np.zeros(self.size)
        return np.asarray(mean, np.float32)

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        from sklearn.metrics import mean_absolute_error, mean_squared_error

        truth, predicted = stored.reshape(-1, self.size).astype(np.float64), prediction.astype(np.float64)
        return {"mse": float(mean_squared_error(truth, predicted)), "mae": float(mean_absolute_error(truth, predicted))}

    def _rows(self, target: Any) -> Any:
        """Return the targets as `[batch, size]`."""
        return ops.reshape(ops.cast(target, "float32"), (-1, self.size))
