"""What sharing gained, in one number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mtl_keras.report._baselines import TRIVIAL, baseline_of, is_baseline
from mtl_keras.report._rows import METRICS_COLUMNS
from mtl_keras.report._statistics import mean

__all__ = ["DELTA_UNIT", "delta_m_rows"]

DELTA_UNIT = "% of the single-task baselines"


def delta_m_rows(metrics_rows: Iterable[Mapping[str, Any]], own_metrics: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows of metrics.csv on what each approach gains on its single-task baselines.

    `delta_m = 100 x mean over tasks of s (m - b) / b`, where `b` is the baseline's value of the same seed, split and kind of
    epoch, and `s` is -1 where lower is better: positive is better. The literature has both signs.

    Args:
        metrics_rows: Rows as from `metrics_rows`, those of the baselines among them: of an approach `A` the run
            `"A single-task"`, or `"single-task"` where there is none.
        own_metrics: The metric that stands for each task.

    Returns:
        One dict with the keys `METRICS_COLUMNS` for each approach, seed, split and kind of epoch of which the baselines of
        all tasks are there; task `"all"`, metric `"delta_m"`. None where a baseline's value is 0.

    Reference:
        K.-K. Maninis, I. Radosavovic, I. Kokkinos, Attentive single-tasking of multiple tasks, CVPR 2019.
    """
    rows = list(metrics_rows)
    values: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
    whole: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in rows:
        key = (row["run"], row["seed"], row["epoch_kind"], row["split"])
        if own_metrics.get(row["task"]) == row["metric"]:
            values.setdefault(key, {})[row["task"]] = row
        elif (row["task"], row["metric"]) == ("all", "skill"):
            whole[key] = row
    runs = {key[0] for key in values}
    made = []
    for key, row in whole.items():
        own, baselines = values.get(key, {}), values.get((baseline_of(row["run"], runs), *key[1:]), {})
        if row["run"] == TRIVIAL or is_baseline(row["run"]) or not set(own_metrics) <= own.keys() & baselines.keys():
            continue
        bases = {task: float(baselines[task]["value"]) for task in own_metrics}
        if not all(bases.values()):
            continue
        signs = {task: -1.0 if own[task]["direction"] == "min" else 1.0 for task in own_metrics}
        gains = [signs[task] * (float(own[task]["value"]) - base) / base for task, base in bases.items()]
        changed = {"metric": "delta_m", "unit": DELTA_UNIT, "direction": "max", "value": 100 * mean(gains)}
        made.append({column: {**row, **changed}[column] for column in METRICS_COLUMNS})
    return made
