"""Parts of a record's page: texts, tables and pictures as HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from mtl_keras.pages import data_uri, scrolled, table
from mtl_keras.report._text import MISSING, format_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Drawn", "as_frame", "cell", "folded", "from_markdown", "frame_table", "inline", "items", "plot", "prose"]

#: A picture of a record: its file's name, its caption, and the content of the file.
Drawn = tuple[str, str, bytes]
#: What starts like a number is aligned right and sorted by it.
NUMBER = re.compile(r"[+\-−<]? ?[\d.,]+(e[+-]?\d+)?( |$|%)")
#: A longer caption of a table stands below it, and its first words above.
HEADING = 90
#: Of more parts of one kind the others are folded.
UNFOLDED = 4
#: What Markdown shows as it is.
ESCAPED = re.compile(r"\\([^A-Za-z0-9\s])")
#: An image is stored with its size behind its first 16 bytes.
WIDE, PNG_WIDTH = 640, slice(16, 20)


def inline(text: str) -> str:
    r"""Return a line of Markdown, as records hold it, as HTML: code, bold, links and escaped characters.

    Example:
        >>> inline(r"**a\_b** is `<x>`, see [c](d.csv)")
        '<strong>a_b</strong> is <code>&lt;x&gt;</code>, see c'
    """
    kept: list[str] = []

    def keep(part: str) -> str:
        kept.append(part)
        return f"\0{len(kept) - 1}\0"

    text = text.replace("\0", "")
    for mark in ("`` (.+?) ``", "`([^`]+)`"):
        text = re.sub(mark, lambda found: keep(f"<code>{escape(found[1])}</code>"), text)
    text = ESCAPED.sub(lambda found: keep(escape(found[1])), text)
    text = escape(text)
    text = re.sub(r"\[([^\]]*)\]\((https?://[^)\s]+)\)", lambda found: f'<a href="{found[2]}">{found[1]}</a>', text)
    # Other files are not part of the page.
    text = re.sub(r"\[([^\]]*)\]\([^)\s]*\)", r"\1", text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    while "\0" in text:
        text = re.sub(r"\0(\d+)\0", lambda found: kept[int(found[1])], text)
    return text


def prose(text: str, kind: str = "") -> str:
    """Return a line of Markdown as a paragraph; nothing for an empty one."""
    of = f' class="{kind}"' if kind else ""
    return f"<p{of}>{inline(text)}</p>" if text else ""


def items(lines: Iterable[str]) -> str:
    """Return lines of HTML as a list; nothing if there is none."""
    inner = "\n".join(f"<li>{line}</li>" for line in lines)
    return f"<ul>\n{inner}\n</ul>" if inner else ""


def as_frame(content: Any) -> pd.DataFrame:
    """Return columns, or lines, as a table of pandas, which is imported here: reading a record needs none."""
    import pandas as pd

    return pd.DataFrame(content)


def frame_table(caption: str, frame: pd.DataFrame, *, sortable: bool = True) -> str:
    """Return a table of pandas."""
    rows = [[cell(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    return _table(caption, [str(column) for column in frame.columns], rows, sortable)


def from_markdown(markdown: str, caption: str) -> str:
    """Return a table in Markdown, as `to_markdown` writes it."""
    lines = [
        [part.strip().replace("\\|", "|") for part in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        for line in markdown.splitlines()
        if line.strip().startswith("|")
    ]
    if len(lines) < 2 or len({len(line) for line in lines}) != 1:
        return prose(markdown) + prose(caption, "soft")
    shown = [[ESCAPED.sub(r"\1", part) for part in line] for line in lines]
    heading = caption if len(caption) <= HEADING else re.split(r"[;:.,(]", caption)[0].strip()[:HEADING]
    return _table(ESCAPED.sub(r"\1", heading), shown[0], shown[2:], sortable=True) + prose(
        caption if heading != caption else "", "soft"
    )


def cell(value: object) -> str:
    """Return a value of a table as text."""
    if isinstance(value, float):
        return (
            MISSING if value != value else f"{value:,.0f}" if value.is_integer() and abs(value) < 1e6 else format_number(value)
        )
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else "" if value is None else str(value)


def folded(parts: Sequence[str], noun: str) -> list[str]:
    """Return parts of one kind, of many of them all but the first folded."""
    if len(parts) <= UNFOLDED + 1:
        return [*parts]
    more = "\n".join(parts[UNFOLDED:])
    return [*parts[:UNFOLDED], f"<details><summary>{len(parts) - UNFOLDED} more {escape(noun)}</summary>{more}</details>"]


def plot(drawn: Drawn) -> str:
    """Return a picture of a record with its caption."""
    name, caption, content = drawn
    wide = int.from_bytes(content[PNG_WIDTH], "big")
    kinds = [*(["wide"] if wide > WIDE else []), *(["photos"] if name.startswith("reconstruction") else [])]
    of = f' class="{" ".join(kinds)}"' if kinds else ""
    size = f' width="{wide}" height="{int.from_bytes(content[20:24], "big")}"'
    image = f'<img{of} src="{data_uri(content, "png")}" alt="{escape(caption)}"{size}>'
    return f'<figure class="plot">{scrolled(caption, image)}<figcaption>{escape(caption)}</figcaption></figure>'


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], sortable: bool) -> str:
    """Return a table whose columns of numbers are aligned right."""
    numeric = [
        any(row[k] not in ("", MISSING) for row in rows)
        and all(NUMBER.match(row[k]) for row in rows if row[k] not in ("", MISSING))
        for k in range(len(columns))
    ]
    # A heading must not be empty.
    names = [column or "–" for column in columns]
    return table(caption, names, rows, numeric, sortable=sortable and len(rows) > 2)
