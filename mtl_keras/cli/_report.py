"""The verb that writes pages: `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtl_keras.cli._options import Json, work

__all__ = ["report"]


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folders of records, at any depth, e.g. results/, or records and runs.", metavar="FOLDER..."),
    ],
    html: Annotated[
        Path | None,
        typer.Option(
            help="Where the index of all records goes. [default: index.html in the folder of records]",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Summarize folders of records in README.md, summary.csv and index.html; write report.html of single ones."""
    with work(json_, tensorflow=False) as console:
        from mtl_keras.errors import MTLError
        from mtl_keras.report import write_index, write_page, write_summary

        for folder in folders:
            if not folder.is_dir():
                raise MTLError(
                    f"`report` must be given a folder of records. Received: {folder}, which is none. Pass e.g. results/."
                )
        if len(folders) > 1 and html is None:
            raise MTLError(
                f"Several folders must have one place for their index. Received: {len(folders)} folders without --html. Pass "
                "--html index.html."
            )
        records: list[Path] = []
        written: list[Path] = []
        for folder in folders:
            if (folder / "metrics.csv").is_file():
                records.append(folder)
                written.append(write_page(folder))
                continue
            records += [folder / name for name in write_summary(folder)]
            written += [folder / "README.md", folder / "summary.csv"]
        index = html or (None if records == folders else folders[0] / "index.html")
        if index is not None:
            written.append(write_index(index, records))
        for record in records:
            console.out.print(str(record), highlight=False, markup=False, soft_wrap=True)
        count = f"{len(records)} record{'' if len(records) == 1 else 's'}"
        names = ", ".join(map(str, written[:10])) + (f" and {len(written) - 10} more" if len(written) > 10 else "")
        console.out.print(f"{count}: wrote {names}", highlight=False, markup=False, soft_wrap=True)
        console.answer(
            {
                "folders": [str(folder) for folder in folders],
                "records": [str(record) for record in records],
                "written": [str(path) for path in written],
            }
        )
