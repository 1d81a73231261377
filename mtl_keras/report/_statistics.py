"""The few figures that a claim is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtl_keras.errors import MTLError

__all__ = ["ENOUGH_SEEDS", "interval", "mean", "paired_test", "sample_sd", "trial_skills"]

#: With fewer seeds a difference is called indicative and gets no interval.
ENOUGH_SEEDS = 5


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean; NaN of nothing."""
    return math.fsum(values) / len(values) if values else math.nan


def sample_sd(values: Sequence[float]) -> float:
    """Return the sample standard deviation, divided by n - 1; NaN of fewer than two values.

    Example:
        >>> sample_sd([1.0, 2.0, 3.0])
        1.0
    """
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the two-sided 95 % t interval of the mean of paired differences.

    Args:
        differences: One for each seed, at least two.

    Returns:
        Lower and upper end.

    Raises:
        MTLError: If there are fewer than two differences.

    Example:
        >>> low, high = interval([1.0, 2.0, 3.0, 4.0, 5.0])
        >>> f"{low:.4f} {high:.4f}"
        '1.0368 4.9632'
    """
    if len(differences) < 2:
        raise MTLError(f"An interval needs at least two seeds. Received: {len(differences)}. Train with more seeds.")
    from scipy.special import stdtrit

    n = len(differences)
    half = float(stdtrit(n - 1, 0.975)) * sample_sd(differences) / math.sqrt(n)
    return mean(differences) - half, mean(differences) + half


def paired_test(differences: Sequence[float]) -> float:
    """Return the p value of the two-sided paired t test: how likely so large a mean difference were, if there is none.

    `t = mean / (SD / sqrt(n))` with n - 1 degrees of freedom. The interval excludes 0 where p is below 0.05.

    Args:
        differences: One for each seed, at least two.

    Returns:
        p in `[0, 1]`; of differences that are all the same 1 where they are 0, else 0.

    Raises:
        MTLError: If there are fewer than two differences.

    Example:
        >>> f"{paired_test([1.0, 2.0, 3.0, 4.0, 5.0]):.4f}"
        '0.0132'
    """
    if len(differences) < 2:
        raise MTLError(f"A paired test needs at least two seeds. Received: {len(differences)}. Train with more seeds.")
    from scipy.special import stdtr

    n, middle, spread = len(differences), mean(differences), sample_sd(differences)
    if spread == 0:
        return float(middle == 0)
    return float(2 * stdtr(n - 1, -abs(middle) * math.sqrt(n) / spread))


def trial_skills(trial_rows: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """Return the score of each trial that completed: the mean skill over its seeds_per_trial, all of which completed.

    Args:
        trial_rows: Rows of trials.jsonl.

    Returns:
        Skill by number of the trial, the best first, the earliest first on ties.

    Example:
        >>> row = {"execution": 0, "status": "completed"}
        >>> trial_skills([{**row, "trial": 0, "values": {"skill": 0.25}}, {**row, "trial": 1, "values": {"skill": 0.5}}])
        {1: 0.5, 0: 0.25}
    """
    rows = list(trial_rows)
    failed = {row["trial"] for row in rows if row["status"] != "completed"}
    skills: dict[int, list[float]] = {}
    for row in rows:
        if row["trial"] not in failed:
            skills.setdefault(row["trial"], []).append(float(row["values"]["skill"]))
    means = {trial: mean(values) for trial, values in skills.items()}
    return dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))
