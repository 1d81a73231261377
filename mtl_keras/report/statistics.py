"""The statistics that results are reported with: mean, spread, paired interval and test, score of a trial.

Example:
    >>> from mtl_keras.report import statistics
    >>> statistics.mean([0.5, 0.75])
    0.625
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtl_keras.errors import MTLError
from mtl_keras.report._check import check_numbers, check_trials

__all__ = ["ENOUGH_SEEDS", "interval", "mean", "paired_test", "sample_sd", "trial_skills"]

#: With fewer seeds a difference is called indicative and tables give no interval.
ENOUGH_SEEDS = 5


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean, NaN if there are no values."""
    numbers = check_numbers("values", values)
    return math.fsum(numbers) / len(numbers) if numbers else math.nan


def sample_sd(values: Sequence[float]) -> float:
    """Return the sample standard deviation (divisor n - 1), NaN if there are fewer than two values.

    Example:
        >>> sample_sd([1.0, 2.0, 3.0])
        1.0
    """
    values = check_numbers("values", values)
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the two-sided 95 % t interval of the mean of paired differences.

    Args:
        differences: One for each seed, at least two.

    Returns:
        Lower and upper limit.

    Raises:
        MTLError: If there are fewer than two differences.

    Example:
        >>> low, high = interval([1.0, 2.0, 3.0, 4.0, 5.0])
        >>> f"{low:.4f} {high:.4f}"
        '1.0368 4.9632'
    """
    differences = check_numbers("differences", differences)
    if len(differences) < 2:
        raise MTLError(
            f"An interval of `differences` must be over at least two seeds. Received: {len(differences)}. Train more."
        )
    from scipy.special import stdtrit

    n = len(differences)
    half = float(stdtrit(n - 1, 0.975)) * sample_sd(differences) / math.sqrt(n)
    return mean(differences) - half, mean(differences) + half


def paired_test(differences: Sequence[float]) -> float:
    """Return the p value of the two-sided paired t test of a mean difference of 0.

    `t = mean / (SD / sqrt(n))` with n - 1 degrees of freedom. The 95 % interval excludes 0 where p is below 0.05.

    Args:
        differences: One for each seed, at least two.

    Returns:
        p in `[0, 1]`. If all differences are equal, 1 where they are 0 and 0 otherwise.

    Raises:
        MTLError: If there are fewer than two differences.

    Example:
        >>> f"{paired_test([1.0, 2.0, 3.0, 4.0, 5.0]):.4f}"
        '0.0132'
    """
    differences = check_numbers("differences", differences)
    if len(differences) < 2:
        raise MTLError(f"A test of `differences` must be over at least two seeds. Received: {len(differences)}. Train more.")
    from scipy.special import stdtr

    n, middle, spread = len(differences), mean(differences), sample_sd(differences)
    if spread == 0:
        return float(middle == 0)
    return float(2 * stdtr(n - 1, -abs(middle) * math.sqrt(n) / spread))


def trial_skills(trial_rows: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """Return the score of each completed trial: its mean skill over seeds. A trial has failed if one of its seeds has.

    Args:
        trial_rows: Rows of trials.jsonl.

    Returns:
        Skill by trial number, the best first; on ties the earliest first.

    Example:
        >>> row = {"execution": 0, "status": "completed"}
        >>> trial_skills([{**row, "trial": 0, "values": {"skill": 0.25}}, {**row, "trial": 1, "values": {"skill": 0.5}}])
        {1: 0.5, 0: 0.25}
    """
    rows = check_trials(trial_rows, ("hyperparameters",))
    failed = {row["trial"] for row in rows if row["status"] != "completed"}
    skills: dict[int, list[float]] = {}
    for row in rows:
        if row["trial"] not in failed:
            skills.setdefault(row["trial"], []).append(float(row["values"]["skill"]))
    means = {trial: mean(values) for trial, values in skills.items()}
    return dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))
