"""Data from arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._columns import as_indices, clean_column, column_of, read_labels, refuse_unseen
from mtl_keras.data._data import Data
from mtl_keras.data._inputs import as_column, check_part, convert_inputs
from mtl_keras.data._rows import by_input, image_name
from mtl_keras.data._split import Split
from mtl_keras.data._splits import Splits, parse_splits
from mtl_keras.data._stratify import label_strata, stratified_choice
from mtl_keras.data._weights import check_weight, read_weights
from mtl_keras.errors import MTLError, Problems, check_fraction, check_instance, check_mapping, check_seed, unknown

if TYPE_CHECKING:
    from mtl_keras.tasks import Task, Tasks

__all__ = ["check_tasks", "collect_class_names", "encode_labels", "from_arrays", "hold_out", "make_split", "resolve_columns"]

#: A DataFrame holds columns by name as well.
Columns = Mapping[str, Any]
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
    weight: str | Mapping[str, str] | None = None,
) -> Data:
    """Create `Data` from inputs and label columns.

    Arrays are not copied where they have the type they need, as uint8 images do: do not change them afterward.

    Args:
        tasks: What is predicted; each task reads the column it names.
        train: Inputs `[n, ...]` and label columns `[n, ...]` by name. NaN, None or an empty text in a column is an absent
            label. Images are uint8, or finite numbers in `[0, 255]` that are converted to float32; others are warned about.
            Inputs of another shape are any finite numbers: integers stay integers, such as token ids, and the numbers of rows
            `[n, d]` may be missing (NaN), see `Data.columns`. For a model of several inputs, a dict of such arrays by name.
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
        weight: Column with the weight of each row in the loss, at least 0, or a mapping of task to such a column; None
            (default) counts all rows alike. A row of weight 0 counts like one without a label.

    Returns:
        Data whose `tasks` have the classes of the training rows where they left them out.

    Raises:
        MTLError: If a column is missing or has another number of rows, a label is outside its task's range, a class that
            the data gives occurs outside of the training rows only, inputs are not one array of finite numbers, or `splits`
            are given with other splits.

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
    given_tasks = tasks = resolve_columns(tasks, train[1], aliases)
    problems = Problems()
    tasks, _, found = read_labels(train[1], tasks, problems, given)
    problems.raise_all()
    names, weights = {**found, **given}, check_weight(weight, tasks, list(train[1].keys()))
    whole = encode_columns(tasks, *train, name="train", class_names=names, weights=weights)
    encoded = {
        side: encode_columns(tasks, *part, name=side, class_names=names, weights=weights)
        for side, part in (("validation", validation), ("test", test))
        if part is not None
    }
    if splits is not None:
        others = {"validation": validation, "test": test, "validation_fraction": validation_fraction}
        parts = _divide(whole, train[1], splits, others, seed)
    elif "validation" in encoded:
        parts = {"train": whole, **encoded}
    else:
        training, held_out = _hold_out_validation(whole, validation_fraction or VALIDATION, seed)
        parts = {"train": training, "validation": held_out, **encoded}
    shape = parts["train"].input_shape
    for split in parts.values():
        if split.input_shape != shape:
            shapes = [list(each) if isinstance(each, tuple) else each for each in (shape, split.input_shape)]
            raise MTLError(
                f"All splits must have inputs of one shape. Received: {shapes[0]} in train and {shapes[1]} in {split.name}. "
                "Resize them to one shape."
            )
    called = collect_class_names(tasks, given)
    labels = {side: {task: (split.y[task], split.weight[task]) for task in tasks} for side, split in parts.items()}
    refuse_unseen(given_tasks, tasks, labels, called)
    return Data(name, parts["train"], parts["validation"], parts.get("test"), called, shape)


def check_tasks(tasks: Any) -> None:
    """Raise an error if `tasks` are not `Tasks`."""
    from mtl_keras.tasks import Tasks

    check_instance("tasks", tasks, Tasks, "Pass e.g. mtl.Tasks(mtl.Binary('parity')).")


def collect_class_names(tasks: Tasks, given: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the class names of the tasks that have them: their own, or names given by task or by column."""
    from mtl_keras.tasks import LabelSource

    names = {}
    for name, task in tasks.items():
        own = () if isinstance(task.label, LabelSource) else task.class_names
        names[name] = tuple(own or given.get(name) or task.class_names or given.get(task.column or "", ()))
    return {task: n for task, n in names.items() if n}


def resolve_columns(tasks: Tasks, columns: Sequence[str] | Columns, aliases: Mapping[str, str] | None = None) -> Tasks:
    """Return the tasks with aliases filled in, after checking that every column exists.

    Raises:
        MTLError: If a column is missing; the message names those that exist.
    """
    tasks = tasks.rename_columns({alias: column for alias, column in (aliases or {}).items() if alias not in columns})
    for task in tasks.values():
        for column in () if task.from_input else task.columns_read:
            if column not in columns:
                names = [*columns, *(alias for alias in aliases or {} if alias not in columns)]
                hint = f"Task {task.name!r} reads it; the columns are {', '.join(map(str, names)) or 'none'}."
                raise unknown("column", column, map(str, names), hint)
    return tasks


def encode_columns(
    tasks: Tasks,
    x: Any,
    columns: Columns,
    *,
    name: str,
    class_names: Mapping[str, Sequence[str]] | None = None,
    weights: Mapping[str, str] | None = None,
) -> Split:
    """Encode the columns that the tasks read and return them as a split; see `encode_labels` and `read_weights`."""
    resolve_columns(tasks, columns)
    x = convert_inputs(x, name)
    problems = Problems()
    cleaned: dict[str, np.ndarray] = {}
    for column in dict.fromkeys(column for task in tasks.values() if not task.from_input for column in task.columns_read):
        with problems.collect():
            cleaned[column] = clean_column(columns[column], column)
    n = len(next(iter(by_input(x).values())))
    labels = encode_labels(tasks, n, cleaned, problems, name=name, class_names=class_names)
    row_weights: dict[str, np.ndarray] = {}
    with problems.collect():
        missing = [column for column in (weights or {}).values() if column not in columns]
        if missing:
            raise unknown("column", missing[0], map(str, columns), f"`weight` names it, and {name} lacks it.")
        row_weights = read_weights(weights or {}, columns, n, name)
    problems.raise_all()
    return make_split(tasks, x, labels, name, row_weights)


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
        tasks: What is predicted, from `read_labels`; those whose classes are not known are left out.
        n: Number of rows.
        columns: Label columns by name, from `read_labels`; a task whose column is left out has none.
        problems: Where errors are collected.
        name: Name of the split.
        class_names: Names of the classes, by column.
    """
    labels = {}
    for task in tasks.values():
        if task.from_input or any(column not in columns for column in task.columns_read) or (task.unresolved and problems):
            continue
        with problems.collect(", ".join(task.columns_read)):
            labels[task.name] = task.encode(_read_labels(task, n, columns, name, class_names or {}))
    for task in tasks.values():
        if task.source in labels and task.name in labels:
            (stored, present), (source, known) = labels[task.name], labels[task.source]
            with problems.collect(", ".join(task.columns_read)):
                task.check_labels(stored, source, (present > 0) & (known > 0))
    return labels


def make_split(
    tasks: Tasks,
    x: Any,
    labels: Mapping[str, tuple[np.ndarray, np.ndarray]],
    name: str,
    row_weights: Mapping[str, np.ndarray] | None = None,
) -> Split:
    """Return inputs and encoded labels as a split; targets that are the input follow from the images in `x`.

    Args:
        tasks: What is predicted.
        x: Inputs.
        labels: From `encode_labels`.
        name: Name of the split.
        row_weights: From `read_weights`; None (default) for none.
    """
    encoded = {task.name: task.encode(_images(task, x)) if task.from_input else labels[task.name] for task in tasks.values()}
    weights = row_weights or {}
    y = {task: stored for task, (stored, _) in encoded.items()}
    weight = {task: present * weights[task] if task in weights else present for task, (_, present) in encoded.items()}
    return Split(tasks, x, y, weight, name)


def _images(task: Task, x: Any) -> np.ndarray:
    """Return the input that a task reconstructs: the only one, or of several the one of images."""
    name = image_name(by_input(x))
    if name is None:
        shapes = {key: list(array.shape[1:]) for key, array in x.items()}
        raise MTLError(
            f"Data of several inputs must have images in exactly one of them to be reconstructed. Received: {shapes} for task "
            f"{task.name!r}. Leave the task out."
        )
    image: np.ndarray = by_input(x)[name]
    return image


def hold_out(whole: Split, count: int, seed: int, name: str) -> tuple[Split, Split]:
    """Return the rest of a split and `count` of its rows as a split called `name`, chosen at random and stratified."""
    chosen = stratified_choice(label_strata(whole), len(whole), count, seed)
    rest = np.ones(len(whole), bool)
    rest[chosen] = False
    return whole.take(np.flatnonzero(rest)), replace(whole.take(chosen), name=name)


def _divide(whole: Split, columns: Columns, splits: Splits, others: Mapping[str, Any], seed: int) -> dict[str, Split]:
    """Return the splits by name, divided by rules that read columns."""
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
    return {side: replace(whole.take(np.flatnonzero(sides == side)), name=side) for side in np.unique(sides).tolist()}


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
    from mtl_keras.tasks import LabelSource

    column, names = column_of(task, columns, n, split), class_names.get(task.column or "", ())
    if column is not None and isinstance(task.label, LabelSource):
        column = as_indices(column, names)
    return task.read(column, n, split, names)
