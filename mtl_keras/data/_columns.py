"""Columns of labels, of a table or of arrays: how they are read, and what they say of the classes of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._inputs import as_column
from mtl_keras.errors import MTLError, Problems, RowsError, list_rows

#: Characters of a label that the reason for setting a row aside has.
SHOWN = 40
#: Integers that float64 holds exactly.
EXACT = 2**53
#: Stored labels `[n, ...]` and their weights `[n]`, by task.
Labels = Mapping[str, tuple[np.ndarray, np.ndarray]]

if TYPE_CHECKING:
    from mtl_keras.tasks import Task, Tasks

__all__ = ["as_indices", "clean_column", "column_of", "is_text", "read_labels", "refuse_unseen"]


def read_labels(
    frame: Any, tasks: Tasks, problems: Problems, names: Mapping[str, Sequence[str]] | None = None
) -> tuple[Tasks, dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
    """Return tasks whose classes are known, the label columns that they read, and the names of classes of columns.

    Args:
        frame: Columns by name: a DataFrame, or a mapping.
        tasks: What is predicted. Classes that a task leaves out are those of the column.
        problems: Where errors are collected.
        names: Names of the classes, by task or by column, for columns of indices; default none.

    Returns:
        The tasks; columns as `clean_column` returns them, those that are wrong left out; and for `ClassMap`, which groups the
        classes of a column, the names of these by column.
    """
    from mtl_keras.tasks import LabelSource, Tasks

    given = dict(names or {})
    columns: dict[str, np.ndarray] = {}
    for name in dict.fromkeys(name for task in tasks.values() if not task.from_input for name in task.columns_read):
        with problems.collect(name):
            columns[name] = clean_column(frame[name], name)
    resolved, found = [], {}
    for name, task in tasks.items():
        with problems.collect(task.column or ""):
            if not task.from_input and all(column in columns for column in task.columns_read):
                if isinstance(task.label, LabelSource):
                    if task.column is not None and is_text(columns[task.column]) and task.column not in given:
                        found[task.column] = _distinct(columns[task.column], task.column)
                elif (own := task.column) is not None:
                    # Left out where it is wrong.
                    column = columns.pop(own)
                    if is_text(column):
                        _check_spaces(column, own)
                    task = task.resolve(column, tuple(given.get(name) or given.get(own, ())))
                    columns[own] = column
        resolved.append(task)
    with problems.collect():
        tasks = Tasks(*resolved)
    return tasks, columns, found


def clean_column(values: Any, column: str) -> np.ndarray:
    """Return a column as numbers, `[n]` or `[n, size]` with NaN where absent, or as texts, or tuples of them, and None.

    Args:
        values: The column; NaN, None and empty strings are absent labels.
        column: Its name, for messages.

    Raises:
        MTLError: If it mixes strings and numbers, or holds lists of different lengths.
    """
    # A series whose missing values are None or NA has them as NaN.
    series = hasattr(values, "to_numpy")
    numeric = series and getattr(values.dtype, "kind", "O") in "biuf"
    if (large := _large_integers(values)) is not None:
        return large
    array = values.to_numpy(np.float64 if numeric else object, na_value=np.nan) if series else as_column(values)
    if array.dtype.kind in "biufcmM" or array.ndim != 1:
        return array
    import pandas as pd

    entries = array.astype(object)
    absent = np.asarray(pd.isna(entries)) | np.array([isinstance(value, str) and not value.strip() for value in entries], bool)
    present = entries[~absent]
    # An empty list has no label, in a column of lists of texts; alone it says nothing.
    if all(_is_text(value) for value in present) and any(len(value) > 0 for value in present):
        texts = np.empty(len(entries), object)
        texts[:] = [None if gone else _text(value) for value, gone in zip(entries, absent, strict=True)]
        return texts
    try:
        if any(isinstance(value, list | tuple | np.ndarray) for value in present):
            rows = np.array([np.asarray(value, np.float64) for value in present])
        else:
            rows = present.astype(np.float64)
    except (TypeError, ValueError):
        wrong = np.flatnonzero(~absent)[_find_odd(present)]
        raise RowsError(
            "A label column must hold only numbers, lists of numbers of one length, or strings. Received: "
            f"{entries[wrong[0]]!r} in {list_rows(wrong)} of column {column!r}, unlike most others. Convert them.",
            wrong,
            [f"{str(entries[row])[:SHOWN]!r} is of another kind than most labels" for row in wrong],
        ) from None
    numbers = np.full((len(entries), *rows.shape[1:]), np.nan)
    numbers[~absent] = rows
    return numbers


def _large_integers(values: Any) -> np.ndarray | None:
    """Return integers that a float does not tell apart as texts, None where missing; None for other columns."""
    import pandas as pd

    if not isinstance(values, pd.Series | np.ndarray) or values.ndim != 1:
        return None
    series = pd.Series(values)
    if series.dtype == object:
        if pd.api.types.infer_dtype(series, skipna=True) != "integer":
            return None
    elif getattr(series.dtype, "kind", "O") not in "iu":
        return None
    present = series.dropna()
    if not len(present) or max(abs(int(present.min())), abs(int(present.max()))) <= EXACT:
        return None
    unique = present.unique().tolist()
    if len({float(value) for value in unique}) == len(unique):
        return None
    return np.array([None if gone else str(value) for value, gone in zip(series, series.isna(), strict=True)], object)


def is_text(column: np.ndarray) -> bool:
    """Return whether a column, as `clean_column` returns it, holds texts."""
    return column.dtype.kind == "O" and column.ndim == 1


def column_of(task: Task, columns: Mapping[str, np.ndarray], n: int, split: str) -> np.ndarray | None:
    """Return the column that a task reads, or its columns side by side; None for one that reads none.

    Raises:
        MTLError: If a column has another number of rows than the inputs.
    """
    parts = [columns[name] for name in task.columns_read]
    for name, part in zip(task.columns_read, parts, strict=True):
        if len(part) != n:
            raise MTLError(
                f"Inputs and columns must have the same number of rows. Received: {n} inputs and {len(part)} labels in "
                f"column {name!r} of {split}. Pass one label per row, NaN where it is absent."
            )
    if task.column is not None or not parts:
        return parts[0] if parts else None
    for name, part in zip(task.columns_read, parts, strict=True):
        if part.ndim != 1 or is_text(part):
            raise MTLError(
                f"Each of `columns` of task {task.name!r} must hold one number a row, 0 or 1. Received: "
                f"{'texts' if is_text(part) else list(part.shape[1:])} in column {name!r}. Convert it."
            )
    return np.stack([part.astype(np.float64) for part in parts], axis=1)


def as_indices(column: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return texts as indices of their names, NaN where absent; numbers as they are."""
    if not is_text(column):
        return column
    number = {name: float(index) for index, name in enumerate(names)}
    return np.array([np.nan if value is None else number.get(value, -1.0) for value in column.tolist()])


def refuse_unseen(
    given: Tasks,
    tasks: Tasks,
    labels: Mapping[str, Labels],
    names: Mapping[str, Sequence[str]],
    rows: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Refuse classes that no training row has, of tasks that take their classes from the data.

    Args:
        given: The tasks as they were given.
        tasks: The same tasks with their classes.
        labels: Stored labels and their weights by task, by split, `train` among them; a task may be left out.
        names: Names of the classes by task.
        rows: Numbers of the rows of each split, which could be set aside; None (default) if they are no rows of a table.

    Raises:
        MTLError: If there is one; the message names it.
    """
    for name, task in tasks.items():
        stated = getattr(given[name], "classes", None) is not None
        if stated or (not given[name].unresolved and task.class_names == given[name].class_names):
            continue
        counts = {side: task.label_counts(own[name][0][own[name][1] > 0]) for side, own in labels.items() if name in own}
        for side, count in counts.items():
            if (unseen := np.flatnonzero((count > 0) & (counts["train"] == 0))).size:
                called = [*(names.get(name) or map(str, range(len(count))))]
                more = f", and {len(unseen) - 1} more" if len(unseen) > 1 else ""
                message = (
                    f"Every class must occur in training rows. Received: {called[unseen[0]]!r} of task {name!r} in "
                    f"{int(count[unseen[0]])} {side} rows only{more}. Move a row of it to the training rows, leave its "
                    "label empty, or state classes=[...] to keep it."
                )
                stored, weight = labels[side][name]
                if rows is None or stored.ndim > 1:
                    raise MTLError(message)
                wrong = rows[side][(weight > 0) & np.isin(stored, unseen)]
                raise RowsError(message, wrong, "its class has no training row", task.column or "")


def _distinct(column: np.ndarray, name: str) -> tuple[str, ...]:
    """Return the different texts of a column, by letters."""
    _check_spaces(column, name)
    return tuple(sorted({value for value in column.tolist() if isinstance(value, str)}))


def _check_spaces(values: np.ndarray, column: str) -> None:
    """Raise an error if two classes are the same but for spaces."""
    known: dict[str, str] = {}
    for name in sorted({value for value in values.tolist() if isinstance(value, str)}):
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


def _is_text(value: Any) -> bool:
    """Return whether an entry is a text, or a list of texts."""
    if isinstance(value, list | tuple):
        return all(isinstance(each, str) for each in value)
    return isinstance(value, str)


def _text(value: Any) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else tuple(value)


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
