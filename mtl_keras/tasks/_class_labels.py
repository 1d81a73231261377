"""What kinds of task with one class per row have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, list_rows
from mtl_keras.tasks._base import Task
from mtl_keras.tasks._class_weights import balanced, weights_in_order
from mtl_keras.tasks._classes import Classes, class_count, class_names, distinct, index_classes
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._label_source import LabelSource
from mtl_keras.tasks._labels import count_confusion, read_class_indices

__all__ = ["ClassLabels", "example_classes"]


@dataclass(frozen=True)
class ClassLabels(Task):
    """A kind of task with one class per row, whose field `classes` holds their number or names, or None."""

    @property
    def class_count(self) -> int | None:
        return class_count(self._classes) or len(super().class_names) or None

    @property
    def size(self) -> int:
        """Number of classes, which data may have had to say.

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
        return class_names(self._classes) or super().class_names

    @property
    def unresolved(self) -> bool:
        return self.class_count is None

    @property
    def _classes(self) -> Classes:
        return getattr(self, "classes", None)

    def with_classes(self, classes: Classes) -> Self:
        """Return the task with other classes."""
        return replace(self, classes=classes)  # type: ignore[call-arg]  # every kind has the field

    def resolve(self, column: np.ndarray | None, names: Sequence[str] = ()) -> Self:
        given = self._classes
        if isinstance(self.label, LabelSource) or isinstance(given, tuple) or column is None or column.ndim != 1:
            return self
        texts = column.dtype.kind == "O"
        if not texts and (given is not None or names):
            return self.with_classes(given or len(names))
        found = distinct(column) if not names else tuple(names)
        if given is not None and len(found) != given:
            raise MTLError(
                f"A task must have a class for each string of its column. Received: classes={given} for task {self.name!r}, "
                f"and {len(found)} strings in column {self.column!r}. {_rarest(column, found, given)}, or pass "
                f"classes={len(found)}."
            )
        labeled = int(sum(value is not None for value in column.tolist()) if texts else (~np.isnan(column)).sum())
        if given is None and (len(found) < 2 or (len(found) == labeled and labeled > 2)):
            received = (
                f"one for each of {labeled} rows" if len(found) > 1 else f"{len(found)}, {', '.join(found) or 'no label'}"
            )
            raise MTLError(
                f"`classes` must be given unless the data has at least 2, in several rows each. Received: {received} for task "
                f"{self.name!r}. Pass classes=[...], or correct column {self.column!r}."
            )
        # The numbers 0, 1, ... are the indices themselves, and name nothing.
        plain = not texts and found == tuple(map(str, range(len(found))))
        return self.with_classes(len(found) if plain else found)

    def read(self, column: np.ndarray | None, n: int, split: str, names: Sequence[str]) -> np.ndarray:
        raw = super().read(column, n, split, names)
        given = class_names(self._classes)
        if not given or isinstance(self.label, LabelSource) or raw.ndim != 1:
            return raw
        if names and raw.dtype.kind != "O":
            # The column has indices of names that the data gives, perhaps in another order.
            indices = read_class_indices(raw, len(names), self.name)
            raw = np.array([names[i] if there else None for i, there in zip(*indices, strict=True)], object)
        return index_classes(raw, given, self.name, split)

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return read_class_indices(column, self.size, self.name)

    def class_weights(self, stored: np.ndarray, names: Sequence[str] = ()) -> np.ndarray | None:
        value = getattr(self, "class_weight", None)
        if value is None:
            return None
        if isinstance(value, Mapping):
            of = f"task {self.name!r}"
            return np.array(weights_in_order(value, self.class_names or names, self.size, of), np.float32)
        return balanced(self.label_counts(stored))

    def label_counts(self, stored: np.ndarray) -> np.ndarray:
        return np.bincount(stored, minlength=self.size)

    def weigh(self, target: Any, weights: np.ndarray) -> tuple[Any, Any]:
        return target, ops.take(ops.convert_to_tensor(weights), ops.cast(target, "int32"), axis=0)

    def label_weights(self, stored: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return weights[stored]

    def predicted(self, outputs: np.ndarray) -> np.ndarray:
        """Return the predicted classes `[n]` of outputs."""
        raise NotImplementedError

    def probabilities_of(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probability of each class, `[n, classes]`."""
        return outputs

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        return Decoded(self.predicted(outputs), self.probabilities_of(outputs), tuple(class_names) or self.class_names)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        # The class frequencies: their argmax is the majority class, their median the best constant rank.
        return np.bincount(stored, minlength=self.size).astype(np.float32) / max(len(stored), 1)

    def confusion(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        return count_confusion(stored, self.predicted(prediction), self.size)

    def strata(self, stored: np.ndarray) -> np.ndarray:
        return stored


def example_classes(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return class indices and probabilities of a few rows."""
    rng = np.random.default_rng(0)
    return np.arange(4) % classes, rng.dirichlet(np.ones(classes), 4).astype(np.float32)


def _rarest(column: np.ndarray, found: Sequence[str], classes: int) -> str:
    """Return a remedy for strings that are too many or too few: the rarest ones with their rows."""
    if len(found) < classes:
        return "Add what is missing"
    values = column.tolist()
    rare = [name for name, _ in Counter(value for value in values if value is not None).most_common()[:-3:-1]]
    shown = [f"{name!r} in {list_rows([row for row, value in enumerate(values) if value == name])}" for name in rare]
    return f"The rarest are {', '.join(shown)}: correct them"
