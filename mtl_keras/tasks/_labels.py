"""Label columns, and metrics of class labels, as several kinds of task need them."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from mtl_keras.errors import MTLError


def read_class_indices(column: np.ndarray, classes: int, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Return int32 class indices (0 where missing) and float32 presence.

    Args:
        column: `[n]` integers, booleans or floats; NaN or None marks a missing label.
        classes: Number of classes; labels run from 0 to `classes - 1`.
        task: Name of the task, for error messages.

    Raises:
        MTLError: If the column is not `[n]`, is not numeric, or holds a label that is not an integer in range.
    """
    column = np.asarray(column)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise MTLError(
            f"Task {task!r} must have one label per row. Received: labels of shape {list(column.shape)}. Pass class indices."
        )
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError):
        raise MTLError(
            f"Labels of task {task!r} must be class indices from 0 to {classes - 1}. Received: values such as "
            f"{column.tolist()[0]!r}. Map names to indices first."
        ) from None
    present = ~np.isnan(values)
    indices = np.where(present, values, 0)
    wrong = np.flatnonzero((indices < 0) | (indices >= classes) | (indices != np.floor(indices)))
    if wrong.size:
        raise MTLError(
            f"Labels of task {task!r} must be integers from 0 to {classes - 1}. Received: {column[wrong[0]]} in row {wrong[0]} "
            f"({wrong.size} of {len(column)} rows are out of range). Correct `classes` or the column."
        )
    return indices.astype(np.int32), present.astype(np.float32)


def read_numbers(column: np.ndarray, size: int, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 numbers (NaN where missing) and float32 presence.

    Args:
        column: `[n, size]`, or `[n]` if `size` is 1; NaN or None marks a missing number. A row without any is missing.
        size: Numbers per row.
        task: Name of the task, for error messages.

    Raises:
        MTLError: If the column has another shape or is not numeric.
    """
    column = np.asarray(column)
    if size == 1 and column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.shape[1:] != (() if size == 1 else (size,)):
        raise MTLError(
            f"Task {task!r} must have {'one number' if size == 1 else f'{size} numbers'} per row. Received: labels of shape "
            f"{list(column.shape)}. Pass {'[n]' if size == 1 else f'[n, {size}]'}."
        )
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError):
        raise MTLError(
            f"Labels of task {task!r} must be numbers. Received: values such as {column.reshape(-1).tolist()[0]!r}. "
            "Map them to numbers first."
        ) from None
    missing = np.isnan(values).reshape(len(values), -1).all(axis=1)
    return values, np.asarray(~missing, np.float32)


def mean_of_known(values: Any, known: Any) -> Any:
    """Return the mean of each row's known values, `[batch]`; 0 for a row without any.

    Args:
        values: Tensor `[batch, n]`.
        known: Booleans `[batch, n]`.
    """
    size = values.shape[-1]
    count = ops.sum(ops.cast(known, values.dtype), axis=-1)
    # Where all are known, the plain mean to the bit.
    return ops.mean(ops.where(known, values, ops.zeros_like(values)), axis=-1) * (size / ops.maximum(count, 1))


def count_confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts `[classes, classes]`, rows = true and columns = predicted."""
    from sklearn.metrics import confusion_matrix

    return np.asarray(confusion_matrix(true, predicted, labels=np.arange(classes)))


def score_classes(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return accuracy and macro F1, the latter over the classes that occur.

    As in scikit-learn, a class that is absent from a small split is left out of the mean.
    """
    from sklearn.metrics import accuracy_score, f1_score

    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "macro_f1": float(f1_score(true, predicted, average="macro", zero_division=0.0)),
    }
