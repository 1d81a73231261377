"""Where the boxes of a network are: their sizes, by their text, and the columns that they form."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["FRAME", "GAP", "LINE", "OUT", "TIED", "WIDTHS", "Part", "place"]

#: Width of the columns in inches, of the gaps between them and of the frame inside a box.
WIDTHS, GAP, FRAME = {"input": 1.2, "backbone": 2.8, "shared": 2.6, "heads": 3.0}, 0.4, 0.12
#: Height of a line, distance between boxes, and width of a character, in inches.
LINE, BETWEEN, CHARACTER = 0.175, 0.16, 0.071
#: How far an arrow between heads leaves their column, in inches.
OUT = 0.2
#: A space at which no line ends.
TIED = "\N{NO-BREAK SPACE}"


@dataclass
class Part:
    """A box of the picture.

    Attributes:
        column: Key of `WIDTHS`.
        title: First line, bold.
        lines: What it consists of, a line each, before they are wrapped.
        names: Tasks of a head, or of a group of equal heads.
        sources: Names of the tasks that a head takes the output of.
        reads: Column whose output it takes; empty if it takes outputs of other heads only.
        several: Whether it stands for several heads.
        left: Left edge in inches.
        middle: Height of its middle in inches.
    """

    column: str
    title: str
    lines: list[str]
    names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    reads: str = ""
    several: bool = False
    left: float = 0.0
    middle: float = 0.0

    def __post_init__(self) -> None:
        room = int((self.width - 2 * FRAME) / CHARACTER)
        self.lines = [
            piece.replace(TIED, " ")
            for line in self.lines
            for piece in textwrap.wrap(line, room, subsequent_indent="   ", break_on_hyphens=False)
        ]

    @property
    def width(self) -> float:
        return WIDTHS[self.column]

    @property
    def height(self) -> float:
        return LINE * (1 + len(self.lines)) + 2 * FRAME


def place(parts: Sequence[Part]) -> tuple[float, float]:
    """Set where each part is, and return width and height of the picture in inches.

    Heads that take the shared features are next to the shared layers; the others are below, so that their arrows, which
    begin at the backbone, cross nothing.
    """
    columns: dict[str, list[Part]] = {}
    for part in parts:
        columns.setdefault(part.column, []).append(part)
    left = GAP / 3
    for name, own in columns.items():
        for part in own:
            part.left = left
        left += WIDTHS[name] + GAP
    heads, shared = columns["heads"], columns.get("shared", [])
    beside = [part for part in heads if not shared or part.reads == "shared"]
    others = [part for part in heads if part not in beside]
    upper = max([_stacked(beside), *(part.height for part in shared)])
    total = max(upper + (BETWEEN + _stacked(others) if others else 0.0), *(part.height for part in parts))
    top = total + BETWEEN - (total - upper - (BETWEEN + _stacked(others) if others else 0.0)) / 2
    _pile(beside, top - (upper - _stacked(beside)) / 2)
    _pile(others, top - upper - BETWEEN)
    for part in shared:
        part.middle = top - upper / 2
    for part in (*columns["input"], *columns["backbone"]):
        part.middle = total / 2 + BETWEEN
    margin = 2 * OUT if any(part.sources for part in heads) else GAP / 3
    return left - GAP + margin, total + 2 * BETWEEN


def _stacked(parts: Sequence[Part]) -> float:
    """Return the height of parts below each other."""
    return sum(part.height for part in parts) + BETWEEN * max(0, len(parts) - 1)


def _pile(parts: Sequence[Part], top: float) -> None:
    """Put parts below each other."""
    for part in parts:
        part.middle = top - part.height / 2
        top -= part.height + BETWEEN
