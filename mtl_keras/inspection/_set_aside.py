"""Rows that are set aside on request."""

from __future__ import annotations

from collections.abc import Iterator

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import name_some

__all__ = ["check_set_aside"]


def check_set_aside(rows: Rows) -> Iterator[Finding]:
    """Say which rows training leaves out on request, and what it costs by class."""
    if rows.skipped:
        numbers = sorted({each.row for each in rows.skipped})
        columns = list(dict.fromkeys(each.column for each in rows.skipped))
        yield Finding(
            "set_aside",
            "warning",
            name_some(columns),
            f"{rows.cost} In the table these are rows {name_some(numbers)}; all else counts rows without them.",
            "Look at what is lost, and correct these rows if it is too much.",
        )
