"""The interface of every kind of task: labels, output layer, loss, metrics and decoding of outputs."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np

from mtl_keras.errors import MTLError, check_choice, check_number, check_text, describe, store
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._label_source import LabelSource

__all__ = ["Metric", "Task"]

#: Characters of a task's name: it is part of the names of layers, columns and files.
LONGEST = 100
#: Names that would collide with other entries of logs and results, or with layers.
RESERVED_NAMES = frozenset({"loss", "skill", "all", "val", "learning_rate", "backbone", "shared", "input", "input_image"})

#: Patterns of such names.
RESERVED_PATTERN = r"val_.*|backbone_.*|shared_pool|shared_(dense|dropout)_\d+"


@dataclass(frozen=True)
class Metric:
    """A metric, with its unit and direction.

    Args:
        name: Name in logs and results, e.g. `"accuracy"`.
        unit: Unit in words, e.g. `"fraction of images"`.
        direction: `"max"` if higher is better, else `"min"`.
        perfect: Value of a perfect prediction: 1 for accuracy, 0 for MSE.
    """

    name: str
    unit: str
    direction: Literal["max", "min"]
    perfect: float

    def __post_init__(self) -> None:
        for field in ("name", "unit"):
            check_text(field, getattr(self, field), of="a metric")
        check_choice("direction", self.direction, ("max", "min"))
        if not isinstance(self.perfect, float) or not math.isinf(self.perfect):
            store(self, perfect=check_number("perfect", self.perfect, of="a metric", example=1.0))

    @property
    def description(self) -> str:
        """Unit and direction in words, e.g. `"fraction of images, higher is better"`."""
        return f"{self.unit}, {'higher' if self.direction == 'max' else 'lower'} is better"

    def skill(self, value: float, trivial: float) -> float:
        """Return `(value - trivial) / (perfect - trivial)`: 0 for the trivial predictor, 1 for a perfect prediction.

        The skill is 0 if the trivial predictor is already perfect.
        """
        span = self.perfect - trivial
        return float((value - trivial) / span) if span else 0.0


@dataclass(frozen=True)
class Task(ABC):
    """One thing to predict. A frozen value that holds no Keras object.

    Args:
        name: Output key, name of the output layer, prefix of losses and metrics, and row in results. At most 100 letters,
            digits and underscores, starting with a letter.
        label: Column of the data set that holds the labels; default: the name. Or a `ClassMap` of a column's classes, or
            `RandomLabels`.
    """

    name: str
    label: str | LabelSource | None = None

    #: Every metric of this kind of task. `skill` and the search use the first one.
    metrics: ClassVar[tuple[Metric, ...]] = ()
    #: Whether the target is the input itself, so that the data needs no label column.
    from_input: ClassVar[bool] = False
    #: Whether the output is probabilities `[batch, n]`, on which another task can be stacked.
    probabilities: ClassVar[bool] = True
    #: Whether loss and row metrics are those of standardized labels and outputs. The head then ends in a frozen layer that
    #: holds location and scale (`mtl_keras.layers.unit_layer`); `encode`, `decode`, `trivial` and `score` keep the unit.
    standardized: ClassVar[bool] = False
    #: What `encode` stores for a part of a label that is missing; None if it stores NaN, or no such parts.
    stored_missing: ClassVar[float | None] = None
    #: Number of axes of the label of one row in a column.
    label_rank: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", self.name):
            raise MTLError(
                f"A task's name must consist of letters, digits and underscores and start with a letter. Received: "
                f"name={describe(self.name)}. Rename the task; `label=` still names the column it reads."
            )
        if len(self.name) > LONGEST:
            raise MTLError(
                f"A task's name must have at most {LONGEST} characters. Received: name={describe(self.name)}. Rename the task; "
                "`label=` still names the column it reads."
            )
        if self.name in RESERVED_NAMES or re.fullmatch(RESERVED_PATTERN, self.name):
            raise MTLError(
                f"A task's name must not be a reserved name of logs and layers. Received: name={self.name!r}. Rename the task; "
                "`label=` still names the column it reads."
            )
        if self.label is not None and not isinstance(self.label, LabelSource):
            store(self, label=str(check_text("label", self.label, of=f"task {self.name!r}", example=self.name)))

    @property
    def column(self) -> str | None:
        """The data column that the labels are read from; None if the labels are random."""
        return self.label.column if isinstance(self.label, LabelSource) else self.label or self.name

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes that a label source defines; empty if the labels are a column of the data."""
        return self.label.class_names if isinstance(self.label, LabelSource) else ()

    @property
    def class_count(self) -> int | None:
        """Number of classes or labels that can be named; None for a kind without."""
        return getattr(self, "classes", None)

    def read(self, column: np.ndarray | None, n: int, split: str, names: Sequence[str]) -> np.ndarray:
        """Return the raw labels `[n, ...]`: the column itself, or the labels that the label source derives from it.

        Args:
            column: The data column called `column`; None if there is none.
            n: Number of rows.
            split: Name of the split.
            names: Names of the column's classes, if known.
        """
        if isinstance(self.label, LabelSource):
            return self.label.read(column, n, split, names)
        assert column is not None
        return column

    @property
    def metric(self) -> Metric:
        """The metric that `skill` is computed from."""
        return self.metrics[0]

    @property
    def source(self) -> str | None:
        """The task from whose output this one's is derived, or None."""
        return None

    @abstractmethod
    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Convert a raw label column to stored labels.

        Args:
            column: `[n, ...]`; NaN or None marks a missing label.

        Returns:
            Stored labels `[n, ...]`, with a dummy value where missing, and presence `[n]` float32 (1 present, 0 missing).

        Raises:
            MTLError: If a label is outside the range of the task; the message names the row.
        """

    def target(self, stored: Any) -> Any:
        """Convert a batch of stored labels (tensor) to training targets; by default the labels themselves."""
        return stored

    def known(self, target: Any) -> Any:
        """Return the known share of each row's label, `[batch]`; None (default) for labels that are known or not as a whole.

        A row counts in loss and metrics by this share, so that both are means over all known parts.
        """
        return None

    def statistics(self, stored: np.ndarray) -> tuple[np.ndarray, float]:
        """Return what a kind that is `standardized` subtracts from its labels, `[size]`, and what it divides them by.

        Args:
            stored: Present labels of the training rows, from `encode`.
        """
        raise NotImplementedError

    @property
    def unit_given(self) -> bool:
        """Whether the task itself says what its labels are standardized by, so that nothing is taken from training rows."""
        return False

    @property
    def initial_unit(self) -> tuple[float, float]:
        """What the layer that holds the unit of standardized labels is built with, location and scale."""
        return 0.0, 1.0

    def metric_in_unit(self, value: Any, scale: Any) -> Any:
        """Return the value of `metric` for labels in their own unit, given that for labels divided by `scale`."""
        return value

    @abstractmethod
    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        """Build the output layer, which is named after the task, and the layers that belong to it.

        Args:
            features: Keras tensor `[batch, channels]`; behind a decoder, a map `[batch, height, width, channels]`.
            image_shape: Shape of one input, e.g. `(32, 32, 3)`.
            source: Output of the task called `source`; None if there is none.
        """

    @abstractmethod
    def loss(self, target: Any, prediction: Any) -> Any:
        """Return the loss of each row, `[batch]`.

        A row's loss must not depend on other rows: the rows of tasks of one kind are computed in one call.
        """

    @abstractmethod
    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        """Return each metric that is a mean over rows, `[batch]`, `metric` among them.

        As for `loss`, a row's value must not depend on other rows.
        """

    @abstractmethod
    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        """Convert outputs of the model to predictions: classes, label sets, numbers or images.

        Args:
            outputs: Outputs for this task, `[n, ...]`.
            class_names: Names of the classes, e.g. `data.class_names[task.name]`; default: those of a label source.
        """

    @abstractmethod
    def trivial(self, stored: np.ndarray) -> np.ndarray:
        """Return the best prediction that ignores the input, as one row of the model's output.

        Args:
            stored: Present labels only, from `encode`.
        """

    @abstractmethod
    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        """Return every metric, computed from predictions.

        Args:
            stored: Present labels only, `[n, ...]`, from `encode`.
            prediction: Outputs of the model for the same rows.
        """

    def confusion(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray | None:
        """Return counts `[classes, classes]`, rows = true and columns = predicted, or None for a kind without classes.

        Args:
            stored: Present labels only, from `encode`.
            prediction: Outputs of the model for the same rows.
        """
        return None

    def class_counts(self, stored: np.ndarray, prediction: np.ndarray) -> np.ndarray | None:
        """Return counts `[classes, 3]` of correct predictions, predictions and labels, or None for a kind without classes.

        Args:
            stored: Present labels only, from `encode`.
            prediction: Outputs of the model for the same rows.
        """
        confusion = self.confusion(stored, prediction)
        if confusion is None:
            return None
        return np.stack([confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)], axis=1)

    def strata(self, stored: np.ndarray) -> np.ndarray | None:
        """Return `[n]` integers for stratified splits, or None for a kind without classes."""
        return None

    def standalone(self) -> Task:
        """Return the same task without `source`, with a head of its own."""
        return self

    def check(self, tasks: Mapping[str, Task]) -> None:
        """Check the task against the other tasks.

        Raises:
            MTLError: If it cannot be derived from its source.
        """

    def check_labels(self, stored: np.ndarray, source: np.ndarray, both: np.ndarray) -> None:
        """Check that labels agree with those of the source.

        Args:
            stored: Labels from `encode`.
            source: Labels of the source.
            both: `[n]`, whether a row has both labels.

        Raises:
            MTLError: If a row disagrees; the message names it.
        """

    def config(self) -> dict[str, Any]:
        """Return the task as plain JSON values; `mtl_keras.tasks.from_config` reads them."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        label = self.label.config() if isinstance(self.label, LabelSource) else self.label
        return {"kind": type(self).__name__, **own, "label": label}
