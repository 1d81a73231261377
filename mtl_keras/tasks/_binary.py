"""Binary classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._labels import count_confusion, read_class_indices, score_classes

__all__ = ["Binary"]


@dataclass(frozen=True)
class Binary(Task):
    """Binary classification: sigmoid, binary cross-entropy, accuracy and macro F1.

    Labels are 0/1 or False/True `[n]`; NaN or None marks a missing label. The output is `[batch, 1]`, the probability of
    class 1, which is predicted above 0.5.

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

    @property
    def class_count(self) -> int:
        return 2

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return read_class_indices(column, 2, self.name)

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        return keras.layers.Dense(1, activation="sigmoid", name=self.name)(features)

    def loss(self, target: Any, prediction: Any) -> Any:
        target = ops.reshape(ops.cast(target, prediction.dtype), (-1, 1))
        return ops.binary_crossentropy(target, prediction)[:, 0]

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        hit = ops.equal(ops.cast(prediction[:, 0] > 0.5, "int32"), ops.cast(ops.reshape(target, (-1,)), "int32"))
        return {"accuracy": ops.cast(hit, "float32")}

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        probabilities = np.concatenate([1 - outputs, outputs], axis=-1)
        return Decoded((outputs[:, 0] > 0.5).astype(np.int32), probabilities, tuple(class_names) or self.label_names)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        return np.array([stored.mean() if len(stored) else 0.0], np.float32)

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        return score_classes(stored, self.decode(prediction).values)

    def confusion(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        return count_confusion(stored, self.decode(prediction).values, 2)

    def strata(self, stored: np.ndarray) -> np.ndarray:
        return stored
