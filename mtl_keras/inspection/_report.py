"""The result of all checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtl_keras.inspection._finding import SEVERITIES, Counts, Finding
from mtl_keras.inspection._text import count, join, name_some

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Photo", "Report"]


@dataclass(frozen=True)
class Photo:
    """An image that the page shows.

    Args:
        path: Its file.
        caption: What is known of its row, a few words.
        height: In px.
        width: In px.
    """

    path: Path
    caption: str
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Report:
    """What all checks have found.

    Args:
        name: Name of the data.
        rows: Number of rows.
        counts: Tables of counts.
        findings: What was found, the worst first.
        photos: Images of some rows of the findings, by row.
    """

    name: str
    rows: int
    counts: tuple[Counts, ...]
    findings: tuple[Finding, ...]
    photos: Mapping[int, Photo] = field(default_factory=dict)

    def __post_init__(self) -> None:
        worst_first = sorted(self.findings, key=lambda each: SEVERITIES.index(each.severity))
        object.__setattr__(self, "findings", tuple(worst_first))

    @property
    def trainable(self) -> bool:
        """Whether nothing was found that stops training."""
        return not any(each.severity == "error" for each in self.findings)

    @property
    def verdict(self) -> str:
        """One sentence: whether training can start, and how much was found."""
        found = {severity: sum(each.severity == severity for each in self.findings) for severity in SEVERITIES}
        parts = [count(number, severity) for severity, number in found.items() if number]
        start = "Training can start" if self.trainable else "Training would stop"
        return f"{start}: {join(parts)}." if parts else f"{start}: nothing was found."

    def table(self) -> pd.DataFrame:
        """Return the findings as a table of text: severity, subject, message and remedy, and the first rows."""
        import pandas as pd

        lines = [
            (each.severity, each.subject, f"{each.message} {each.remedy}".strip(), name_some(each.rows))
            for each in self.findings
        ]
        return pd.DataFrame(lines, columns=["severity", "subject", "finding", "rows"])

    def config(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "rows": self.rows,
            "trainable": self.trainable,
            "verdict": self.verdict,
            "findings": [each.config() for each in self.findings],
            "counts": [each.config() for each in self.counts],
        }
