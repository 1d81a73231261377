"""Reading a column of class labels: shared by the kinds that have classes."""

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
