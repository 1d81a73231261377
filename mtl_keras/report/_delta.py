"""delta_m: the gain from sharing in one number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

from mtl_keras.errors import MTLError
from mtl_keras.report._check import check_metrics
from mtl_keras.report._roles import baseline_of, roles_of
from mtl_keras.report._rows import MetricsRow, given_metrics, twice
from mtl_keras.report._text import minus
from mtl_keras.report.statistics import mean

__all__ = ["DELTA_UNIT", "delta_m_rows"]

DELTA_UNIT = "% of the single-task baselines"


def delta_m_rows(metrics_rows: Iterable[MetricsRow], own_metrics: Mapping[str, str]) -> list[MetricsRow]:
    """Return rows of metrics.csv with the mean relative gain of each approach over its single-task baselines.

    `delta_m = 100 x mean over tasks of s (m - b) / b`, where `m` is the value of the approach, `b` that of its baseline with
    the same seed, split and kind of epoch, and `s` is -1 where lower is better. Positive is better; the literature has both
    signs.

    Args:
        metrics_rows: Rows as from `metrics_rows`, with those of the baselines: for an approach `A` the run
            `"A single-task"`, or `"single-task"` if there is none.
        own_metrics: The metric of each task that counts.

    Returns:
        One row for each approach, seed, split and kind of epoch that has the baselines of all tasks, with task `"all"` and
        metric `"delta_m"`; none where a baseline's value is 0, negative or not finite, of which nothing can be relative.

    Raises:
        MTLError: If `own_metrics` is empty, or two rows hold the same value.

    Reference:
        K.-K. Maninis, I. Radosavovic, I. Kokkinos, Attentive single-tasking of multiple tasks, CVPR 2019.
    """
    rows, own_metrics = given_metrics(metrics_rows), check_metrics("own_metrics", own_metrics)
    if not own_metrics:
        raise MTLError("`own_metrics` must name at least one task. Received: none. Pass e.g. {'digit': 'accuracy'}.")
    roles = roles_of(rows)
    values: dict[tuple[Any, ...], dict[str, MetricsRow]] = {}
    for row in rows:
        key = (row["run"], row["seed"], row["epoch_kind"], row["split"])
        if own_metrics.get(row["task"]) == row["metric"]:
            if row["task"] in values.setdefault(key, {}):
                raise twice(row)
            values[key][row["task"]] = row
    runs = {key[0] for key in values}
    found: list[MetricsRow] = []
    for (run, *rest), own in values.items():
        baselines = values.get((baseline_of(run, runs), *rest), {})
        if roles[run] != "approach" or not set(own_metrics) <= own.keys() & baselines.keys():
            continue
        pairs = {task: (float(own[task]["value"]), float(baselines[task]["value"])) for task in own_metrics}
        if all(0 < base < math.inf for _, base in pairs.values()):
            signs = {task: -1.0 if own[task]["direction"] == "min" else 1.0 for task in own_metrics}
            gains = [signs[task] * minus(value, base) / base for task, (value, base) in pairs.items()]
            most = max((own[task] for task in own_metrics), key=lambda row: row["n"])
            whole = {"task": "all", "metric": "delta_m", "unit": DELTA_UNIT, "direction": "max", "value": 100 * mean(gains)}
            # A copy with other entries keeps the order of the columns.
            found.append(cast(MetricsRow, {**most, **whole}))
    return found
