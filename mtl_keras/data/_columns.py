"""A column of a table as the labels that tasks read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    import pandas as pd

    from mtl_keras.tasks import Tasks

__all__ = ["read_column"]


def read_column(series: pd.Series, column: str, tasks: Tasks) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels `[n]` or `[n, size]` as numbers, NaN where absent, and the names of classes that were texts.

    Texts become indices in alphabetical order if all tasks that read them take classes without an order; for the others they
    stay what they are, which the tasks themselves refuse.

    Args:
        series: The column; NaN, None and empty text are absent labels.
        column: Its name, for messages.
        tasks: All tasks, also those that do not read it.

    Raises:
        MTLError: If it mixes texts with numbers, holds lists of several lengths, or has more texts than a task has classes.
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
            f"A column of labels holds numbers, lists of numbers of one length, or texts. Received: column {column!r} with "
            f"a mixture or something else, such as {values[row]!r} in row {row}. Make it one of them."
        ) from None
    numbers = np.full((len(values), *rows.shape[1:]), np.nan)
    numbers[~absent] = rows
    return numbers, ()


def _classes(values: np.ndarray, absent: np.ndarray, column: str, tasks: Tasks) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return texts as class indices, and their names."""
    from mtl_keras.tasks import Classification

    readers = [task for task in tasks.values() if task.column == column and not task.from_input]
    plain = [task for task in readers if task.label is None or isinstance(task.label, str)]
    if not all(isinstance(task, Classification) for task in plain):
        return np.array([None if gone else text for text, gone in zip(values, absent, strict=True)], object), ()
    names = sorted(set(values[~absent]))
    for task in plain:
        if isinstance(task, Classification) and len(names) > task.classes:
            raise MTLError(
                f"A task has a class for each text of its column. Received: classes={task.classes} for task {task.name!r}, and "
                f"{len(names)} texts in column {column!r}: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}. Give "
                f"classes={len(names)}."
            )
    number = {name: index for index, name in enumerate(names)}
    return np.array([np.nan if gone else number[text] for text, gone in zip(values, absent, strict=True)]), tuple(names)
