"""The sentence that a record opens with, written from its rows where nobody wrote one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from mtl_keras.errors import MTLError
from mtl_keras.report._difference import Difference
from mtl_keras.report._record import Record
from mtl_keras.report._roles import baseline_of, roles_of
from mtl_keras.report._text import count_of, format_number, join_words
from mtl_keras.report._values import own_metrics, shown_tasks
from mtl_keras.report.statistics import ENOUGH_SEEDS

__all__ = ["finding"]

#: Of more tasks a sentence names none.
NAMED = 4


def finding(record: Record) -> str:
    """Return the main result in one sentence.

    Several approaches to the same tasks are ranked by mean skill. One approach is compared with its single-task baselines,
    or, without any, described by the metric of each task.
    """
    approaches = record.approaches
    if not approaches:
        return "No approach was measured."
    if len(approaches) == 1:
        return _of_one(record, approaches[0])
    tasks = [{row["task"] for row in record.metrics if row["run"] == run} for run in approaches]
    if any(own != tasks[0] for own in tasks):
        return f"The {len(approaches)} approaches have different tasks; the table shows what each reaches on its own."
    return _of_several(record, approaches)


def _of_one(record: Record, run: str) -> str:
    own = {task: metric for task, metric in own_metrics(record.metrics, record.split).items() if record.values(run, task)}
    tasks = [task for task in shown_tasks(record.metrics) if task in own]
    seeds = max((len(record.values(run, task)) for task in tasks), default=0)
    units = {(row["task"], row["metric"]): row["unit"] for row in record.metrics}
    compared = {}
    for task in tasks[:NAMED]:
        with suppress(MTLError):
            difference = record.difference(run, baseline_of(run, roles_of(record.metrics)), task)
            compared[difference] = (record.mean(run, task), units[task, own[task]].startswith("fraction"))
    if compared:
        return _compared(run, compared)
    reached = [f"{own[task]} {format_number(record.mean(run, task))} on {task}" for task in tasks[:NAMED]]
    return f"Over {count_of(seeds, 'seed')}, {run} reaches {join_words(reached)}." if reached else f"{run} was not measured."


def _compared(run: str, differences: Mapping[Difference, tuple[float, bool]]) -> str:
    """Return what one approach reaches and how it differs from its single-task baselines.

    Args:
        run: Its label.
        differences: With the value that it reaches, and whether the difference is shown in percentage points.
    """
    seeds = min(len(each.values) for each in differences)
    sure = seeds >= ENOUGH_SEEDS
    parts = []
    for each, (value, in_points) in differences.items():
        factor, form, unit = (100, "+.1f", " points") if in_points else (1, "+.3g", "")
        interval = ""
        if sure and each.interval:
            low, high = (format(factor * limit, form) for limit in each.interval)
            interval = f", 95 % interval {low} to {high}"
        parts.append(f"{each.subject} {format_number(value)} ({factor * each.mean:{form}}{unit}{interval})")
    note = "" if sure else f"; with fewer than {ENOUGH_SEEDS} seeds these differences are indicative"
    return (
        f"Over {count_of(seeds, 'seed')}, {run} training reaches {join_words(parts)}, in brackets against single-task "
        f"baselines{note}."
    )


def _of_several(record: Record, approaches: Sequence[str]) -> str:
    """Return which approach has the highest mean skill, and whether it is shown to be better than the next one."""
    reached = {run: record.mean(run, "all") for run in approaches if record.values(run, "all")}
    if len(reached) < 2:
        return f"{len(approaches)} approaches were compared; the table shows what each reaches."
    first, second, *_ = sorted(reached, key=lambda run: -reached[run])
    text = (
        f"Of {len(approaches)} approaches, {first} has the highest mean skill on the {record.split} split "
        f"({format_number(reached[first])}), followed by {second} ({format_number(reached[second])})"
    )
    try:
        gap = record.difference(first, second, "all")
    except MTLError:
        return f"{text}."
    if len(gap.values) < ENOUGH_SEEDS:
        return f"{text}; over {count_of(len(gap.values), 'common seed')} this is indicative."
    if gap.interval is None:
        return f"{text}; over {len(gap.values)} common seeds the difference has no spread to test it by."
    low, high = gap.interval
    return f"{text}; the 95 % interval of the difference over {len(gap.values)} seeds is {low:+.3g} to {high:+.3g}."
