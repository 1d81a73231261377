"""Multi-label classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, store
from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._labels import check_classes, mean_of_known, read_numbers

__all__ = ["MultiLabel"]

#: What is stored for a missing label.
MISSING = -1


@dataclass(frozen=True)
class MultiLabel(Task):
    """Multi-label classification: sigmoids, binary cross-entropy, accuracy, macro F1 and exact match.

    Labels are 0/1 or False/True `[n, classes]`; NaN or None marks a missing label. The output is `[batch, classes]`, the
    probability of each label, which is predicted above 0.5. Loss and metrics count every label that is known: loss and
    accuracy are means over them, and a row matches exactly if all of its known labels are right.

    Args:
        name: See `Task`.
        label: See `Task`.
        classes: Number of labels, at least 2.

    Raises:
        MTLError: If there are fewer than 2 classes.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.MultiLabel("attributes", classes=40).metric.description
        'fraction of labels, higher is better'
    """

    classes: int = 0

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("accuracy", "fraction of labels", "max", 1.0),
        Metric("macro_f1", "mean F1 over labels", "max", 1.0),
        Metric("exact_match", "fraction of rows", "max", 1.0),
    )

    stored_missing: ClassVar[float | None] = MISSING
    label_rank: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, classes=check_classes(self.classes, self.name, "a multi-label task"))

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, present = read_numbers(column, self.classes, self.name)
        wrong = np.flatnonzero(~(np.isin(values, (0, 1)) | np.isnan(values)).all(axis=1))
        if wrong.size:
            raise MTLError(
                f"Labels of task {self.name!r} must be 0 or 1. Received: {values[wrong[0]].tolist()} in row {wrong[0]} "
                f"({wrong.size} of {len(values)} rows). Correct the column."
            )
        return np.where(np.isnan(values), MISSING, values).astype(np.int32), present

    def known(self, target: Any) -> Any:
        return ops.mean(ops.cast(_known(target), "float32"), axis=-1)

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        return keras.layers.Dense(self.classes, activation="sigmoid", name=self.name)(features)

    def loss(self, target: Any, prediction: Any) -> Any:
        known = _known(target)
        filled = ops.where(known, ops.cast(target, prediction.dtype), ops.zeros_like(prediction))
        return mean_of_known(ops.binary_crossentropy(filled, prediction), known)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        known = _known(target)
        hit = ops.equal(ops.cast(prediction > 0.5, "float32"), ops.cast(target, "float32"))
        return {
            "accuracy": mean_of_known(ops.cast(hit, "float32"), known),
            "exact_match": ops.cast(ops.all(ops.logical_or(hit, ops.logical_not(known)), axis=-1), "float32"),
        }

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        return Decoded((outputs > 0.5).astype(np.int32), outputs, tuple(class_names) or self.label_names)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        known = stored >= 0
        return np.asarray((stored * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.float32)

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        known, hit = stored >= 0, self.decode(prediction).values == stored
        correct, predicted, positive = self.class_counts(stored, prediction).T
        f1 = 2 * correct / np.maximum(predicted + positive, 1)
        return {
            "accuracy": float(hit[known].mean()),
            "macro_f1": float(f1[known.any(axis=0)].mean()),
            "exact_match": float((hit | ~known).all(axis=1).mean()),
        }

    def class_counts(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        positive, predicted = stored == 1, (stored >= 0) & (self.decode(prediction).values == 1)
        return np.stack([np.sum(rows, axis=0) for rows in (positive & predicted, predicted, positive)], axis=1)


def _known(target: Any) -> Any:
    """Return which labels are known; neither `MISSING` nor NaN is at least 0."""
    return ops.cast(target, "float32") >= 0
