"""What a check says, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from mtl_keras.errors import check_option, store

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SEVERITIES", "Counts", "Finding", "Severity"]

Severity = Literal["error", "warning", "note"]

#: From the worst: an error stops training, a warning is likely a mistake, a note is good to know.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

#: Rows of a finding that its plain values hold.
SHOWN = 100
#: Groups, and rows of a group, whose images are shown; and rows of a finding without groups, by severity.
GROUPS, OF_GROUP = 12, 6
OF_FINDING: dict[Severity, int] = {"error": 24, "warning": 24, "note": 6}


@dataclass(frozen=True)
class Finding:
    """One thing that a check has found.

    Args:
        check: Name of the check.
        severity: `"error"` if it stops training, `"warning"` if it is likely a mistake, else `"note"`.
        subject: The task, column or split that it is about.
        message: What was found, a sentence.
        remedy: What to do about it, a sentence; default empty.
        rows: Numbers of the rows, from 0; default none.
        groups: The same rows in groups that belong together, such as copies of one image; default none.
    """

    check: str
    severity: Severity
    subject: str
    message: str
    remedy: str = ""
    rows: tuple[int, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        check_option("severity", self.severity, SEVERITIES, of="a finding")
        groups = tuple(tuple(int(row) for row in group) for group in self.groups)
        rows = tuple(int(row) for row in self.rows) or tuple(row for group in groups for row in group)
        store(self, rows=rows, groups=groups)

    @property
    def shown(self) -> tuple[tuple[int, ...], ...]:
        """The rows whose images are shown, by group."""
        if self.groups:
            return tuple(group[:OF_GROUP] for group in self.groups[:GROUPS])
        return (self.rows[: OF_FINDING[self.severity]],) if self.rows else ()

    def config(self) -> dict[str, Any]:
        """Return plain JSON values: of the rows how many there are, and the first 100."""
        return {
            **{name: getattr(self, name) for name in ("check", "severity", "subject", "message", "remedy")},
            "row_count": len(self.rows),
            "rows": list(self.rows[:SHOWN]),
        }


@dataclass(frozen=True)
class Counts:
    """A table of counts.

    Args:
        title: What is counted.
        columns: Names of its columns.
        rows: Their values: texts, numbers, or None for nothing. Floats named in `shares` are fractions.
        note: What to know of it, a sentence; default empty.
        shares: Columns of fractions, shown in percent.
        bars: Column whose numbers are also drawn as bars on the page; default none.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""
    shares: tuple[str, ...] = ()
    bars: str | None = None

    @classmethod
    def of(cls, title: str, rows: Sequence[Mapping[str, Any]], **options: Any) -> Counts:
        """Return a table of these rows, each a value by column; what a row lacks is empty."""
        columns = tuple(dict.fromkeys(column for row in rows for column in row))
        return cls(title, columns, tuple(tuple(row.get(column) for column in columns) for row in rows), **options)

    def table(self) -> pd.DataFrame:
        """Return the counts as text, as they are shown."""
        import pandas as pd

        cells = [
            [format_cell(value, column in self.shares) for column, value in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]
        return pd.DataFrame(cells, columns=list(self.columns))

    def config(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "title": self.title,
            "note": self.note,
            "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
        }


def format_cell(value: Any, share: bool = False) -> str:
    """Return a count as text: whole numbers in groups of three, others with four digits, fractions in percent."""
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.1%}" if share else f"{value:,.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
