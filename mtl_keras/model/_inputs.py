"""What a user hands to `fit`, as batches of labels and row weights of every task.

A batch has labels in their own unit. The first operation of a step on them is to standardize those of kinds that ask for it,
in float64, see `_units.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from mtl_keras.data import by_input, image_name
from mtl_keras.errors import MTLError, check_row_weights, unknown
from mtl_keras.model._units import join_digits, split_digits
from mtl_keras.tasks import Binary, Classification, Ordinal, Task, Tasks

__all__ = ["all_labeled", "check_row_counts", "complete_arrays", "standardize"]


def complete_arrays(tasks: Tasks, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
    """Return arrays of labels and of row weights with the same keys, as Keras requires of them.

    Args:
        tasks: All tasks of the network.
        x: Inputs.
        y: Labels by task, or whatever else Keras takes, which is returned as it is.
        sample_weight: Row weights of some tasks; a task left out gets 1.

    Raises:
        MTLError: If a key names no task, a task that takes a class index has several numbers for each row, a label is outside
            the range of its task, or a weight is negative or not finite.
    """
    if isinstance(y, Mapping):
        # In a dict, Keras would take each number of a list for an array.
        y = {name: np.asarray(column) if isinstance(column, list) else column for name, column in y.items()}
        y = {name: _as_rows(column, tasks[name]) if name in tasks else column for name, column in y.items()}
    elif len(tasks) == 1:
        y = _as_rows(y, next(iter(tasks.values())))
    for weight in sample_weight.values() if isinstance(sample_weight, Mapping) else [sample_weight]:
        if hasattr(weight, "__array__"):
            check_row_weights("sample_weight", weight)
    _check_labels(tasks, y, sample_weight)
    y = split_digits(tasks, y)
    if not isinstance(y, Mapping) or not isinstance(sample_weight, Mapping):
        return y, sample_weight
    for name in sample_weight:
        if name not in tasks:
            raise unknown("task in sample_weight", name, tasks)
    y = dict(y)
    for name in sample_weight:
        if name not in y and tasks[name].from_input:
            y[name] = ops.convert_to_numpy(tasks[name].target(_images(x)))
    ones = np.ones(len(next(iter(y.values()))), np.float32)
    return y, {name: sample_weight[name] if sample_weight.get(name) is not None else ones for name in y}


def check_row_counts(tasks: Tasks, n: int, y: Any, sample_weight: Any) -> None:
    """Refuse labels that are not given by task, and labels or row weights of another number of rows than the inputs.

    Args:
        tasks: All tasks of the network.
        n: Number of inputs.
        y: Labels by task, or those of the only task.
        sample_weight: None, row weights for all tasks, or a dict of row weights for some tasks.

    Raises:
        MTLError: If so; the message names the task and both numbers.
    """
    for name, column in _by_task(tasks, y).items():
        if column is not None and (count := _count_rows(column)) != n:
            raise MTLError(
                f"Labels of task {name!r} must have a row for each input. Received: {count} labels for {n} inputs. Pass one "
                "label per row, NaN where it is absent."
            )
    by_task = sample_weight if isinstance(sample_weight, Mapping) else {"": sample_weight}
    for name, weight in by_task.items():
        if weight is not None and (count := _count_rows(weight)) != n:
            of = f" of task {name!r}" if name else ""
            raise MTLError(
                f"`sample_weight`{of} must have a number for each input. Received: {count} weights for {n} inputs. Pass one "
                "weight per row."
            )


def _count_rows(column: Any) -> int:
    """Return the number of rows of an array or a list; 0 for a single number."""
    shape = column.shape if hasattr(column, "shape") else np.shape(column)
    return shape[0] if len(shape) else 0


def _check_labels(tasks: Tasks, y: Any, sample_weight: Any) -> None:
    """Refuse labels of classes that are outside the range of their task, in rows that count."""
    by_task = y if isinstance(y, Mapping) else {next(iter(tasks)): y} if len(tasks) == 1 else {}
    for name, column in by_task.items():
        if name not in tasks or tasks[name].from_input or tasks[name].standardized or not hasattr(column, "__array__"):
            continue
        task, labels = tasks[name], np.array(column)
        if labels.dtype.kind in "biuf":
            labels = labels.astype(np.float64)
            labels[labels == task.stored_missing] = np.nan
            weight = sample_weight.get(name) if isinstance(sample_weight, Mapping) else sample_weight
            if weight is not None and len(labels) == np.size(weight):
                labels[np.asarray(weight).reshape(-1) == 0] = np.nan
        task.encode(labels)


def all_labeled(y: Any, sample_weight: Any) -> bool:
    """Return whether it is certain that every row has every label: arrays without NaN, and no row weight of 0."""
    arrays = [*y.values()] if isinstance(y, Mapping) else [y]
    weights = [*sample_weight.values()] if isinstance(sample_weight, Mapping) else [sample_weight]
    if any(not isinstance(array, np.ndarray) for array in arrays):
        return False
    if any(weight is not None and not (isinstance(weight, np.ndarray) and (weight > 0).all()) for weight in weights):
        return False
    return all(array.dtype.kind != "f" or bool(np.isfinite(array).all()) for array in arrays)


def standardize(tasks: Tasks, x: Any, y: Any, sample_weight: Any) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """Return the labels and row weights of a batch for every task.

    A missing row weight is 1. A label that is NaN, in all of its parts if these can be missing one by one, is absent: its
    weight is 0. Labels of a task that reconstructs the input follow from the input where they are left out.

    Args:
        tasks: All tasks of the network.
        x: Inputs of the batch.
        y: Labels by task, as `Task.encode` stores them; or those of the only task.
        sample_weight: None, row weights for all tasks, or a dict of row weights for some tasks.

    Returns:
        Labels and weights by task, and whether it is known that none is absent.

    Raises:
        MTLError: If labels of a task are missing.
    """
    labels = _by_task(tasks, y)
    targets, weights = {}, {}
    masked = sample_weight is not None
    for name, task in tasks.items():
        label = labels.get(name)
        if label is None:
            targets[name] = task.target(_images(x))
        else:
            label = _flatten_column(join_digits(task, ops.convert_to_tensor(label)), task)
            # Integers are pixels as they are stored, floats are targets.
            stored = task.from_input and "int" in str(label.dtype)
            targets[name] = task.target(label) if stored else label
        weight = sample_weight.get(name) if isinstance(sample_weight, Mapping) else sample_weight
        if weight is None:
            weight = ops.ones(ops.shape(targets[name])[:1], "float32")
        weight = ops.reshape(ops.cast(weight, "float32"), (-1,))
        if label is not None and "float" in str(label.dtype):
            targets[name] = target = ops.cast(targets[name], "float64" if task.standardized else "float32")
            share = task.known(target)
            if share is None:
                absent = ops.any(ops.reshape(ops.isnan(target), (ops.shape(target)[0], -1)), axis=1)
                targets[name] = ops.where(ops.isnan(target), ops.zeros_like(target), target)
            else:
                absent = share == 0
            weight, masked = ops.where(absent, 0.0, weight), True
        weights[name] = weight
    return targets, weights, not masked


def _images(x: Any) -> Any:
    """Return the input that a task may reconstruct: the only one, or of several the one of images, of which there is one."""
    inputs = by_input(x)
    return inputs[image_name(inputs) or next(iter(inputs))]


def _by_task(tasks: Tasks, y: Any) -> Mapping[str, Any]:
    """Return the labels by task; those of a task that follows from the input may be missing."""
    if y is None:
        y = {}
    elif not isinstance(y, Mapping):
        if len(tasks) > 1 or isinstance(y, list | tuple):
            raise MTLError(
                f"`y` must be a dict of labels by task. Received: {type(y).__name__}. "
                f"Pass {{{', '.join(f'{name!r}: ...' for name in tasks)}}}."
            )
        y = {next(iter(tasks)): y}
    for name in y:
        if name not in tasks:
            raise unknown("task in y", name, tasks)
    missing = [name for name, task in tasks.items() if name not in y and not task.from_input]
    if missing:
        raise MTLError(
            f"`y` must have labels of every task. Received: none of {', '.join(missing)}. Pass NaN where a label is absent."
        )
    return y


def _as_rows(label: Any, task: Task) -> Any:
    """Return an array `[n]` where it came as a column `[n, 1]`. A step that was traced for one takes no other rank."""
    return _flatten_column(label, task) if isinstance(label, np.ndarray) else label


def _flatten_column(label: Any, task: Task) -> Any:
    """Return labels `[batch]` where they came as a column `[batch, 1]`, or as either from several datasets.

    Raises:
        MTLError: If there are several numbers for each row of a task that takes a class index.
    """
    if task.from_input:
        return label
    rank = label.ndim if isinstance(label, np.ndarray) else label.shape.rank
    if rank is None or (rank == 2 and label.shape[1] == 1):
        return label.reshape(-1) if isinstance(label, np.ndarray) else ops.reshape(label, (-1,))
    if rank == 2 and label.shape[1] is not None and isinstance(task, Classification | Binary | Ordinal):
        raise MTLError(
            f"Labels of task {task.name!r} must be class indices [n]. Received: {label.shape[1]} numbers for each row. Pass "
            "labels.argmax(axis=-1) where they are one-hot."
        )
    return label
