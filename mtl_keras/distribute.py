"""Distribution strategies by name, and sums over replicas.

All functions also work without a strategy: there is then one replica, and a sum over replicas is the value itself.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf

from mtl_keras.errors import MTLError, unknown

__all__ = ["StrategyName", "assign", "gpu_names", "replicas", "strategy", "sum_over_replicas"]

StrategyName = Literal["auto", "none", "mirrored"]
#: How the names of TensorFlow's strategies for other devices begin, none of which is a misspelled name of ours.
OTHER_MACHINES = ("multi", "parameter", "tpu", "central")


def strategy(name: StrategyName | str = "auto", devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Return the `tf.distribute` strategy called `name`; enter its `.scope()` before building a model.

    Args:
        name: `"mirrored"` trains on all GPUs of this machine, or on `devices`; `"none"` on the default device; `"auto"`
            (default) is `"mirrored"` with at least two GPUs and `"none"` otherwise.
        devices: Device names for `"mirrored"`, e.g. two logical CPUs in a test; None (default) means all GPUs.

    Raises:
        MTLError: If the name is unknown, or it is `"mirrored"` without GPUs and without `devices`.

    Example:
        >>> with strategy("none").scope():
        ...     pass
    """
    if str(name).lower().startswith(OTHER_MACHINES):
        raise MTLError(
            f"A strategy must be one of {', '.join(get_args(StrategyName))}, since mtl-keras trains on one machine. Received: "
            f"{name!r}. Pass 'mirrored' for all its GPUs."
        )
    if name not in get_args(StrategyName):
        raise unknown("strategy", name, get_args(StrategyName))
    gpus = [gpu.name for gpu in tf.config.list_logical_devices("GPU")]
    chosen = list(devices or gpus)
    if name == "mirrored" and not chosen:
        raise MTLError(
            "The strategy 'mirrored' must have at least one GPU. Received: a machine without GPUs. Pass 'auto', or install "
            "mtl-keras[gpu] on a machine with GPUs."
        )
    if name == "mirrored" or (name == "auto" and len(chosen) > 1):
        return _mirrored(tuple(chosen))
    # TensorFlow's default strategy, whose scope has no effect: callers need no special case.
    return tf.distribute.get_strategy()


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    # One per process: every strategy numbers its collective operations from 100, so those of two would be mixed up.
    return tf.distribute.MirroredStrategy(list(devices))


def gpu_names() -> list[str]:
    """Return the product names of the GPUs of this machine, in order; empty without GPUs."""
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return [str(known.get("device_name", "GPU")) for known in details]


def replicas() -> int:
    """Return the number of replicas of the current strategy; 1 without a strategy."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def sum_over_replicas(value: Any) -> Any:
    """Return the sum of `value` over all replicas, without a gradient.

    Call it in replica context (a train or test step). TensorFlow's gradient of an all-reduce is another all-reduce, which
    would count the share of each replica once per replica. Callers that need a gradient add a local term.
    """
    value = tf.stop_gradient(value)
    context = tf.distribute.get_replica_context()
    if context is None or replicas() == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Assign `values` to Keras `variables` inside a train step, with any number of replicas.

    The values must be equal on all replicas, since mirrored variables are assigned in cross-replica context.
    """
    if replicas() == 1:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return

    def update(across: tf.distribute.Strategy, *new: Any) -> None:
        for variable, value in zip(variables, new, strict=True):
            across.extended.update(variable.value, lambda v, x: v.assign(x), args=(value,), group=False)

    tf.distribute.get_replica_context().merge_call(update, args=tuple(values))
