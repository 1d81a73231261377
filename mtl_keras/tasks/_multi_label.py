"""Multi-label classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, RowsError, check_names, check_text, store
from mtl_keras.tasks import _keras_losses as keras_losses
from mtl_keras.tasks import _measures
from mtl_keras.tasks._base import Task
from mtl_keras.tasks._class_weights import balanced, check_class_weight, weights_in_order
from mtl_keras.tasks._classes import check_classes, class_count, class_names
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._label_sets import distinct_labels, is_text_column, read_label_sets
from mtl_keras.tasks._labels import in_parts, mean_of_known, read_numbers
from mtl_keras.tasks._measures import Measures, weights_of_parts
from mtl_keras.tasks._metric import Metric

__all__ = ["MultiLabel"]

#: What is stored for a missing label.
MISSING = -1


@dataclass(frozen=True)
class MultiLabel(Task):
    """Multi-label classification: sigmoids, binary cross-entropy, accuracy, macro F1 and exact match.

    Labels are 0/1 or False/True `[n, classes]`; NaN or None marks a missing label. They may also be texts, the names of the
    labels of a row with a separator between them, or lists of names. The output is `[batch, classes]`, the probability of
    each label, which is predicted above 0.5. Loss and metrics count every label that is known: loss and accuracy are means
    over them, and a row matches exactly if all of its known labels are right.

    Args:
        name: See `Task`.
        label: See `Task`.
        classes: Number of labels, at least 2, or their names in order. None (default) takes them from the data: the names of
            `columns`, or those that occur in texts, by letters.
        columns: Columns of 0/1, one for each label, instead of `label`; None (default) for one column.
        separator: What is between the names in a text; default `"|"`. A text of separators alone has no label.
        class_weight: Weights of labels in the loss, by name or index: a number for rows that have the label, or one for those
            that have it not and one for those that have. `"balanced"` counts both alike, label by label; None (default) for
            none. For `mtl.train`.
        loss: See `Task`. Such a loss gets single labels and outputs, `[batch x classes, 1]`.
        metrics: See `Task`. Of the kind: `log_loss`, and `auc` and `average_precision`, means over labels.
        skill: See `Task`.

    Raises:
        MTLError: If there are fewer than 2 classes, or a value is out of range.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.MultiLabel("attributes", classes=40).metric.description
        'fraction of labels, higher is better'
    """

    classes: Any = None
    columns: Any = field(default=None, kw_only=True)
    separator: str = field(default="|", kw_only=True)
    class_weight: Any = field(default=None, kw_only=True)

    own_metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("accuracy", "fraction of labels", "max", 1.0),
        Metric("macro_f1", "mean F1 over labels", "max", 1.0),
        Metric("exact_match", "fraction of rows", "max", 1.0),
    )
    other_metrics: ClassVar[tuple[Metric, ...]] = (_measures.LOG_LOSS, _measures.AUC, _measures.AVERAGE_PRECISION)

    stored_missing: ClassVar[float | None] = MISSING
    label_rank: ClassVar[int] = 1

    def __post_init__(self) -> None:
        of = f"task {self.name!r}"
        classes = check_classes(self.classes, self.name, "a multi-label task")
        check_text("separator", self.separator, of=of, example="|")
        if self.columns is not None:
            store(self, columns=check_names("columns", self.columns, of=of))
            classes = self.columns if classes is None else classes
            if self.label is not None or len(self.columns) < 2 or class_count(classes) != len(self.columns):
                received = "`label` as well" if self.label is not None else f"{len(self.columns)} of them"
                raise MTLError(
                    f"`columns` of {of} must be the columns of its labels, at least 2, one for each class, instead of `label`. "
                    f"Received: {received}, classes={classes!r}. Pass columns=[...] alone."
                )
        store(self, classes=classes, class_weight=check_class_weight(self.class_weight, of, pairs=True))
        super().__post_init__()

    @property
    def column(self) -> str | None:
        return None if self.columns else super().column

    @property
    def columns_read(self) -> tuple[str, ...]:
        return self.columns or super().columns_read

    @property
    def class_count(self) -> int | None:
        return class_count(self.classes)

    @property
    def size(self) -> int:
        """Number of labels, which data may have had to say.

        Raises:
            MTLError: If it has not.
        """
        if (count := self.class_count) is None:
            raise MTLError(
                f"`classes` must be given, or be taken from data. Received: none for task {self.name!r}. Pass e.g. classes=10, "
                "or data.tasks instead of your own."
            )
        return count

    @property
    def class_names(self) -> tuple[str, ...]:
        return class_names(self.classes)

    @property
    def unresolved(self) -> bool:
        return self.class_count is None

    @property
    def in_parts(self) -> bool:
        return True

    @property
    def row_wise(self) -> tuple[str, ...]:
        return ("accuracy", "exact_match")

    def resolve(self, column: np.ndarray | None, names: Sequence[str] = ()) -> MultiLabel:
        if self.class_names or column is None:
            return self
        if not is_text_column(column):
            wide = column.shape[1] if column.ndim == 2 else 0
            return self if self.classes or wide < 2 else replace(self, classes=wide)
        found = tuple(names) or distinct_labels(column, self.separator)
        if len(found) < 2 or self.classes not in (None, len(found)):
            raise MTLError(
                "A multi-label task must have at least 2 labels, those of its texts. Received: classes="
                f"{self.classes} for task {self.name!r}, and {len(found)} in column {self.column!r}, separated by "
                f"{self.separator!r}. Pass classes=[...], or another separator=."
            )
        return replace(self, classes=found)

    def read(self, column: np.ndarray | None, n: int, split: str, names: Sequence[str]) -> np.ndarray:
        raw = super().read(column, n, split, names)
        if not is_text_column(raw):
            return raw
        return read_label_sets(raw, self.class_names or tuple(names), self.separator, self.name, split)

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, present = read_numbers(column, self.size, self.name)
        wrong = np.flatnonzero(~(np.isin(values, (0, 1)) | np.isnan(values)).all(axis=1))
        if wrong.size:
            raise RowsError(
                f"Labels of task {self.name!r} must be 0 or 1. Received: {values[wrong[0]].tolist()} in row {wrong[0]} "
                f"({wrong.size} of {len(values)} rows). Correct the column.",
                wrong,
                "a label is neither 0 nor 1",
            )
        return np.where(np.isnan(values), MISSING, values).astype(np.int32), present

    def known(self, target: Any) -> Any:
        return ops.mean(ops.cast(_known(_labels(target)), "float32"), axis=-1)

    def loss_share(self, target: Any) -> Any:
        weights = _weights(target)
        known = ops.cast(_known(_labels(target)), "float32")
        return ops.mean(known if weights is None else known * weights, axis=-1)

    def class_weights(self, stored: np.ndarray, names: Sequence[str] = ()) -> np.ndarray | None:
        if isinstance(self.class_weight, Mapping):
            of = f"task {self.name!r}"
            given = weights_in_order(self.class_weight, self.class_names or names, self.size, of)
            return np.array([each if isinstance(each, tuple) else (1.0, each) for each in given], np.float32)
        if self.class_weight is None:
            return None
        return balanced(np.stack([(stored == value).sum(axis=0) for value in (0, 1)], axis=1))

    def label_counts(self, stored: np.ndarray) -> np.ndarray:
        return np.asarray((stored == 1).sum(axis=0))

    def weigh(self, target: Any, weights: np.ndarray) -> tuple[Any, Any]:
        negative, positive = (ops.convert_to_tensor(weights[:, column]) for column in (0, 1))
        labels = ops.cast(target, "float32")
        # Next to the labels, since a row has one weight for each of them.
        return ops.stack([labels, ops.where(labels == 1, positive, negative)], axis=-1), None

    def label_weights(self, stored: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.where(stored == 1, weights[:, 1], weights[:, 0])

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        return keras.layers.Dense(self.size, activation="sigmoid", name=self.name)(features)

    def row_loss(self, target: Any, prediction: Any) -> Any:
        labels, weights = _labels(target), _weights(target)
        known = _known(labels)
        filled = ops.where(known, ops.cast(labels, prediction.dtype), ops.zeros_like(prediction))
        if self.loss is None:
            each = self.own_loss(filled, prediction)
        else:
            rows = keras_losses.row_losses(self.loss, ops.reshape(filled, (-1, 1)), in_parts(prediction))
            each = ops.reshape(rows, (-1, self.size))
        return mean_of_known(each, known, weights)

    def own_loss(self, target: Any, prediction: Any) -> Any:
        """Return the loss of each label, `[batch, classes]`."""
        return ops.binary_crossentropy(target, prediction)

    def keras_pair(self, target: Any, prediction: Any, indices: bool) -> tuple[Any, Any]:
        return ops.cast(target, "float32"), prediction

    def known_parts(self, stored: np.ndarray) -> np.ndarray:
        return stored >= 0

    def example(self) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        shape = (4, self.class_count or 3)
        return rng.integers(0, 2, shape), rng.uniform(0.1, 0.9, shape).astype(np.float32)

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        labels = _labels(target)
        known = _known(labels)
        hit = ops.equal(ops.cast(prediction > 0.5, "float32"), ops.cast(labels, "float32"))
        return {
            "accuracy": mean_of_known(ops.cast(hit, "float32"), known),
            "exact_match": ops.cast(ops.all(ops.logical_or(hit, ops.logical_not(known)), axis=-1), "float32"),
        }

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        return Decoded((outputs > 0.5).astype(np.int32), outputs, tuple(class_names) or self.class_names)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        known = stored >= 0
        return np.asarray((stored * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.float32)

    def measures(self, stored: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None) -> Measures:
        known, hit = stored >= 0, (prediction > 0.5) == (stored == 1)
        weights = np.ones(known.shape) if weight is None else weights_of_parts(weight, known.shape)
        # A row counts by the weights of its known labels, as in the loss.
        rows = weight if weight is None or weight.ndim == 1 else (weights * known).mean(axis=1)
        return {
            **_measures.column_measures(stored == 1, known, prediction, None if weight is None else weights),
            "accuracy": lambda: float(np.average(hit[known], weights=None if weight is None else weights[known])),
            "macro_f1": lambda: self._macro_f1(stored, prediction, known, weights),
            "exact_match": lambda: float(np.average((hit | ~known).all(axis=1), weights=rows)),
            "log_loss": lambda: _measures.log_loss(
                stored[known], np.stack([1 - prediction[known], prediction[known]], axis=1), weights[known]
            ),
        }

    def _macro_f1(self, stored: np.ndarray, prediction: np.ndarray, known: np.ndarray, weights: np.ndarray) -> float:
        positive, predicted = stored == 1, known & (prediction > 0.5)
        correct, guessed, labeled = (np.sum(rows * weights, axis=0) for rows in (positive & predicted, predicted, positive))
        f1 = np.divide(2 * correct, guessed + labeled, np.zeros(len(correct)), where=guessed + labeled > 0)
        return float(f1[known.any(axis=0)].mean())

    def class_counts(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        positive, predicted = stored == 1, (stored >= 0) & (prediction > 0.5)
        return np.stack([np.sum(rows, axis=0) for rows in (positive & predicted, predicted, positive)], axis=1)


def _labels(target: Any) -> Any:
    """Return the labels `[batch, classes]`, without the weights that `weigh` put next to them."""
    return target[..., 0] if len(target.shape) == 3 else target


def _weights(target: Any) -> Any:
    """Return the weights `[batch, classes]` that `weigh` put next to the labels; None if it did not."""
    return target[..., 1] if len(target.shape) == 3 else None


def _known(labels: Any) -> Any:
    """Return which labels are known; neither `MISSING` nor NaN is at least 0."""
    return ops.cast(labels, "float32") >= 0
