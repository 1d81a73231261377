"""Numbers as text, as tables and sentences show them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtl_keras.report.statistics import ENOUGH_SEEDS, ROUNDING, SIGNIFICANT, interval, mean, sample_sd, testable

__all__ = [
    "ARROWS",
    "MISSING",
    "count_of",
    "format_difference",
    "format_mean",
    "format_number",
    "format_p",
    "format_range",
    "format_relation",
    "join_words",
    "minus",
    "subtract",
]

MISSING = "–"
#: Which direction is better.
ARROWS = {"max": "↑", "min": "↓"}


def format_number(value: float, like: float | None = None, *, sign: bool = False) -> str:
    """Return a number with four significant digits, or with as many decimals as `like` gets."""
    if math.isnan(value):
        return MISSING
    size = abs(value if like is None else like)
    if math.isinf(value) or (value and not 1e-4 <= size < 1e6):
        return f"{value:{'+' if sign else ''}.3g}"
    decimals = 4 if not 0 < size < math.inf else min(max(3 - math.floor(math.log10(size)), 0), 7)
    return f"{value:{'+' if sign else ''}.{decimals}f}"


def format_mean(values: Sequence[float]) -> str:
    """Return `mean ± sample SD (number of seeds)`."""
    if not values:
        return MISSING
    middle = mean(values)
    spread = f" ± {format_number(sample_sd(values), middle)}" if len(values) > 1 else ""
    return f"{format_number(middle)}{spread} ({len(values)})"


def subtract(one: Mapping[Any, float], other: Mapping[Any, float]) -> dict[Any, float]:
    """Return one minus the other for each seed that both have, 0 where they differ by rounding only."""
    return {seed: minus(value, other[seed]) for seed, value in one.items() if seed in other}


def minus(one: float, other: float) -> float:
    """Return a difference, 0 where it is one of rounding."""
    return 0.0 if math.isclose(one, other, rel_tol=ROUNDING) else one - other


def format_difference(one: Mapping[Any, float], other: Mapping[Any, float], resplit: float = 0.0) -> str:
    """Return the mean difference over common seeds, with its interval, or called indicative if there are too few."""
    pairs = subtract(one, other)
    if not pairs:
        return MISSING
    differences = list(pairs.values())
    like = mean([one[seed] for seed in pairs])
    text = format_number(mean(differences), like, sign=True)
    if len(pairs) < ENOUGH_SEEDS:
        return f"{text} (indicative)"
    if not testable(differences):
        return f"{text} (in each seed)" if math.isfinite(mean(differences)) else text
    low, high = interval(differences, resplit)
    return f"{text} [{format_number(low, like, sign=True)}, {format_number(high, like, sign=True)}]"


def format_p(p: float) -> str:
    """Return a p value with three decimals, or with as many as show on which side of 0.05 it is."""
    if p < 0.001:
        return "< 0.001"
    decimals = next(each for each in range(3, 18) if (round(p, each) < SIGNIFICANT) == (p < SIGNIFICANT))
    return f"{p:.{decimals}f}"


def format_relation(p: float) -> str:
    """Return a p value as the right side of a sentence, e.g. `"= 0.013"`."""
    text = format_p(p)
    return text if text.startswith("<") else f"= {text}"


def format_range(counts: Iterable[int]) -> str:
    """Return whole numbers as the smallest and the largest of them.

    Example:
        >>> format_range([36, 40, 38]), format_range([40, 40])
        ('36 to 40', '40')
    """
    known = sorted(counts)
    return " to ".join(map(str, dict.fromkeys((known[0], known[-1])))) if known else MISSING


def count_of(number: int, noun: str) -> str:
    """Return a number and its noun, e.g. `"3 seeds"`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def join_words(words: Iterable[str]) -> str:
    """Return `"a, b and c"`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
