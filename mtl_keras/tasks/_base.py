"""The interface of every kind of task: labels, output layer, loss, metrics and decoding of outputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar

import numpy as np

from mtl_keras.errors import check_task_name, check_text, store
from mtl_keras.tasks import _keras_losses as keras_losses
from mtl_keras.tasks import _keras_metrics as keras_metrics
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._label_source import LabelSource
from mtl_keras.tasks._options import thaw
from mtl_keras.tasks._scored import Scored
from mtl_keras.tasks._transforms import Transform

__all__ = ["Task"]


@dataclass(frozen=True)
class Task(Scored):
    """One thing to predict. A frozen value that holds no Keras object.

    Args:
        name: Output key, name of the output layer, prefix of losses and metrics, and row in results. At most 100 letters,
            digits and underscores, starting with a letter.
        label: Column of the data set that holds the labels; default: the name. Or a `ClassMap` of a column's classes, or
            `RandomLabels`.
        loss: A loss of Keras by name, configuration or object, e.g. `"huber"`, instead of that of the kind, None (default).
            It must be one number for each row; its reduction does not count.
        metrics: More metrics, by name among those of the kind or as metrics of Keras. They are computed from predictions.
        skill: Name of the metric that the skill is made of; None (default) for the first one of the kind.
    """

    name: str
    label: str | LabelSource | None = None
    _: KW_ONLY
    loss: Any = None
    metrics: Any = ()
    skill: str | None = None

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
        check_task_name(self.name)
        if self.label is not None and not isinstance(self.label, LabelSource):
            store(self, label=str(check_text("label", self.label, of=f"task {self.name!r}", example=self.name)))
        of = f"task {self.name!r}"
        known = (*self.own_metrics, *self.other_metrics)
        store(
            self,
            loss=keras_losses.check_loss(self.loss, of),
            metrics=keras_metrics.check_metrics(self.metrics, self.own_metrics, known, of),
        )
        self.check_skill()
        if self.loss is not None and (example := self.example()) is not None:
            target, output = self.keras_pair(*example, keras_losses.takes_indices(self.loss))
            keras_losses.refuse_unless_row_wise(self.loss, np.asarray(target), np.asarray(output), of, self.in_parts)

    @property
    def column(self) -> str | None:
        """The data column that the labels are read from; None if the labels are random."""
        return self.label.column if isinstance(self.label, LabelSource) else self.label or self.name

    @property
    def columns_read(self) -> tuple[str, ...]:
        """All data columns that the labels are read from."""
        return () if self.column is None else (self.column,)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that the task or its label source gives; empty if it gives none."""
        return self.label.class_names if isinstance(self.label, LabelSource) else ()

    @property
    def class_count(self) -> int | None:
        """Number of classes or labels that can be named; None for a kind without."""
        return None

    @property
    def unresolved(self) -> bool:
        """Whether data has yet to say what the classes are."""
        return False

    def resolve(self, column: np.ndarray | None, names: Sequence[str] = ()) -> Task:
        """Return the task with what data says of its classes, if it does not say it itself.

        Args:
            column: What `read` gets, of the training rows.
            names: Names of the column's classes, if known.

        Raises:
            MTLError: If the column does not say it.
        """
        return self

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

    def loss_share(self, target: Any) -> Any:
        """Return what each row counts in the loss, `[batch]`: its known share, or more or less by the weights of classes."""
        return self.known(target)

    def class_weights(self, stored: np.ndarray, names: Sequence[str] = ()) -> np.ndarray | None:
        """Return the weights of the classes in the loss, float32; None for a task without.

        Args:
            stored: Present labels of the training rows, from `encode`.
            names: Names of the classes, if known.
        """
        return None

    def weigh(self, target: Any, weights: np.ndarray) -> tuple[Any, Any]:
        """Return targets and what the loss of each row is multiplied by, `[batch]`, given the result of `class_weights`."""
        raise NotImplementedError

    def label_weights(self, stored: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return what each label counts by its class, `[n]`, or `[n, parts]` if each part has a weight of its own.

        Args:
            stored: Present labels, from `encode`.
            weights: The result of `class_weights`.
        """
        raise NotImplementedError

    def statistics(self, stored: np.ndarray) -> tuple[np.ndarray, float]:
        """Return what a kind that is `standardized` subtracts from its labels, `[size]`, and what it divides them by.

        Args:
            stored: Present labels of the training rows, from `encode`.
        """
        raise NotImplementedError

    @property
    def transformation(self) -> Transform | None:
        """What is applied to labels before they are standardized; None (default) for nothing."""
        return None

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

    def row_loss(self, target: Any, prediction: Any) -> Any:
        """Return the loss of each row, `[batch]`: that of the kind, or the loss of Keras that the task names.

        A row's loss must not depend on other rows: the rows of tasks of one kind are computed in one call.
        """
        if self.loss is None:
            return self.own_loss(target, prediction)
        pair = self.keras_pair(target, prediction, keras_losses.takes_indices(self.loss))
        return keras_losses.row_losses(self.loss, *pair)

    @abstractmethod
    def own_loss(self, target: Any, prediction: Any) -> Any:
        """Return the loss of each row, `[batch]`, of a task that names no other."""

    @property
    def in_parts(self) -> bool:
        """Whether a label has several parts that may be missing one by one."""
        return False

    def example(self) -> tuple[Any, Any] | None:
        """Return targets and outputs of a few rows, to check a loss of Keras by; None (default) checks nothing."""
        return None

    @abstractmethod
    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        """Return each metric that is a mean over rows, `[batch]`, those of `row_wise` among them.

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

    def like(self, other: Task) -> bool:
        """Return whether losses and metrics of rows are computed alike for another task, whose name may differ."""
        apart = ("name", "label", "classes", "metrics", "skill", "class_weight", "columns", "separator")
        own = [field.name for field in fields(self) if field.name not in apart]
        return (
            type(self) is type(other)
            and (self.class_count, self.row_metric) == (other.class_count, other.row_metric)
            and all(getattr(self, name) == getattr(other, name) for name in own)
        )

    def config(self) -> dict[str, Any]:
        """Return the task as plain JSON values; `mtl_keras.tasks.from_config` reads them.

        What is given by keyword only is left out where it is the default.
        """
        own = {f.name: getattr(self, f.name) for f in fields(self) if not f.kw_only or getattr(self, f.name) != f.default}
        label = self.label.config() if isinstance(self.label, LabelSource) else self.label
        return {"kind": type(self).__name__, **thaw(own), "label": label}
