"""What the columns of a table are, and what they are for."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mtl_keras.errors import MTLError, unknown
from mtl_keras.tables._files import Place
from mtl_keras.tables._kinds import Facts, Verdict, examine, judge
from mtl_keras.tables._read import Table

__all__ = ["InferredColumn", "Inference", "infer_columns"]

#: The kind of task that a kind of column is learnt as, and the kinds of columns that can be inputs.
LEARNT = {"boolean": "Binary", "category": "Classification", "number": "Regression", "multi-label": "MultiLabel"}
INPUTS = ("number", "category", "boolean", "date")
#: Kinds of tasks that a user may name behind a colon, as `mtl_keras.tasks.KINDS` calls them.
NAMED = {kind.lower(): kind for kind in ("Classification", "Binary", "Regression", "MultiLabel", "Ordinal")}
SPLITS = {"train", "val", "validation", "test"}


@dataclass(frozen=True)
class InferredColumn:
    """One column of a table.

    Attributes:
        name: Its name.
        kind: empty, constant, url, image, boolean, date, identifier, number, multi-label, category or text.
        role: image, input, task, split, or empty for a column that is left out.
        reason: Which rule decided the kind, in words.
        count: Number of values that are not missing.
        missing: Share of values that are missing.
        distinct: Number of different values.
        task: Kind of the task, for the role task.
        rarest: Share of the rarest value of a boolean column.
        values: Values of a category or boolean column, in order; the labels of a multi-label column.
        separator: Between the labels of a multi-label column.
        format: Of dates.
        place: Where the images lie.
    """

    name: str
    kind: str
    role: str
    reason: str
    count: int
    missing: float
    distinct: int
    task: str = ""
    rarest: float = 0.0
    values: tuple[Any, ...] = ()
    separator: str = ""
    format: str = ""
    place: Place | None = None


@dataclass(frozen=True)
class Inference:
    """The columns of a table with their kinds and roles.

    Attributes:
        columns: All columns, in the order of the table.
    """

    columns: tuple[InferredColumn, ...]

    def of(self, role: str) -> tuple[InferredColumn, ...]:
        """Return the columns of a role."""
        return tuple(column for column in self.columns if column.role == role)

    def config(self) -> list[dict[str, Any]]:
        """Return the columns as plain JSON values."""
        fields = ("name", "kind", "role", "task", "reason", "count", "missing", "distinct")
        return [{field: getattr(column, field) for field in fields} for column in self.columns]

    def check(self) -> Inference:
        """Return the inference after checking that something is predicted from something.

        Raises:
            MTLError: If no column is a task, or none an input.
        """
        if not self.of("task"):
            learnable = [
                f"{column.name} ({column.kind})" for column in self.columns if column.kind in LEARNT and not column.role
            ]
            shown = ", ".join(learnable[:12]) + (", ..." if len(learnable) > 12 else "")
            raise MTLError(
                "What to predict must be known. Received: a table "
                f"{'whose images have no labels' if self.of('image') else 'without images, and no tasks'}; columns that can be "
                f"learnt: {shown or 'none'}. Pass --tasks NAME,NAME; patterns such as 'Class*' name several."
            )
        if not self.of("image") and not self.of("input"):
            raise MTLError(
                "A table must have something to predict from: images, or columns that are no tasks. Received: "
                + ", ".join(f"{column.name} ({column.role or column.kind})" for column in self.columns[:12])
                + ". Pass --image COLUMN or --inputs NAME,NAME."
            )
        return self


def infer_columns(
    table: Table,
    *,
    image: str | None = None,
    inputs: Sequence[str] = (),
    tasks: Sequence[str] = (),
    root: str | Path | None = None,
) -> Inference:
    """Return what the columns of a table are, by the rules in docs/own-data.md, and what they are for.

    Args:
        table: The table.
        image: Column with the paths of images; None (default) takes the first one whose values are image files, unless there
            are `inputs`. With both, a model has two inputs.
        inputs: Names of input columns, or patterns such as `"Att*"`; default: if there are no images, all columns that are
            no tasks and can be inputs.
        tasks: Names or patterns of the columns to predict, each perhaps with a kind: `"grade:Ordinal"`; default: if there
            are images, all other columns that can be learnt.
        root: Folder in which the images lie, relative to that of the table; None (default) looks for it.

    Raises:
        MTLError: If a name fits no column, or a column cannot be what it is named as.
    """
    names = list(table.frame.columns)
    rows = len(table.frame)
    asked = _match_tasks(tasks, names)
    given = [name for pattern in inputs for name in _match(pattern, names)]
    if image is not None and image in given:
        raise MTLError(f"A column must hold images or be an input. Received: {image!r} as both. Leave it out of the inputs.")
    columns = []
    for name in names:
        facts = examine(table.frame[name], name, table.folder, root if name == image else None)
        columns.append(_describe(facts, judge(facts), rows))
    if image is None and not given:
        found = sorted((column for column in columns if column.kind == "image" and column.name not in asked), key=_certainty)
        image = found[0].name if found else None
    elif image is not None:
        image = _check_image(image, columns)
    columns = [_with_role(column, image, given, asked, bool(tasks)) for column in columns]
    if image is None and not given and asked:
        columns = [replace(c, role="input") if not c.role and c.kind in INPUTS else c for c in columns]
    return Inference(tuple(columns))


def _certainty(column: InferredColumn) -> int:
    """Return 0 for images that are there, else 1."""
    return 0 if column.place else 1


def _describe(facts: Facts, verdict: Verdict, rows: int) -> InferredColumn:
    """Return a column without a role."""
    values: tuple[Any, ...] = verdict.labels
    if verdict.kind in ("category", "boolean"):
        values = tuple(sorted(facts.counts))
    return InferredColumn(
        facts.name,
        verdict.kind,
        "",
        verdict.reason,
        facts.count,
        1 - facts.count / rows,
        facts.distinct,
        rarest=min(facts.counts.values()) / facts.count if verdict.kind == "boolean" else 0.0,
        values=values,
        separator=verdict.separator,
        format=verdict.format,
        place=verdict.place,
    )


def _match(pattern: str, names: Sequence[str]) -> list[str]:
    """Return the columns that a name or pattern stands for."""
    if pattern in names:
        return [pattern]
    found = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if not found:
        raise unknown("column", pattern, names)
    return found


def _match_tasks(tasks: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return the columns to predict and the kinds that were named for them, empty where none was."""
    asked: dict[str, str] = {}
    for each in tasks:
        pattern, colon, kind = each.rpartition(":")
        if each in names or not colon:
            pattern, kind = each, ""
        elif kind.lower() not in NAMED:
            raise unknown("kind of task", kind, NAMED.values(), f"It stands behind the colon of {each!r}.")
        for name in _match(pattern, names):
            asked[name] = NAMED.get(kind.lower(), "") or asked.get(name, "")
    return asked


def _check_image(image: str, columns: Sequence[InferredColumn]) -> str:
    """Return the name of the image column after checking that it can be one."""
    column = next((column for column in columns if column.name == image), None)
    if column is None:
        raise unknown("column", image, [column.name for column in columns])
    if column.kind == "url":
        raise MTLError(
            f"An image column must hold paths of files. Received: addresses in column {image!r}. Download the images, and put "
            "their paths into the table."
        )
    if column.kind in ("empty", "constant"):
        raise MTLError(
            f"An image column must hold paths of files. Received: column {image!r}, {column.reason}. Name another column."
        )
    return image


def _with_role(
    column: InferredColumn, image: str | None, inputs: Sequence[str], asked: dict[str, str], named: bool
) -> InferredColumn:
    """Return a column with its role."""
    if column.name == image:
        return replace(column, role="image")
    if column.name in asked:
        if column.name in inputs:
            raise MTLError(f"A column must be an input or a task. Received: {column.name!r} as both. Leave one of them out.")
        return replace(column, role="task", task=_check_task(column, asked[column.name]))
    if column.name in inputs:
        if column.kind not in INPUTS:
            raise MTLError(
                f"An input column must hold numbers, categories, booleans or dates. Received: {column.name!r} of kind "
                f"{column.kind}: {column.reason}. Leave it out of the inputs, or state what it is, e.g. "
                f"inputs={{{column.name!r}: 'number'}}, or in the study file."
            )
        return replace(column, role="input")
    if column.kind == "category" and "train" in column.values and set(column.values) <= SPLITS:
        return replace(column, role="split", reason="names of splits")
    if image is not None and not named and column.kind in LEARNT:
        return replace(column, role="task", task=LEARNT[column.kind])
    return column


def _check_task(column: InferredColumn, kind: str) -> str:
    """Return the kind of the task that a named column is learnt as."""
    kind = kind or LEARNT.get(column.kind, "")
    if not kind or column.kind in ("empty", "constant"):
        raise MTLError(
            f"A task must have labels that can be learnt. Received: column {column.name!r} of kind {column.kind}: "
            f"{column.reason}. Correct the column, leave it out of the tasks, or say what it is, e.g. "
            f"--tasks {column.name}:Regression."
        )
    return kind
