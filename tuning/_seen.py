"""What a record has seen, in the words of claims, findings and tables of studies: values, and what they stand on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import mtl_keras as mtl

__all__ = [
    "MISSING",
    "as_table",
    "at_end",
    "epochs_of",
    "format_values",
    "indicative",
    "measured_on",
    "quote",
    "quote_end",
    "training_rows",
]

MISSING = "–"

ENOUGH_SEEDS = mtl.report.statistics.ENOUGH_SEEDS
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


def quote_end(
    record: mtl.report.Record,
    run: str,
    task: str = "all",
    metric: str = "loss",
    split: str = "train",
    form: str = ".4f",
    *,
    first: bool = False,
) -> str:
    """Return the mean over seeds of what `at_end` returns; without a task that of the weighted total of the losses."""
    values = [*at_end(record, run, task, metric, split, first=first).values()]
    return format(mean(values), form) if values else MISSING


def training_rows(record: mtl.report.Record, run: str) -> str:
    """Return how many rows a run was trained on; a dash in records that do not say so."""
    rows = [each.rows for each in record.budgets if each.run == run]
    return f"{max(rows):,}" if rows else MISSING


def epochs_of(record: mtl.report.Record, run: str) -> str:
    """Return for how many epochs a run was trained at most; a dash in records that do not say so."""
    epochs = [each.epochs for each in record.budgets if each.run == run]
    return str(max(epochs)) if epochs else MISSING


def measured_on(record: mtl.report.Record, task: str) -> str:
    """Return what the values of a task stand on, as far as the record says: training rows, epochs, rows of the split."""
    budgets = {(each.rows, each.epochs) for each in record.budgets if task in each.tasks}
    counts = {row["n"] for row in record.metrics if (row["task"], row["split"]) == (task, record.split)}
    trained = [f"{rows:,} training images, at most {epochs} epochs" for rows, epochs in sorted(budgets)]
    return "; ".join([*trained, *(f"{count:,} {record.split} images" for count in sorted(counts))])


def as_table(lines: Sequence[Any], caption: str, columns: list[str] | None = None) -> mtl.report.Table:
    """Return lines as a table of a record.

    Args:
        lines: A mapping of column to text each, or with `columns` a sequence of texts each.
        caption: What the columns mean.
        columns: Names of the columns; None (default) if the lines have them.
    """
    import pandas as pd

    return mtl.report.Table(mtl.report.to_markdown(pd.DataFrame(lines, columns=columns)), caption)
