"""Regression of one or several numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, check_number, check_size, store
from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._labels import read_numbers

__all__ = ["Regression"]


@dataclass(frozen=True)
class Regression(Task):
    """Regression: linear output, mean squared error, MSE and MAE.

    Labels are numbers `[n]`, or `[n, size]`; a row that holds NaN or None is missing. The output is `[batch, size]` in the
    unit of the labels. The skill is R squared, the fraction of variance explained.

    Args:
        name: See `Task`.
        label: See `Task`.
        size: Numbers per row, at least 1 (default).
        location: About the mean of the labels, in their unit; default 0. The initial output of the model.
        scale: About the standard deviation of the labels, in their unit, above 0; default 1. The loss is the squared error
            in units of `scale`, which makes it comparable with the losses of other tasks.

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
        store(
            self,
            size=check_size("size", self.size, of="a regression"),
            location=check_number("location", self.location, of="a regression"),
            scale=check_number("scale", self.scale, 0, bounds="(]", of="a regression"),
        )

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, present = read_numbers(column, self.size, self.name)
        wrong = np.flatnonzero(np.isinf(values).reshape(len(values), -1).any(axis=1))
        if wrong.size:
            raise MTLError(
                f"Labels of task {self.name!r} must be finite. Received: {column[wrong[0]]} in row {wrong[0]} "
                f"({wrong.size} of {len(values)} rows). Correct the column; NaN marks a missing label."
            )
        return values.astype(np.float32), present

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        standard = keras.layers.Dense(self.size, name=f"{self.name}_standard")(features)
        return keras.layers.Rescaling(self.scale, offset=self.location, name=self.name)(standard)

    def loss(self, target: Any, prediction: Any) -> Any:
        return ops.mean(ops.square((self._rows(target) - prediction) / self.scale), axis=-1)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        return {"mse": ops.mean(ops.square(self._rows(target) - prediction), axis=-1)}

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        return Decoded(outputs[:, 0] if self.size == 1 else outputs)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        rows = stored.reshape(len(stored), self.size)
        mean = rows.mean(axis=0, dtype=np.float64) if len(rows) else np.zeros(self.size)
        return np.asarray(mean, np.float32)

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        from sklearn.metrics import mean_absolute_error, mean_squared_error

        true, predicted = stored.reshape(-1, self.size).astype(np.float64), prediction.astype(np.float64)
        return {"mse": float(mean_squared_error(true, predicted)), "mae": float(mean_absolute_error(true, predicted))}

    def _rows(self, target: Any) -> Any:
        """Return the targets as `[batch, size]`."""
        return ops.reshape(ops.cast(target, "float32"), (-1, self.size))
