"""Columns of a table as label arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Number
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.errors import MTLError, list_rows

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
        MTLError: If it mixes strings and numbers, holds lists of different lengths, strings that differ by spaces alone, or
            more or fewer strings than a task has classes.
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
        wrong = np.flatnonzero(~absent)[_find_odd(present)]
        raise MTLError(
            "A label column must hold only numbers, lists of numbers of one length, or strings. Received: "
            f"{values[wrong[0]]!r} in {list_rows(wrong)} of column {column!r}, unlike most others. Convert them."
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
    counts = Counter(values[~absent].tolist())
    names = sorted(counts)
    _check_spaces(names, values, column)
    for task in plain:
        if isinstance(task, Classification) and len(names) != task.classes:
            rarest = [f"{name!r} in {list_rows(_rows_of(values, name))}" for name, _ in counts.most_common()[:-3:-1]]
            hint = f"The rarest are {', '.join(rarest)}: correct them" if len(names) > task.classes else "Add what is missing"
            raise MTLError(
                f"A task must have a class for each string of its column. Received: classes={task.classes} for task "
                f"{task.name!r}, and {len(names)} strings in column {column!r}. {hint}, or pass classes={len(names)}."
            )
    number = {name: index for index, name in enumerate(names)}
    return np.array([np.nan if gone else number[text] for text, gone in zip(values, absent, strict=True)]), tuple(number)


def _check_spaces(names: Sequence[str], values: np.ndarray, column: str) -> None:
    """Raise an error if two classes are the same but for spaces."""
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(" ".join(name.split()), name)
        if other != name:
            odd, plain = sorted((name, other), key=lambda text: len(_rows_of(values, text)))
            raise MTLError(
                f"Classes must differ by more than spaces. Received: {odd!r} in {list_rows(_rows_of(values, odd))} of column "
                f"{column!r}, beside {plain!r}. Correct them, e.g. by df[{column!r}].str.strip()."
            )


def _rows_of(values: np.ndarray, text: str) -> list[int]:
    """Return the rows with a text."""
    return [row for row, value in enumerate(values) if value == text]


def _find_odd(present: np.ndarray) -> np.ndarray:
    """Return which of the present values are of a kind, or a length, that is rarer than the most frequent one."""
    kinds = []
    for value in present:
        if isinstance(value, list | tuple | np.ndarray):
            kinds.append(f"list of {len(value)}")
        else:
            kinds.append("number" if isinstance(value, Number) else type(value).__name__)
    names, counts = np.unique(kinds, return_counts=True)
    odd = np.flatnonzero(np.array(kinds) != names[counts.argmax()])
    return odd if odd.size else np.arange(1)
