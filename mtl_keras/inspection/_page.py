"""The result of all checks as one page of HTML: no script, no other file, light and dark, on paper and on a phone."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from mtl_keras.data import read_facts
from mtl_keras.errors import MTLError
from mtl_keras.inspection._finding import SEVERITIES, Counts, Finding, format_cell
from mtl_keras.inspection._report import Photo, Report
from mtl_keras.inspection._text import count, name_some

__all__ = ["write_page"]

#: Longer side of an image on the page in px.
SIDE = 96
#: Rows that are listed; more are counted.
SHOWN = 100
#: Quality of the images on the page.
QUALITY = 80

HEADINGS = {"error": "Errors: training would stop", "warning": "Warnings: likely mistakes", "note": "Notes: good to know"}

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --page: #fff; --card: #f6f8fa; --line: #d0d7de;
  --bar: #54aeff; --error: #cf222e; --warning: #9a6700; --note: #0969da; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --page: #0d1117; --card: #161b22;
  --line: #30363d; --bar: #1f6feb; --error: #ff7b72; --warning: #d29922; --note: #58a6ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.25; }
h1 { margin-bottom: .25rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.verdict { font-size: 1.15rem; font-weight: 600; }
.soft, figcaption, caption { color: var(--soft); }
article { background: var(--card); border-left: .3rem solid var(--line); padding: .6rem 1rem; margin: 1rem 0; }
article h3 { margin: 0; font-size: 1rem; }
article p { margin: .3rem 0; }
.error { border-color: var(--error); } .warning { border-color: var(--warning); } .note { border-color: var(--note); }
.error h3 { color: var(--error); } .warning h3 { color: var(--warning); } .note h3 { color: var(--note); }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .2rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; }
th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
svg { display: block; }
rect { fill: var(--bar); }
.group { display: flex; flex-wrap: wrap; gap: .75rem; padding: .5rem 0; border-top: 1px solid var(--line); }
figure { margin: 0; width: 6rem; }
figure img { display: block; background: var(--page); border: 1px solid var(--line); }
figcaption { font-size: .75rem; line-height: 1.3; }
details summary { cursor: pointer; color: var(--soft); }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } article, figure, tr { break-inside: avoid; }
  article { background: none; } .scroll { overflow: visible; } h2 { break-after: avoid; } }
"""


def write_page(report: Report) -> str:
    """Return the page; every text of the data is escaped."""
    title = f"Check of {report.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{count(report.rows, "row")}. Rows are counted from 0, without the header.</p>',
        f'<p class="verdict">{escape(report.verdict)}</p>',
    ]
    for severity in SEVERITIES:
        found = [each for each in report.findings if each.severity == severity]
        if found:
            parts.append(_section(severity, HEADINGS[severity], (_article(each, report) for each in found)))
    parts.append(_section("counts", "Counts", (_table(counts) for counts in report.counts)))
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _section(name: str, heading: str, parts: Iterable[str]) -> str:
    """Return a section with its heading."""
    inner = "\n".join(parts)
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(heading)}</h2>\n{inner}\n</section>'


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
    try:
        source = _encode(read_facts(photo.path, SIDE).pixels)
    except MTLError:
        picture = ""
    else:
        picture = f'<img src="data:image/jpeg;base64,{source}" alt="{escape(photo.caption)}" width="{width}" height="{height}">'
    return f"<figure>{picture}<figcaption>{escape(photo.caption)}</figcaption></figure>"


def _encode(pixels: np.ndarray) -> str:
    """Return an image as the text of a JPEG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return base64.b64encode(buffer.getvalue()).decode()


def _table(counts: Counts) -> str:
    """Return a table of counts, with bars if it has a column of them."""
    place = counts.columns.index(counts.bars) if counts.bars in counts.columns else None
    largest = max((float(row[place] or 0) for row in counts.rows), default=0.0) if place is not None else 0.0
    numeric = [
        all(row[k] is None or isinstance(row[k], int | float) for row in counts.rows) for k in range(len(counts.columns))
    ]
    head = "".join(f'<th scope="col"{_class(n)}>{escape(c)}</th>' for c, n in zip(counts.columns, numeric, strict=True))
    lines = []
    for row in counts.rows:
        cells = "".join(
            f"<td{_class(numeric[k])}>{escape(format_cell(value, counts.columns[k] in counts.shares))}</td>"
            for k, value in enumerate(row)
        )
        bar = f"<td>{_bar(float(row[place] or 0) / largest)}</td>" if place is not None and largest else ""
        lines.append(f"<tr>{cells}{bar}</tr>")
    extra = "<td></td>" if place is not None and largest else ""
    note = f'<p class="soft">{escape(counts.note)}</p>' if counts.note else ""
    body = "\n".join(lines)
    return (
        f'<div class="scroll"><table>\n<caption>{escape(counts.title)}</caption>\n<thead><tr>{head}{extra}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>{note}"
    )


def _class(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def _bar(share: float) -> str:
    """Return a bar of a length in `[0, 1]`."""
    width = max(round(120 * share), 1)
    return f'<svg width="120" height="14" aria-hidden="true"><rect width="{width}" height="14"></rect></svg>'
