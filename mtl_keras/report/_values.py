"""Rows of metrics.csv by approach and figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtl_keras.errors import MTLError
from mtl_keras.report._baselines import TRIVIAL, approaches_of

__all__ = ["TaskMetric", "Values", "chosen_figures", "directions_of", "shown_tasks", "values_of"]

#: Of more tasks than this a page shows those that most approaches have.
MANY = 12

#: Task and metric.
TaskMetric = tuple[str, str]
#: Value by run, figure and seed.
Values = dict[str, dict[TaskMetric, dict[Any, float]]]


def values_of(metrics_rows: Iterable[Mapping[str, Any]], split: str, epoch_kind: str = "best") -> Values:
    """Return `{run: {(task, metric): {seed: value}}}` of one split and kind of epoch; the trivial predictor has no kind.

    Raises:
        MTLError: If two rows give the same figure.
    """
    values: Values = {}
    for row in metrics_rows:
        if row["split"] == split and (row["epoch_kind"] == epoch_kind or row["run"] == TRIVIAL):
            figure = (row["task"], row["metric"])
            by_seed = values.setdefault(row["run"], {}).setdefault(figure, {})
            if row["seed"] in by_seed:
                raise MTLError(
                    f"A record holds each figure once. Received twice: {row['run']}, seed {row['seed']!r}, {split} split, "
                    f"{figure[0]} {figure[1]}. Keep one row, for the whole of a seed's single-task baselines the mean of theirs."
                )
            by_seed[row["seed"]] = float(row["value"])
    return values


def directions_of(metrics_rows: Iterable[Mapping[str, Any]]) -> dict[TaskMetric, str]:
    """Return `"max"` or `"min"` for each task and metric."""
    return {(row["task"], row["metric"]): row["direction"] for row in metrics_rows}


def chosen_figures(
    metrics_rows: Sequence[Mapping[str, Any]],
    split: str,
    metrics: Mapping[str, str] | None = None,
    published: Iterable[Mapping[str, Any]] = (),
) -> list[TaskMetric]:
    """Return the figures that stand for a comparison, those of all tasks at the end.

    Args:
        metrics_rows: Rows as from `metrics_rows`.
        split: The split that is looked at.
        metrics: Metric of each task; default each task's own, which is the first of its rows.
        published: Their figures are added, since nothing else can be laid beside them.

    Raises:
        MTLError: If a metric is asked for that no row has.
    """
    known = list(dict.fromkeys((row["task"], row["metric"]) for row in metrics_rows if row["split"] == split))
    if metrics is None:
        first: dict[str, str] = {}
        for task, metric in known:
            first.setdefault(task, metric)
        metrics = {task: metric for task, metric in first.items() if task != "all"}
    elif unknown := [f"{task} {metric}" for task, metric in metrics.items() if (task, metric) not in known]:
        raise MTLError(
            f"`metrics` names one metric of each task. Received: {', '.join(unknown)}. The {split} rows hold "
            f"{', '.join(f'{task} {metric}' for task, metric in known) or 'nothing'}."
        )
    whole = [figure for figure in (("all", "delta_m"), ("all", "skill")) if figure in known]
    told = [(row["task"], row["metric"]) for row in published]
    return sorted(dict.fromkeys([*metrics.items(), *whole, *told]), key=lambda figure: figure[0] == "all")


def shown_tasks(metrics_rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the tasks that a page speaks of: all, or of very many those that most approaches have, and no more than it can."""
    runs: dict[str, dict[str, None]] = {}
    for row in metrics_rows:
        if row["task"] != "all":
            runs.setdefault(row["task"], {})[row["run"]] = None
    if len(runs) <= MANY:
        return list(runs)
    approaches = approaches_of(run for by_task in runs.values() for run in by_task)
    return [task for task, having in runs.items() if 2 * sum(run in having for run in approaches) > len(approaches)][:MANY]
