"""The check of a table as it would be read for training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mtl_keras.data import ImageOptions, Splits, Survey, survey_table
from mtl_keras.inspection._inspect import inspect
from mtl_keras.inspection._labels import Labels, class_labels, number_labels
from mtl_keras.inspection._report import Report
from mtl_keras.inspection._rows import Rows

if TYPE_CHECKING:
    import pandas as pd

    from mtl_keras.tables import Table
    from mtl_keras.tasks import Task, Tasks

__all__ = ["inspect_table"]


def inspect_table(
    table: pd.DataFrame | str | os.PathLike[str] | Table,
    tasks: Tasks,
    *,
    image: str | None = None,
    inputs: Sequence[str] | Mapping[str, str] | None = None,
    root: str | os.PathLike[str] | None = None,
    suffix: str = "",
    image_size: int | tuple[int, int] | None = None,
    channels: int = 3,
    background: int | tuple[int, int, int] = 255,
    max_pixels: int = ImageOptions.max_pixels,
    splits: Splits | str | Mapping[str, Any] | None = None,
    weight: str | Mapping[str, str] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    seed: int = 0,
    name: str | None = None,
) -> Report:
    """Check a table before anything is trained on it.

    Args:
        table: As for `mtl_keras.data.from_table`, as are all other arguments.
        tasks: See there.
        image: See there.
        inputs: See there.
        root: See there.
        suffix: See there.
        image_size: See there.
        channels: See there.
        background: See there.
        max_pixels: See there.
        splits: See there.
        weight: See there.
        on_error: See there. `"raise"` (default) reports bad rows as errors; `"skip"` says what leaving them out costs, and
            checks the other rows.
        seed: See there.
        name: See there.

    Raises:
        MTLError: If the table or a column is missing, or an argument is refused. What is wrong with single rows or with the
            splits is a finding.

    Example:
        report = inspect_table("photos/labels.csv", tasks, image="file", image_size=96)
        Path("check.html").write_text(page(report), encoding="utf-8")
    """
    options = ImageOptions(image_size, channels, background, max_pixels)
    survey = survey_table(
        table,
        tasks,
        image=image,
        inputs=inputs,
        root=root,
        suffix=suffix,
        splits=splits,
        weight=weight,
        max_pixels=options.max_pixels,
        on_error=on_error,
        seed=seed,
    )
    return inspect(
        Rows(
            name or survey.name,
            survey.frame,
            tuple(label for each in survey.tasks.values() for label in _read_labels(survey, each)),
            survey.kinds,
            survey.sides,
            survey.drawn,
            survey.files,
            options.image_size,  # type: ignore[arg-type]  # it has become a pair
            survey.errors,
            survey.skipped,
            survey.cost,
            options.max_pixels,
        )
    )


def _read_labels(survey: Survey, task: Task) -> list[Labels]:
    """Return the labels of a task; of a column that training refuses, what can be read of it."""
    kind, column = type(task).__name__, task.column
    if task.name not in survey.labels:
        if column is None or task.from_input:
            return []
        read = number_labels if kind == "Regression" else class_labels
        return [read(task.name, kind, survey.frame[column])]
    stored, present = survey.labels[task.name]
    known = np.asarray(present) > 0
    names = tuple(survey.class_names.get(task.name, ()))
    if stored.ndim == 1:
        return [_label(task.name, task, stored, known, names)]
    if stored.dtype.kind != "f":
        parts = names or tuple(map(str, range(stored.shape[1])))
        pairs = zip(parts, stored.T, strict=True)
        return [_label(f"{task.name}: {part}", task, own, known & (own >= 0), ("no", "yes")) for part, own in pairs]
    return [_label(f"{task.name}: {number}", task, own, known, ()) for number, own in enumerate(stored.T)]


def _label(name: str, task: Task, stored: np.ndarray, known: np.ndarray, names: Sequence[str]) -> Labels:
    """Return one label from stored ones: whole numbers are indices of classes."""
    column = task.column or task.name
    kind = type(task).__name__
    if stored.dtype.kind == "f":
        transformed = getattr(task, "transform", None) is not None
        return Labels(name, task.name, kind, column, np.where(known, stored, np.nan), transformed=transformed)
    values = np.where(known, stored, -1).astype(np.int32)
    count = max(task.class_count or 2, int(values.max(initial=0)) + 1)
    return Labels(name, task.name, kind, column, values, tuple(names) or tuple(map(str, range(count))))
