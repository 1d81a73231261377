"""Numbers as they stand in tables and sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mtl_keras.report._statistics import ENOUGH_SEEDS, interval, mean, sample_sd

__all__ = ["ARROWS", "NOTHING", "difference", "mean_and_sd", "number", "paired", "probability"]

NOTHING = "–"
#: What is better, by direction.
ARROWS = {"max": "↑", "min": "↓"}


def number(value: float, like: float | None = None, *, sign: bool = False) -> str:
    """Return a number in four significant digits, or with as many decimals as `like` gets."""
    if math.isnan(value):
        return NOTHING
    size = abs(value if like is None else like)
    if math.isinf(value) or (value and not 1e-4 <= size < 1e6):
        return f"{value:{'+' if sign else ''}.3g}"
    decimals = 4 if not 0 < size < math.inf else min(max(3 - math.floor(math.log10(size)), 0), 7)
    return f"{value:{'+' if sign else ''}.{decimals}f}"


def mean_and_sd(values: Sequence[float]) -> str:
    """Return `mean ± sample SD (number of seeds)`."""
    if not values:
        return NOTHING
    middle = mean(values)
    spread = f" ± {number(sample_sd(values), middle)}" if len(values) > 1 else ""
    return f"{number(middle)}{spread} ({len(values)})"


def paired(one: Mapping[Any, float], other: Mapping[Any, float]) -> dict[Any, float]:
    """Return one minus the other for each seed that both have."""
    return {seed: value - other[seed] for seed, value in one.items() if seed in other}


def difference(one: Mapping[Any, float], other: Mapping[Any, float]) -> str:
    """Return the mean difference over the seeds that both have, with its interval or the word indicative."""
    pairs = paired(one, other)
    if not pairs:
        return NOTHING
    differences = list(pairs.values())
    like = mean([one[seed] for seed in pairs])
    text = number(mean(differences), like, sign=True)
    if len(pairs) < ENOUGH_SEEDS:
        return f"{text} (indicative)"
    low, high = interval(differences)
    return f"{text} [{number(low, like, sign=True)}, {number(high, like, sign=True)}]"


def probability(p: float) -> str:
    """Return a p value to three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
