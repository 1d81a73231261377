"""The tasks of one model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mtl_keras.errors import MTLError, describe, unknown
from mtl_keras.tasks._base import Task
from mtl_keras.tasks._label_source import LabelSource

__all__ = ["Tasks"]


class Tasks(Mapping[str, Task]):
    """The tasks of one model, by name, in the given order. Immutable.

    Args:
        *tasks: At least one task; names must be unique.

    Raises:
        MTLError: If there is no task, a name is repeated, or a task cannot be derived from its source.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> list(tasks)
        ['digit', 'parity']
    """

    def __init__(self, *tasks: Task) -> None:
        if not tasks:
            raise MTLError("`Tasks` must hold at least one task. Received: none. Pass e.g. mtl.Binary('parity').")
        for task in tasks:
            if not isinstance(task, Task):
                raise MTLError(
                    f"`Tasks` must hold task objects. Received: {describe(task)}. "
                    "Pass e.g. mtl.Classification('fine', classes=100)."
                )
        names = [task.name for task in tasks]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise MTLError(
                f"Task names must be unique. Received: {', '.join(repeated)} more than once. Rename one; `label=` may repeat."
            )
        self._tasks = {task.name: task for task in tasks}
        for task in tasks:
            self.heads_of(task.name)
            task.check(self)

    def __getitem__(self, name: str) -> Task:
        try:
            return self._tasks[name]
        except KeyError:
            # A KeyError, as `get` and `in` of a Mapping expect.
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
        """Return these tasks alone, in their present order.

        A derived task whose source is left out gets a head of its own.

        Raises:
            MTLError: If a name is unknown.
        """
        for name in names:
            if name not in self._tasks:
                raise unknown("task", name, self._tasks)
        kept = [task for task in self._tasks.values() if task.name in names]
        return Tasks(*(task if task.source is None or task.source in names else task.standalone() for task in kept))

    def heads_of(self, name: str) -> tuple[str, ...]:
        """Return the tasks whose heads contribute to a task's output: its chain of sources, and the task itself.

        Raises:
            MTLError: If a source is unknown, or if the chain is circular.
        """
        chain = [name]
        while (source := self._tasks[chain[0]].source) is not None:
            if source not in self._tasks:
                raise unknown(f"task that {chain[0]!r} is derived from", source, self._tasks)
            if source in chain:
                raise MTLError(
                    f"A task must not be derived from itself. Received: {' from '.join([*reversed(chain), source])}. Leave "
                    "`derive_from` out of one of them."
                )
            chain.insert(0, source)
        return tuple(chain)

    def mean_skill(self, values: Mapping[str, float], trivial: Mapping[str, float]) -> float:
        """Return the mean over tasks of the skill of each task's own metric.

        Args:
            values: Value of `Task.metric` by task.
            trivial: Value of the same metric for the trivial predictor, by task.

        Returns:
            The mean over the tasks that are in both; NaN if there is none. A metric that the rows do not define, such as the
            AUC of one class, has no trivial value, and its task is left out.
        """
        skills = [
            task.metric.skill(float(values[name]), float(trivial[name]))
            for name, task in self._tasks.items()
            if name in values and not math.isnan(trivial.get(name, math.nan))
        ]
        return float(np.mean(skills)) if skills else math.nan

    def rename_columns(self, columns: Mapping[str, str]) -> Tasks:
        """Return the tasks with aliases of columns replaced, also where `label` was left out.

        Args:
            columns: Alias to name of the column.
        """

        def label_of(task: Task) -> str | LabelSource | None:
            if isinstance(task.label, LabelSource):
                return task.label.rename_columns(columns)
            return columns.get(task.name) if task.label is None else task.label

        return Tasks(*(replace(task, label=label_of(task)) if task.column else task for task in self._tasks.values()))

    @property
    def unresolved(self) -> tuple[str, ...]:
        """Names of the tasks whose classes data has yet to say."""
        return tuple(name for name, task in self._tasks.items() if task.unresolved)

    def check_resolved(self) -> None:
        """Refuse tasks of which it is not known how many classes they have.

        Raises:
            MTLError: If there is one.
        """
        if names := self.unresolved:
            raise MTLError(
                f"`classes` of a task must be known before a model is built. Received: none for {', '.join(names)}. Pass "
                "data.tasks, whose classes are those of the data, or give the tasks classes=."
            )

    def check_classes(self, others: Tasks) -> None:
        """Refuse tasks of other data that do not have the same classes in the same order.

        Args:
            others: Tasks of data, with the same names.

        Raises:
            MTLError: If they differ.
        """
        for name, task in self._tasks.items():
            other = others[name]
            both_named = task.class_names and other.class_names and not isinstance(task.label, LabelSource)
            if task.class_count != other.class_count or (both_named and task.class_names != other.class_names):
                own, its = (", ".join(each.class_names) or str(each.class_count) for each in (task, other))
                raise MTLError(
                    f"Model and data must have the same classes in the same order. Received: for task {name!r} a model of "
                    f"{own} and data of {its}. Build the model with data.tasks, or read the data with model.recipe.tasks."
                )

    def config(self) -> list[dict[str, Any]]:
        """Return the tasks as plain JSON values; `mtl_keras.tasks.from_config` reads them."""
        return [task.config() for task in self._tasks.values()]
