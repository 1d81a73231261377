"""Multi-label classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, check_size, store
from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._labels import read_numbers

__all__ = ["MultiLabel"]


@dataclass(frozen=True)
class MultiLabel(Task):
    """Multi-label classification: sigmoids, binary cross-entropy, accuracy, macro F1 and exact match.

    Labels are 0/1 or False/True `[n, classes]`; a row that holds NaN or None is missing as a whole. The output is
    `[batch, classes]`, the probability of each label, which is predicted above 0.5. Loss and accuracy are means over labels.

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

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, classes=check_size("classes", self.classes, minimum=2, of="a multi-label task"))

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, present = read_numbers(column, self.classes, self.name)
        wrong = np.flatnonzero(~np.isin(values, (0, 1)).all(axis=1))
        if wrong.size:
            raise MTLError(
                f"Labels of task {self.name!r} must be 0 or 1. Received: {values[wrong[0]].tolist()} in row {wrong[0]} "
                f"({wrong.size} of {len(values)} rows). Correct the column."
            )
        return values.astype(np.int32), present

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        return keras.layers.Dense(self.classes, activation="sigmoid", name=self.name)(features)

    def loss(self, target: Any, prediction: Any) -> Any:
        return ops.mean(ops.binary_crossentropy(ops.cast(target, prediction.dtype), prediction), axis=-1)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        hit = ops.equal(ops.cast(prediction > 0.5, "int32"), ops.cast(target, "int32"))
        return {
            "accuracy": ops.mean(ops.cast(hit, "float32"), axis=-1),
            "exact_match": ops.cast(ops.all(hit, axis=-1), "float32"),
        }

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        return Decoded((outputs > 0.5).astype(np.int32), outputs, tuple(class_names) or self.label_names)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        return np.asarray(stored.mean(axis=0) if len(stored) else np.zeros(self.classes), np.float32)

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        from sklearn.metrics import accuracy_score, f1_score, hamming_loss

        predicted = self.decode(prediction).values
        return {
            "accuracy": 1.0 - float(hamming_loss(stored, predicted)),
            "macro_f1": float(f1_score(stored, predicted, average="macro", zero_division=0.0)),
            "exact_match": float(accuracy_score(stored, predicted)),
        }
