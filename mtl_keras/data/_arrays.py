"""Data from arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._data import Data
from mtl_keras.data._inputs import as_column, check_part, convert_inputs
from mtl_keras.data._split import Split
from mtl_keras.data._splits import Splits, parse_splits
from mtl_keras.data._stratify import label_strata, stratified_choice
from mtl_keras.errors import MTLError, Problems, check_fraction, check_instance, check_mapping, check_seed, unknown

if TYPE_CHECKING:
    from mtl_keras.tasks import Task, Tasks

__all__ = ["check_tasks", "collect_class_names", "encode_labels", "from_arrays", "hold_out", "make_split", "resolve_columns"]

Columns = Mapping[str, np.ndarray]
VALIDATION = 0.1


def from_arrays(
    tasks: Tasks,
    train: tuple[np.ndarray, Columns],
    validation: tuple[np.ndarray, Columns] | None = None,
    test: tuple[np.ndarray, Columns] | None = None,
    *,
    validation_fraction: float | None = None,
    splits: Splits | None = None,
    seed: int = 0,
    name: str = "arrays",
    class_names: Mapping[str, Sequence[str]] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Data:
    """Create `Data` from inputs and label columns.

    Arrays are not copied where they have the type they need, as uint8 images do: do not change them afterward.

    Args:
        tasks: What is predicted; each task reads the column it names.
        train: Inputs `[n, ...]` and label columns `[n, ...]` by name. NaN or None in a column is an absent label. Images are
            uint8, or finite numbers in `[0, 255]` that are converted to float32; others are warned about. Inputs of another
            shape are any finite numbers: integers stay integers, such as token ids, and the numbers of rows `[n, d]` may be
            missing (NaN), see `Data.columns`.
        validation: The same for validation. None (default) takes it from `train`, at random and stratified over the
            classes of all tasks jointly; the training split is then a copy. Inputs mapped from a file larger than the
            memory therefore need a validation split of their own.
        test: The same for test, or None (default).
        validation_fraction: Fraction of the training rows to take for validation, in `(0, 1)`; None (default) is 0.1.
        splits: Instead of all these, the rules by which validation and test rows are taken from `train`, such as whole groups
            or folds. The columns that they name are among the label columns. None (default) for none.
        seed: Seed of that choice, from 0; default 0.
        name: Name of the data set in reports; default `"arrays"`.
        class_names: Names of the classes, by task or by column.
        aliases: Columns of tasks that name none: `{"fine": "label"}`. A column with the task's own name takes precedence.

    Raises:
        MTLError: If a column is missing or has another number of rows, a label is outside its task's range, or inputs
            are not one array of finite numbers, or `splits` are given with other splits.

    Example:
        >>> import numpy as np
        >>> import mtl_keras as mtl
        >>> images = np.zeros((10, 8, 8, 1), "uint8")
        >>> data = mtl.data.from_arrays(mtl.Tasks(mtl.Binary("cat")), (images, {"cat": np.arange(10) % 2}))
        >>> len(data.train), len(data.validation), data.test
        (9, 1, None)
    """
    check_tasks(tasks)
    if validation_fraction is not None:
        check_fraction("validation_fraction", validation_fraction, example=0.1)
    seed = check_seed("seed", seed)
    given = {} if class_names is None else check_mapping("class_names", class_names)
    aliases = {} if aliases is None else check_mapping("aliases", aliases, example="{'fine': 'label'}")
    check_part("train", train)
    for side, part in (("validation", validation), ("test", test)):
        if part is not None:
            check_part(side, part)
    tasks = resolve_columns(tasks, train[1], aliases)
    whole = encode_columns(tasks, *train, name="train", class_names=given)
    if splits is not None:
        others = {"validation": validation, "test": test, "validation_fraction": validation_fraction}
        return Data(name, *_divide(whole, train[1], splits, others, seed), collect_class_names(tasks, given), whole.x.shape[1:])
    if validation is not None:
        training, held_out = whole, encode_columns(tasks, *validation, name="validation", class_names=given)
    else:
        training, held_out = _hold_out_validation(whole, validation_fraction or VALIDATION, seed)
    tested = None if test is None else encode_columns(tasks, *test, name="test", class_names=given)
    for split in (held_out, tested):
        if split is not None and split.x.shape[1:] != training.x.shape[1:]:
            raise MTLError(
                f"All splits must have inputs of one shape. Received: {list(training.x.shape[1:])} in train and "
                f"{list(split.x.shape[1:])} in {split.name}. Resize them to one shape."
            )
    return Data(name, training, held_out, tested, collect_class_names(tasks, given), tuple(training.x.shape[1:]))


def check_tasks(tasks: Any) -> None:
    """Raise an error if `tasks` are not `Tasks`."""
    from mtl_keras.tasks import Tasks

    check_instance("tasks", tasks, Tasks, "Pass e.g. mtl.Tasks(mtl.Binary('parity')).")


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
    tasks: Tasks, x: Any, columns: Columns, *, name: str, class_names: Mapping[str, Sequence[str]] | None = None
) -> Split:
    """Encode the columns that the tasks read and return them as a split."""
    resolve_columns(tasks, columns)
    x = convert_inputs(x, name)
    problems = Problems()
    labels = encode_labels(tasks, len(x), columns, problems, name=name, class_names=class_names)
    problems.raise_all()
    return make_split(tasks, x, labels, name)


def encode_labels(
    tasks: Tasks,
    n: int,
    columns: Columns,
    problems: Problems,
    *,
    name: str,
    class_names: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return stored labels and presence of the tasks that have labels; what is wrong with them is added to `problems`.

    Args:
        tasks: What is predicted.
        n: Number of rows.
        columns: Label columns by name; a task whose column is left out has none.
        problems: Where errors are collected.
        name: Name of the split.
        class_names: Names of the classes, by column.
    """
    labels = {}
    for task in tasks.values():
        if task.from_input or (task.column is not None and task.column not in columns):
            continue
        with problems.collect():
            labels[task.name] = task.encode(_read_labels(task, n, columns, name, class_names or {}))
    for task in tasks.values():
        if task.source in labels and task.name in labels:
            (stored, present), (source, known) = labels[task.name], labels[task.source]
            with problems.collect():
                task.check_labels(stored, source, (present > 0) & (known > 0))
    return labels


def make_split(tasks: Tasks, x: np.ndarray, labels: Mapping[str, tuple[np.ndarray, np.ndarray]], name: str) -> Split:
    """Return inputs and encoded labels as a split; targets that are the input follow from `x`."""
    encoded = {task.name: task.encode(x) if task.from_input else labels[task.name] for task in tasks.values()}
    y, weight = ({task: pair[part] for task, pair in encoded.items()} for part in (0, 1))
    return Split(tasks, x, y, weight, name)


def hold_out(whole: Split, count: int, seed: int, name: str) -> tuple[Split, Split]:
    """Return the rest of a split and `count` of its rows as a split called `name`, chosen at random and stratified."""
    chosen = stratified_choice(label_strata(whole), len(whole), count, seed)
    rest = np.ones(len(whole), bool)
    rest[chosen] = False
    return whole.take(np.flatnonzero(rest)), replace(whole.take(chosen), name=name)


def _divide(
    whole: Split, columns: Columns, splits: Splits, others: Mapping[str, Any], seed: int
) -> tuple[Split, Split, Split | None]:
    """Return training, validation and test by rules that read columns."""
    import pandas as pd

    for name, value in others.items():
        if value is not None:
            raise MTLError(f"`splits` and `{name}` must not be given together. Received: both. Leave `{name}` out.")
    splits = parse_splits(splits)
    read = {name: as_column(columns[name]) for name in splits.columns if name in columns}
    for name, column in read.items():
        if column.shape != (len(whole),):
            raise MTLError(
                f"A column of `splits` must have one value for each input. Received: shape {list(column.shape)} of column "
                f"{name!r} for {len(whole)} inputs. Correct the column."
            )
    sides = splits.assign(pd.DataFrame(read, index=range(len(whole))), label_strata(whole), seed)
    parts = {side: replace(whole.take(np.flatnonzero(sides == side)), name=side) for side in np.unique(sides).tolist()}
    return parts["train"], parts["validation"], parts.get("test")


def _hold_out_validation(whole: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Return the training and the validation part of a split."""
    n = len(whole)
    if n < 2:
        raise MTLError(
            f"A validation split must be held out of at least 2 training rows. Received: {n}. Pass more rows, or validation=."
        )
    return hold_out(whole, min(max(round(n * fraction), 1), n - 1), seed, "validation")


def _read_labels(task: Task, n: int, columns: Columns, split: str, class_names: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Return what a task encodes: a column, or what its label source derives from one."""
    column = None if task.column is None else as_column(columns[task.column])
    if column is not None and len(column) != n:
        raise MTLError(
            f"Inputs and columns must have the same number of rows. Received: {n} inputs and {len(column)} labels in "
            f"column {task.column!r} of {split}. Pass one label per row, NaN where it is absent."
        )
    return task.read(column, n, split, class_names.get(task.column or "", ()))
