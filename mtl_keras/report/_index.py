"""One page over many records."""

from __future__ import annotations

import os
from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

from mtl_keras.errors import MTLError, check_path, describe
from mtl_keras.files import atomic
from mtl_keras.pages import document, paragraph, scrolled
from mtl_keras.report._html import PAGE, began
from mtl_keras.report._html_parts import inline
from mtl_keras.report._record_folder import read_record, write_page

__all__ = ["write_index"]

#: In every page that this module has written.
OWN = "Written by mtl-keras report."


def write_index(file: str | Path, folders: Iterable[str | Path]) -> Path:
    """Write a page over many records or runs: name, finding and day of each, with a link to its page.

    A record without a page gets one.

    Args:
        file: The page, e.g. `index.html`.
        folders: Of the records.

    Returns:
        The page.

    Raises:
        MTLError: If there is no folder, one holds no record, or the file is one of another origin.
    """
    file = Path(check_path("file", file))
    if not isinstance(folders, Iterable) or isinstance(folders, str | bytes):
        raise MTLError(f"`folders` must be folders of records. Received: folders={describe(folders)}. Pass a list.")
    given = [Path(check_path("folders", folder)) for folder in folders]
    if not given:
        raise MTLError("`folders` must be at least one folder of a record. Received: none. Name some.")
    for folder in given:
        if not (folder / "metrics.csv").is_file():
            raise MTLError(f"`folders` must be folders of records. Received: {folder}, which is none. Name those of runs.")
    if file.is_dir() or (file.exists() and OWN.encode() not in file.read_bytes()):
        raise MTLError(f"`file` must be new, or an index that write_index wrote. Received: {file}. Name another.")
    lines = []
    for folder in given:
        record = read_record(folder, history=False)
        page = folder / PAGE if (folder / PAGE).is_file() else write_page(folder)
        where = Path(os.path.relpath(page, file.parent)).as_posix()
        lines.append(
            f'<tr><th scope="row"><a href="{quote(where)}">{escape(record.title)}</a><br><span class="soft">'
            f"{escape(Path(where).parent.as_posix())}</span></th><td>{escape(began(record) or 'unknown')}</td>"
            f"<td>{inline(record.finding)}</td></tr>"
        )
    body = "\n".join(lines)
    head = '<th scope="col">record</th><th scope="col">day</th><th scope="col">finding</th>'
    table = (
        f"<table>\n<caption><span>Records</span></caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )
    style = "\nth, td { min-width: 6rem; padding: .5rem .6rem; } td:last-child { min-width: 14rem; }\n"
    parts = ["<h1>Results</h1>", paragraph(f"{len(given)} records. {OWN}", "soft"), scrolled("Records", table)]
    with atomic(file) as temporary:
        temporary.write_text(document("Results", parts, style=style), encoding="utf-8")
    return file
