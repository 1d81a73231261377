"""The verb that checks a table before anything is trained on it: `check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtl_keras.cli._options import Image, Inputs, Json, Root, SkipBad, Tasks, read_hints, work
from mtl_keras.cli._tables import escape_cell

if TYPE_CHECKING:
    from rich.console import Console

    from mtl_keras.inspection import Report

__all__ = ["check"]

#: Styles of severities in a terminal.
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def check(
    source: Annotated[
        str,
        typer.Argument(help="A table, a folder of images, a study file (.toml), or the folder of a run.", metavar="STUDY"),
    ],
    image: Image = None,
    inputs: Inputs = None,
    tasks: Tasks = None,
    root: Root = None,
    skip_bad: SkipBad = False,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page with all findings and their images. [default: none]", metavar="FILE", show_default=False
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Look for mistakes in a table or folder before training; the exit code is 1 if training would stop."""
    with work(json_) as console:
        from mtl_keras.errors import MTLError
        from mtl_keras.search import inspect_study, load_study_file

        if html is not None:
            _check_html(html)
        hints = {"image": image, "inputs": inputs, "tasks": tasks, "root": root, "skip_bad": skip_bad}
        file = load_study_file(source, **read_hints(hints))
        if file is None:
            raise MTLError(
                "`check` must be given a table, a folder of images or a study file (.toml), or the folder of a run. Received: "
                f"{source}. Pass e.g. labels.csv."
            )
        report = inspect_study(file)
        show_report(console.out, report)
        if html is not None:
            from mtl_keras.files import atomic

            with atomic(html) as temporary:
                temporary.write_text(report.html(), encoding="utf-8")
            console.out.print(f"Wrote {html}", highlight=False, markup=False, soft_wrap=True)
        console.answer({**report.config(), "html": None if html is None else str(html)})
    if not report.trainable:
        raise typer.Exit(1)


def _check_html(path: Path) -> None:
    """Refuse a page that cannot be written, before the work."""
    from mtl_keras.errors import MTLError
    from mtl_keras.files import check_folder

    if path.is_dir():
        raise MTLError(f"--html must be a file. Received: {path}, which is a folder. Pass e.g. --html {path}/check.html.")
    check_folder("html", path.parent)


def show_report(out: Console, report: Report) -> None:
    """Print all counts, then the findings, and the worst of them last, where the eye is."""
    from rich.table import Table
    from rich.text import Text

    for counts in report.counts:
        table = Table(title=escape_cell(counts.title), title_justify="left")
        for number, column in enumerate(counts.columns):
            right = all(row[number] is None or isinstance(row[number], int | float) for row in counts.rows)
            table.add_column(escape_cell(column), justify="right" if right else "left")
        for line in counts.table().itertuples(index=False):
            table.add_row(*map(escape_cell, line))
        out.print(table, highlight=False)
        if counts.note:
            out.print(counts.note, highlight=False, markup=False)
    if report.findings:
        table = Table("severity", "subject", "finding", "rows", title="Findings", title_justify="left", show_lines=True)
        for severity, *cells in report.table().iloc[::-1].itertuples(index=False, name=None):
            table.add_row(Text(severity, STYLES[severity]), *map(escape_cell, cells))
        out.print(table, highlight=False)
    out.print(report.verdict, highlight=False, markup=False)
