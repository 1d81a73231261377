"""What a record has seen, in the words of claims, findings and tables of studies: values, and differences tested together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import mtl_keras as mtl

__all__ = [
    "MISSING",
    "SIGNIFICANT",
    "at_end",
    "basis",
    "corrected",
    "epochs_of",
    "format_values",
    "in_points",
    "indicative",
    "measured_on",
    "quote",
    "training_rows",
]

MISSING = "–"

ENOUGH_SEEDS = mtl.report.statistics.ENOUGH_SEEDS
SIGNIFICANT = mtl.report.statistics.SIGNIFICANT
mean, sample_sd = mtl.report.statistics.mean, mtl.report.statistics.sample_sd


def format_values(values: Collection[float], form: str = ".3f") -> str:
    """Return a mean with what shows its spread: each value of fewer than five seeds, else their sample SD.

    Args:
        values: One for each seed.
        form: How a number is formatted.

    Example:
        >>> format_values([0.5, 0.75])
        '0.625 (0.500, 0.750)'
    """
    if not values:
        return MISSING
    middle = format(mean([*values]), form)
    if len(values) >= ENOUGH_SEEDS:
        return f"{middle} ± {sample_sd([*values]):{form}} ({len(values)} seeds)"
    return f"{middle} ({', '.join(format(value, form) for value in values) if len(values) > 1 else '1 seed'})"


def quote(record: mtl.report.Record, run: str, task: str, metric: str | None = None, form: str = ".3f") -> str:
    """Return what a run reaches at its best epoch, as `format_values` writes it."""
    return format_values(record.values(run, task, metric).values(), form)


def indicative(record: mtl.report.Record, run: str) -> str:
    """Return the number of seeds of a run in words, with a warning where they are too few for a test."""
    seeds = len({row["seed"] for row in record.metrics if row["run"] == run})
    return f"{seeds} seed{'' if seeds == 1 else 's'}{', indicative' if seeds < ENOUGH_SEEDS else ''}"


def at_end(
    record: mtl.report.Record, run: str, task: str, metric: str = "loss", split: str = "train", *, first: bool = False
) -> dict[Any, float]:
    """Return what a run logged in its last epoch by seed; empty where nothing was logged.

    Args:
        record: The record.
        run: Label of an approach or of baselines.
        task: A task, or `"all"`.
        metric: A metric of it, `"loss"` (default) or `"loss_weight"`.
        split: `"train"` (default) or `"validation"`.
        first: Whether to return the values of the first epoch instead.
    """
    rows = [
        row for row in record.history if (row["run"], row["task"], row["metric"], row["split"]) == (run, task, metric, split)
    ]
    rows.sort(key=lambda row: (row["phase"], row["epoch"]), reverse=first)
    return {row["seed"]: row["value"] for row in rows}


def training_rows(record: mtl.report.Record, run: str) -> str:
    """Return how many rows a run was trained on; a dash in records that do not say so."""
    rows = [each.rows for each in record.budgets if each.run == run]
    return f"{max(rows):,}" if rows else MISSING


def epochs_of(record: mtl.report.Record, run: str) -> str:
    """Return for how many epochs a run was trained at most; a dash in records that do not say so."""
    epochs = [each.epochs for each in record.budgets if each.run == run]
    return str(max(epochs)) if epochs else MISSING


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
