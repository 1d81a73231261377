"""Lines of history.csv: values by epoch, and their mean and spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from mtl_keras.report._roles import label_of, with_roles
from mtl_keras.report._rows import HistoryRow
from mtl_keras.report.statistics import mean, sample_sd

__all__ = ["Curve", "Key", "curves_of", "is_wide", "lines_of", "over_seeds", "seeds_text"]

#: Run, split, task and metric.
Key = tuple[str, str, str, str]
#: Values that span more than this factor are drawn on a logarithmic axis.
WIDE = 10
#: Value by epoch of each seed.
BySeed = dict[Any, dict[int, float]]


class Curve(NamedTuple):
    """Mean and sample SD over seeds (0 for one seed) at each epoch that all seeds have; NaN where a value is not finite."""

    epochs: list[int]
    mean: list[float]
    sd: list[float]
    seeds: int


def lines_of(history_rows: Iterable[HistoryRow]) -> tuple[dict[Key, BySeed], list[float]]:
    """Return `{(run, split, task, metric): {seed: {epoch: value}}}` and where later phases begin.

    Epochs are counted through all phases. Among runs with the same phases, each phase is as long as its longest training, so
    that all runs begin the next one at the same epoch.
    """
    rows = with_roles(history_rows)
    phases: dict[str, set[int]] = {}
    for row in rows:
        phases.setdefault(label_of(row["run"], row["role"]), set()).add(row["phase"])
    group = {label: tuple(sorted(own)) for label, own in phases.items()}
    longest: dict[tuple[tuple[int, ...], int], int] = {}
    for row in rows:
        place = (group[label_of(row["run"], row["role"])], row["phase"])
        longest[place] = max(longest.get(place, 0), row["epoch"])
    before: dict[tuple[tuple[int, ...], int], int] = {}
    starts: set[float] = set()
    for own in set(group.values()):
        total = 0
        for phase in own:
            before[own, phase] = total
            if total:
                starts.add(total + 0.5)
            total += longest[own, phase]
    lines: dict[Key, BySeed] = {}
    for row in rows:
        epoch = before[group[label_of(row["run"], row["role"])], row["phase"]] + row["epoch"]
        by_seed = lines.setdefault((row["run"], row["split"], row["task"], row["metric"]), {})
        by_seed.setdefault(row["seed"], {})[epoch] = row["value"]
    return lines, sorted(starts)


def curves_of(history_rows: Iterable[HistoryRow]) -> tuple[dict[Key, Curve], list[float]]:
    """Return the curves that have something to draw, and where later phases begin."""
    lines, starts = lines_of(history_rows)
    curves = {key: over_seeds(by_seed.values()) for key, by_seed in lines.items()}
    return {key: curve for key, curve in curves.items() if any(map(math.isfinite, curve.mean))}, starts


def over_seeds(by_seed: Collection[Mapping[int, float]]) -> Curve:
    """Return the curve of one or several seeds."""
    epochs = sorted(set.intersection(*map(set, by_seed)))
    values = [[own[epoch] for own in by_seed] for epoch in epochs]
    finite = [each if all(map(math.isfinite, each)) else [math.nan] for each in values]
    return Curve(
        epochs, [mean(each) for each in finite], [sample_sd(each) if len(each) > 1 else 0.0 for each in finite], len(by_seed)
    )


def is_wide(values: Iterable[float]) -> bool:
    """Return whether values are positive and span more than a factor of 10, so that their axis is logarithmic."""
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) / min(finite) > WIDE


def seeds_text(curves: Iterable[Curve], wide: Iterable[Curve] = ()) -> str:
    """Return what lines and bands are, for a title.

    Args:
        curves: All that are drawn.
        wide: Those of them that are drawn on a logarithmic axis.

    Example:
        >>> seeds_text([Curve([1], [0.5], [0.1], 3), Curve([1], [0.5], [0.0], 1)])
        'mean ± sample SD over 1 to 3 seeds'
        >>> seeds_text([Curve([1], [0.5], [0.0], 1)])
        'one seed'
    """
    counts = sorted({curve.seeds for curve in curves})
    if counts[-1] == 1:
        return "one seed"
    text = f"mean ± sample SD over {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} seeds"
    return f"{text} (on logarithmic axes: as far down as up)" if any(any(each.sd) for each in wide) else text
