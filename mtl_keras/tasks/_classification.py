"""One of several classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError
from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._labels import class_indices

__all__ = ["Classification"]


@dataclass(frozen=True)
class Classification(Task):
    """Predict one of `classes` classes: softmax, cross-entropy, accuracy and macro F1.

    Labels are class indices `[n]` from 0 to `classes - 1`; NaN or None is an absent label. The output is
    `[batch, classes]` probabilities.

    Args:
        name: See `Task`.
        label: See `Task`.
        classes: Number of classes, at least 2.
        label_smoothing: Share of each target's probability that is spread over all classes in training, in
            `[0, 1)`; default 0. Metrics are not smoothed.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Classification("fine", classes=100).metric.name
        'accuracy'
    """

    classes: int = 0
    label_smoothing: float = 0.0

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("accuracy", "fraction of rows", "max", 1.0),
        Metric("macro_f1", "mean F1 over classes", "max", 1.0),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes < 2:
            raise MTLError(f"A classification needs at least 2 classes. Received: classes={self.classes}. Give `classes=`.")
        if not 0 <= self.label_smoothing < 1:
            raise MTLError(
                f"`label_smoothing` lies in [0, 1). Received: label_smoothing={self.label_smoothing}. Give e.g. 0.1."
            )

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return class_indices(column, self.classes, self.name)

    def head(self, features: Any, image_shape: Sequence[int | None]) -> Any:
        return keras.layers.Dense(self.classes, activation="softmax", name=self.name)(features)

    def loss(self, target: Any, prediction: Any) -> Any:
        # Called on the softmax itself, so that the TensorFlow backend goes back to the logits and no log of a rounded
        # zero is taken.
        if not self.label_smoothing:
            return ops.sparse_categorical_crossentropy(target, prediction)
        s = self.label_smoothing
        smooth = ops.one_hot(target, self.classes) * (1 - s) + s / self.classes
        return ops.categorical_crossentropy(smooth, prediction)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        hit = ops.equal(ops.cast(ops.argmax(prediction, axis=-1), "int32"), ops.cast(target, "int32"))
        return {"accuracy": ops.cast(hit, "float32")}

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        # The class frequencies: their argmax is the majority class.
        return np.bincount(stored, minlength=self.classes).astype(np.float32) / max(len(stored), 1)

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        from sklearn.metrics import accuracy_score, f1_score

        predicted = prediction.argmax(-1)
        # Over the classes that occur, as scikit-learn does: a class absent from a small split cannot be scored.
        return {
            "accuracy": float(accuracy_score(stored, predicted)),
            "macro_f1": float(f1_score(stored, predicted, average="macro", zero_division=0.0)),
        }

    def confusion(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        from sklearn.metrics import confusion_matrix

        return np.asarray(confusion_matrix(stored, prediction.argmax(-1), labels=np.arange(self.classes)))

    def strata(self, stored: np.ndarray) -> np.ndarray:
        return stored
