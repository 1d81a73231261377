"""What the trainings of a comparison give, and which of them is delivered."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from mtl_keras.comparison._approach import Approach
from mtl_keras.comparison._jobs import Job
from mtl_keras.evaluation import Evaluation
from mtl_keras.model import MultiTaskModel
from mtl_keras.report import Budget, ConfusionRow, HistoryRow, MetricsRow

__all__ = ["Results", "choose_best", "with_mean_skill", "with_mean_trivial"]


@dataclass(frozen=True, eq=False)
class Results:
    """What the trainings gave.

    Attributes:
        metrics: Rows of `metrics.csv`.
        history: Rows of `history.csv`.
        best: Name of the approach with the highest mean skill on validation, over the tasks that most approaches have.
        seed: Number of its training that is best on validation.
        model: The model of that training, at its best epoch.
        evaluation: Its evaluation on validation.
        confusion: Rows of `confusion.csv`: of all trainings on the test split.
        budgets: What each run was trained on.
    """

    metrics: list[MetricsRow]
    history: list[HistoryRow]
    best: str
    seed: int
    model: MultiTaskModel
    evaluation: Evaluation
    confusion: list[ConfusionRow]
    budgets: list[Budget]

    @property
    def content(self) -> dict[str, Any]:
        """What a record has of it, as fields of `mtl_keras.report.Record`."""
        names = ("metrics", "history", "evaluation", "confusion", "budgets")
        return {name: getattr(self, name) for name in names} | {"notes": [self.note]}

    @property
    def note(self) -> str:
        """A sentence on which model is delivered."""
        return (
            f"The delivered model is that of {self.best}, seed {self.seed}: the best on validation by mean skill over the "
            "tasks that most approaches have, and its best seed there."
        )


def choose_best(approaches: Sequence[Approach], jobs: Sequence[Job]) -> Job:
    """Return the training that is best on validation, of the approach that is best in the mean over its seeds.

    Args:
        approaches: What is compared. Approaches that lack one of the common tasks are not considered.
        jobs: All trainings, finished.
    """
    common = _common_tasks([frozenset(approach.plan.recipe.tasks) for approach in approaches])
    skills: dict[str, dict[Job, float]] = {}
    for job in jobs:
        if job.task is None and common <= set(job.plan.recipe.tasks):
            skills.setdefault(job.label, {})[job] = _validation_skill(job, common)
    best = max(skills, key=lambda name: float(np.mean(list(skills[name].values()))))
    return max(skills[best], key=lambda job: (skills[best][job], -job.seed))


def _common_tasks(sets: Sequence[frozenset[str]]) -> frozenset[str]:
    """Return the tasks by which approaches are ranked: those that at least half of them have, if one has all of these."""
    every = frozenset[str]().union(*sets)
    common = frozenset(task for task in every if 2 * sum(task in tasks for tasks in sets) >= len(sets))
    return common if common and any(common <= tasks for tasks in sets) else max(sets, key=lambda s: (sets.count(s), len(s)))


def _validation_skill(job: Job, tasks: Collection[str]) -> float:
    """Return the mean skill over some of the training's tasks at the best epoch."""
    own = job.plan.recipe.tasks.only(*(name for name in job.plan.recipe.tasks if name in tasks))
    values: dict[str, float] = {}
    trivial: dict[str, float] = {}
    for row in job.summary()["metrics"]:
        if row["task"] in own and row["metric"] == own[row["task"]].metric.name:
            if row["run"] == "trivial":
                trivial[row["task"]] = row["value"]
            elif row["epoch_kind"] == "best":
                values[row["task"]] = row["value"]
    return own.mean_skill(values, trivial)


def with_mean_trivial(trainings: Iterable[tuple[int, Sequence[MetricsRow]]]) -> list[MetricsRow]:
    """Return the rows of all trainings, with those of the trivial predictor once per split, task and metric.

    Trainings of other numbers may have other rows, such as those of another fold, and then have another trivial predictor: the
    value is its mean over the numbers, where it has one.

    Args:
        trainings: Number and rows of each training.
    """
    parts = [(number, [*rows]) for number, rows in trainings]
    values: dict[tuple[Any, ...], dict[int, float]] = {}
    for number, rows in parts:
        for row in rows:
            if row["role"] == "trivial":
                values.setdefault(_trivial_key(row), {}).setdefault(number, row["value"])
    kept: list[MetricsRow] = []
    for _, rows in parts:
        for row in rows:
            if row["role"] != "trivial":
                kept.append(row)
            elif (by_number := values.pop(_trivial_key(row), None)) is not None:
                known = [value for value in by_number.values() if not math.isnan(value)]
                # Of equal values none is rounded.
                same = len(set(known)) < 2
                kept.append(row if same and len(known) == len(by_number) else {**row, "value": fmean(known or [math.nan])})
    return kept


def _trivial_key(row: MetricsRow) -> tuple[Any, ...]:
    return row["split"], row["task"], row["metric"]


def with_mean_skill(metrics: Sequence[MetricsRow]) -> list[MetricsRow]:
    """Replace the whole-model rows of one seed's baselines by one row, the mean over all of them."""
    kept: list[MetricsRow] = []
    skills: dict[tuple[Any, ...], list[MetricsRow]] = {}
    for row in metrics:
        if row["role"] == "single_task" and row["task"] == "all":
            skills.setdefault((row["run"], row["seed"], row["epoch_kind"], row["split"]), []).append(row)
        else:
            kept.append(row)
    return kept + [{**rows[0], "value": float(np.mean([row["value"] for row in rows]))} for rows in skills.values()]
