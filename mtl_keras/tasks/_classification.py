"""Multi-class classification, with a head of its own or derived from a finer task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, RowsError, check_choice, check_fraction, check_integers, check_text, store
from mtl_keras.tasks import _measures
from mtl_keras.tasks._base import Task
from mtl_keras.tasks._class_labels import ClassLabels, example_classes
from mtl_keras.tasks._class_weights import check_class_weight
from mtl_keras.tasks._classes import check_classes, class_count
from mtl_keras.tasks._labels import to_one_hot
from mtl_keras.tasks._measures import Measures
from mtl_keras.tasks._metric import Metric

__all__ = ["Classification"]

Derive = Literal["sum", "mixture"]


@dataclass(frozen=True)
class Classification(ClassLabels):
    """Multi-class classification: softmax, cross-entropy, accuracy and macro F1.

    Labels are class indices `[n]` from 0 to `classes - 1`, or the names or values in `classes`; NaN or None marks a missing
    label. The output is `[batch, classes]` probabilities.

    Args:
        name: See `Task`.
        label: See `Task`.
        classes: Number of classes, at least 2, or their names or values in order. None (default) takes from the data those
            that occur: texts by letters, numbers by value.
        label_smoothing: Fraction of each target's probability that is spread over all classes, in `[0, 1)`; default 0.
            Affects the loss, not the metrics.
        derive_from: Name of a finer classification whose classes determine the classes of this one; None (default): the
            task has a head of its own.
        mapping: For each class of the finer task, the class of this one, e.g. `mtl.data.CIFAR100_COARSE`.
        derive: `"sum"` (default) sums the probabilities of the finer classes; `"mixture"` mixes that sum with the output of
            a head of its own, with learned weights that depend on the features. A single-task baseline has the head alone.
        class_weight: Weights of classes in the loss, by name or index, or `"balanced"`, in inverse proportion to the numbers
            of training rows; None (default) for none. For `mtl.train`.
        loss: See `Task`. Such a loss gets class indices if its name begins with `sparse`, else one number for each class.
        metrics: See `Task`. Of the kind: `balanced_accuracy`, `top_5_accuracy`, `log_loss`, and `auc` and
            `average_precision`, means over classes against all others.
        skill: See `Task`.

    Raises:
        MTLError: If a value is out of range, or `mapping` does not map to every class.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Classification("fine", classes=100).metric.name
        'accuracy'
    """

    classes: Any = None
    label_smoothing: float = 0.0
    derive_from: str | None = None
    mapping: tuple[int, ...] | None = None
    derive: Derive = "sum"
    class_weight: Any = field(default=None, kw_only=True)

    own_metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("accuracy", "fraction of rows", "max", 1.0),
        Metric("macro_f1", "mean F1 over classes", "max", 1.0),
    )
    other_metrics: ClassVar[tuple[Metric, ...]] = (
        _measures.BALANCED_ACCURACY,
        Metric("top_5_accuracy", "fraction of rows, among the 5 most probable", "max", 1.0),
        _measures.LOG_LOSS,
        _measures.AUC,
        _measures.AVERAGE_PRECISION,
    )

    def __post_init__(self) -> None:
        of = f"task {self.name!r}"
        smoothing = check_fraction("label_smoothing", self.label_smoothing, bounds="[)", example=0.1)
        classes = check_classes(self.classes, self.name, "a classification")
        store(self, classes=classes, label_smoothing=smoothing, class_weight=check_class_weight(self.class_weight, of))
        if self.loss is not None and self.label_smoothing:
            raise MTLError(
                f"`label_smoothing` must be left out where a loss is given. Received: both for {of}. Give the loss its own, "
                "e.g. keras.losses.CategoricalCrossentropy(label_smoothing=0.1)."
            )
        super().__post_init__()
        if self.derive_from is not None:
            check_text("derive_from", self.derive_from, maximum=100, example="fine")
        if (self.derive_from is None) != (self.mapping is None):
            raise MTLError(
                f"`derive_from` and `mapping` must be given together. Received: derive_from={self.derive_from!r}, "
                f"mapping={'None' if self.mapping is None else '...'} for task {self.name!r}. Pass both or none."
            )
        check_choice("method `derive`", self.derive, get_args(Derive))
        if self.mapping is not None:
            count = class_count(self.classes)
            mapping = check_integers("mapping", self.mapping, 0, None if count is None else count - 1, of=of)
            store(self, mapping=mapping, classes=max(mapping) + 1 if count is None else self.classes)
            missing = sorted(set(range(self.size)) - set(self.mapping))
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
        if finer.unresolved:
            return
        if not isinstance(finer, Classification) or finer.class_count != len(self.mapping):
            received = f"{finer.class_count} classes" if isinstance(finer, Classification) else f"a {type(finer).__name__}"
            raise MTLError(
                f"`mapping` must have one entry per class of the classification {self.derive_from!r}. Received: "
                f"{len(self.mapping)} entries for {received}. Correct `mapping` or `derive_from`."
            )

    def check_labels(self, stored: np.ndarray, source: np.ndarray, both: np.ndarray) -> None:
        expected = np.asarray(self.mapping)[source]
        wrong = np.flatnonzero(both & (expected != stored))
        if wrong.size:
            row = wrong[0]
            raise RowsError(
                f"Labels of {self.name!r} must agree with those of {self.derive_from!r}. Received: {stored[row]} in row {row}, "
                f"where class {source[row]} of {self.derive_from!r} is mapped to {expected[row]} ({wrong.size} of "
                f"{len(stored)} rows disagree). Correct `mapping` or the labels.",
                wrong,
                f"{self.name!r} disagrees with {self.derive_from!r}",
            )

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        if source is None:
            return keras.layers.Dense(self.size, activation="softmax", name=self.name)(features)
        one_hot = np.eye(self.size, dtype=np.float32)[np.asarray(self.mapping)]
        total = ops.matmul(source, one_hot)
        if self.derive == "mixture":
            own = keras.layers.Dense(self.size, activation="softmax", name=f"{self.name}_own")(features)
            shares = keras.layers.Dense(2, activation="softmax", name=f"{self.name}_shares")(features)
            total = shares[:, :1] * total + shares[:, 1:] * own
        # Keras names an output after its last operation, which must be a layer with the task's name.
        return keras.layers.Identity(name=self.name)(total)

    def own_loss(self, target: Any, prediction: Any) -> Any:
        # Called on the output of softmax itself: the TensorFlow backend then computes the loss from the logits, without the
        # logarithm of a probability that was rounded to zero.
        if not self.label_smoothing:
            return ops.sparse_categorical_crossentropy(target, prediction)
        s = self.label_smoothing
        smooth = ops.one_hot(target, self.size) * (1 - s) + s / self.size
        return ops.categorical_crossentropy(smooth, prediction)

    def keras_pair(self, target: Any, prediction: Any, indices: bool) -> tuple[Any, Any]:
        return (target if indices else to_one_hot(target, prediction)), prediction

    def example(self) -> tuple[Any, Any]:
        return example_classes(self.class_count or 3)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        hit = ops.equal(ops.cast(ops.argmax(prediction, axis=-1), "int32"), ops.cast(target, "int32"))
        return {"accuracy": ops.cast(hit, "float32")}

    def predicted(self, outputs: np.ndarray) -> np.ndarray:
        return np.asarray(outputs.argmax(-1))

    def measures(self, stored: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None) -> Measures:
        one_hot = np.eye(self.size, dtype=bool)[stored]
        return {
            **_measures.class_measures(stored, self.predicted(prediction), weight),
            **_measures.column_measures(one_hot, np.ones_like(one_hot), prediction, weight),
            "top_5_accuracy": lambda: _measures.top_accuracy(stored, prediction, weight),
            "log_loss": lambda: _measures.log_loss(stored, prediction, weight),
        }
