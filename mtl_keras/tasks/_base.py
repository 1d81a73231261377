"""What every kind of task answers: how to store its labels, build its head, lose, and be measured."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal

import numpy as np

from mtl_keras.errors import MTLError, describe, unknown
from mtl_keras.tasks._label_source import LabelSource

__all__ = ["Metric", "Task", "Tasks"]

#: Names that would collide with what the training log already holds (`loss`, `val_skill`, `all` in results).
RESERVED_NAMES = frozenset({"loss", "skill", "all", "val", "learning_rate", "backbone", "shared", "input", "input_image"})


@dataclass(frozen=True)
class Metric:
    """A figure of merit that knows how to be read.

    Args:
        name: As it stands in logs and results, e.g. `"accuracy"`.
        unit: In words, e.g. `"fraction of images"`.
        direction: `"max"` if higher is better, else `"min"`.
        perfect: The value of a perfect prediction (accuracy 1, MSE 0).
    """

    name: str
    unit: str
    direction: Literal["max", "min"]
    perfect: float

    @property
    def reading(self) -> str:
        """Unit and direction in words, e.g. `"fraction of images, higher is better"`."""
        return f"{self.unit}, {'higher' if self.direction == 'max' else 'lower'} is better"

    def skill(self, value: float, trivial: float) -> float:
        """Return `(value - trivial) / (perfect - trivial)`: 0 is the trivial predictor, 1 is perfection.

        Where the trivial predictor is already perfect there is nothing to gain and the skill is 0.
        """
        span = self.perfect - trivial
        return float((value - trivial) / span) if span else 0.0


@dataclass(frozen=True)
class Task(ABC):
    """One thing to predict. Frozen: a task is a value and holds no Keras object.

    Args:
        name: Output key, head layer name, prefix of losses and metrics, and row in results, all at once.
            Letters, digits and underscores, starting with a letter.
        label: Column of the data set that holds the labels; the name if left out. Or a `ClassMap` of a column's classes,
            or a `RandomLabels`.
    """

    name: str
    label: str | LabelSource | None = None

    #: Every metric of this kind; the first is the one that `skill` and the search are made of.
    metrics: ClassVar[tuple[Metric, ...]] = ()
    #: Whether the target is the input itself, so that no label column is asked of the data.
    from_input: ClassVar[bool] = False
    #: Whether the output is probabilities `[batch, n]`, which another task can be stacked on.
    probabilities: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", self.name):
            raise MTLError(
                f"A task's name is made of letters, digits and underscores and starts with a letter. "
                f"Received: name={self.name!r}. Rename it; `label=` still says which column it reads."
            )
        if self.name in RESERVED_NAMES or self.name.startswith("val_"):
            raise MTLError(f"A task's name must not be one of the log's own names. Received: name={self.name!r}. Rename it.")

    @property
    def column(self) -> str | None:
        """The data column that the labels are read from; None where they are drawn."""
        return self.label.column if isinstance(self.label, LabelSource) else self.label or self.name

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes that a label source makes; empty where the labels are a column as it stands."""
        return self.label.class_names if isinstance(self.label, LabelSource) else ()

    def read(self, column: np.ndarray | None, n: int, split: str, names: Sequence[str]) -> np.ndarray:
        """Return the raw labels `[n, ...]`: the column as it stands, or what the label source makes of it.

        Args:
            column: The column that `column` names; None where it names none.
            n: Number of rows.
            split: Name of the split.
            names: Names of the column's classes, where known.
        """
        if isinstance(self.label, LabelSource):
            return self.label.read(column, n, split, names)
        assert column is not None
        return column

    @property
    def metric(self) -> Metric:
        """The metric that stands for this task in `skill`."""
        return self.metrics[0]

    @property
    def source(self) -> str | None:
        """The task whose output this one's is made of, or None."""
        return None

    @abstractmethod
    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn a raw label column into what is stored.

        Args:
            column: `[n, ...]`; NaN or None marks an absent label.

        Returns:
            Stored labels `[n, ...]`, with a dummy where absent, and presence `[n]` float32 (1 present, 0 absent).

        Raises:
            MTLError: If a label is outside the range of the task; the message names the row.
        """

    def target(self, stored: Any) -> Any:
        """Turn a batch of stored labels (tensor) into training targets; the identity unless a kind says otherwise."""
        return stored

    @abstractmethod
    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        """Build the last layers on `[batch, channels]` features; the output layer is named after the task.

        Args:
            features: Keras tensor `[batch, channels]`; or a map of the image's size that a decoder drew, where `from_input`.
            image_shape: Shape of one input, e.g. `(32, 32, 3)`.
            source: Output of the task that `source` names; None where it names none.
        """

    @abstractmethod
    def loss(self, target: Any, prediction: Any) -> Any:
        """Return the loss of each row, `[batch]`, whatever rows are beside it; tasks that are alike are lost in one call."""

    @abstractmethod
    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        """Return the metrics that are means over rows, each `[batch]`, as for `loss`; the task's own `metric` is among them."""

    @abstractmethod
    def trivial(self, stored: np.ndarray) -> np.ndarray:
        """Return the best prediction that ignores the input, as one row of the model's output.

        Args:
            stored: Present labels only, as made by `encode`.
        """

    @abstractmethod
    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        """Return every metric, recomputed from predictions.

        Args:
            stored: Present labels only, `[n, ...]`, as made by `encode`.
            prediction: The model's outputs for the same rows.
        """

    def confusion(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray | None:
        """Return counts `[classes, classes]`, rows = true and columns = predicted, or None if the kind has no classes.

        Args:
            stored: Present labels only, as made by `encode`.
            prediction: The model's outputs for the same rows.
        """
        return None

    def strata(self, stored: np.ndarray) -> np.ndarray | None:
        """Return `[n]` integers that a split should keep in proportion, or None if the kind has no classes."""
        return None

    def alone(self) -> Task:
        """Return the same task with a head of its own."""
        return self

    def check(self, tasks: Mapping[str, Task]) -> None:
        """Refuse what does not fit the other tasks.

        Raises:
            MTLError: If this one is derived from one that it cannot be derived from.
        """

    def check_labels(self, stored: np.ndarray, source: np.ndarray, both: np.ndarray) -> None:
        """Refuse labels that disagree with those of the source.

        Args:
            stored: Labels as made by `encode`.
            source: Those of the source's.
            both: `[n]`, whether a row has both.

        Raises:
            MTLError: If a row disagrees; the message names it.
        """

    def config(self) -> dict[str, Any]:
        """Return the task as plain JSON values; `mtl_keras.tasks.from_config` reads them."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        label = self.label.config() if isinstance(self.label, LabelSource) else self.label
        return {"kind": type(self).__name__, **own, "label": label}


class Tasks(Mapping[str, Task]):
    """The tasks of one model, by name, in the order given. Immutable.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> list(tasks)
        ['digit', 'parity']
    """

    def __init__(self, *tasks: Task) -> None:
        if not tasks:
            raise MTLError("A model needs at least one task. Received: none. Give e.g. mtl.Binary('parity').")
        for task in tasks:
            if not isinstance(task, Task):
                raise MTLError(
                    f"Each task must be an instance of mtl.Task. Received: {describe(task)}. "
                    "Pass e.g. mtl.Classification('fine', classes=100)."
                )
        names = [task.name for task in tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise MTLError(f"Task names are unique. Received twice: {', '.join(twice)}. Rename one; `label=` may repeat.")
        self._tasks = {task.name: task for task in tasks}
        for task in tasks:
            self.heads_of(task.name)
            task.check(self)

    def __getitem__(self, name: str) -> Task:
        try:
            return self._tasks[name]
        except KeyError:
            # Stays a KeyError for Mapping's own `get` and `in`.
            raise KeyError(str(unknown("task", name, self._tasks))) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tasks) and list(self._tasks.items()) == list(other._tasks.items())

    def __hash__(self) -> int:
        return hash(tuple(self._tasks.values()))

    def __repr__(self) -> str:
        return f"Tasks({', '.join(map(repr, self._tasks.values()))})"

    def only(self, *names: str) -> Tasks:
        """Return these tasks alone, in the order they stand here; one whose source is left out has a head of its own."""
        for name in names:
            if name not in self._tasks:
                raise unknown("task", name, self._tasks)
        kept = [task for task in self._tasks.values() if task.name in names]
        return Tasks(*(task if task.source is None or task.source in names else task.alone() for task in kept))

    def heads_of(self, name: str) -> tuple[str, ...]:
        """Return the tasks whose heads have a part in a task's output: its source's, that one's own source's, and its own.

        Raises:
            MTLError: If a source is no task of these, or a task is, in the end, its own source.
        """
        chain = [name]
        while (source := self._tasks[chain[0]].source) is not None:
            if source not in self._tasks:
                raise unknown(f"task that {chain[0]!r} is derived from", source, self._tasks)
            if source in chain:
                raise MTLError(
                    f"A task is derived from another one. Received: {' from '.join([*reversed(chain), source])}, a circle. "
                    "Leave `derive_from` out of one of them."
                )
            chain.insert(0, source)
        return tuple(chain)

    def renamed(self, columns: Mapping[str, str]) -> Tasks:
        """Return the tasks with a data set's aliases of columns filled in, also where `label` was left out."""

        def label_of(task: Task) -> str | LabelSource | None:
            if isinstance(task.label, LabelSource):
                return task.label.renamed(columns)
            return columns.get(task.name) if task.label is None else task.label

        return Tasks(*(replace(task, label=label_of(task)) for task in self._tasks.values()))

    def config(self) -> list[dict[str, Any]]:
        """Return the tasks as plain JSON values."""
        return [task.config() for task in self._tasks.values()]
