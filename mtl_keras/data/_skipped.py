"""Rows of a table that cannot be used, set aside on request instead of being an error."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from mtl_keras.errors import MTLError, RowsError, check_option

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OnError", "SkippedRow", "describe_cost", "read_good_rows", "skipped_text"]

OnError = Literal["raise", "skip"]
T = TypeVar("T")

#: Columns with more distinct values than these are no classes.
MOST_CLASSES = 50
#: Classes of a column that a message names.
SHOWN = 5

_log = logging.getLogger("mtl_keras")


@dataclass(frozen=True)
class SkippedRow:
    """A row that was set aside.

    Args:
        row: Its number in the table, from 0.
        column: The column that is wrong.
        reason: What is wrong, in a few words.
    """

    row: int
    column: str
    reason: str


def read_good_rows(
    frame: pd.DataFrame,
    read: Callable[[pd.DataFrame], T],
    on_error: OnError,
    labels: Sequence[str] = (),
    *,
    warn: bool = True,
) -> tuple[T, np.ndarray, tuple[SkippedRow, ...]]:
    """Return what `read` makes of a table, or of its good rows.

    Args:
        frame: The table.
        read: Raises a `RowsError` for rows that it cannot use, and an `MTLError` for anything else. It is called again
            without these rows until there are none, since some are only seen when others are gone.
        on_error: `"raise"`, or `"skip"` to set these rows aside with a warning that says what it costs.
        labels: Columns whose classes the warning names.
        warn: Whether to log the warning; default True.

    Returns:
        What `read` returned, the numbers of the rows that were used, ascending, and the rows that were set aside.

    Raises:
        MTLError: What `read` raises: any error with `"raise"`, and with `"skip"` those that are not of single rows or leave
            no row.
    """
    check_option("on_error", on_error, ("raise", "skip"))
    kept, skipped = np.arange(len(frame)), list[SkippedRow]()
    while True:
        try:
            result = read(frame.iloc[kept] if skipped else frame)
        except MTLError as error:
            bad = sorted(set(error.rows)) if isinstance(error, RowsError) else []
            if on_error == "skip" and isinstance(error, RowsError) and len(bad) < len(kept):
                found = zip(error.rows, error.columns, error.reasons, strict=True)
                skipped += [SkippedRow(int(kept[row]), column, reason) for row, column, reason in found]
                kept = np.delete(kept, bad)
            elif skipped:
                away = len({each.row for each in skipped})
                raise MTLError(f"{error} Rows are counted without the {away} that were set aside before.") from error
            else:
                raise
        else:
            break
    skipped.sort(key=lambda each: each.row)
    if skipped and warn:
        _log.warning("%s", describe_cost(frame, skipped, labels))
    return result, kept, tuple(skipped)


def describe_cost(frame: pd.DataFrame, skipped: Sequence[SkippedRow], labels: Sequence[str]) -> str:
    """Return what it costs to leave rows out: how many there are, why, and the share of each class that is lost.

    Args:
        frame: The table.
        skipped: Rows that are left out; at least one.
        labels: Columns whose classes are named, those that lose the largest share first.
    """
    rows = sorted({each.row for each in skipped})
    causes: dict[str, set[int]] = {}
    for each in skipped:
        causes.setdefault(each.column, set()).add(each.row)
    shown = ", ".join(f"{len(own):,} for {column!r}" for column, own in causes.items())
    first = skipped[0]
    parts = [
        f"Set aside {len(rows):,} of {len(frame):,} rows ({shown}), the first row {first.row}: {first.reason}.",
        *(f"Cost by class of {column!r}: {text}." for column in labels if (text := _count_lost(frame[column], rows))),
    ]
    return " ".join(parts)


def _count_lost(column: pd.Series, rows: Sequence[int]) -> str:
    """Return how many rows of each class are lost, those with the largest share first; empty for a column without classes."""
    names = column.astype(str).where(column.notna(), "no label")
    if names.nunique() > MOST_CLASSES:
        return ""
    lost = names.iloc[list(rows)].value_counts()
    every = names.value_counts()
    order = sorted(lost.index, key=lambda name: (-lost[name] / every[name], name))
    shown = [f"{lost[name]:,} of {every[name]:,} {name} ({lost[name] / every[name]:.1%})" for name in order[:SHOWN]]
    return ", ".join(shown) + (f" and {len(order) - SHOWN} classes more" if len(order) > SHOWN else "")


def skipped_text(skipped: Sequence[SkippedRow]) -> str:
    """Return the rows that were set aside as the text of a `.csv` file with the columns `row`, `column` and `reason`."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("row", "column", "reason"))
    writer.writerows((each.row, each.column, each.reason) for each in skipped)
    return file.getvalue()
