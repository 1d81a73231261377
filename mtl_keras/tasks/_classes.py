"""Classes of a task: how many there are, what they are called, and which of them a value of a column is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mtl_keras.errors import MTLError, RowsError, check_size, describe, list_rows

__all__ = ["Classes", "check_classes", "class_count", "class_names", "class_text", "distinct", "index_classes", "number_of"]

#: What a task stores of its classes: their number, their names in order, or None where data is to say it.
Classes = int | tuple[str, ...] | None

#: How the texts of booleans are read where the column holds numbers.
BOOLEANS = {"true": 1.0, "false": 0.0}
#: A name that is a number; neither "nan" nor "infinity" is one.
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
#: Classes that a message lists.
SHOWN = 8


def check_classes(classes: Any, task: str, of: str) -> Classes:
    """Return the number of classes, or their names as texts, after checking that there are at least 2.

    Args:
        classes: The value received: a number, the names or values in order, or None.
        task: Name of the task, for the message.
        of: Kind of the task, for the message.

    Raises:
        MTLError: If it is none of these, or a class is there twice.
    """
    if classes is None:
        return None
    if isinstance(classes, str | bytes) or not isinstance(classes, Iterable):
        return check_size("classes", classes, minimum=2, of=of)
    values = list(classes)
    wrong = [value for value in values if not isinstance(value, str | bool | np.bool_ | int | float | np.number) or value == ""]
    names = tuple(class_text(value) for value in values)
    if wrong or len(names) < 2:
        raise MTLError(
            f"`classes` of {of} must be a number, or at least 2 names or values in order. Received: "
            f"{describe(wrong[0]) if wrong else f'{len(names)} of them'} for task {task!r}. Pass e.g. classes=['no', 'yes']."
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MTLError(f"`classes` must be different. Received: {twice[0]!r} more than once for task {task!r}. Drop one.")
    return names


def class_count(classes: Classes) -> int | None:
    """Return the number of classes; None if data is to say it."""
    return len(classes) if isinstance(classes, tuple) else classes


def class_names(classes: Classes) -> tuple[str, ...]:
    """Return the names of classes; empty if they have none."""
    return classes if isinstance(classes, tuple) else ()


def class_text(value: Any) -> str:
    """Return the name of a class that is called by a text, a number or a boolean.

    Example:
        >>> [class_text(value) for value in ("dress", 1, 2.0, 0.5, True)]
        ['dress', '1', '2', '0.5', 'True']
    """
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | float | np.number):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value)


def distinct(column: np.ndarray) -> tuple[str, ...]:
    """Return the different values of a column of labels in ascending order as names; numbers by value, texts by letters.

    Args:
        column: `[n]` numbers, NaN where missing, or texts, None where missing.
    """
    if column.dtype.kind == "O":
        return tuple(sorted({value for value in column.tolist() if value is not None}))
    return tuple(class_text(value) for value in np.unique(column[~np.isnan(column.astype(np.float64))]))


def index_classes(column: np.ndarray, names: Sequence[str], task: str, split: str = "") -> np.ndarray:
    """Return the index of each label among the names of classes, `[n]` float64, NaN where missing.

    Numbers are matched by value, also with the names True and False. Where no name is a number, the numbers 0, 1, ... are
    those of the classes in order.

    Args:
        column: As for `distinct`.
        names: Names of the classes in order.
        task: Name of the task, for messages.
        split: Name of the split, for messages.

    Raises:
        MTLError: If a label is no class; the message names it and its rows.
    """
    if column.dtype.kind == "O":
        by_text = {name: float(index) for index, name in enumerate(names)}
        found = np.array([np.nan if value is None else by_text.get(value, -1.0) for value in column.tolist()])
    else:
        by_value = {value: index for index, value in enumerate(map(number_of, names)) if value is not None}
        if not by_value:
            by_value = {float(index): index for index in range(len(names))}
        values, place = np.unique(column.astype(np.float64), return_inverse=True)
        indices = [np.nan if np.isnan(value) else float(by_value.get(float(value), -1)) for value in values]
        found = np.array(indices, np.float64)[place.reshape(-1)]
    wrong = np.flatnonzero(found < 0)
    if wrong.size:
        value = column[wrong[0]]
        rows = wrong[[column[row] == value for row in wrong]]
        others = len({class_text(column[row]) for row in wrong}) - 1
        shown = f"{', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''}"
        raise RowsError(
            f"Labels of task {task!r} must be one of its classes, {shown}. Received: {class_text(value)!r} in "
            f"{list_rows(rows.tolist())}{f' of {split}' if split else ''}{f', and {others} others' if others else ''}. Correct "
            "the rows, add the class, or leave the label empty.",
            wrong,
            [f"{class_text(column[row])!r} is no class" for row in wrong],
        )
    return found


def number_of(name: str) -> float | None:
    """Return the number that the name of a class stands for, or None."""
    # "1_2" is a number to Python alone.
    return float(name) if NUMBER.fullmatch(name) else BOOLEANS.get(name.lower())
