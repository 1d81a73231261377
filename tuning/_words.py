"""What several differences show, in percentage points, with p values corrected together; shared by studies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import mtl_keras as mtl

__all__ = ["ALPHA", "basis", "corrected", "in_points", "measured_on"]

#: Below this, a corrected p value shows a difference.
ALPHA = 0.05


def corrected(differences: Iterable[mtl.report.Difference]) -> list[float | None]:
    """Return the p value of each difference after Holm's correction for all of them; None where it is not tested."""
    given = [each.p for each in differences]
    family = iter(mtl.report.statistics.holm([p for p in given if p is not None]))
    return [None if p is None else next(family) for p in given]


def in_points(differences: Iterable[mtl.report.Difference]) -> list[str]:
    """Return each difference in percentage points, with what is known of its certainty; all are one family of tests.

    Returns:
        From five seeds on with interval and corrected p value, e.g. `"+0.6 [+0.2, +1.0], p = 0.280"`; with fewer with the
        value of each seed, e.g. `"+1.4 (+1.2, +1.5, +1.3)"`.
    """
    given = list(differences)
    return [
        f"{each.points} ({', '.join(f'{100 * value:+.1f}' for value in each.values.values())})"
        if p is None
        else f"{each.points}, p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
        for each, p in zip(given, corrected(given), strict=True)
    ]


def basis(differences: Sequence[mtl.report.Difference]) -> str:
    """Return what differences in points stand on: `"over 3 seeds, indicative"`, or the family of their tests."""
    seeds = min(len(each.values) for each in differences)
    tests = sum(p is not None for p in corrected(differences))
    if not tests:
        return f"over {seeds} seeds, indicative; in brackets each seed"
    return f"over {seeds} seeds; p by Holm's correction for {tests} tests"


def measured_on(record: mtl.report.Record, task: str) -> str:
    """Return what the values of a task stand on, as far as the record says: training rows, epochs, rows of the split."""
    budgets = {(each.rows, each.epochs) for each in record.budgets if task in each.tasks}
    counts = {row["n"] for row in record.metrics if (row["task"], row["split"]) == (task, record.split)}
    trained = [f"{rows:,} training images, at most {epochs} epochs" for rows, epochs in sorted(budgets)]
    return "; ".join([*trained, *(f"{count:,} {record.split} images" for count in sorted(counts))])
