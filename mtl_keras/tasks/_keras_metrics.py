"""Metrics of Keras, computed from predictions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np

from mtl_keras.errors import MTLError, describe
from mtl_keras.tasks._keras_objects import create, to_value
from mtl_keras.tasks._metric import Metric
from mtl_keras.tasks._options import Frozen, freeze

__all__ = ["check_metrics", "keras_metric", "measure", "metric_takes_indices"]

#: Rows that a metric sees at once.
ROWS = 8192
#: Names that would collide with other entries of logs and results.
RESERVED = ("loss", "loss_weight", "skill")


def check_metrics(given: Any, own: Sequence[Metric], known: Sequence[Metric], of: str) -> tuple[str | Frozen, ...]:
    """Return the metrics that are asked for besides those that a task always has: names of its kind, or those of Keras.

    Args:
        given: Names, configurations or objects of Keras.
        own: The metrics that the task has anyway.
        known: All metrics that its kind computes.
        of: What they belong to, for messages.

    Raises:
        MTLError: If one is unknown, twice there, or has no direction.
    """
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence):
        raise MTLError(f"`metrics` of {of} must be a list. Received: metrics={describe(given)}. Pass e.g. metrics=['mae'].")
    names = [metric.name for metric in known]
    values: list[str | Frozen] = []
    for each in given:
        if isinstance(each, str) and each in names:
            if each not in {metric.name for metric in own}:
                values.append(each)
            continue
        value = _find(each, names, of)
        keras_metric(value, of)
        values.append(value)
    found = [*(metric.name for metric in own), *(each if isinstance(each, str) else _name(each) for each in values)]
    if wrong := [name for name in found if found.count(name) > 1 or name in RESERVED]:
        raise MTLError(
            f"The metrics of {of} must have names of their own. Received: {wrong[0]!r}, {found.count(wrong[0])} times. Give "
            "the metric another name=."
        )
    return tuple(dict.fromkeys(values))


def _find(given: Any, names: Sequence[str], of: str) -> Frozen:
    """Return a metric of Keras as a value."""
    try:
        if isinstance(given, str):
            given = keras.metrics.get(given)
        value = to_value("metric", given, keras.metrics, keras.metrics.Metric, of)
        assert not isinstance(value, str), "a function has no direction"
    except (MTLError, ValueError, TypeError, AssertionError) as error:
        if isinstance(error, MTLError) and not isinstance(given, str):
            raise
        raise MTLError(
            f"A metric of {of} must be one of {', '.join(names)}, or a metric of Keras. Received: {describe(given)}. Pass one "
            "of these, or an object of keras.metrics."
        ) from None
    # Keras numbers the names of metrics: two equal tasks would differ by it.
    config = {**value["config"], "name": re.sub(r"_\d+$", "", str(value["config"].get("name") or value["class_name"]).lower())}
    return Frozen({**value, "config": freeze(config)})


def keras_metric(value: Frozen, of: str) -> Metric:
    """Return name, unit and direction of a metric of Keras.

    Raises:
        MTLError: If Keras does not say in which direction it is better.
    """
    name, direction = _name(value), getattr(create(value, keras.metrics), "_direction", None)
    if direction not in ("up", "down"):
        raise MTLError(
            f"A metric of {of} must have a direction. Received: {name!r}, of which Keras does not say whether higher is "
            "better. Pass another metric, or set its attribute `_direction` to 'up' or 'down'."
        )
    best: Literal["max", "min"] = "max" if direction == "up" else "min"
    return Metric(name, f"{value['class_name']} of Keras", best, 1.0 if best == "max" else 0.0)


def metric_takes_indices(value: Frozen) -> bool:
    """Return whether a metric takes class indices, rather than a probability of each class."""
    return str(value["class_name"]).startswith("Sparse")


def measure(value: Frozen, target: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> float:
    """Return a metric of Keras of all rows.

    Raises:
        MTLError: If it is not one number.
    """
    metric = create(value, keras.metrics)
    for start in range(0, len(target), ROWS):
        rows = slice(start, start + ROWS)
        metric.update_state(target[rows], prediction[rows], sample_weight=None if weight is None else weight[rows])
    result = np.asarray(keras.ops.convert_to_numpy(metric.result()))
    if result.size != 1:
        raise MTLError(
            f"A metric must be one number. Received: {_name(value)!r}, which has {result.size}. Give it an average, e.g. "
            "average='macro'."
        )
    return float(result.reshape(()))


def _name(value: Frozen) -> str:
    return str(value["config"]["name"])
