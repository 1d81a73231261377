"""Regression of one or several numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, check_number, check_size, store
from mtl_keras.layers import unit_layer
from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._labels import mean_of_known, read_numbers

__all__ = ["Regression"]


@dataclass(frozen=True)
class Regression(Task):
    """Regression: linear output, mean squared error, MSE and MAE.

    Labels are numbers `[n]`, or `[n, size]`; NaN or None marks a missing number. The output is `[batch, size]` in the unit of
    the labels. The skill is R squared, the fraction of variance explained.

    Labels are standardized in float64: the loss is the squared error in units of `scale`, and the head ends in a frozen layer
    that returns to the unit of the labels. It is set from the training rows of the first training and then kept.

    Args:
        name: See `Task`.
        label: See `Task`.
        size: Numbers per row, at least 1 (default). They share one unit and scale; numbers of different units are tasks of
            their own.
        location: What is subtracted from the labels, in their unit; None (default) for the mean of each number over the
            training rows. The initial output of the model.
        scale: What they are divided by, in their unit, above 0; None (default) for their standard deviation.

    Raises:
        MTLError: If a value is out of range.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Regression("age").metric.name
        'mse'
    """

    size: int = 1
    location: float | None = None
    scale: float | None = None

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mse", "squared unit of the label", "min", 0.0),
        Metric("mae", "unit of the label", "min", 0.0),
    )
    probabilities: ClassVar[bool] = False
    standardized: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, size=check_size("size", self.size, of="a regression"))
        if self.location is not None:
            store(self, location=check_number("location", self.location, of="a regression"))
        if self.scale is not None:
            store(self, scale=check_number("scale", self.scale, 0, bounds="(]", of="a regression"))

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, present = read_numbers(column, self.size, self.name)
        wrong = np.flatnonzero(np.isinf(values).reshape(len(values), -1).any(axis=1))
        if wrong.size:
            raise MTLError(
                f"Labels of task {self.name!r} must be finite. Received: {column[wrong[0]]} in row {wrong[0]} "
                f"({wrong.size} of {len(values)} rows). Correct the column; NaN marks a missing label."
            )
        values[present == 0] = 0
        return values, present

    def known(self, target: Any) -> Any:
        if self.size == 1:
            return None
        return ops.mean(ops.cast(ops.logical_not(ops.isnan(self._rows(target))), "float32"), axis=-1)

    def statistics(self, stored: np.ndarray) -> tuple[np.ndarray, float]:
        rows = np.asarray(stored, np.float64).reshape(-1, self.size)
        known = ~np.isnan(rows)
        counts = np.maximum(known.sum(axis=0), 1)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = _means(rows)
            away = np.where(known, rows - mean, 0)
            # One scale for all numbers of a row: their errors are summed up in one metric.
            scale = float(np.sqrt((np.square(away).sum(axis=0) / counts).mean()))
        constant = all(np.ptp(column[here]) == 0 for column, here in zip(rows.T, known.T, strict=True) if here.any())
        location = mean if self.location is None else np.full(self.size, self.location)
        return location, self.scale or (1.0 if constant else scale)

    @property
    def unit_given(self) -> bool:
        return self.location is not None and self.scale is not None

    @property
    def initial_unit(self) -> tuple[float, float]:
        return self.location or 0.0, self.scale or 1.0

    def metric_in_unit(self, value: Any, scale: Any) -> Any:
        return value * scale * scale

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        standard = keras.layers.Dense(self.size, name=f"{self.name}_standard")(features)
        return unit_layer(self.name, self.size, *self.initial_unit)(standard)

    def loss(self, target: Any, prediction: Any) -> Any:
        rows = self._rows(target)
        if self.size == 1:
            return ops.mean(ops.square(rows - prediction), axis=-1)
        known = ops.logical_not(ops.isnan(rows))
        return mean_of_known(ops.square(ops.where(known, rows, ops.zeros_like(rows)) - prediction), known)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        return {"mse": self.loss(target, prediction)}

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        return Decoded(outputs[:, 0] if self.size == 1 else outputs)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        return _means(np.asarray(stored, np.float64).reshape(len(stored), self.size))

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        true = np.asarray(stored, np.float64).reshape(-1, self.size)
        error = (true - prediction.astype(np.float64))[~np.isnan(true)]
        return {"mse": float(np.square(error).mean()), "mae": float(np.abs(error).mean())}

    def _rows(self, target: Any) -> Any:
        """Return the targets as `[batch, size]`."""
        return ops.reshape(ops.cast(target, "float32"), (-1, self.size))


def _means(rows: np.ndarray) -> np.ndarray:
    """Return the mean of the known numbers of each column, 0 for one without any; of equal numbers exactly their value.

    Rounding would make the trivial predictor of equal labels imperfect, and a skill is measured in units of its error.
    """
    known = ~np.isnan(rows)
    mean = np.where(known, rows, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    low = np.where(known, rows, np.inf).min(axis=0, initial=np.inf)
    high = np.where(known, rows, -np.inf).max(axis=0, initial=-np.inf)
    return np.asarray(np.where(low <= high, np.clip(mean, low, high), 0.0))
