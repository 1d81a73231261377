"""Rows that training leaves out on request, instead of stopping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mtl_keras.data import SkippedRow, describe_cost
from mtl_keras.errors import RowsError
from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows

__all__ = ["set_aside"]

#: The checks whose findings of single rows these are.
OF_ROWS = ("refused", "files")


def set_aside(rows: Rows, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Return the findings, those of rows that are left out as warnings, after one that says what leaving them out costs."""
    skipped = [
        SkippedRow(row, column, reason)
        for error in rows.refused
        if isinstance(error, RowsError)
        for row, column, reason in zip(error.rows, error.columns, error.reasons, strict=True)
    ]
    if len(rows.files):
        skipped += [SkippedRow(row, rows.image, reason) for row, reason in rows.photos.reasons.items()]
    if skipped and len({each.row for each in skipped}) < len(rows):
        skipped.sort(key=lambda each: each.row)
        labels = [each.column for each in rows.labels if each.column in rows.frame]
        cost = describe_cost(rows.frame, skipped, list(dict.fromkeys(labels)))
        yield Finding("set_aside", "warning", "rows", cost, "", tuple(sorted({each.row for each in skipped})))
        for each in findings:
            of_rows = each.check in OF_ROWS and each.severity == "error" and each.rows
            yield replace(each, severity="warning", remedy="They are left out.") if of_rows else each
    else:
        yield from findings
