"""Rows of metrics.csv by approach, task and metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtl_keras.errors import MTLError
from mtl_keras.report._roles import approaches_of, roles_of
from mtl_keras.report._rows import MetricsRow, twice

__all__ = [
    "BySeed",
    "TaskMetric",
    "Values",
    "directions_of",
    "main_metrics",
    "own_metrics",
    "shown_tasks",
    "split_of",
    "values_of",
]

#: Of more tasks than this a page shows those that most approaches have.
MANY = 12

#: Task and metric.
TaskMetric = tuple[str, str]
#: Value by seed.
BySeed = dict[Any, float]
#: Value by run, task and metric, and seed.
Values = dict[str, dict[TaskMetric, BySeed]]


def values_of(metrics_rows: Iterable[MetricsRow], split: str, epoch_kind: str = "best") -> Values:
    """Return `{run: {(task, metric): {seed: value}}}` of one split and kind of epoch.

    Rows without a kind of epoch, those of the trivial predictor, belong to every kind.

    Raises:
        MTLError: If two rows hold the same value.
    """
    values: Values = {}
    for row in metrics_rows:
        if row["split"] == split and row["epoch_kind"] in (epoch_kind, ""):
            key = (row["task"], row["metric"])
            by_seed = values.setdefault(row["run"], {}).setdefault(key, {})
            if row["seed"] in by_seed:
                raise twice(row)
            by_seed[row["seed"]] = float(row["value"])
    return values


def split_of(metrics_rows: Iterable[MetricsRow]) -> str:
    """Return the split that results are about: test where there are rows of it, else the first one."""
    splits = [row["split"] for row in metrics_rows]
    return "test" if "test" in splits or not splits else splits[0]


def directions_of(metrics_rows: Iterable[MetricsRow]) -> dict[TaskMetric, str]:
    """Return `"max"` or `"min"` for each task and metric."""
    return {(row["task"], row["metric"]): row["direction"] for row in metrics_rows}


def own_metrics(metrics_rows: Iterable[MetricsRow], split: str) -> dict[str, str]:
    """Return each task's own metric, which is the first of its rows."""
    own: dict[str, str] = {}
    for row in metrics_rows:
        if row["split"] == split and row["task"] != "all":
            own.setdefault(row["task"], row["metric"])
    return own


def main_metrics(
    metrics_rows: Sequence[MetricsRow],
    split: str,
    metrics: Mapping[str, str] | None = None,
    published: Iterable[Mapping[str, Any]] = (),
) -> list[TaskMetric]:
    """Return the metrics that approaches are compared by, those of the whole model last.

    Args:
        metrics_rows: Rows as from `metrics_rows`.
        split: The split to show.
        metrics: Metric of each task; default each task's own.
        published: Rows whose metrics are added, since published values cannot be compared otherwise.

    Raises:
        MTLError: If no row has a requested metric.
    """
    known = list(dict.fromkeys((row["task"], row["metric"]) for row in metrics_rows if row["split"] == split))
    if metrics is None:
        metrics = own_metrics(metrics_rows, split)
    elif unknown := [f"{task} {metric}" for task, metric in metrics.items() if (task, metric) not in known]:
        raise MTLError(
            f"`metrics` must name a metric of each task. Received: {', '.join(unknown)}. The {split} rows hold "
            f"{', '.join(f'{task} {metric}' for task, metric in known) or 'nothing'}."
        )
    whole = [key for key in (("all", "delta_m"), ("all", "skill")) if key in known]
    reported = [(row["task"], row["metric"]) for row in published]
    return sorted(dict.fromkeys([*metrics.items(), *whole, *reported]), key=lambda key: key[0] == "all")


def shown_tasks(metrics_rows: Iterable[MetricsRow]) -> list[str]:
    """Return the tasks that a page shows: all, or of more than a dozen the first dozen of those that most approaches have."""
    rows = list(metrics_rows)
    runs: dict[str, set[str]] = {}
    for row in rows:
        if row["task"] != "all":
            runs.setdefault(row["task"], set()).add(row["run"])
    if len(runs) <= MANY:
        return list(runs)
    approaches = approaches_of(roles_of(rows))
    return [task for task, having in runs.items() if 2 * sum(run in having for run in approaches) > len(approaches)][:MANY]
