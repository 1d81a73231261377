"""A study from a study file."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtl_keras.data import PHOTO, ROW, Data, ImageOptions, Splits, from_table, list_folder
from mtl_keras.errors import MTLError, check_option, unknown
from mtl_keras.inspection import Report, inspect_table
from mtl_keras.search._default_space import RANGES, check_ranges, default_space
from mtl_keras.search._settings import Settings
from mtl_keras.search._study import Study
from mtl_keras.tables import KINDS as COLUMN_KINDS
from mtl_keras.tables import StudyFile, Table, read_table
from mtl_keras.tasks import KINDS, Task, Tasks

__all__ = ["STUDY_FILE", "inspect_study", "resolved_text", "study_from_file"]

#: Name of the study file in the folder of a run.
STUDY_FILE = "study.toml"
#: Changes for a run that shows in a minute that everything works.
QUICK = {"trials": 2, "epochs": 2, "n_final_seeds": 1, "train_rows": 200, "baselines": False}

IMAGE_OPTIONS = {field.name for field in dataclasses.fields(ImageOptions)}

#: Settings that are checked together.
TOGETHER = ("backbone", "backbone_options", "weights", "image_size", "split_folds", "split_fold")


def study_from_file(file: StudyFile, source: str | Path | None = None) -> Study:
    """Return the study that a study file describes. Its data is read when the study is run.

    Args:
        file: The study file.
        source: What the user named: the study file, a table or a folder; None (default) is the study file.

    Raises:
        MTLError: If a key is unknown or a value is refused; the message names the line.
    """
    tasks = Tasks(*(_read_task(file, name, fields) for name, fields in file.tasks.items()))
    splits = _read_splits(file)
    settings = _with_folds(file, _read_settings(file), splits)
    if {"columns", "image"} <= set(file.inputs):
        _check_trunks(file, settings)
    elif "columns" in file.inputs and "backbone" in file.settings and settings.backbone != "MLP":
        received = f"Received: columns as inputs, and the backbone {settings.backbone!r}, which takes images"
        raise file.error("settings.backbone", f"A backbone must suit the inputs. {received}. Write backbone = 'MLP'")
    for key in file.space:
        file.check_key("space", key, RANGES)
    ranges = _call(file, "space", check_ranges, file.space)
    section = "table" if file.table else "folder"
    _call(file, f"{section}.on_error", check_option, "on_error", file.source.get("on_error", "raise"), ("raise", "skip"))
    for key in IMAGE_OPTIONS & file.inputs.keys():
        _call(file, f"inputs.{key}", ImageOptions, **{key: file.inputs[key]})
    text = resolved_text(file)
    where = source if source is not None else file.path
    return Study(
        name=file.name,
        summary=file.summary or f"Tasks {', '.join(tasks)} of {file.name}.",
        tasks=tasks,
        data=functools.partial(_load, file, splits),
        space=functools.partial(default_space, ranges=ranges),
        settings=settings,
        quick=QUICK,
        source=None if where is None else str(Path(where).resolve()),
        source_digest=hashlib.sha256(text.encode()).hexdigest(),
        study_file=text,
    )


def _check_trunks(file: StudyFile, settings: Settings) -> None:
    """Refuse a backbone that does not have a trunk for images and one for columns."""
    given = settings.backbone
    if not isinstance(given, Mapping) or set(given) != {PHOTO, ROW}:
        received = f"Received: images and columns as inputs, and backbone = {given!r}"
        remedy = f"Write backbone = {{ {PHOTO} = 'SmallCNN', {ROW} = 'MLP' }}"
        raise file.error("settings.backbone", f"A backbone must have a trunk for each input. {received}. {remedy}")


def resolved_text(file: StudyFile) -> str:
    """Return the text of a study file that can lie anywhere: its table or folder is an absolute path."""
    anywhere = file.with_source(path=str((file.base / Path(file.source["path"]).expanduser()).resolve()))
    return anywhere.text({"": "The study of this run: pass its folder to mtl-keras tune, train, compare or evaluate."})


def _call(file: StudyFile, key: str, function: Any, *arguments: Any, **fields: Any) -> Any:
    """Return what a function returns; its error names the file and the line of the key."""
    try:
        return function(*arguments, **fields)
    except MTLError as error:
        raise file.error(key, str(error)) from error


def _read_task(file: StudyFile, name: str, fields: Mapping[str, Any]) -> Task:
    """Return the task of a section."""
    key, given = f"tasks.{name}", dict(fields)
    kinds = {kind: each for kind, each in KINDS.items() if not each.from_input}
    if "kind" not in given:
        raise file.error(key, f"A task must have a kind. Received: none for {name!r}. Add kind = {next(iter(kinds))!r}")
    kind = str(given.pop("kind"))
    if kind not in kinds:
        raise file.error(f"{key}.kind", str(unknown("kind of task", kind, kinds)))
    for each in given:
        file.check_key(key, each, {field.name: "" for field in dataclasses.fields(kinds[kind]) if field.name != "name"})
    return _call(file, key, kinds[kind], name, **given)


def _read_settings(file: StudyFile) -> Settings:
    """Return the settings of a study file."""
    known = {field.name: "" for field in dataclasses.fields(Settings)}
    for key, value in file.settings.items():
        file.check_key("settings", key, known)
        if key not in TOGETHER:
            # On its own, so that the error names its line.
            _call(file, f"settings.{key}", Settings().change, {key: value})
    return _call(file, "settings", Settings, **file.settings)


def _with_folds(file: StudyFile, settings: Settings, splits: Splits) -> Settings:
    """Return the settings with the folds that the splits name; settings decide on them from here on."""
    if splits.folds is None:
        return settings
    if settings.split_folds is not None:
        received = f"Received: split_folds={settings.split_folds} here and folds={splits.folds} in [splits]"
        raise file.error("settings.split_folds", f"Folds must be given once. {received}. Remove one")
    return replace(settings, split_folds=splits.folds, split_fold=splits.fold)


def _read_splits(file: StudyFile) -> Splits:
    """Return the splits of a study file."""
    known = {field.name: "" for field in dataclasses.fields(Splits)}
    for key, value in file.splits.items():
        file.check_key("splits", key, known)
        if key != "fold":
            # On its own, so that the error names its line.
            _call(file, f"splits.{key}", Splits.from_config, {key: value})
    return _call(file, "splits", Splits.from_config, file.splits)


def _check_columns(file: StudyFile, splits: Splits, tasks: Tasks, columns: Sequence[str]) -> None:
    """Refuse a column of the study file that the table lacks, that is of no kind, or that is predicted from itself."""
    read = {column: name for name, task in tasks.items() for column in task.columns_read}
    for name, kind in file.inputs.get("columns", {}).items():
        if kind not in COLUMN_KINDS:
            raise file.error(f"inputs.columns.{name}", str(unknown("kind of input column", kind, COLUMN_KINDS)))
        if name in read:
            received = f"Received: {name!r} as both, for task {read[name]!r}"
            rule = f"A column must be an input or a label. {received}. Leave it out of the inputs"
            raise file.error(f"inputs.columns.{name}", rule)
    named = {f"inputs.columns.{name}": name for name in file.inputs.get("columns", ())}
    if "image" in file.inputs:
        named["inputs.image"] = file.inputs["image"]
    for name, task in tasks.items():
        named |= {f"tasks.{name}.{'columns' if len(task.columns_read) > 1 else 'label'}": each for each in task.columns_read}
    named |= {f"splits.{name}": name for name in splits.columns}
    weight = file.inputs.get("weight", {})
    named |= (
        {"inputs.weight": weight} if isinstance(weight, str) else {f"inputs.weight.{task}": weight[task] for task in weight}
    )
    for key, name in named.items():
        if name not in columns:
            shown = ", ".join(map(repr, columns[:12])) + (", ..." if len(columns) > 12 else "")
            raise file.error(key, f"{unknown('column', name, columns)} The table has {shown}")


def _load(
    file: StudyFile,
    splits: Splits,
    tasks: Tasks,
    data_dir: str | None,
    split_seed: int,
    folds: int | None = None,
    fold: int = 0,
) -> Data:
    """Load the data of a study file; `data_dir` is not needed."""
    splits = replace(splits, folds=None, fold=0).at_fold(folds, fold)
    table, arguments = read_source(file, splits, tasks)
    return from_table(table, tasks, splits=splits, seed=split_seed, on_error=file.source.get("on_error", "raise"), **arguments)


def read_source(file: StudyFile, splits: Splits, tasks: Tasks) -> tuple[Table, dict[str, Any]]:
    """Return the table of a study file, and the arguments of `from_table` that say what its columns are for.

    Relative paths are relative to the study file.

    Raises:
        MTLError: If the table or folder is refused, or lacks a column that the file names.
    """
    inputs = file.inputs
    options = {key: inputs[key] for key in IMAGE_OPTIONS & inputs.keys()}
    common = {"weight": inputs.get("weight"), "name": file.name}
    place = file.source
    path = file.base / Path(place.pop("path")).expanduser()
    if file.folder:
        table, _ = list_folder(path, place["levels"])
        return table, {"image": "file", "root": path, **options, **common}
    table = read_table(path, **{key: value for key, value in place.items() if key != "on_error"})
    _check_columns(file, splits, tasks, list(table.frame.columns))
    columns = {"inputs": inputs["columns"]} if "columns" in inputs else {}
    if "image" not in inputs:
        return table, {**columns, **common}
    root = table.folder / Path(inputs.get("root", ".")).expanduser()
    images = {"image": inputs["image"], "root": root, "suffix": inputs.get("suffix", ""), **options}
    return table, {**images, **columns, **common}


def inspect_study(file: StudyFile) -> Report:
    """Check the data of a study file before anything is trained on it.

    Raises:
        MTLError: If the file is refused, or its table is missing or lacks a column.
    """
    study = study_from_file(file)
    splits = replace(_read_splits(file), folds=None, fold=0).at_fold(study.settings.split_folds, study.settings.split_fold)
    table, arguments = read_source(file, splits, study.tasks)
    on_error = file.source.get("on_error", "raise")
    return inspect_table(table, study.tasks, splits=splits, seed=study.settings.split_seed, on_error=on_error, **arguments)
