"""report.html: a record as one page that needs no other file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from mtl_keras.pages import document, paragraph, section
from mtl_keras.report import _html_results as results
from mtl_keras.report import _html_setting as setting
from mtl_keras.report._html_parts import Drawn, folded, plot, prose
from mtl_keras.report._page import commits
from mtl_keras.report._record import Record

__all__ = ["PAGE", "began", "html_page"]

#: Name of the page in the folder of a record.
PAGE = "report.html"
#: Pictures are left out where the page would become larger, in bytes.
LARGEST = 2_500_000

STYLE = """
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; padding: 0; }
pre { margin: 0; padding: .6rem .8rem; background: var(--card); font-size: .85rem; }
code { font-size: .9em; background: var(--card); padding: 0 .2em; }
.group { display: flex; flex-wrap: wrap; gap: 1rem; padding: .5rem 0; }
.group figure { width: 6rem; }
.group figure.pair { width: 13rem; }
.group figure.text { width: 16rem; background: var(--card); padding: .5rem .75rem; }
.group img { width: 6rem; height: auto; vertical-align: top; }
.group img[src^="data:image/png"] { image-rendering: pixelated; }
.pair img + img { margin-left: .5rem; }
.diagrams figure { width: 15rem; }
.plot { margin: 1rem 0; }
.plot .scroll { margin: 0; }
.plot img { display: block; max-width: 100%; height: auto; background: #fff; }
figure > figcaption { margin-top: .3rem; }
.drawing text { fill: var(--ink); font-size: 11px; }
.drawing path { fill: none; stroke: var(--soft); }
.drawing .diagonal { stroke-dasharray: 4 3; stroke: var(--ink); }
.drawing polyline { fill: none; stroke: var(--note); stroke-width: 1.5; }
.drawing .best { stroke: var(--error); stroke-width: 2.5; }
table.sortable th { white-space: nowrap; }
th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit; }
th button::after { content: " ↕" / ""; color: var(--soft); }
th[aria-sort=ascending] button::after { content: " ↑" / ""; } th[aria-sort=descending] button::after { content: " ↓" / ""; }
@media (max-width: 40rem) { .plot img.wide { max-width: none; width: 44rem; } h1 { font-size: 1.6rem; } }
@media (prefers-color-scheme: dark) { .plot img:not(.photos) { filter: invert(.93) hue-rotate(180deg); } }
@media print { nav, th button::after { display: none; } .plot img, .plot img.wide { max-width: 100%; filter: none; } }
"""

SCRIPT = """
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(each => each.open = true));
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending", body = table.tBodies[0];
      const number = row => parseFloat(row.cells[column].textContent.replace("\\u2212", "-").replace(/[,<]/g, ""));
      const order = (a, b) => {
        const [x, y] = [number(a), number(b)];
        const texts = a.cells[column].textContent.localeCompare(b.cells[column].textContent);
        return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) || texts : x - y;
      };
      const rows = [...body.rows].sort(order);
      body.append(...(down ? rows.reverse() : rows));
      table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    });
  });
}
"""


def html_page(record: Record, drawn: Sequence[Drawn]) -> str:
    """Return the page of a record.

    Args:
        record: The record, with its finding.
        drawn: Its pictures.
    """
    by_kind: dict[str, list[str]] = {kind: [] for kind in ("results", "curves", "confusion", "search", "weights")}
    size, left_out = 0, []
    for each in drawn:
        size += len(each[2]) * 4 // 3
        if size > LARGEST:
            left_out.append(each[0])
            continue
        by_kind[_kind(each[0])].append(plot(each))
    sections: list[tuple[str, str, Iterable[Any]]] = [
        ("setting", "Question and setting", [prose(record.question), *setting.setting(record)]),
        ("data", "Data", setting.data(record)),
        ("results", "Results", [*results.results(record), *by_kind["results"]]),
        ("curves", "Training", by_kind["curves"]),
        (
            "classes",
            "Classes and confusion",
            [*folded(by_kind["confusion"], "matrices"), *folded(results.classes(record), "tasks")],
        ),
        ("reliability", "Reliability of probabilities", results.reliability(record.delivered)),
        ("search", "Search", [*results.search(record.trials), *by_kind["search"]]),
        ("weights", "Loss weights", [*results.loss_weights(record), *by_kind["weights"]]),
        ("mistakes", "The worst mistakes", results.mistakes(record.delivered)),
        ("card", "Model card", setting.card(record)),
        ("environment", "Environment", setting.environment(record)),
    ]
    filled = [(name, heading, section(name, heading, parts)) for name, heading, parts in sections]
    links = "\n".join(f'<li><a href="#{name}">{escape(heading)}</a></li>' for name, heading, inner in filled if inner)
    head = [
        f"<h1>{escape(record.title)}</h1>",
        paragraph(_about(record), "soft"),
        prose(record.finding, "verdict"),
        f'<nav aria-label="Sections">\n<ul>\n{links}\n</ul>\n</nav>',
    ]
    more = f"Left out, so that the page stays small: {', '.join(left_out)}." if left_out else ""
    return document(
        record.title, [*head, *(inner for *_, inner in filled), paragraph(more, "soft")], style=STYLE, script=SCRIPT
    )


def began(record: Record) -> str:
    """Return the day on which the first session of a record began; nothing where it is unknown."""
    return min((str(each["began"])[:10] for each in record.environment.get("sessions", ()) if each.get("began")), default="")


def _about(record: Record) -> str:
    """Return day and commits of a record."""
    day = began(record)
    shown = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28}\b", r"\1", commits(record.environment))
    return f"{f'{day}, ' if day else ''}{shown}"


def _kind(name: str) -> str:
    """Return the section of a picture by the name of its file."""
    stems = {"curves": "curves", "totals": "curves", "steps": "curves", "trials": "search", "loss_weights": "weights"}
    if name.startswith("confusion"):
        return "confusion"
    return stems.get(name.removesuffix(".png"), "results")
