"""Multi-class classification, with a head of its own or derived from a finer task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, check_choice, check_fraction, check_integers, check_text, store
from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._labels import check_classes, count_confusion, read_class_indices, score_classes

__all__ = ["Classification"]

Derive = Literal["sum", "mixture"]


@dataclass(frozen=True)
class Classification(Task):
    """Multi-class classification: softmax, cross-entropy, accuracy and macro F1.

    Labels are class indices `[n]` from 0 to `classes - 1`; NaN or None marks a missing label. The output is
    `[batch, classes]` probabilities.

    Args:
        name: See `Task`.
        label: See `Task`.
        classes: Number of classes, at least 2.
        label_smoothing: Fraction of each target's probability that is spread over all classes, in `[0, 1)`; default 0.
            Affects the loss, not the metrics.
        derive_from: Name of a finer classification whose classes determine the classes of this one; None (default): the
            task has a head of its own.
        mapping: For each class of the finer task, the class of this one, e.g. `mtl.data.CIFAR100_COARSE`.
        derive: `"sum"` (default) sums the probabilities of the finer classes; `"mixture"` mixes that sum with the output of
            a head of its own, with learned weights that depend on the features. A single-task baseline has the head alone.

    Raises:
        MTLError: If a value is out of range, or `mapping` does not map to every class.

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
        store(
            self,
            classes=check_classes(self.classes, self.name, "a classification"),
            label_smoothing=check_fraction("label_smoothing", self.label_smoothing, bounds="[)", example=0.1),
        )
        if self.derive_from is not None:
            check_text("derive_from", self.derive_from, maximum=100, example="fine")
        if (self.derive_from is None) != (self.mapping is None):
            raise MTLError(
                f"`derive_from` and `mapping` must be given together. Received: derive_from={self.derive_from!r}, "
                f"mapping={'None' if self.mapping is None else '...'} for task {self.name!r}. Pass both or none."
            )
        check_choice("method `derive`", self.derive, get_args(Derive))
        if self.mapping is not None:
            of = f"task {self.name!r}"
            store(self, mapping=check_integers("mapping", self.mapping, 0, self.classes - 1, of=of))
            missing = sorted(set(range(self.classes)) - set(self.mapping))
            if missing:
                raise MTLError(
                    f"`mapping` must map to every class of {self.name!r}. Received: a mapping without class {missing[0]}. "
                    "Correct `mapping` or `classes`."
                )

    @property
    def source(self) -> str | None:
        return self.derive_from

    def standalone(self) -> Task:
        return replace(self, derive_from=None, mapping=None, derive="sum")

    def check(self, tasks: Mapping[str, Task]) -> None:
        if self.derive_from is None or self.mapping is None:
            return
        finer = tasks[self.derive_from]
        if not isinstance(finer, Classification) or finer.classes != len(self.mapping):
            received = f"{finer.classes} classes" if isinstance(finer, Classification) else f"a {type(finer).__name__}"
            raise MTLError(
                f"`mapping` must have one entry per class of the classification {self.derive_from!r}. Received: "
                f"{len(self.mapping)} entries for {received}. Correct `mapping` or `derive_from`."
            )

    def check_labels(self, stored: np.ndarray, source: np.ndarray, both: np.ndarray) -> None:
        expected = np.asarray(self.mapping)[source]
        wrong = np.flatnonzero(both & (expected != stored))
        if wrong.size:
            row = wrong[0]
            raise MTLError(
                f"Labels of {self.name!r} must agree with those of {self.derive_from!r}. Received: {stored[row]} in row {row}, "
                f"where class {source[row]} of {self.derive_from!r} is mapped to {expected[row]} ({wrong.size} of "
                f"{len(stored)} rows disagree). Correct `mapping` or the labels."
            )

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return read_class_indices(column, self.classes, self.name)

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        if source is None:
            return keras.layers.Dense(self.classes, activation="softmax", name=self.name)(features)
        one_hot = np.eye(self.classes, dtype=np.float32)[np.asarray(self.mapping)]
        total = ops.matmul(source, one_hot)
        if self.derive == "mixture":
            own = keras.layers.Dense(self.classes, activation="softmax", name=f"{self.name}_own")(features)
            shares = keras.layers.Dense(2, activation="softmax", name=f"{self.name}_shares")(features)
            total = shares[:, :1] * total + shares[:, 1:] * own
        # Keras names an output after its last operation, which must be a layer with the task's name.
        return keras.layers.Identity(name=self.name)(total)

    def loss(self, target: Any, prediction: Any) -> Any:
        # Called on the output of softmax itself: the TensorFlow backend then computes the loss from the logits, without the
        # logarithm of a probability that was rounded to zero.
        if not self.label_smoothing:
            return ops.sparse_categorical_crossentropy(target, prediction)
        s = self.label_smoothing
        smooth = ops.one_hot(target, self.classes) * (1 - s) + s / self.classes
        return ops.categorical_crossentropy(smooth, prediction)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        hit = ops.equal(ops.cast(ops.argmax(prediction, axis=-1), "int32"), ops.cast(target, "int32"))
        return {"accuracy": ops.cast(hit, "float32")}

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        return Decoded(outputs.argmax(-1), outputs, tuple(class_names) or self.label_names)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        # The class frequencies: their argmax is the majority class.
        return np.bincount(stored, minlength=self.classes).astype(np.float32) / max(len(stored), 1)

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        return score_classes(stored, self.decode(prediction).values)

    def confusion(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        return count_confusion(stored, self.decode(prediction).values, self.classes)

    def strata(self, stored: np.ndarray) -> np.ndarray:
        return stored
