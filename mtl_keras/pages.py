"""Pages of HTML that need no other file: their style and their parts, in light and dark, on paper and on a phone.

Every function that takes a text escapes it; those that take parts take HTML. A page loads nothing and runs no script but its
own: its content security policy says so to the browser.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

__all__ = ["STYLE", "bar", "data_uri", "document", "image_uri", "paragraph", "scrolled", "section", "table"]

#: Longer cells of text get a wide column.
LONG = 24

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --page: #fff; --card: #f6f8fa; --line: #d0d7de;
  --bar: #54aeff; --error: #cf222e; --warning: #9a6700; --note: #0969da; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --page: #0d1117; --card: #161b22;
  --line: #30363d; --bar: #1f6feb; --error: #ff7b72; --warning: #d29922; --note: #58a6ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
a { color: var(--note); }
h1, h2, h3 { line-height: 1.25; }
h1 { margin-bottom: .25rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.verdict { font-size: 1.15rem; font-weight: 600; }
.soft, figcaption, caption { color: var(--soft); }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
caption span { display: inline-block; position: sticky; left: 0; max-width: calc(100vw - 2rem); }
td.long { min-width: 14rem; }
th, td { padding: .2rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; }
th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
svg { display: block; }
rect { fill: var(--bar); }
figure { margin: 0; }
figcaption { font-size: .75rem; line-height: 1.3; }
details summary { cursor: pointer; color: var(--soft); }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } article, figure, tr { break-inside: avoid; }
  .scroll { overflow: visible; } h2 { break-after: avoid; } }
"""


def document(title: str, parts: Iterable[str], *, style: str = "", script: str = "") -> str:
    """Return a page.

    Args:
        title: Its title, which is not shown on it.
        parts: What is on it, HTML.
        style: Rules of CSS besides `STYLE`.
        script: The only script that a browser runs on it; default none. The page must be complete without it.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    policy += f"; script-src 'sha256-{digest}'" if script else ""
    body = "\n".join(part for part in parts if part)
    end = f"<script>{script}</script>\n" if script else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n{end}</body>\n</html>\n"
    )


def section(name: str, heading: str, parts: Iterable[str]) -> str:
    """Return a section with its heading; nothing if it would have no content.

    Args:
        name: Its place in the page's address, a word.
        heading: Its heading.
        parts: What is in it, HTML.
    """
    inner = "\n".join(part for part in parts if part)
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(heading)}</h2>\n{inner}\n</section>' if inner else ""


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph, of a class of the style if one is named; nothing for an empty text."""
    of = f' class="{kind}"' if kind else ""
    return f"<p{of}>{escape(text)}</p>" if text else ""


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool], *, sortable: bool = False
) -> str:
    """Return a table that scrolls within the page where it is wide.

    Args:
        caption: What it holds.
        columns: Their headings; an empty one heads a column of HTML, such as that of `bar`.
        rows: Cells as texts.
        numeric: Which columns are aligned right.
        sortable: Whether the page's script may sort it; default False.
    """
    head = "".join(
        f'<th scope="col"{_class(right)}>{escape(name)}</th>' if name else "<td></td>"
        for name, right in zip(columns, numeric, strict=True)
    )
    lines = "\n".join(
        "<tr>"
        + "".join(
            f"<td{_class(right, len(cell) > LONG and bool(name))}>{escape(cell) if name else cell}</td>"
            for name, cell, right in zip(columns, row, numeric, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    kind = ' class="sortable"' if sortable else ""
    inner = (
        f"<table{kind}>\n<caption><span>{escape(caption)}</span></caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{lines}\n</tbody>\n"
    )
    return scrolled(caption, f"{inner}</table>")


def scrolled(name: str, part: str) -> str:
    """Return a part that scrolls within the page where it is wide, with the keyboard as well."""
    return f'<div class="scroll" role="region" aria-label="{escape(name)}" tabindex="0">{part}</div>'


def bar(share: float) -> str:
    """Return a bar of a length in `[0, 1]`."""
    width = max(round(120 * share), 1)
    return f'<svg width="120" height="14" aria-hidden="true"><rect width="{width}" height="14"></rect></svg>'


def data_uri(content: bytes, kind: str) -> str:
    """Return the content of an image file as an address, e.g. of kind `"png"`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def image_uri(pixels: np.ndarray, kind: Literal["jpeg", "png"] = "jpeg") -> str:
    """Return an image `[height, width, 3]` or `[height, width]`, uint8, as an address."""
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(buffer, "JPEG", quality=80) if kind == "jpeg" else image.save(buffer, "PNG", optimize=True)
    return data_uri(buffer.getvalue(), kind)


def _class(numeric: bool, long: bool = False) -> str:
    return ' class="number"' if numeric else ' class="long"' if long else ""
