"""Data from arrays in memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.data._data import Data
from mtl_keras.data._split import Split
from mtl_keras.data._stratify import label_strata, stratified_choice
from mtl_keras.errors import MTLError, check_fraction, unknown

if TYPE_CHECKING:
    from mtl_keras.tasks import Task, Tasks

__all__ = ["collect_class_names", "encode_columns", "from_arrays", "hold_out", "resolve_columns"]

_log = logging.getLogger("mtl_keras")

Columns = Mapping[str, np.ndarray]


def from_arrays(
    tasks: Tasks,
    train: tuple[np.ndarray, Columns],
    validation: tuple[np.ndarray, Columns] | None = None,
    test: tuple[np.ndarray, Columns] | None = None,
    *,
    validation_fraction: float = 0.1,
    seed: int = 0,
    name: str = "arrays",
    class_names: Mapping[str, Sequence[str]] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Data:
    """Create `Data` from inputs and label columns.

    Args:
        tasks: What is predicted; each task reads the column it names.
        train: Inputs `[n, ...]` (uint8, or numbers in `[0, 255]` that are converted to float32) and label columns
            `[n, ...]` by name. NaN or None in a column is an absent label.
        validation: The same for validation. None (default) takes it from `train`, at random and stratified over the
            classes of all tasks jointly; the training split is then a copy. Inputs mapped from a file larger than the
            memory therefore need a validation split of their own.
        test: The same for test, or None (default).
        validation_fraction: Fraction of the training rows to take for validation, in `(0, 1)`; default 0.1.
        seed: Seed of that choice, from 0; default 0.
        name: Name of the data set in reports; default `"arrays"`.
        class_names: Names of the classes, by task or by column.
        aliases: Columns of tasks that name none: `{"fine": "label"}`. A column with the task's own name takes precedence.

    Raises:
        MTLError: If a column is missing or has another number of rows, a label is outside its task's range, or inputs
            are not numeric.

    Example:
        >>> import numpy as np
        >>> import mtl_keras as mtl
        >>> images = np.zeros((10, 8, 8, 1), "uint8")
        >>> data = mtl.data.from_arrays(mtl.Tasks(mtl.Binary("cat")), (images, {"cat": np.arange(10) % 2}))
        >>> len(data.train), len(data.validation), data.test
        (9, 1, None)
    """
    tasks = resolve_columns(tasks, train[1], aliases)
    given = class_names or {}
    whole = encode_columns(tasks, *train, name="train", class_names=given)
    if validation is not None:
        training, held_out = whole, encode_columns(tasks, *validation, name="validation", class_names=given)
    else:
        training, held_out = _hold_out_validation(whole, validation_fraction, seed)
    tested = None if test is None else encode_columns(tasks, *test, name="test", class_names=given)
    for split in (held_out, tested):
        if split is not None and split.x.shape[1:] != training.x.shape[1:]:
            raise MTLError(
                f"All splits must have inputs of one shape. Received: {list(training.x.shape[1:])} in train and "
                f"{list(split.x.shape[1:])} in {split.name}. Resize them to one shape."
            )
    return Data(name, training, held_out, tested, collect_class_names(tasks, given), tuple(training.x.shape[1:]))


def collect_class_names(tasks: Tasks, given: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the class names of the tasks that have them, from names given by task or by column."""
    names = {
        name: tuple(given.get(name) or task.label_names or given.get(task.column or "", ())) for name, task in tasks.items()
    }
    return {task: n for task, n in names.items() if n}


def resolve_columns(tasks: Tasks, columns: Sequence[str] | Columns, aliases: Mapping[str, str] | None = None) -> Tasks:
    """Return the tasks with aliases filled in, after checking that every column exists.

    Raises:
        MTLError: If a column is missing; the message names those that exist.
    """
    tasks = tasks.rename_columns({alias: column for alias, column in (aliases or {}).items() if alias not in columns})
    for task in tasks.values():
        if not task.from_input and task.column is not None and task.column not in columns:
            names = [*columns, *(alias for alias in aliases or {} if alias not in columns)]
            raise unknown(
                "column", task.column, names, f"Task {task.name!r} reads it; the columns are {', '.join(names) or 'none'}."
            )
    return tasks


def encode_columns(
    tasks: Tasks, x: np.ndarray, columns: Columns, *, name: str, class_names: Mapping[str, Sequence[str]] | None = None
) -> Split:
    """Encode the columns that the tasks read and return them as a split."""
    resolve_columns(tasks, columns)
    x = _convert_inputs(x)
    y, weight = {}, {}
    for task in tasks.values():
        y[task.name], weight[task.name] = task.encode(_read_labels(task, x, columns, name, class_names or {}))
    for task in tasks.values():
        if task.source is not None:
            both = (weight[task.name] > 0) & (weight[task.source] > 0)
            task.check_labels(y[task.name], y[task.source], both)
    return Split(tasks, x, y, weight, name)


def hold_out(whole: Split, count: int, seed: int, name: str) -> tuple[Split, Split]:
    """Return the rest of a split and `count` of its rows as a split called `name`, chosen at random and stratified."""
    chosen = stratified_choice(label_strata(whole), len(whole), count, seed)
    rest = np.ones(len(whole), bool)
    rest[chosen] = False
    return whole.take(np.flatnonzero(rest)), replace(whole.take(chosen), name=name)


def _hold_out_validation(whole: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Return the training and the validation part of a split."""
    n = len(whole)
    check_fraction("validation_fraction", fraction, example=0.1)
    if n < 2:
        raise MTLError(
            f"A validation split must be held out of at least 2 training rows. Received: {n}. Pass more rows, or validation=."
        )
    return hold_out(whole, min(max(round(n * fraction), 1), n - 1), seed, "validation")


def _read_labels(
    task: Task, x: np.ndarray, columns: Columns, split: str, class_names: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """Return what a task encodes: the inputs, a column, or what its label source derives from one."""
    if task.from_input:
        return x
    column = None if task.column is None else np.asarray(columns[task.column])
    if column is not None and len(column) != len(x):
        raise MTLError(
            f"Inputs and columns must have the same number of rows. Received: {len(x)} inputs and {len(column)} labels in "
            f"column {task.column!r} of {split}. Pass one label per row, NaN where it is absent."
        )
    return task.read(column, len(x), split, class_names.get(task.column or "", ()))


def _convert_inputs(x: np.ndarray) -> np.ndarray:
    """Return inputs as uint8 or float32, without a copy if they are that already."""
    if not isinstance(x, np.ndarray):
        x = np.asarray(x)
    if x.ndim < 2 or not np.issubdtype(x.dtype, np.number) or np.issubdtype(x.dtype, np.complexfloating):
        raise MTLError(
            f"Inputs must be real numbers [n, ...]. Received: shape {list(x.shape)}, {x.dtype}. Stack the images into one "
            "array."
        )
    if x.dtype == np.uint8:
        return x
    if x.ndim == 4 and len(x) and np.issubdtype(x.dtype, np.floating) and x[:64].max() <= 1:
        _log.warning("No value of the first images is above 1, but inputs are expected in [0, 255]: do not divide them by 255.")
    return x if x.dtype == np.float32 else x.astype(np.float32)
