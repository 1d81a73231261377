"""Where training runs: a `tf.distribute` strategy by name, and the sums over its replicas.

Everything here also works without a strategy, where there is one replica and every sum is the value itself.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf

from mtl_keras.errors import MTLError, unknown

__all__ = ["StrategyName", "assign", "gpu_names", "replicas", "strategy", "sum_over_replicas"]

StrategyName = Literal["auto", "none", "mirrored"]


def strategy(name: StrategyName | str = "auto", devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Return the strategy called `name`; enter its `.scope()` before building a model.

    Args:
        name: `"mirrored"` runs on all GPUs of the host, or on `devices`; `"none"` on the default device; `"auto"` is
            mirrored where there are at least two GPUs and none otherwise.
        devices: Device names for `"mirrored"`, e.g. two logical CPUs in a test. Default: all GPUs.

    Raises:
        MTLError: If the name is unknown, or mirrored is asked for and there is no GPU and no `devices`.

    Example:
        >>> with strategy("none").scope():
        ...     pass
    """
    if name not in get_args(StrategyName):
        raise unknown("strategy", name, get_args(StrategyName))
    gpus = [gpu.name for gpu in tf.config.list_logical_devices("GPU")]
    chosen = list(devices or gpus)
    if name == "mirrored" and not chosen:
        raise MTLError(
            "The strategy 'mirrored' needs GPUs. Received: a host with none. Use 'auto', or mtl-keras[gpu] on a GPU host."
        )
    if name == "mirrored" or (name == "auto" and len(chosen) > 1):
        return _mirrored(tuple(chosen))
    # TensorFlow's own default strategy: its scope does nothing, so callers need no special case.
    return tf.distribute.get_strategy()


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    # Once a process: each one numbers its sums from 100, and a second one's would be taken for those of the first.
    return tf.distribute.MirroredStrategy(list(devices))


def gpu_names() -> list[str]:
    """Return what the GPUs of this host are called by their maker, in order; empty without one."""
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return [str(known.get("device_name", "GPU")) for known in details]


def replicas() -> int:
    """Return the number of replicas of the strategy in force; 1 without one."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def sum_over_replicas(value: Any) -> Any:
    """Return the sum of `value` over all replicas, seen as a constant by the gradient.

    Call it in replica context (a train or test step). TensorFlow's own gradient of an all-reduce is another all-reduce,
    which would count every replica's share once per replica; callers add their own local term for the gradient.
    """
    value = tf.stop_gradient(value)
    context = tf.distribute.get_replica_context()
    if context is None or replicas() == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Assign `values` to Keras `variables` from inside a step, with or without replicas.

    Every replica must hand in the same values: mirrored variables can only be assigned across replicas.
    """
    if replicas() == 1:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return

    def update(across: tf.distribute.Strategy, *new: Any) -> None:
        for variable, value in zip(variables, new, strict=True):
            across.extended.update(variable.value, lambda v, x: v.assign(x), args=(value,), group=False)

    tf.distribute.get_replica_context().merge_call(update, args=tuple(values))
