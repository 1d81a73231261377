"""Regression of one or several numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import RowsError, check_choice, check_number, check_size, list_rows, store
from mtl_keras.layers import unit_layer
from mtl_keras.tasks import _keras_losses as keras_losses
from mtl_keras.tasks import _measures
from mtl_keras.tasks._base import Task
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._labels import mean_of_known, read_numbers
from mtl_keras.tasks._measures import Measures
from mtl_keras.tasks._metric import Metric
from mtl_keras.tasks._transforms import TRANSFORMS, Transform

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
        transform: `"log"`, or `"log1p"` for labels that may be 0, to train on the logarithm of the labels, or of 1 plus them:
            for numbers that span orders of magnitude. Location and scale are then those of the logarithm; outputs, metrics
            and `label` keep their unit. None (default) trains on the labels.
        loss: See `Task`. Such a loss gets standardized labels and outputs, so that the delta of Huber's is one standard
            deviation; of several numbers, single ones `[batch x size, 1]`.
        metrics: See `Task`. Of the kind: `rmse`, `r2` and `spearman`; of several numbers the mean over them.
        skill: See `Task`.

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
    transform: str | None = field(default=None, kw_only=True)

    own_metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mse", "squared unit of the label", "min", 0.0),
        Metric("mae", "unit of the label", "min", 0.0),
    )
    other_metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("rmse", "unit of the label", "min", 0.0),
        Metric("r2", "fraction of variance explained", "max", 1.0),
        Metric("spearman", "rank correlation", "max", 1.0),
    )
    probabilities: ClassVar[bool] = False
    standardized: ClassVar[bool] = True

    def __post_init__(self) -> None:
        store(self, size=check_size("size", self.size, of="a regression"))
        if self.location is not None:
            store(self, location=check_number("location", self.location, of="a regression"))
        if self.scale is not None:
            store(self, scale=check_number("scale", self.scale, 0, bounds="(]", of="a regression"))
        if self.transform is not None:
            check_choice("transform of a regression", self.transform, TRANSFORMS)
        super().__post_init__()

    @property
    def transformation(self) -> Transform | None:
        return None if self.transform is None else TRANSFORMS[self.transform]

    @property
    def in_parts(self) -> bool:
        return self.size > 1

    @property
    def row_wise(self) -> tuple[str, ...]:
        # The mean error of logarithms is no error in the unit of the labels.
        return () if self.transform else ("mse", "mae")

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, present = read_numbers(column, self.size, self.name)
        wrong = np.flatnonzero(np.isinf(values).reshape(len(values), -1).any(axis=1))
        if wrong.size:
            raise RowsError(
                f"Labels of task {self.name!r} must be finite. Received: {column[wrong[0]]} in row {wrong[0]} "
                f"({wrong.size} of {len(values)} rows). Correct the column; NaN marks a missing label.",
                wrong,
                "its label is infinite",
            )
        if (transform := self.transformation) is not None:
            low = np.flatnonzero((values <= transform.above).reshape(len(values), -1).any(axis=1))
            if low.size:
                raise RowsError(
                    f"Labels of task {self.name!r} must be greater than {transform.above:g} for transform={self.transform!r}. "
                    f"Received: {column[low[0]]} in {list_rows(low.tolist())} ({low.size} of {len(values)} rows). Correct the "
                    f"column{', or pass another transform' if transform.above == 0 else ''}; NaN marks a missing label.",
                    low,
                    f"its label is not above {transform.above:g}",
                )
        values[present == 0] = 0
        return values, present

    def known(self, target: Any) -> Any:
        if self.size == 1:
            return None
        return ops.mean(ops.cast(ops.logical_not(ops.isnan(self._rows(target))), "float32"), axis=-1)

    def statistics(self, stored: np.ndarray) -> tuple[np.ndarray, float]:
        rows = np.asarray(stored, np.float64).reshape(-1, self.size)
        rows = rows if self.transformation is None else self.transformation.apply_array(rows)
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
        metric = self.row_metric
        return value * scale * scale if metric is not None and metric.name == "mse" else value * scale

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        standard = keras.layers.Dense(self.size, name=f"{self.name}_standard")(features)
        if self.transformation is None:
            return unit_layer(self.name, self.size, *self.initial_unit)(standard)
        output = unit_layer(f"{self.name}_{self.transform}", self.size, *self.initial_unit)(standard)
        for layer in self.transformation.layers(self.name):
            output = layer(output)
        return output

    def row_loss(self, target: Any, prediction: Any) -> Any:
        if self.loss is None:
            return self.own_loss(target, prediction)
        rows = self._rows(target)
        known = ops.logical_not(ops.isnan(rows))
        filled = ops.where(known, rows, ops.zeros_like(rows))
        each = keras_losses.row_losses(self.loss, *(ops.reshape(values, (-1, 1)) for values in (filled, prediction)))
        return mean_of_known(ops.reshape(each, (-1, self.size)), known)

    def own_loss(self, target: Any, prediction: Any) -> Any:
        rows = self._rows(target)
        if self.size == 1:
            return ops.mean(ops.square(rows - prediction), axis=-1)
        known = ops.logical_not(ops.isnan(rows))
        return mean_of_known(ops.square(ops.where(known, rows, ops.zeros_like(rows)) - prediction), known)

    def keras_pair(self, target: Any, prediction: Any, indices: bool) -> tuple[Any, Any]:
        return self._rows(target), prediction

    def known_parts(self, stored: np.ndarray) -> np.ndarray:
        return ~np.isnan(np.asarray(stored, np.float64).reshape(-1, self.size))

    def example(self) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        return rng.normal(size=(4, self.size)).astype(np.float32), rng.normal(size=(4, self.size)).astype(np.float32)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        rows = self._rows(target)
        known = ops.logical_not(ops.isnan(rows))
        away = ops.abs(ops.where(known, rows - prediction, ops.zeros_like(rows)))
        return {"mse": self.own_loss(target, prediction), "mae": mean_of_known(away, known)}

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        return Decoded(outputs[:, 0] if self.size == 1 else outputs)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        return _means(np.asarray(stored, np.float64).reshape(len(stored), self.size))

    def measures(self, stored: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None) -> Measures:
        true = np.asarray(stored, np.float64).reshape(-1, self.size)
        return _measures.number_measures(true, prediction.astype(np.float64).reshape(-1, self.size), weight)

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
