"""The statistics that results are reported with: mean, spread, paired interval and test, Holm's correction, trial scores.

Seeds on one split are independent. Seeds that each have a random split of their own share most of their rows: their values
differ less than those of new data sets would. `resplit`, the ratio of test to training rows, corrects for it.

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
from mtl_keras.report._check import check_numbers, check_resplit, check_trials

__all__ = ["ENOUGH_SEEDS", "SIGNIFICANT", "holm", "interval", "mean", "paired_test", "sample_sd", "testable", "trial_skills"]

#: With fewer seeds a difference is called indicative and has neither interval nor test: an interval over three is so wide, and
#: its width so uncertain, that it misleads more than the values themselves.
ENOUGH_SEEDS = 5
#: Below this, a p value corrected for all tests of its family shows a difference.
SIGNIFICANT = 0.05
#: Values that differ by less, relative to them, differ by rounding.
ROUNDING = 1e-9


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean, NaN if there are no values; of values that are not finite, infinite or NaN."""
    numbers = check_numbers("values", values)
    if not numbers:
        return math.nan
    if not all(map(math.isfinite, numbers)):
        return sum(numbers)
    # The sum of values near the largest number is none.
    scale = max(1.0, *(abs(value) / 1e300 for value in numbers))
    return scale * (math.fsum(value / scale for value in numbers) / len(numbers))


def sample_sd(values: Sequence[float]) -> float:
    """Return the sample standard deviation (divisor n - 1), NaN if there are fewer than two values or one is not finite.

    Example:
        >>> sample_sd([1.0, 2.0, 3.0])
        1.0
    """
    values = check_numbers("values", values)
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    # The norm has no squares that are too large or too small for a number.
    return math.hypot(*(value - middle for value in values)) / math.sqrt(len(values) - 1)


def testable(differences: Sequence[float]) -> bool:
    """Return whether differences are reported with an interval and a test.

    There must be at least five, all finite. Where all are the same, but not 0, t is infinite; no number of seeds makes a p
    value of 0 true, and such differences are not tested.

    Args:
        differences: One for each seed.

    Example:
        >>> testable([0.01, 0.02, 0.01, 0.03, 0.02]), testable([0.01] * 5), testable([0.01, 0.02])
        (True, False, False)
    """
    given = check_numbers("differences", differences)
    enough = len(given) >= ENOUGH_SEEDS and all(map(math.isfinite, given))
    return enough and (not any(given) or sample_sd(given) > ROUNDING * max(map(abs, given)))


def interval(differences: Sequence[float], resplit: float = 0.0) -> tuple[float, float]:
    """Return the two-sided 95 % t interval of the mean of paired differences.

    Args:
        differences: One for each seed, at least two.
        resplit: Ratio of test to training rows if each seed has a random split of its own; 0 (default) if all share one.

    Returns:
        Lower and upper limit.

    Raises:
        MTLError: If there are fewer than two differences, or the ratio is negative.

    Example:
        >>> low, high = interval([1.0, 2.0, 3.0, 4.0, 5.0])
        >>> f"{low:.4f} {high:.4f}"
        '1.0368 4.9632'

    Reference:
        C. Nadeau, Y. Bengio, Inference for the generalization error, Machine Learning 52, 2003 (`resplit`).
    """
    differences = check_numbers("differences", differences)
    if len(differences) < 2:
        raise MTLError(
            f"An interval of `differences` must be over at least two seeds. Received: {len(differences)}. Train more."
        )
    from scipy.special import stdtrit

    half = float(stdtrit(len(differences) - 1, 0.975)) * _standard_error(differences, resplit)
    return mean(differences) - half, mean(differences) + half


def paired_test(differences: Sequence[float], resplit: float = 0.0) -> float:
    """Return the p value of the two-sided paired t test of a mean difference of 0.

    `t = mean / (SD sqrt(1/n + resplit))` with n - 1 degrees of freedom. The 95 % interval excludes 0 where p is below 0.05.

    Args:
        differences: One for each seed, at least two.
        resplit: As for `interval`.

    Returns:
        p in `[0, 1]`. If all differences are equal, 1 where they are 0 and 0 otherwise.

    Raises:
        MTLError: If there are fewer than two differences, or the ratio is negative.

    Example:
        >>> f"{paired_test([1.0, 2.0, 3.0, 4.0, 5.0]):.4f}"
        '0.0132'
    """
    differences = check_numbers("differences", differences)
    if len(differences) < 2:
        raise MTLError(f"A test of `differences` must be over at least two seeds. Received: {len(differences)}. Train more.")
    from scipy.special import stdtr

    middle, error = mean(differences), _standard_error(differences, resplit)
    if error == 0:
        return float(middle == 0)
    return float(2 * stdtr(len(differences) - 1, -abs(middle) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for the number of tests, in the same order.

    The k-th smallest of m is multiplied by m - k + 1 and is at least as large as the corrected one before it. The probability
    that any of the tests whose corrected p is below 0.05 is a false alarm is at most 0.05.

    Args:
        p_values: Those of a family of tests, in `[0, 1]`.

    Raises:
        MTLError: If a value is not in `[0, 1]`.

    Example:
        >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]

    Reference:
        S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    values = check_numbers("p_values", p_values)
    if not all(0 <= value <= 1 for value in values):
        raise MTLError(f"`p_values` must be in [0, 1]. Received: {values}. Pass those of `paired_test`.")
    corrected, largest = [0.0] * len(values), 0.0
    for place, number in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - place) * values[number]))
        corrected[number] = largest
    return corrected


def _standard_error(differences: Sequence[float], resplit: float) -> float:
    """Return the standard error of the mean of differences, 0 if all are equal."""
    return sample_sd(differences) * math.sqrt(1 / len(differences) + check_resplit(resplit))


def trial_skills(trial_rows: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """Return the score of each completed trial: its mean skill over seeds. A trial has failed if one of its seeds has.

    Args:
        trial_rows: Rows of trials.jsonl.

    Returns:
        Skill by trial number, the best first; on ties the earliest first, and NaN last.

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
    return dict(sorted(means.items(), key=lambda item: (math.isnan(item[1]), -item[1], item[0])))
