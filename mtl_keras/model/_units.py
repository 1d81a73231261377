"""Labels that are standardized: where their units lie in a network, how they are set, and how labels keep their digits.

Trained are the outputs in front of the layer that returns to the unit of the labels. Labels are standardized in float64, as
the first operation of a step; outputs return to the unit in float64, as the last one of a prediction. The float32 layer
itself serves whoever calls the network: `model.predict`, exports.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mtl_keras.errors import MTLError
from mtl_keras.layers import read_unit, set_unit, unit_is_set
from mtl_keras.model._graph import origin
from mtl_keras.tasks import Task, Tasks

__all__ = [
    *("fit_units", "join_digits", "set_units", "split_digits", "standard_outputs", "to_standard_unit", "to_label_unit"),
    "unit_layers",
]

#: Standard deviations by which the mean of later labels may differ, and the factor of their own one, before it is said.
FAR = 10.0

#: Ratio of mean and standard deviation above which float32 outputs are coarse: three digits of the deviation are left.
COARSE = 1e4

logger = logging.getLogger("mtl_keras")


def unit_layers(tasks: Tasks, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the layers that hold the units of standardized labels, by task, given the symbolic outputs of a network."""
    return {name: origin(_in_unit(task, outputs[name]))[0] for name, task in tasks.items() if task.standardized}


def standard_outputs(tasks: Tasks, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the symbolic outputs that are trained: for standardized labels those in front of the last layer."""
    return {
        name: origin(_in_unit(tasks[name], output))[1].input_tensors[0] if tasks[name].standardized else output
        for name, output in outputs.items()
    }


def _in_unit(task: Task, output: Any) -> Any:
    """Return the symbolic output of the layer that holds the unit; behind it are those that invert a transformation."""
    for _ in range(0 if task.transformation is None else task.transformation.depth):
        output = origin(output)[1].input_tensors[0]
    return output


def to_standard_unit(task: Task, layer: Any, values: Any) -> Any:
    """Return labels or outputs, in their unit, as standardized float32 `[batch, size]`."""
    location, scale = read_unit(layer)
    rows = ops.reshape(ops.cast(values, "float64"), (-1, location.shape[0]))
    rows = rows if task.transformation is None else task.transformation.apply(rows)
    return ops.cast((rows - location) / scale, "float32")


def to_label_unit(task: Task, layer: Any, outputs: np.ndarray) -> np.ndarray:
    """Return standardized outputs in the unit of the labels, as float64."""
    location, scale = map(ops.convert_to_numpy, read_unit(layer))
    rows = np.asarray(outputs.astype(np.float64) * scale + location)
    return rows if task.transformation is None else task.transformation.invert(rows)


def set_units(model: Any, labels: Mapping[str, np.ndarray]) -> None:
    """Set the units that no training has set yet; warn of labels far from a unit, and of units that float32 is coarse in.

    Args:
        model: The whole network.
        labels: Present labels of the training rows by task, as `Task.encode` stores them; others are left out.
    """
    for name, layer in model.unit_layers.items():
        task, known = model.recipe.tasks[name], len(labels.get(name, ())) > 0
        fixed = _is_fixed(task, layer)
        if known and not fixed:
            with model.distribute_strategy.scope():
                before = origin(standard_outputs(model.recipe.tasks, {name: model.output[name]})[name])[0]
                set_unit(layer, before, *_statistics(task, labels[name]), task.initial_unit)
        location, scale = map(ops.convert_to_numpy, read_unit(layer))
        if known and fixed and not task.unit_given:
            _warn_of_other_labels(name, location, float(scale), *task.statistics(labels[name]))
        largest = float(np.abs(location).max())
        if largest > COARSE * float(scale):
            _warn_of_steps(name, largest, float(scale))


def fit_units(model: Any, x: Any, y: Any, options: Mapping[str, Any]) -> None:
    """Set the units that no training has set yet from what a user hands to `fit`.

    Args:
        model: The whole network.
        x: Inputs, or batches.
        y: Labels; None if `x` are batches.
        options: Other arguments of `fit`.

    Raises:
        MTLError: If the batches can be read only once.
    """
    names = [name for name, layer in model.unit_layers.items() if not _is_fixed(model.recipe.tasks[name], layer)]
    if not names or x is None:
        return
    batches = [(x, y, options.get("sample_weight"))] if y is not None else _read_batches(x, options.get("steps_per_epoch"))
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for batch in batches:
        _, labels, weights = keras.utils.unpack_x_y_sample_weight(tuple(batch))
        for name in names:
            task = model.recipe.tasks[name]
            column = labels.get(name) if isinstance(labels, Mapping) else labels
            weight = weights.get(name) if isinstance(weights, Mapping) else weights
            if column is not None:
                stored, present = task.encode(np.asarray(column))
                counts = present > 0 if weight is None else (present > 0) & (np.asarray(weight).reshape(-1) > 0)
                if y is not None:
                    # As Keras does it, the last rows are for validation.
                    counts[int(np.floor(len(counts) * (1 - (options.get("validation_split") or 0)))) :] = False
                found[name].append(stored[counts])
    set_units(model, {name: np.concatenate(parts) for name, parts in found.items() if parts})


def split_digits(tasks: Tasks, y: Any) -> Any:
    """Return arrays of labels that are standardized as sums of two float32 numbers, `[n, size, 2]`, whatever their type.

    Keras turns float64 arrays into float32, which has too few digits for a date in seconds. `join_digits` adds them up.

    Args:
        tasks: All tasks.
        y: Labels by task, or those of the only task.

    Raises:
        MTLError: If a label is infinite.
    """
    if isinstance(y, Mapping):
        return {name: _split(tasks[name], column) if name in tasks else column for name, column in y.items()}
    return _split(next(iter(tasks.values())), y) if len(tasks) == 1 else y


def _split(task: Task, column: Any) -> Any:
    """Return the labels of one task as `split_digits` does."""
    if not task.standardized or not hasattr(column, "__array__"):
        return column
    labels = np.asarray(column)
    # Keras hands what `fit` has split to `evaluate`.
    if labels.dtype.kind not in "biuf" or labels.ndim == 3:
        return column
    # Checks the labels: of an infinite one, nothing would be left.
    task.encode(labels)
    rows = labels.astype(np.float64).reshape(len(labels), -1)
    high = rows.astype(np.float32)
    return np.stack([high, (rows - high).astype(np.float32)], axis=-1)


def join_digits(task: Task, label: Any) -> Any:
    """Return labels in float64, given those of `split_digits`; others as they are."""
    if not task.standardized or label.shape.rank not in (None, 3):
        return label
    digits = ops.cast(label, "float64")
    if label.shape.rank == 3:
        return ops.sum(digits, axis=-1)
    # One traced function serves arrays and datasets, whose labels differ in rank.
    flat = tf.cond(tf.rank(label) == 3, lambda: ops.sum(digits, axis=-1), lambda: digits)
    return tf.reshape(flat, [tf.shape(flat)[0], -1])


def _is_fixed(task: Task, layer: Any) -> bool:
    """Return whether a unit is given by the task, was set by a training, or belongs to a file of an earlier version."""
    return task.unit_given or unit_is_set(layer, task.initial_unit)


def _statistics(task: Task, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return location and scale of the labels of a task.

    Raises:
        MTLError: If float32, in which a network holds them, cannot.
    """
    location, scale = task.statistics(labels)
    limits = np.finfo(np.float32)
    if not (np.abs(location).max() < limits.max and limits.tiny <= scale < limits.max):
        raise MTLError(
            f"Labels of task {task.name!r} must have a mean and a standard deviation that float32 can hold. Received: "
            f"{location.tolist()} and {scale}. Give the labels in another unit."
        )
    return location, scale


def _read_batches(x: Any, steps: int | None) -> Iterable[Any]:
    """Return the batches of an epoch."""
    endless = isinstance(x, tf.data.Dataset) and x.cardinality() == tf.data.INFINITE_CARDINALITY
    if steps is None and (endless or (isinstance(x, keras.utils.PyDataset) and x.num_batches is None)):
        raise MTLError(
            "`steps_per_epoch` must be given for batches without an end. Received: steps_per_epoch=None for a "
            f"{type(x).__name__}. Pass the number of batches of an epoch."
        )
    if isinstance(x, keras.utils.PyDataset):
        return (x[number] for number in range(min(n for n in (steps, x.num_batches) if n is not None)))
    if iter(x) is x:
        raise MTLError(
            "A regression without `location` and `scale` must be fitted on batches that can be read twice. Received: "
            f"{type(x).__name__}. Pass a dataset or arrays, or give the task location= and scale=."
        )
    return itertools.islice(x, steps)


def _warn_of_other_labels(name: str, location: np.ndarray, scale: float, mean: np.ndarray, deviation: float) -> None:
    """Warn of labels that are far from standardized in the unit that an earlier training has set."""
    if np.abs(mean - location).max() > FAR * scale or not scale / FAR < deviation < FAR * scale:
        logger.warning(
            "Labels of task %r have a mean of %.6g and a standard deviation of %.3g; the model keeps the unit of its first "
            "training, %.6g and %.3g, in which they train badly. Build a new model for other labels.",
            name, float(mean.flat[0]), deviation, float(location.flat[0]), scale,
        )  # fmt: skip


@functools.cache
def _warn_of_steps(name: str, location: float, scale: float) -> None:
    """Warn once of outputs that float32 is coarse for."""
    logger.warning(
        "Labels of task %r are about %.6g with a standard deviation of %.3g: `model.predict` and exported files answer in "
        "float32, in steps of %.2g there. mtl.evaluate and mtl_keras.prediction.predict answer in float64.",
        name, location, scale, float(np.spacing(np.float32(location))),
    )  # fmt: skip
