"""What training refuses, row by row."""

from __future__ import annotations

from collections.abc import Iterator

from mtl_keras.errors import RowsError
from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import name_some

__all__ = ["check_refused"]


def check_refused(rows: Rows) -> Iterator[Finding]:
    """Find what reading the table for training refuses: missing images, wrong labels and names of splits."""
    for error in rows.refused:
        bad = tuple(sorted(set(error.rows))) if isinstance(error, RowsError) else ()
        columns = sorted({*error.columns}) if isinstance(error, RowsError) else []
        remedy = "Or set these rows aside with --skip-bad." if bad else ""
        yield Finding("refused", "error", name_some(columns) or "table", str(error), remedy, bad)
