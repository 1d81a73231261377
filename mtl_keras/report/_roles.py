"""Roles of runs: which are approaches, which their single-task baselines, which the trivial predictor."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, TypedDict

from mtl_keras.report._check import check_rows_of

__all__ = [
    "SINGLE_TASK",
    "TRIVIAL",
    "Role",
    "approaches_of",
    "baseline_of",
    "baselines_of",
    "label_of",
    "roles_of",
    "with_roles",
]

#: What a row's run is compared as.
Role = Literal["approach", "single_task", "trivial"]
#: Labels of runs with a role of their own.
SINGLE_TASK, TRIVIAL = "single-task", "trivial"


class Labeled(TypedDict):
    """What a row has at least."""

    run: str


def with_roles(rows: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return rows of which each has a `role`.

    Rows written before the column existed, and rows of published results, have none. They get it from their labels: baselines
    are called `single-task`, `A single-task` for an approach `A`, or one of both followed by the task.

    Args:
        rows: Rows of metrics.csv, history.csv or published.csv; those that have a role are returned as they are.

    Example:
        >>> [row["role"] for row in with_roles([{"run": "joint"}, {"run": "joint single-task fine"}, {"run": "trivial"}])]
        ['approach', 'single_task', 'trivial']
    """

    def role(label: str) -> Role:
        if label == TRIVIAL:
            return "trivial"
        return "single_task" if SINGLE_TASK in label.split() else "approach"

    rows = check_rows_of("rows", rows, Labeled, "metrics_rows", ())
    return [row if row.get("role") else {**row, "role": role(str(row["run"]))} for row in rows]


def roles_of(*tables: Iterable[Mapping[str, Any]]) -> dict[str, Role]:
    """Return the role of each run in the rows of one or several tables, in their order."""
    return {row["run"]: row["role"] for rows in tables for row in with_roles(rows)}


def approaches_of(roles: Mapping[str, Role]) -> list[str]:
    """Return the runs that are approaches, in their order."""
    return [run for run, role in roles.items() if role == "approach"]


def baselines_of(roles: Mapping[str, Role]) -> list[str]:
    """Return the runs that are single-task baselines, in their order."""
    return [run for run, role in roles.items() if role == "single_task"]


def baseline_of(approach: str, runs: Collection[str]) -> str:
    """Return the label of an approach's baselines: its own, `"{approach} single-task"`, if there are any, else `"single-task"`.

    Args:
        approach: Label of the approach.
        runs: All labels.

    Example:
        >>> runs = ["small", "small single-task", "large", "single-task"]
        >>> baseline_of("small", runs), baseline_of("large", runs)
        ('small single-task', 'single-task')
    """
    own = f"{approach} {SINGLE_TASK}"
    return own if own in runs else SINGLE_TASK


def label_of(run: str, role: str) -> str:
    """Return the label that a run's curve is drawn under: the baselines of different tasks share theirs.

    Example:
        >>> label_of("joint single-task fine", "single_task"), label_of("joint", "approach")
        ('joint single-task', 'joint')
    """
    return run.partition(SINGLE_TASK)[0] + SINGLE_TASK if role == "single_task" else run
