"""Yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._labels import class_indices

__all__ = ["Binary"]


@dataclass(frozen=True)
class Binary(Task):
    """Predict yes or no: sigmoid, binary cross-entropy, accuracy at 0.5 and macro F1.

    Labels are 0/1 or False/True `[n]`; NaN or None is an absent label. The output is `[batch, 1]`, the probability
    of 1.

    Args:
        name: See `Task`.
        label: See `Task`.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Binary("parity").column
        'parity'
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("accuracy", "fraction of rows", "max", 1.0),
        Metric("macro_f1", "mean F1 over classes", "max", 1.0),
    )

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return class_indices(column, 2, self.name)

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        return keras.layers.Dense(1, activation="sigmoid", name=self.name)(features)

    def loss(self, target: Any, prediction: Any) -> Any:
        target = ops.reshape(ops.cast(target, prediction.dtype), (-1, 1))
        return ops.binary_crossentropy(target, prediction)[:, 0]

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        hit = ops.equal(ops.cast(prediction[:, 0] > 0.5, "int32"), ops.cast(ops.reshape(target, (-1,)), "int32"))
        return {"accuracy": ops.cast(hit, "float32")}

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        return np.array([stored.mean() if len(stored) else 0.0], np.float32)

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        from sklearn.metrics import accuracy_score, f1_score

        predicted = (prediction[:, 0] > 0.5).astype(np.int32)
        return {
            "accuracy": float(accuracy_score(stored, predicted)),
            "macro_f1": float(f1_score(stored, predicted, average="macro", zero_division=0.0)),
        }

    def confusion(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        from sklearn.metrics import confusion_matrix

        return np.asarray(confusion_matrix(stored, (prediction[:, 0] > 0.5).astype(np.int32), labels=[0, 1]))

    def strata(self, stored: np.ndarray) -> np.ndarray:
        return stored
