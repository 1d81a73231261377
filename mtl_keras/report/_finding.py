"""The sentence that a record opens with, written from its rows where nobody wrote one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from mtl_keras.errors import MTLError
from mtl_keras.report._difference import Difference
from mtl_keras.report._record import Record
from mtl_keras.report._roles import baseline_of, roles_of
from mtl_keras.report._text import count_of, format_number, join_words
from mtl_keras.report._values import own_metrics, shown_tasks
from mtl_keras.report.statistics import ENOUGH_SEEDS

__all__ = ["finding"]

#: Of more tasks a sentence names the first ones.
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
    about = {(row["task"], row["metric"]): (row["unit"], row["direction"]) for row in record.metrics}
    compared, reached = [], []
    for task in tasks[:NAMED]:
        value, (unit, direction) = record.mean(run, task), about[task, own[task]]
        name = f"{task} {own[task]} {format_number(value)}"
        reached.append(f"{name} (lower is better)" if direction == "min" else name)
        with suppress(MTLError):
            difference = record.difference(run, baseline_of(run, roles_of(record.metrics)), task)
            compared.append((difference, f"{name} ({_change(difference, in_points=unit.startswith('fraction'))})"))
    if not reached:
        return f"{run} was not measured."
    counts = [len(each.values) for each, _ in compared] or [len(record.values(run, task)) for task in tasks]
    over = f"Over {count_of(min(counts), 'seed')}{', each with a split of its own' if record.split_per_seed else ''}"
    parts = [text for _, text in compared] or reached
    others = f"; {len(own) - len(parts)} more tasks are in metrics.csv" if len(own) > len(parts) else ""
    if not compared:
        return f"{over}, the approach {run} reaches {join_words(parts)} on the {record.split} split{others}."
    tested = sum(each.interval is not None for each, _ in compared)
    note = "; the intervals are not corrected for each other" if tested > 1 else ""
    if min(counts) < ENOUGH_SEEDS:
        note = f"; with fewer than {ENOUGH_SEEDS} seeds these differences are indicative"
    return (
        f"{over}, {run} training reaches {join_words(parts)} on the {record.split} split, in brackets against single-task "
        f"baselines{note}{others}."
    )


def _change(difference: Difference, *, in_points: bool) -> str:
    """Return how an approach differs from its single-task baselines, with the interval if there is one."""
    factor, form, unit = (100, "+.1f", " points") if in_points else (1, "+.3g", "")
    text = f"{factor * difference.mean:{form}}{unit}"
    if difference.interval:
        low, high = (format(factor * limit, form) for limit in difference.interval)
        text += f", 95 % interval {low} to {high}"
    return text if difference.direction == "max" else f"{text}; lower is better"


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
    interval = f"the 95 % interval of the difference over {len(gap.values)} seeds is {low:+.3g} to {high:+.3g}"
    return f"{text}; {interval}, not corrected for the choice of these two."
