"""Weights of rows in the loss, given as columns of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._columns import clean_column, is_text
from mtl_keras.errors import MTLError, check_mapping, check_row_weights, check_text, unknown

if TYPE_CHECKING:
    from mtl_keras.tasks import Tasks

__all__ = ["check_weight", "read_weights"]

#: A column for all tasks, or one for some of them by name.
Weight = str | Mapping[str, str] | None


def check_weight(weight: Any, tasks: Tasks, columns: Sequence[str]) -> dict[str, str]:
    """Return the weight column of each task that has one, after checking that tasks and columns exist.

    Args:
        weight: A column for all tasks, or a mapping of task to column; None for none.
        tasks: What is predicted.
        columns: Names of the columns there are.

    Raises:
        MTLError: If a task or a column is unknown.
    """
    if weight is None:
        return {}
    by_task = check_mapping("weight", weight, example="{'price': 'survey_weight'}") if isinstance(weight, Mapping) else None
    if by_task is None:
        by_task = dict.fromkeys(tasks, check_text("weight", weight, example="survey_weight"))
    for task, column in by_task.items():
        if task not in tasks:
            raise unknown("task in weight", task, tasks)
        if column not in columns:
            raise unknown("column", column, map(str, columns), "`weight` names it.")
    return by_task


def read_weights(by_task: Mapping[str, str], frame: Any, n: int, split: str) -> dict[str, np.ndarray]:
    """Return the weights of rows `[n]` float32 of each task that has some.

    A row of weight 0 counts like one without a label.

    Args:
        by_task: From `check_weight`.
        frame: Columns by name.
        n: Number of rows.
        split: Name of the split, for messages.

    Raises:
        MTLError: If a weight is negative, missing or not a number, or none is above 0.
    """
    found: dict[str, np.ndarray] = {}
    for column in dict.fromkeys(by_task.values()):
        values = clean_column(frame[column], column)
        if is_text(values) or values.dtype.kind in "cmMO" or values.shape != (n,):
            received = "texts" if is_text(values) else f"{values.dtype} {list(values.shape)}"
            raise MTLError(
                f"Weights of rows must be {n} numbers. Received: {received} in column {column!r} of {split}. Convert them."
            )
        check_row_weights("weight", values, of=f"column {column!r} of {split}", column=column)
        found[column] = values.astype(np.float32)
        if not (found[column] > 0).any():
            raise MTLError(
                f"Weights of rows must be above 0 somewhere. Received: none in column {column!r} of {split}. Leave `weight` "
                "out, or correct the column."
            )
    return {task: found[column] for task, column in by_task.items()}
