"""What the values of a record show, and what they leave open, as sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mtl_keras.report._difference import judge
from mtl_keras.report._gains import Gain, gains_of
from mtl_keras.report._record import Record
from mtl_keras.report._roles import approaches_of, baselines_of, roles_of
from mtl_keras.report._tables import is_comparison
from mtl_keras.report._text import count_of, format_number, format_relation
from mtl_keras.report._values import TaskMetric, directions_of, main_metrics, values_of
from mtl_keras.report.statistics import ENOUGH_SEEDS, SIGNIFICANT, interval, mean, testable

__all__ = ["findings", "limitations"]

SPREAD_OF_SEEDS = (
    "The spread is over training seeds on one split of one data set. Other data, splits or hardware may differ by more."
)
SPREAD_OF_SPLITS = (
    "The spread is over splits of one data set, each with its own training seed. Other data or hardware may differ by more."
)
SPREAD_OF_FOLDS = (
    "The spread is over the folds of a {folds}-fold cross-validation of one data set, each with its own training seed. Other "
    "data or hardware may differ by more."
)
UNCORRECTED = (
    "Intervals and tests treat the splits as independent, although these share rows: the record does not say how many "
    "rows were trained on."
)
SEARCHED = (
    "The single-task baselines have the hyperparameters that were searched for the joint model. A search of their own might "
    "make them better."
)


def findings(record: Record) -> list[str]:
    """Return what the values show: a sentence for each approach, or, of a single one, for each metric."""
    metrics, roles = record.metrics, roles_of(record.metrics)
    values, directions = values_of(metrics, record.split), directions_of(metrics)
    several, approaches = is_comparison(metrics, record.published), approaches_of(roles)
    # The tests of the table: a correction for others would contradict it.
    keys = main_metrics(metrics, record.split, published=record.published) if several else list(directions)
    gains = gains_of(values, approaches, [key for key in keys if key[1] not in ("delta_m", "skill")], record.resplit)
    found = []
    for run in approaches:
        skill, relative = (list(values.get(run, {}).get(("all", name), {}).values()) for name in ("skill", "delta_m"))
        tested = {key: gain for (owner, key), gain in gains.items() if owner == run and gain.p is not None}
        if several:
            found.append(_in_short(run, skill, relative, tested, directions, record.resplit))
            continue
        if skill:
            reached = f"{format_number(mean(skill))} over {count_of(len(skill), 'seed')}"
            found.append(f"{run}: mean skill {reached} (0: trivial predictor, 1: perfect).")
        if relative:
            about = (
                f"{run}: delta_m {mean(relative):+.2f} % over {count_of(len(relative), 'seed')}, the mean change relative to"
            )
            found.append(f"{about} the single-task baselines (positive is better; {_spread(relative, record.resplit)}).")
        found += [_compared(run, key, directions[key], gain, record.resplit) for key, gain in tested.items()]
    return found


def limitations(record: Record) -> list[str]:
    """Return what the values leave open."""
    roles = roles_of(record.metrics)
    values = values_of(record.metrics, record.split)
    gains = gains_of(values, approaches_of(roles), list(directions_of(record.metrics)), record.resplit)
    seeds: dict[str, set[object]] = {}
    for row in record.metrics:
        seeds.setdefault(row["run"], set()).add(row["seed"])
    fewest = min(
        [
            ENOUGH_SEEDS,
            *(len(seeds[run]) for run in approaches_of(roles)),
            *(len(gain.differences) for gain in gains.values()),
        ]
    )
    found = []
    if fewest < ENOUGH_SEEDS:
        found.append(
            f"With {count_of(fewest, 'seed')}, differences between approaches are indicative; from {ENOUGH_SEEDS} seeds on an "
            "approach can be called better or worse."
        )
    if not baselines_of(roles):
        found.append("Whether sharing helped is not shown: the record has no single-task baselines.")
    elif record.trials:
        found.append(SEARCHED)
    if record.split_per_seed and not record.resplit:
        found.append(UNCORRECTED)
    if record.folds is not None:
        return [*found, SPREAD_OF_FOLDS.format(folds=record.folds)]
    return [*found, SPREAD_OF_SPLITS if record.split_per_seed else SPREAD_OF_SEEDS]


def _in_short(
    run: str,
    skill: Sequence[float],
    relative: Sequence[float],
    tested: Mapping[TaskMetric, Gain],
    directions: Mapping[TaskMetric, str],
    resplit: float,
) -> str:
    """Return the result of one approach among several in a sentence."""
    parts = [f"mean skill {format_number(mean(skill))} over {count_of(len(skill), 'seed')}"] if skill else []
    if relative:
        parts.append(f"delta_m {mean(relative):+.2f} % ({_spread(relative, resplit)})")
    verdicts: dict[str, list[str]] = {"better": [], "worse": [], "": []}
    for key, gain in tested.items():
        verdicts[_judge(gain, directions[key], resplit)].append(" ".join(key))
    for word, where in verdicts.items():
        if where:
            than = f"{word} than its single-task baselines" if word else "no difference from its single-task baselines shown"
            parts.append(f"{than} in {', '.join(where)}")
    return f"{run}: {'; '.join(parts) or 'see the table'}."


def _spread(values: Sequence[float], resplit: float) -> str:
    """Return the interval of a mean in words."""
    if len(values) < ENOUGH_SEEDS:
        return "indicative"
    if not testable(values):
        return "the same in each seed" if math.isfinite(mean(values)) else "not all values are finite"
    low, high = interval(values, resplit)
    return f"95 % interval {low:+.2f} to {high:+.2f}"


def _compared(run: str, key: TaskMetric, direction: str, gain: Gain, resplit: float) -> str:
    """Return what the interval and the corrected test of one metric say."""
    low, high = interval(gain.differences, resplit)
    word = _judge(gain, direction, resplit)
    shown = f"95 % interval {low:+.3g} to {high:+.3g}; p after Holm's correction {format_relation(gain.corrected or 0.0)}"
    if not word:
        return f"{run}: no difference from the single-task baseline shown in {' '.join(key)} ({shown})."
    return f"{run}: {word} than the single-task baseline in {' '.join(key)} ({shown})."


def _judge(gain: Gain, direction: str, resplit: float) -> str:
    """Return `"better"` or `"worse"` where the corrected test shows a difference, else an empty string."""
    if gain.corrected is None or gain.corrected >= SIGNIFICANT:
        return ""
    return judge(*interval(gain.differences, resplit), direction)
