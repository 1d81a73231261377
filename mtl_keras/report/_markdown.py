"""Names as Markdown, which reads some characters as something else: `<b>` as a tag, `*a*` as italic, `$a$` as a formula."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from mtl_keras.report._record import Record

__all__ = ["code", "escaped", "link", "plain"]

#: An underscore within a word is one; elsewhere it begins or ends emphasis.
SPECIAL = re.compile(r"[\\`*<\[\]~$]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])")


def plain(text: str) -> str:
    r"""Return Markdown that shows a text as it is.

    Example:
        >>> print(plain("tasks_5"), plain("_a_ <lr>"))
        tasks_5 \_a\_ \<lr>
    """
    return SPECIAL.sub(lambda found: f"\\{found[0]}", text)


def code(text: str) -> str:
    """Return Markdown that shows a text as code."""
    return f"`{text}`" if "`" not in text else f"`` {text} ``"


def link(text: str, file: str) -> str:
    """Return a link to a file next to the page."""
    return f"[{plain(text)}]({quote(file)})"


def escaped(record: Record) -> Record:
    """Return a record whose names of runs, tasks and metrics are Markdown; its rows are equal otherwise."""

    def row_of(row: Mapping[str, Any]) -> Any:
        return {**row, **{column: plain(row[column]) for column in ("run", "task", "metric")}}

    return replace(
        record,
        metrics=[row_of(row) for row in record.metrics],
        published=[row_of(row) for row in record.published],
        budgets=[replace(each, run=plain(each.run), tasks=tuple(map(plain, each.tasks))) for each in record.budgets],
    )
