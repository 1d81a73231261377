"""Differences of a record in the words of studies: in percentage points, tested together, at the best and at the last epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import mtl_keras as mtl

__all__ = ["KINDS", "SIGNIFICANT", "basis", "basis_at_each", "corrected_of", "difference_at", "points_of"]

SIGNIFICANT = mtl.report.statistics.SIGNIFICANT
#: The epochs that everything is told at: what is chosen on validation may differ from where training ends.
KINDS = ("best", "last")
#: Differences by whatever they are of, such as an approach and a task.
Differences = Mapping[Any, mtl.report.Difference]


def difference_at(
    record: mtl.report.Record, one: str, other: str, tasks: Sequence[str], kind: str, metric: str = "accuracy"
) -> mtl.report.Difference | None:
    """Return the mean difference of two runs over some tasks at one kind of epoch; None without a seed that has them all.

    Args:
        record: The record.
        one: Label of the run in question.
        other: Label of that which it is compared with.
        tasks: The tasks.
        kind: `"best"` or `"last"`.
        metric: A metric that all of them have, of which more is better; default `"accuracy"`.
    """
    mine, theirs = ([record.values(run, task, metric, epoch_kind=kind) for task in tasks] for run in (one, other))
    seeds = sorted(set.intersection(*map(set, [*mine, *theirs]))) if tasks else []
    mean = mtl.report.statistics.mean
    values = {seed: mean([a[seed] - b[seed] for a, b in zip(mine, theirs, strict=True)]) for seed in seeds}
    subject = f"{', '.join(tasks)} {metric}, {kind} epoch"
    return mtl.report.Difference(one, other, subject, "max", values, record.resplit) if values else None


def corrected_of(differences: Differences) -> dict[Any, float | None]:
    """Return the p value of each difference after Holm's correction for all of them; None where it is not tested."""
    given = [each.p for each in differences.values()]
    family = iter(mtl.report.statistics.holm([p for p in given if p is not None]))
    return {place: None if p is None else next(family) for place, p in zip(differences, given, strict=True)}


def points_of(differences: Differences) -> dict[Any, str]:
    """Return each difference in percentage points, with what is known of its certainty; all are one family of tests.

    Returns:
        From five seeds on with interval and corrected p value, e.g. `"+0.6 [+0.2, +1.0], p = 0.280"`; with fewer with the
        value of each seed, e.g. `"+1.4 (+1.2, +1.5, +1.3)"`.
    """
    p = corrected_of(differences)
    return {place: _in_points(each, p[place]) for place, each in differences.items()}


def basis(differences: Iterable[mtl.report.Difference]) -> str:
    """Return what differences in points stand on: `"over 3 seeds, indicative"`, or the family of their tests."""
    given = list(differences)
    seeds = min(len(each.values) for each in given)
    tests = sum(each.p is not None for each in given)
    if not tests:
        return f"over {seeds} seeds, indicative; in brackets each seed"
    return f"over {seeds} seeds; p by Holm's correction for {tests} tests"


def basis_at_each(differences: Iterable[mtl.report.Difference]) -> str:
    """Return what differences at one kind of epoch stand on, where the tests of each kind are a family."""
    given = list(differences)
    return basis(given) + ("" if given[0].p is None else " at each epoch")


def _in_points(each: mtl.report.Difference, p: float | None) -> str:
    if p is None:
        return f"{each.points} ({', '.join(f'{100 * value:+.1f}' for value in each.values.values())})"
    return f"{each.points}, p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
