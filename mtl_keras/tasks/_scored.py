"""The metrics of a task: which it has, which of them skill is made of, and their values of predictions."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar

import numpy as np

from mtl_keras.errors import MTLError, check_text, unknown
from mtl_keras.tasks import _keras_metrics as keras_metrics
from mtl_keras.tasks._measures import Measures, weights_of_parts
from mtl_keras.tasks._metric import Metric
from mtl_keras.tasks._options import Frozen

__all__ = ["Scored"]


class Scored(ABC):
    """The part of a task that measures predictions."""

    name: str
    metrics: Any
    skill: str | None

    #: The metrics that every task of this kind has. The first one is that of the skill unless the task says otherwise.
    own_metrics: ClassVar[tuple[Metric, ...]] = ()
    #: The metrics that this kind computes for tasks that ask for them.
    other_metrics: ClassVar[tuple[Metric, ...]] = ()

    @property
    def all_metrics(self) -> tuple[Metric, ...]:
        """Every metric of the task: those of its kind, then those that it asks for, that of the skill included."""
        return _all_metrics(type(self), (*self.metrics, *self._metric_of_skill()), f"task {self.name!r}")

    @property
    def metric(self) -> Metric:
        """The metric that `skill` is computed from."""
        if self.skill is None:
            return self.own_metrics[0]
        return next(metric for metric in self.all_metrics if metric.name == self.skill)

    @property
    def row_wise(self) -> tuple[str, ...]:
        """Names of the metrics that are means over rows and that `row_metrics` returns."""
        return (self.own_metrics[0].name,)

    @property
    def row_metric(self) -> Metric | None:
        """The metric that is logged for each batch: that of the skill if it is a mean over rows, else the kind's first."""
        both = (self.metric, *self.own_metrics)
        return next((metric for metric in both if metric.name in self.row_wise), None)

    def check_skill(self) -> None:
        """Check that the skill is computed from a metric of the task that has a perfect value.

        Raises:
            MTLError: If it is not.
        """
        if self.skill is None:
            return
        check_text("skill", self.skill, of=f"task {self.name!r}", example=self.own_metrics[0].name)
        by_name = {metric.name: metric for metric in self.all_metrics}
        if self.skill not in by_name:
            names = {*by_name, *(metric.name for metric in self.other_metrics)}
            raise unknown(f"metric for the skill of task {self.name!r}", self.skill, names)
        if math.isinf(by_name[self.skill].perfect):
            raise MTLError(
                f"The skill of task {self.name!r} must be made of a metric with a best value. Received: skill={self.skill!r}, "
                "which has none. Name another metric."
            )

    def _metric_of_skill(self) -> tuple[str, ...]:
        """Return the name of the skill's metric if the kind computes it and the task does not ask for it otherwise."""
        others = {metric.name for metric in self.other_metrics} - set(self.metrics)
        return tuple(others & {self.skill})

    @abstractmethod
    def measures(self, stored: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None) -> Measures:
        """Return every metric that the kind computes, by name, as functions without arguments.

        Args:
            stored: Present labels only, `[n, ...]`, from `encode`.
            prediction: Outputs of the model for the same rows.
            weight: Row weights `[n]`, or those of the parts of labels, `[n, parts]`; None (default) counts each row once.
        """

    def keras_pair(self, target: Any, prediction: Any, indices: bool) -> tuple[Any, Any]:
        """Return targets and outputs as a loss or a metric of Keras takes them; by default as they are.

        Args:
            target: Targets `[batch, ...]`, or stored labels.
            prediction: Outputs `[batch, ...]`.
            indices: Whether it takes class indices, rather than a probability of each class.
        """
        return target, prediction

    def known_parts(self, stored: np.ndarray) -> np.ndarray | None:
        """Return which parts of the labels are known, `[n, parts]`; None (default) if a label is known as a whole."""
        return None

    def score(
        self,
        stored: np.ndarray,
        prediction: np.ndarray,
        weight: np.ndarray | None = None,
        only: Collection[str] | None = None,
    ) -> dict[str, float]:
        """Return every metric of the task, computed from predictions.

        Args:
            stored: Present labels only, `[n, ...]`, from `encode`.
            prediction: Outputs of the model for the same rows.
            weight: Row weights `[n]`, above 0, or those of the parts of labels, `[n, parts]`; None (default) counts each row
                once.
            only: Names of the metrics to compute; None (default) for all.
        """
        measures = self.measures(stored, prediction, weight)
        of_keras = {value["config"]["name"]: value for value in self.metrics if isinstance(value, Frozen)}
        names = [metric.name for metric in self.all_metrics if only is None or metric.name in only]
        return {
            name: self._measure_by_keras(of_keras[name], stored, prediction, weight) if name in of_keras else measures[name]()
            for name in names
        }

    def score_both(self, stored: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> dict[str, float]:
        """Return every metric of the task without weights, and if there are weights also with them (`Metric.weighted`)."""
        values = self.score(stored, prediction)
        if weight is None:
            return values
        weighted = self.score(stored, prediction, weight)
        return {**values, **{metric.weighted.name: weighted[metric.name] for metric in self.all_metrics}}

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

    def label_counts(self, stored: np.ndarray) -> np.ndarray:
        """Return how often each class or label occurs, of a kind with classes.

        Args:
            stored: Present labels only, from `encode`.
        """
        raise NotImplementedError

    def _measure_by_keras(self, value: Frozen, stored: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> float:
        """Return a metric of Keras. Where single parts of labels are missing, it sees the known ones one by one."""
        pair = self.keras_pair(stored, prediction, keras_metrics.metric_takes_indices(value))
        target, output = (np.asarray(each) for each in pair)
        known = self.known_parts(stored)
        if known is not None and not (known.all() and (weight is None or weight.ndim == 1)):
            target, output = (each.reshape(known.shape)[known][:, None] for each in (target, output))
            weight = None if weight is None else weights_of_parts(weight, known.shape)[known]
        return keras_metrics.measure(value, target, output, weight)


@functools.lru_cache(maxsize=1024)
def _all_metrics(kind: type[Scored], asked: tuple[str | Frozen, ...], of: str) -> tuple[Metric, ...]:
    """Return the metrics of a kind and those that are asked for."""
    by_name = {metric.name: metric for metric in kind.other_metrics}
    more = (by_name[each] if isinstance(each, str) else keras_metrics.keras_metric(each, of) for each in asked)
    return (*kind.own_metrics, *more)
