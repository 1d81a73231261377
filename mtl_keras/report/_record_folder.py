"""A record as a folder that can be committed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_keras.errors import MTLError, check_bool, check_instance, check_path
from mtl_keras.files import atomic, damaged, read_json, write_json
from mtl_keras.report._budget import Budget
from mtl_keras.report._check import check_environment
from mtl_keras.report._confusion_rows import read_confusion, write_confusion
from mtl_keras.report._csv import read_csv, write_csv
from mtl_keras.report._delivered import Delivered
from mtl_keras.report._finding import finding
from mtl_keras.report._html import PAGE, html_page
from mtl_keras.report._markdown import escaped
from mtl_keras.report._page import page
from mtl_keras.report._pictures import pictures
from mtl_keras.report._record import PUBLISHED_COLUMNS, Picture, Record, Table
from mtl_keras.report._rows import HISTORY_COLUMNS, METRICS_COLUMNS, HistoryRow, read_history, read_metrics
from mtl_keras.report._trials_log import read_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["read_record", "write_page", "write_record"]

#: Holds what was written by hand or by a study: title, finding, notes, captions.
WRITTEN = "record.json"
#: Holds what only a process with the model can compute.
DELIVERED = "delivered.json"


def write_record(folder: str | Path, record: Record) -> None:
    """Write a record: config.json, environment.json, CSV files of all rows, record.json, pictures, pages.

    report.html holds all of it in one file. README.md is written last. Files that a search appends to (trials.jsonl,
    test_evaluations.jsonl) stay as they are. Equal records give equal files.

    Args:
        folder: Created if it does not exist.
        record: What to write.

    Raises:
        MTLError: If the disk is full or the folder cannot be written.
    """
    folder = Path(check_path("folder", folder))
    if folder.exists() and not folder.is_dir():
        raise MTLError(f"`folder` must be that of a record. Received: {folder}, which is a file. Name another.")
    check_instance("record", record, Record, "Pass mtl.report.Record(...).")
    # Keras logs in single precision: further digits only make the file grow.
    history: list[HistoryRow] = [{**row, "value": float(f"{row['value']:.7g}")} for row in record.history]
    record = replace(record, history=history, finding=record.finding or finding(escaped(record)))
    write_json(folder / "config.json", record.config)
    write_json(folder / "environment.json", record.environment)
    write_csv(folder / "metrics.csv", METRICS_COLUMNS, record.metrics)
    write_csv(folder / "history.csv", HISTORY_COLUMNS, record.history)
    if record.confusion:
        write_confusion(folder / "confusion.csv", record.confusion)
    if record.published:
        write_csv(folder / "published.csv", PUBLISHED_COLUMNS, record.published)
    if record.delivered:
        write_json(folder / DELIVERED, record.delivered.config())
    drawn = pictures(record)
    for picture in drawn:
        if picture.draw:
            _write_picture(folder / picture.name, picture.draw())
    write_json(
        folder / WRITTEN,
        {
            "title": record.title,
            "finding": record.finding,
            "question": record.question,
            "command": record.command,
            "notes": list(record.notes),
            "claims": [dict(row) for row in record.claims],
            "summaries": dict(record.summaries),
            "budgets": [each.config() for each in record.budgets],
            "class_names": {task: list(names) for task, names in record.class_names.items()},
            "tables": [{"caption": table.caption, "markdown": table.markdown} for table in record.tables],
            "pictures": [{"name": picture.name, "caption": picture.caption} for picture in drawn],
        },
    )
    _write_page(folder, record, drawn)
    with atomic(folder / "README.md") as temporary:
        temporary.write_text(page(record, drawn), encoding="utf-8")


def write_page(folder: str | Path) -> Path:
    """Write report.html of a record: all of it as one page that needs no other file.

    `write_record` does it as well; a record of an earlier version, or one that is committed without its page, gets it here.

    Args:
        folder: Of a record, or of a run.

    Returns:
        The page.

    Raises:
        MTLError: As `read_record`, or if the folder cannot be written.
    """
    record = read_record(folder)
    return _write_page(Path(folder), record, record.plots)


def _write_page(folder: Path, record: Record, drawn: Iterable[Picture]) -> Path:
    """Write the page with those of its pictures that are in the folder."""
    there = [each for each in drawn if (folder / each.name).is_file()]
    text = html_page(record, [(each.name, each.caption, (folder / each.name).read_bytes()) for each in there])
    with atomic(folder / PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return folder / PAGE


def read_record(folder: str | Path, *, history: bool = True) -> Record:
    """Read a record back.

    Args:
        folder: Of `write_record`, or of a run.
        history: Whether to read history.csv, by far the largest file; default True.

    Returns:
        The record. Its `plots` are the pictures in the folder, and its `evaluation` is None. `write_record` draws again what
        follows from rows and keeps the other pictures.

    Raises:
        MTLError: If the folder holds no record, or a file of it is not as it was written.
    """
    folder, history = Path(check_path("folder", folder)), check_bool("history", history)
    needed = ("config.json", "environment.json", "metrics.csv", *(["history.csv"] if history else []))
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise MTLError(
            f"A record must hold config.json, environment.json, metrics.csv and history.csv as write_record writes them. "
            f"Received: {folder} without {missing[0]}. Name the folder of a record."
        )
    environment = read_json(folder / "environment.json")
    try:
        check_environment(environment)
    except MTLError as error:
        raise damaged(folder / "environment.json", str(error).removesuffix(".")) from error
    written = read_json(folder / WRITTEN) if (folder / WRITTEN).exists() else {}
    try:
        named = {each["name"]: each["caption"] for each in written.get("pictures", ())}
        tables = [Table(each["markdown"], each["caption"]) for each in written.get("tables", ())]
        budgets = [Budget(**{**each, "tasks": tuple(each["tasks"])}) for each in written.get("budgets", ())]
    except (KeyError, TypeError) as error:
        message = f"its pictures, tables and budgets must be as write_record writes them ({error})"
        raise damaged(folder / WRITTEN, message) from error
    captions = named or {path.name: path.stem.replace("_", " ") for path in sorted(folder.glob("*.png"))}
    published, confusion = folder / "published.csv", folder / "confusion.csv"
    return Record(
        title=written.get("title", folder.name),
        question=written.get("question", ""),
        command=written.get("command", environment.get("command", "")),
        config=read_json(folder / "config.json"),
        environment=environment,
        metrics=read_metrics(folder / "metrics.csv"),
        history=read_history(folder / "history.csv") if history else [],
        confusion=read_confusion(confusion) if confusion.exists() else (),
        budgets=budgets,
        class_names=written.get("class_names", {}),
        trials=read_trials(folder),
        finding=written.get("finding", ""),
        notes=written.get("notes", ()),
        published=read_csv(published, PUBLISHED_COLUMNS, {}) if published.exists() else (),
        claims=written.get("claims", ()),
        summaries=written.get("summaries", {}),
        plots=[Picture(name, caption) for name, caption in captions.items() if (folder / name).exists()],
        tables=tables,
        delivered=_read_delivered(folder / DELIVERED),
    )


def _read_delivered(path: Path) -> Delivered | None:
    """Return what is known of the delivered model; None where nothing is, as in records of earlier versions."""
    if not path.exists():
        return None
    try:
        return Delivered.from_config(read_json(path))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"it must be as write_record writes it ({' '.join(str(error).split())})") from error


def _write_picture(path: Path, figure: Figure) -> None:
    from mtl_keras.report._drawing import png

    with atomic(path) as temporary:
        temporary.write_bytes(png(figure))
