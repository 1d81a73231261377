"""Ordinal classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import store
from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._labels import check_classes, count_confusion, read_class_indices

__all__ = ["Ordinal"]


@dataclass(frozen=True)
class Ordinal(Task):
    """Ordinal classification: softmax, squared earth mover's distance, MAE in ranks, accuracy and quadratic weighted kappa.

    Labels are ranks `[n]` from 0 to `classes - 1`; NaN or None marks a missing label. The output is `[batch, classes]`
    probabilities. The prediction is their median, the lowest rank with a cumulative probability of at least one half, which
    minimizes the expected MAE. The loss is the sum over ranks of the squared difference between the cumulative
    distributions: an error of three ranks costs more than an error of one.

    Args:
        name: See `Task`.
        label: See `Task`.
        classes: Number of ranks, at least 2.

    Raises:
        MTLError: If there are fewer than 2 ranks.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Ordinal("grade", classes=5).metric.description
        'ranks, lower is better'

    Reference:
        L. Hou, C.-P. Yu, D. Samaras, Squared earth mover's distance-based loss for training deep neural networks,
        arXiv:1611.05916, 2016.
    """

    classes: int = 0

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mae", "ranks", "min", 0.0),
        Metric("accuracy", "fraction of rows", "max", 1.0),
        Metric("kappa", "quadratic weighted kappa", "max", 1.0),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, classes=check_classes(self.classes, self.name, "an ordinal task"))

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return read_class_indices(column, self.classes, self.name)

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        return keras.layers.Dense(self.classes, activation="softmax", name=self.name)(features)

    def loss(self, target: Any, prediction: Any) -> Any:
        reached = ops.cast(ops.arange(self.classes)[None] >= ops.cast(target, "int32")[:, None], prediction.dtype)
        return ops.sum(ops.square(ops.cumsum(prediction, axis=-1) - reached), axis=-1)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        # The median is the number of cumulative probabilities below one half.
        rank = ops.sum(ops.cast(ops.cumsum(prediction, axis=-1)[:, :-1] < 0.5, "int32"), axis=-1)
        away = ops.abs(rank - ops.cast(target, "int32"))
        return {"mae": ops.cast(away, "float32"), "accuracy": ops.cast(away == 0, "float32")}

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        median = np.asarray((outputs.cumsum(axis=-1)[:, :-1] < 0.5).sum(axis=-1))
        return Decoded(median, outputs, tuple(class_names) or self.label_names)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        # The class frequencies: their median is the best constant.
        return np.bincount(stored, minlength=self.classes).astype(np.float32) / max(len(stored), 1)

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        from sklearn.metrics import accuracy_score, cohen_kappa_score, mean_absolute_error

        predicted = self.decode(prediction).values
        constant = len(np.union1d(stored, predicted)) == 1
        kappa = 1.0 if constant else cohen_kappa_score(stored, predicted, weights="quadratic", labels=np.arange(self.classes))
        return {
            "mae": float(mean_absolute_error(stored, predicted)),
            "accuracy": float(accuracy_score(stored, predicted)),
            "kappa": float(kappa),
        }

    def confusion(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        return count_confusion(stored, self.decode(prediction).values, self.classes)

    def strata(self, stored: np.ndarray) -> np.ndarray:
        return stored
