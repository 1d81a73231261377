"""A record as a folder that can be committed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_keras.errors import MTLError, check_bool, check_instance, check_path
from mtl_keras.files import atomic, damaged, read_json, write_json
from mtl_keras.report._budget import Budget
from mtl_keras.report._check import check_environment
from mtl_keras.report._confusion_rows import read_confusion, write_confusion
from mtl_keras.report._csv import read_csv, write_csv
from mtl_keras.report._finding import finding
from mtl_keras.report._markdown import escaped
from mtl_keras.report._page import page
from mtl_keras.report._pictures import pictures
from mtl_keras.report._record import PUBLISHED_COLUMNS, Picture, Record, Table
from mtl_keras.report._rows import HISTORY_COLUMNS, METRICS_COLUMNS, HistoryRow, read_history, read_metrics
from mtl_keras.report._trials_log import read_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["read_record", "write_record"]

#: Holds what was written by hand or by a study: title, finding, notes, captions.
WRITTEN = "record.json"


def write_record(folder: str | Path, record: Record) -> None:
    """Write a record: config.json, environment.json, CSV files of all rows, record.json, pictures, page.

    The page, README.md, is written last. Files that a search appends to (trials.jsonl, test_evaluations.jsonl) stay as they
    are. Equal records give equal files.

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
    with atomic(folder / "README.md") as temporary:
        temporary.write_text(page(record, drawn), encoding="utf-8")


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
    )


def _write_picture(path: Path, figure: Figure) -> None:
    from mtl_keras.report._drawing import png

    with atomic(path) as temporary:
        temporary.write_bytes(png(figure))
