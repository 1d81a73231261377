"""Losses and metrics of tasks of one type are computed in one operation, so that a step hardly costs more with more tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from mtl_keras.tasks import Task

__all__ = ["VectorMean", "batch_by_task_type"]


class VectorMean(keras.metrics.Metric):
    """The weighted means of many values over rows, held in two variables; its result is a dict of means by name.

    Args:
        name: Name of the metric itself, which the log does not show.
        entries: Names of the values in the log.
    """

    def __init__(self, name: str, entries: Sequence[str]) -> None:
        super().__init__(name=name)
        self.entries = tuple(entries)
        self.total = self.add_variable((len(entries),), "zeros", name="total")
        self.count = self.add_variable((len(entries),), "zeros", name="count")

    def update_state(self, rows: Any, weights: Any) -> None:
        """Add values `[entries, batch]` with their weights `[entries, batch]`."""
        self.total.assign_add(ops.sum(rows * weights, axis=1))
        self.count.assign_add(ops.sum(weights, axis=1))

    def means(self) -> Any:
        """Return the mean of each entry, `[entries]`; 0 where the sum of weights is 0."""
        return ops.divide_no_nan(self.total.value, self.count.value)

    def result(self) -> dict[str, Any]:
        """Return the mean of each entry by its name."""
        if not self.entries:
            return {}
        return dict(zip(self.entries, ops.unstack(self.means(), len(self.entries)), strict=True))

    def counts(self) -> np.ndarray:
        """Return the sum of weights of each entry, `[entries]`."""
        return np.array(ops.convert_to_numpy(self.count))


def batch_by_task_type(tasks: Mapping[str, Task], measure: Callable[..., Any], *by_task: Mapping[str, Any]) -> Any:
    """Return `measure` of each row for each task, `[tasks, batch]`, with one call for all tasks of one type.

    Tasks are of one type if their losses and metrics of rows are computed alike, see `Task.like`. Their rows are concatenated,
    which is possible because a loss or metric of a row does not depend on the other rows.

    Args:
        tasks: Tasks by name; the result is in their order.
        measure: Called with a task and its tensor of each of `by_task`; returns `[batch]`.
        *by_task: Tensors `[batch, ...]` by task.
    """
    groups: list[list[str]] = []
    for name in tasks:
        group = next((group for group in groups if _of_one_type(tasks, by_task, group[0], name)), None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    found = []
    for names in groups:
        rows = measure(tasks[names[0]], *(concat_rows([tensors[name] for name in names]) for tensors in by_task))
        found.append(ops.reshape(rows, (len(names), -1)))
    order = [name for names in groups for name in names]
    joined = ops.concatenate(found) if len(found) > 1 else found[0]
    return joined if order == list(tasks) else ops.take(joined, [order.index(name) for name in tasks], axis=0)


def _of_one_type(tasks: Mapping[str, Task], by_task: Sequence[Mapping[str, Any]], one: str, other: str) -> bool:
    """Return whether two tasks are computed alike, and their tensors differ in values only."""
    if not tasks[one].like(tasks[other]):
        return False
    pairs = [(tensors[one], tensors[other]) for tensors in by_task]
    return all(a.dtype == b.dtype and tuple(a.shape[1:]) == tuple(b.shape[1:]) for a, b in pairs)


def concat_rows(tensors: Sequence[Any]) -> Any:
    """Return the rows of all tensors, with the logits that Keras' cross-entropies read from a softmax or sigmoid.

    Keras keeps the logits in the attribute `_keras_logits` of an activation's output; `tests/test_keras_internals.py` fails
    where it stops doing so.
    """
    if len(tensors) == 1:
        return tensors[0]
    rows = ops.concatenate(tensors)
    logits = [getattr(tensor, "_keras_logits", None) for tensor in tensors]
    if all(logit is not None for logit in logits):
        rows._keras_logits = ops.concatenate(logits)
    return rows
