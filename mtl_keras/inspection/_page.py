"""The result of all checks as one page of HTML: no script, no other file, light and dark, on paper and on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mtl_keras.data import read_facts
from mtl_keras.errors import MTLError
from mtl_keras.inspection._finding import SEVERITIES, Counts, Finding, format_cell
from mtl_keras.inspection._report import Photo, Report
from mtl_keras.inspection._text import count, name_some
from mtl_keras.pages import bar, document, image_uri, paragraph, section, table

__all__ = ["page"]

#: Longer side of an image on the page in px.
SIDE = 96
#: Rows that are listed; more are counted.
SHOWN = 100

HEADINGS = {"error": "Errors: training would stop", "warning": "Warnings: likely mistakes", "note": "Notes: good to know"}

STYLE = """
article { background: var(--card); border-left: .3rem solid var(--line); padding: .6rem 1rem; margin: 1rem 0; }
article h3 { margin: 0; font-size: 1rem; }
article p { margin: .3rem 0; }
.error { border-color: var(--error); } .warning { border-color: var(--warning); } .note { border-color: var(--note); }
.error h3 { color: var(--error); } .warning h3 { color: var(--warning); } .note h3 { color: var(--note); }
.group { display: flex; flex-wrap: wrap; gap: .75rem; padding: .5rem 0; border-top: 1px solid var(--line); }
.group figure { width: 6rem; }
figure img { display: block; background: var(--page); border: 1px solid var(--line); }
@media print { article { background: none; } }
"""


def page(report: Report) -> str:
    """Return a page with all counts and findings and some of the images, which needs no other file.

    Example:
        >>> import pandas as pd
        >>> from mtl_keras.inspection import Rows, inspect, page
        >>> page(inspect(Rows("people", pd.DataFrame({"age": [1, 2]}), (), {"age": "number"}))).startswith("<!DOCTYPE html>")
        True
    """
    title = f"Check of {report.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        paragraph(f"{count(report.rows, 'row')}. Rows are counted from 0, without the header.", "soft"),
        paragraph(report.verdict, "verdict"),
    ]
    for severity in SEVERITIES:
        found = [each for each in report.findings if each.severity == severity]
        parts.append(section(severity, HEADINGS[severity], (_article(each, report) for each in found)))
    parts.append(section("counts", "Counts", (_table(counts) for counts in report.counts)))
    return document(title, parts, style=STYLE)


def _article(finding: Finding, report: Report) -> str:
    """Return one finding with its rows and images."""
    name = finding.check.replace("_", " ")
    parts = [f"<h3>{escape(finding.subject)} <small>({escape(name)})</small></h3>", f"<p>{escape(finding.message)}</p>"]
    if finding.remedy:
        parts.append(f"<p>{escape(finding.remedy)}</p>")
    shown = [[report.photos[row] for row in group if row in report.photos] for group in finding.shown]
    pictures = [_group(photos) for photos in shown if photos]
    parts += pictures
    if finding.groups and len(pictures) < len(finding.groups) and pictures:
        parts.append(f'<p class="soft">The first {len(pictures)} of {count(len(finding.groups), "group")}.</p>')
    if finding.rows:
        parts.append(_rows(finding))
    inner = "\n".join(parts)
    return f'<article class="{finding.severity}">\n{inner}\n</article>'


def _rows(finding: Finding) -> str:
    """Return the rows of a finding, folded if they are many."""
    if finding.groups:
        text = "; ".join(name_some(group, SHOWN) for group in finding.groups[: SHOWN // 2])
        text += "; ..." if len(finding.groups) > SHOWN // 2 else ""
    else:
        text = name_some(finding.rows, SHOWN)
    heading = count(len(finding.rows), "row")
    if len(finding.rows) <= 5:
        return f'<p class="soft">{heading}: {escape(text)}</p>'
    return f"<details><summary>{heading}</summary><p>{escape(text)}</p></details>"


def _group(photos: Sequence[Photo]) -> str:
    """Return images next to each other."""
    figures = "\n".join(_figure(photo) for photo in photos)
    return f'<div class="group">\n{figures}\n</div>'


def _figure(photo: Photo) -> str:
    """Return an image with its caption; one that is gone has its caption alone."""
    scale = SIDE / max(photo.height, photo.width)
    height, width = (max(round(side * scale), 1) for side in (photo.height, photo.width))
    caption = escape(photo.caption)
    try:
        source = image_uri(read_facts(photo.path, SIDE).pixels)
    except MTLError:
        picture = ""
    else:
        picture = f'<img src="{source}" alt="{caption}" width="{width}" height="{height}">'
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _table(counts: Counts) -> str:
    """Return a table of counts, with bars if it has a column of them."""
    places = range(len(counts.columns))
    numeric = [all(row[k] is None or isinstance(row[k], int | float) for row in counts.rows) for k in places]
    rows = [[format_cell(row[k], counts.columns[k] in counts.shares) for k in places] for row in counts.rows]
    columns = list(counts.columns)
    if counts.bars in counts.columns:
        sizes = [float(row[counts.columns.index(counts.bars)] or 0) for row in counts.rows]
        if largest := max(sizes, default=0.0):
            columns, numeric = [*columns, ""], [*numeric, False]
            rows = [[*row, bar(size / largest)] for row, size in zip(rows, sizes, strict=True)]
    return table(counts.title, columns, rows, numeric) + paragraph(counts.note, "soft")
