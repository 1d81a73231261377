"""One of several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, unknown
from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._labels import class_indices

__all__ = ["Classification"]

Derive = Literal["sum", "mixture"]


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
        derive_from: Name of a finer classification that this one is a function of; None (default) is a head of its own.
        mapping: For each class of that task its class here, e.g. `mtl.data.CIFAR100_COARSE`.
        derive: `"sum"` (default) adds up the probabilities of the finer classes; `"mixture"` mixes that sum with a head of
            its own, with shares that are learned and depend on the features. A single-task baseline has its own head alone.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Classification("fine", classes=100).metric.name
        'accuracy'
    """

    classes: int = 0
    label_smoothing: float = 0.0
    derive_from: str | None = None
    mapping: tuple[int, ...] | None = None
    derive: Derive = "sum"

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

        if (self.derive_from is None) != (self.mapping is None):
            raise MTLError(
                f"`derive_from` and `mapping` go together. Received: derive_from={self.derive_from!r}, "
                f"mapping={'None' if self.mapping is None else '...'} for task {self.name!r}. Give both or none."
            )
        if self.derive not in get_args(Derive):
            raise unknown("way to derive", self.derive, get_args(Derive))
        if self.mapping is not None:
            object.__setattr__(self, "mapping", tuple(int(index) for index in self.mapping))
            outside = [index for index in self.mapping if not 0 <= index < self.classes]
            if outside:
                raise MTLError(
                    f"`mapping` holds classes from 0 to {self.classes - 1}. Received: {outside[0]} for task {self.name!r}. "
                    "Correct it or `classes`."
                )
            missing = sorted(set(range(self.classes)) - set(self.mapping))
            if missing:
                raise MTLError(
                    f"Every class of {self.name!r} has a finer one. Received: a mapping without {missing[0]}. Correct it."
                )

    @property
    def source(self) -> str | None:
        return self.derive_from

    def alone(self) -> Task:
        return replace(self, derive_from=None, mapping=None, derive="sum")

    def check(self, tasks: Mapping[str, Task]) -> None:
        if self.derive_from is None or self.mapping is None:
            return
        finer = tasks[self.derive_from]
        if not isinstance(finer, Classification) or finer.classes != len(self.mapping):
            raise MTLError(
                f"`mapping` has one entry for each class of {self.derive_from!r}. Received: {len(self.mapping)} for "
                f"{f'{finer.classes} classes' if isinstance(finer, Classification) else type(finer).__name__}. Correct it."
            )

    def check_labels(self, stored: np.ndarray, source: np.ndarray, both: np.ndarray) -> None:
        expected = np.asarray(self.mapping)[source]
        wrong = np.flatnonzero(both & (expected != stored))
        if wrong.size:
            row = wrong[0]
            raise MTLError(
                f"Labels of {self.name!r} follow from those of {self.derive_from!r}. Received: {stored[row]} in row {row}, "
                f"where class {source[row]} of {self.derive_from!r} is mapped to {expected[row]} ({wrong.size} of "
                f"{len(stored)} rows disagree). Correct `mapping` or the labels."
            )

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return class_indices(column, self.classes, self.name)

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        if source is None:
            return keras.layers.Dense(self.classes, activation="softmax", name=self.name)(features)
        one_hot = np.eye(self.classes, dtype=np.float32)[np.asarray(self.mapping)]
        total = ops.matmul(source, one_hot)
        if self.derive == "mixture":
            own = keras.layers.Dense(self.classes, activation="softmax", name=f"{self.name}_own")(features)
            shares = keras.layers.Dense(2, activation="softmax", name=f"{self.name}_shares")(features)
            total = shares[:, :1] * total + shares[:, 1:] * own
        # An output is called after its last layer; one that ends in a bare operation would be called after that.
        return keras.layers.Identity(name=self.name)(total)

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
