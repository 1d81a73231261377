"""The task-count sweep: one network with more and more tasks, and what its record has of each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import mtl_keras as mtl

from ._differences import difference_at

__all__ = [
    "METRIC",
    "SINGLE_TASK",
    "BySeed",
    "across",
    "gains_of",
    "is_random",
    "mean_gains_of",
    "task_sweep",
    "tasks_of",
]

#: How the names of tasks with random labels begin; `coin_` in records of 2026.
RANDOM = ("random_", "coin_")
SINGLE_TASK = "single-task"
METRIC = "accuracy"
#: Values of one run and task by seed.
BySeed = Mapping[Any, float]


def is_random(task: str) -> bool:
    """Return whether a task of `binary_tasks` has random labels, which cannot be learned."""
    return task.startswith(RANDOM)


def task_sweep(tasks: Iterable[str], counts: Sequence[int], n_random: Mapping[int, int]) -> dict[str, tuple[str, ...]]:
    """Return the names of the tasks of each approach of a sweep.

    Args:
        tasks: Names of all tasks, in their order.
        counts: Numbers of learnable tasks; an approach has the first ones.
        n_random: Numbers of tasks with random labels, by the number of learnable tasks that they are added to.

    Returns:
        Names of tasks by the name of the approach: `tasks_5` for a count of 5, `tasks_5_random_2` for `{5: 2}`.

    Example:
        >>> task_sweep(["equal", "half_2", "half_3", "random_1"], (1, 3), {2: 1})
        {'tasks_1': ('equal',), 'tasks_3': ('equal', 'half_2', 'half_3'), 'tasks_2_random_1': ('equal', 'half_2', 'random_1')}
    """
    names = list(tasks)
    learnable, random = [name for name in names if not is_random(name)], [name for name in names if is_random(name)]
    sweep = {f"tasks_{count}": tuple(learnable[:count]) for count in counts}
    return sweep | {f"tasks_{count}_random_{more}": (*learnable[:count], *random[:more]) for count, more in n_random.items()}


def tasks_of(record: mtl.report.Record) -> dict[str, list[str]]:
    """Return the tasks of each approach."""
    own: dict[str, dict[str, None]] = {}
    for row in record.metrics:
        if row["role"] == "approach" and row["task"] != "all":
            own.setdefault(row["run"], {})[row["task"]] = None
    return {run: list(tasks) for run, tasks in own.items()}


def across(record: mtl.report.Record, run: str, tasks: Sequence[str], *, skill: bool = False) -> dict[Any, float]:
    """Return for each seed the mean accuracy, or skill, of a run over some tasks; empty if it lacks one of them."""
    own: list[BySeed] = []
    for task in tasks:
        values = record.values(run, task, METRIC)
        if skill:
            trivial = record.mean("trivial", task, METRIC)
            values = {seed: mtl.Binary(task).metric.skill(value, trivial) for seed, value in values.items()}
        own.append(values)
    seeds = set.intersection(*map(set, own)) if own else set()
    return {seed: mtl.report.statistics.mean([values[seed] for values in own]) for seed in sorted(seeds)}


def gains_of(record: mtl.report.Record, kind: str = "best") -> dict[tuple[str, str], mtl.report.Difference]:
    """Return the difference of each approach from the single-task baseline of each of its tasks that has one."""
    found = {
        (run, task): difference_at(record, run, SINGLE_TASK, [task], kind)
        for run, tasks in tasks_of(record).items()
        for task in tasks
    }
    return {place: each for place, each in found.items() if each is not None}


def mean_gains_of(record: mtl.report.Record, kind: str = "best") -> dict[str, mtl.report.Difference]:
    """Return for each approach the mean difference over its learnable tasks that have single-task baselines."""
    paired = {
        run: [task for task in tasks if not is_random(task) and record.values(SINGLE_TASK, task, METRIC)]
        for run, tasks in tasks_of(record).items()
    }
    found = {run: difference_at(record, run, SINGLE_TASK, tasks, kind) for run, tasks in paired.items()}
    return {run: each for run, each in found.items() if each is not None}
