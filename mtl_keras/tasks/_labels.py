"""Reading a column of labels: class indices, or numbers; shared by the kinds that have them."""

from __future__ import annotations

import numpy as np

from mtl_keras.errors import MTLError


def class_indices(column: np.ndarray, classes: int, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Return int32 class indices (0 where absent) and float32 presence.

    Args:
        column: `[n]` integers, booleans or floats; NaN or None marks an absent label.
        classes: Number of classes; labels run from 0 to `classes - 1`.
        task: Name for the message.

    Raises:
        MTLError: If the column is not `[n]`, is not numeric, or holds a label that is no whole number in range.
    """
    column = np.asarray(column)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise MTLError(
            f"Task {task!r} takes one label a row. Received: labels of shape {list(column.shape)}. Give [n] class indices."
        )
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError):
        raise MTLError(
            f"Task {task!r} takes class indices 0 to {classes - 1}. Received: values such as {column.tolist()[0]!r}. "
            "Map names to indices first."
        ) from None
    present = ~np.isnan(values)
    indices = np.where(present, values, 0)
    wrong = np.flatnonzero((indices < 0) | (indices >= classes) | (indices != np.floor(indices)))
    if wrong.size:
        raise MTLError(
            f"Labels of task {task!r} are whole numbers from 0 to {classes - 1}. Received: {column[wrong[0]]} "
            f"in row {wrong[0]} "
            f"({wrong.size} of {len(column)} rows are outside). Correct `classes` or the column."
        )
    return indices.astype(np.int32), present.astype(np.float32)


def numbers(column: np.ndarray, size: int, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 numbers (0 where absent) and float32 presence.

    Args:
        column: `[n, size]`, or `[n]` where the size is 1; a row with NaN or None in it is absent.
        size: Numbers a row.
        task: Name for the message.

    Raises:
        MTLError: If the column has another shape or is not numeric.
    """
    column = np.asarray(column)
    if size == 1 and column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.shape[1:] != (() if size == 1 else (size,)):
        raise MTLError(
            f"Task {task!r} takes {'one number' if size == 1 else f'{size} numbers'} a row. Received: labels of shape "
            f"{list(column.shape)}. Give {'[n]' if size == 1 else f'[n, {size}]'}."
        )
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError):
        raise MTLError(
            f"Task {task!r} takes numbers. Received: values such as {column.reshape(-1).tolist()[0]!r}. "
            "Map them to numbers first."
        ) from None
    absent = np.isnan(values).reshape(len(values), -1).any(axis=1)
    values[absent] = 0
    return values, np.asarray(~absent, np.float32)
