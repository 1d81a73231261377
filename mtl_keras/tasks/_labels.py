"""Label columns, and metrics of class labels, as several kinds of task need them."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, RowsError, list_rows

#: Characters of a label that the reason for setting a row aside has.
SHOWN = 40


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
    values = to_floats(column, f"class indices from 0 to {classes - 1}", f"task {task!r}", classes)
    present = ~np.isnan(values)
    indices = np.where(present, values, 0)
    wrong = np.flatnonzero((indices < 0) | (indices >= classes) | (indices != np.floor(indices)))
    if wrong.size:
        remedy = "Correct `classes` or the column"
        if present.any() and values[present].min() >= 1 and values[present].max() == classes:
            remedy = "They seem to count from 1: subtract 1, or leave `classes` out"
        raise RowsError(
            f"Labels of task {task!r} must be integers from 0 to {classes - 1}. Received: {column[wrong[0]]} in row {wrong[0]} "
            f"({wrong.size} of {len(column)} rows are out of range{_list_more(wrong)}). {remedy}.",
            wrong,
            [f"{column[row]} is no class index" for row in wrong],
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
    what = "one number" if size == 1 else f"{size} numbers"
    if column.shape[1:] != (() if size == 1 else (size,)):
        texts = [value for value in column.tolist() if isinstance(value, str)] if column.ndim == 1 else []
        if texts:
            mark = next((mark for mark in "|;," if any(mark in text for text in texts)), "|")
            raise MTLError(
                f"Task {task!r} must have {what} per row. Received: texts such as {texts[0]!r}. Turn them into lists of "
                f"numbers, e.g. by df[column].str.get_dummies({mark!r}).values.tolist()."
            )
        raise MTLError(
            f"Task {task!r} must have {what} per row. Received: labels of shape {list(column.shape)}. Pass "
            f"{'[n]' if size == 1 else f'[n, {size}]'}."
        )
    values = to_floats(column, "numbers", f"task {task!r}")
    missing = np.isnan(values).reshape(len(values), -1).all(axis=1)
    return values, np.asarray(~missing, np.float32)


def to_floats(column: np.ndarray, rule: str, of: str, classes: int = 0) -> np.ndarray:
    """Return labels as float64, NaN where missing.

    Args:
        column: Labels `[n, ...]`.
        rule: What they must be.
        of: What they belong to, e.g. `"task 'kind'"`.
        classes: Number of classes, for the remedy; 0 (default) for numbers.

    Raises:
        MTLError: If some are not numbers; the message names the first of them.
    """
    try:
        if column.dtype.kind in "cmM":
            raise TypeError("Dates and complex numbers would become others.")
        return column.astype(np.float64)
    except (TypeError, ValueError):
        values = [(row, value) for row, labels in enumerate(column) for value in np.ravel(labels)]
        odd = [(row, value) for row, value in values if not _is_number(value)] or values
        texts, rows = sorted({str(value) for _, value in odd}), list(dict.fromkeys(row for row, _ in odd))
        remedy = "Replace them by numbers, or by NaN where the label is missing"
        if len(texts) == classes:
            numbers = {text: number for number, text in enumerate(texts)}
            remedy = f"Map them in the right order, e.g. by {numbers}; or state classes=[...], and the data maps them"
        raise RowsError(
            f"Labels of {of} must be {rule}. Received: {str(odd[0][1])!r} in {list_rows(rows)}. {remedy}.",
            [row for row, _ in odd],
            [f"{str(value)[:SHOWN]!r} is no number" for _, value in odd],
        ) from None


def _is_number(value: object) -> bool:
    """Return whether a label is a number, a text that stands for one, or missing."""
    try:
        np.asarray(value, object).astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _list_more(rows: np.ndarray) -> str:
    """Return which rows are meant, if there are several."""
    return f", {list_rows(rows.tolist())}" if len(rows) > 1 else ""


def mean_of_known(values: Any, known: Any, weights: Any = None) -> Any:
    """Return the mean of each row's known values, `[batch]`; 0 for a row without any.

    Args:
        values: Tensor `[batch, n]`.
        known: Booleans `[batch, n]`.
        weights: Of the values, `[batch, n]`; None (default) counts each once.
    """
    if weights is not None:
        each = ops.where(known, weights, ops.zeros_like(values))
        return ops.divide_no_nan(
            ops.sum(each * ops.where(known, values, ops.zeros_like(values)), axis=-1), ops.sum(each, axis=-1)
        )
    size = values.shape[-1]
    count = ops.sum(ops.cast(known, values.dtype), axis=-1)
    # Where all are known, the plain mean to the bit.
    return ops.mean(ops.where(known, values, ops.zeros_like(values)), axis=-1) * (size / ops.maximum(count, 1))


def to_one_hot(target: Any, prediction: Any) -> Any:
    """Return class indices `[batch]` as one number for each class of the predictions, 0 or 1."""
    return ops.one_hot(ops.cast(ops.reshape(target, (-1,)), "int32"), prediction.shape[-1], dtype="float32")


def in_parts(prediction: Any) -> Any:
    """Return the outputs of parts `[batch, parts]` one by one, `[batch x parts, 1]`, with the logits that Keras reads."""
    parts = ops.reshape(prediction, (-1, 1))
    logits = getattr(prediction, "_keras_logits", None)
    if logits is not None:
        parts._keras_logits = ops.reshape(logits, (-1, 1))
    return parts


def count_confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts `[classes, classes]`, rows = true and columns = predicted."""
    from sklearn.metrics import confusion_matrix

    return np.asarray(confusion_matrix(true, predicted, labels=np.arange(classes)))
