"""Binary classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, store
from mtl_keras.tasks import _measures
from mtl_keras.tasks._class_labels import ClassLabels
from mtl_keras.tasks._class_weights import check_class_weight
from mtl_keras.tasks._classes import check_classes, distinct
from mtl_keras.tasks._measures import Measures
from mtl_keras.tasks._metric import Metric

__all__ = ["Binary"]

#: Numbers besides 0 and 1 that are taken for two classes although nobody says so.
PAIRS = (("1", "2"), ("-1", "1"))


@dataclass(frozen=True)
class Binary(ClassLabels):
    """Binary classification: sigmoid, binary cross-entropy, accuracy and macro F1.

    Labels are 0/1 or False/True `[n]`, or the two names or values in `classes`; NaN or None marks a missing label. The output
    is `[batch, 1]`, the probability of class 1, which is predicted above 0.5.

    Args:
        name: See `Task`.
        label: See `Task`.
        classes: Names or values of the two classes, the negative one first, e.g. `["no", "yes"]`. None (default) is 0 and 1,
            and where the data has them 1 and 2, -1 and 1, or two texts by letters.
        class_weight: Weights of the classes in the loss, by name or index, or `"balanced"`, in inverse proportion to the
            numbers of training rows; None (default) for none. For `mtl.train`.
        loss: See `Task`. Such a loss gets labels and outputs `[batch, 1]`.
        metrics: See `Task`. Of the kind: `balanced_accuracy`, `log_loss`, and `auc` and `average_precision` of class 1.
        skill: See `Task`.

    Raises:
        MTLError: If there are not two classes, or a value is out of range.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Binary("parity").column
        'parity'
    """

    classes: Any = field(default=None, kw_only=True)
    class_weight: Any = field(default=None, kw_only=True)

    own_metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("accuracy", "fraction of rows", "max", 1.0),
        Metric("macro_f1", "mean F1 over classes", "max", 1.0),
    )

    other_metrics: ClassVar[tuple[Metric, ...]] = (
        _measures.BALANCED_ACCURACY,
        _measures.LOG_LOSS,
        _measures.AUC,
        _measures.AVERAGE_PRECISION,
    )

    def __post_init__(self) -> None:
        classes = check_classes(self.classes, self.name, "a binary task")
        if classes not in (None, 2) and (isinstance(classes, int) or len(classes or ()) != 2):
            raise MTLError(
                f"A binary task must have two classes, the negative one first. Received: classes={self.classes!r} for task "
                f"{self.name!r}. Use mtl.Classification for more."
            )
        of = f"task {self.name!r}"
        store(self, classes=None if classes == 2 else classes, class_weight=check_class_weight(self.class_weight, of))
        super().__post_init__()

    @property
    def class_count(self) -> int:
        return 2

    @property
    def unresolved(self) -> bool:
        return False

    def resolve(self, column: np.ndarray | None, names: Sequence[str] = ()) -> Binary:
        if self.classes is not None or names or self.class_names or column is None or column.ndim != 1:
            return self
        found = distinct(column)
        if column.dtype.kind == "O" and len(found) != 2:
            shown = f"{', '.join(found[:8])}{', ...' if len(found) > 8 else ''}"
            raise MTLError(
                f"A binary task must have two classes. Received: {len(found)} for task {self.name!r}, {shown}. "
                f"{'Use mtl.Classification' if len(found) > 2 else 'Pass both, classes=[negative, positive]'}."
            )
        return self.with_classes(found) if column.dtype.kind == "O" or found in PAIRS else self

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        return keras.layers.Dense(1, activation="sigmoid", name=self.name)(features)

    def own_loss(self, target: Any, prediction: Any) -> Any:
        target = ops.reshape(ops.cast(target, prediction.dtype), (-1, 1))
        return ops.binary_crossentropy(target, prediction)[:, 0]

    def keras_pair(self, target: Any, prediction: Any, indices: bool) -> tuple[Any, Any]:
        return ops.reshape(ops.cast(target, "float32"), (-1, 1)), prediction

    def example(self) -> tuple[Any, Any]:
        return np.array([0, 1, 1, 0]), np.array([[0.2], [0.7], [0.4], [0.9]], np.float32)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        hit = ops.equal(ops.cast(prediction[:, 0] > 0.5, "int32"), ops.cast(ops.reshape(target, (-1,)), "int32"))
        return {"accuracy": ops.cast(hit, "float32")}

    def predicted(self, outputs: np.ndarray) -> np.ndarray:
        return np.asarray(outputs[:, 0] > 0.5, np.int32)

    def probabilities_of(self, outputs: np.ndarray) -> np.ndarray:
        return np.concatenate([1 - outputs, outputs], axis=-1)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        return np.array([stored.mean() if len(stored) else 0.0], np.float32)

    def measures(self, stored: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None) -> Measures:
        positive = stored[:, None] == 1
        return {
            **_measures.class_measures(stored, self.predicted(prediction), weight),
            **_measures.column_measures(positive, np.ones_like(positive), prediction, weight),
            "log_loss": lambda: _measures.log_loss(stored, self.probabilities_of(prediction), weight),
        }
