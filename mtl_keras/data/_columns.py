"""Columns of a table as label arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    import pandas as pd

    from mtl_keras.tasks import Tasks

__all__ = ["read_column"]


def read_column(series: pd.Series, column: str, tasks: Tasks) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels `[n]` or `[n, size]` as numbers, NaN where absent, and the class names of a column of strings.

    Strings become indices in alphabetical order if all tasks that read them have unordered classes. Otherwise they stay
    strings, which the tasks refuse.

    Args:
        series: The column; NaN, None and empty strings are absent labels.
        column: Its name, for messages.
        tasks: All tasks, including those that do not read the column.

    Raises:
        MTLError: If it mixes strings and numbers, holds lists of different lengths, or more strings than a task has classes.
    """
    values = series.to_numpy(object)
    absent = series.isna().to_numpy() | np.array([isinstance(value, str) and not value.strip() for value in values], bool)
    present = values[~absent]
    texts = [isinstance(value, str) for value in present]
    if len(present) and all(texts):
        return _classes(values, absent, column, tasks)
    try:
        if any(isinstance(value, list | tuple | np.ndarray) for value in present):
            rows = np.array([np.asarray(value, np.float64) for value in present])
        else:
            rows = present.astype(np.float64)
    except (TypeError, ValueError):
        row = int(np.flatnonzero(~absent)[texts.index(True) if any(texts) else 0])
        raise MTLError(
            f"A label column must hold only numbers, lists of numbers of one length, or strings. Received: {values[row]!r} in "
            f"row {row} of column {column!r}. Convert the column to one of them."
        ) from None
    numbers = np.full((len(values), *rows.shape[1:]), np.nan)
    numbers[~absent] = rows
    return numbers, ()


def _classes(values: np.ndarray, absent: np.ndarray, column: str, tasks: Tasks) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return strings as class indices, and the class names."""
    from mtl_keras.tasks import Classification

    readers = [task for task in tasks.values() if task.column == column and not task.from_input]
    plain = [task for task in readers if task.label is None or isinstance(task.label, str)]
    if not all(isinstance(task, Classification) for task in plain):
        return np.array([None if gone else text for text, gone in zip(values, absent, strict=True)], object), ()
    names = sorted(set(values[~absent]))
    for task in plain:
        if isinstance(task, Classification) and len(names) > task.classes:
            raise MTLError(
                f"A task must have a class for each string of its column. Received: classes={task.classes} for task "
                f"{task.name!r}, and {len(names)} strings in column {column!r}: {', '.join(names[:12])}"
                f"{', ...' if len(names) > 12 else ''}. Pass classes={len(names)}."
            )
    number = {name: index for index, name in enumerate(names)}
    return np.array([np.nan if gone else number[text] for text, gone in zip(values, absent, strict=True)]), tuple(names)
