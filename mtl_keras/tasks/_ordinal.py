"""Ordinal classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, store
from mtl_keras.tasks import _measures
from mtl_keras.tasks._class_labels import ClassLabels, example_classes
from mtl_keras.tasks._classes import check_classes
from mtl_keras.tasks._labels import to_one_hot
from mtl_keras.tasks._measures import Measures
from mtl_keras.tasks._metric import Metric

__all__ = ["Ordinal"]


@dataclass(frozen=True)
class Ordinal(ClassLabels):
    """Ordinal classification: softmax, squared earth mover's distance, MAE in ranks, accuracy and quadratic weighted kappa.

    Labels are ranks `[n]` from 0 to `classes - 1`, or the names or values in `classes`, from the lowest to the highest; NaN or
    None marks a missing label. The output is `[batch, classes]` probabilities. The prediction is their median, the lowest
    rank with a cumulative probability of at least one half, which minimizes the expected MAE. The loss is the sum over ranks
    of the squared difference between the cumulative distributions: an error of three ranks costs more than an error of one.

    Args:
        name: See `Task`.
        label: See `Task`.
        classes: Number of ranks, at least 2, or their names or values from the lowest to the highest. None (default) takes
            from the data the numbers that occur; the order of texts must be given.
        loss: See `Task`. Such a loss gets class indices if its name begins with `sparse`, else one number for each rank.
        metrics: See `Task`. Of the kind: `rmse`, `r2` and `spearman` of ranks, `macro_f1`, `balanced_accuracy`, `log_loss`.
        skill: See `Task`.

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

    classes: Any = None

    own_metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mae", "ranks", "min", 0.0),
        Metric("accuracy", "fraction of rows", "max", 1.0),
        Metric("kappa", "quadratic weighted kappa", "max", 1.0),
    )
    other_metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("rmse", "ranks", "min", 0.0),
        Metric("r2", "fraction of variance of ranks explained", "max", 1.0),
        Metric("spearman", "rank correlation", "max", 1.0),
        Metric("macro_f1", "mean F1 over ranks", "max", 1.0),
        _measures.BALANCED_ACCURACY,
        _measures.LOG_LOSS,
    )

    def __post_init__(self) -> None:
        store(self, classes=check_classes(self.classes, self.name, "an ordinal task"))
        super().__post_init__()

    @property
    def row_wise(self) -> tuple[str, ...]:
        return ("mae", "accuracy")

    def resolve(self, column: np.ndarray | None, names: Sequence[str] = ()) -> Ordinal:
        if self.unresolved and not names and column is not None and column.dtype.kind == "O":
            texts = sorted({str(value) for value in column.tolist() if value is not None})
            raise MTLError(
                f"`classes` of an ordinal task must state the order of texts. Received: none for task {self.name!r}, with "
                f"{', '.join(texts[:8])}{', ...' if len(texts) > 8 else ''}. Pass classes=[lowest, ..., highest]."
            )
        return super().resolve(column, names)

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        return keras.layers.Dense(self.size, activation="softmax", name=self.name)(features)

    def own_loss(self, target: Any, prediction: Any) -> Any:
        reached = ops.cast(ops.arange(self.size)[None] >= ops.cast(target, "int32")[:, None], prediction.dtype)
        return ops.sum(ops.square(ops.cumsum(prediction, axis=-1) - reached), axis=-1)

    def keras_pair(self, target: Any, prediction: Any, indices: bool) -> tuple[Any, Any]:
        return (target if indices else to_one_hot(target, prediction)), prediction

    def example(self) -> tuple[Any, Any]:
        return example_classes(self.class_count or 3)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        # The median is the number of cumulative probabilities below one half.
        rank = ops.sum(ops.cast(ops.cumsum(prediction, axis=-1)[:, :-1] < 0.5, "int32"), axis=-1)
        away = ops.abs(rank - ops.cast(target, "int32"))
        return {"mae": ops.cast(away, "float32"), "accuracy": ops.cast(away == 0, "float32")}

    def predicted(self, outputs: np.ndarray) -> np.ndarray:
        return np.asarray((outputs.cumsum(axis=-1)[:, :-1] < 0.5).sum(axis=-1))

    def measures(self, stored: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None) -> Measures:
        return {
            **_measures.rank_measures(stored, self.predicted(prediction), self.size, weight),
            "log_loss": lambda: _measures.log_loss(stored, prediction, weight),
        }
