"""Optimizers by name, configuration or instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mtl_keras.errors import MTLError, describe, unknown

__all__ = ["get_optimizer"]

#: Classes in `keras.optimizers` that are no complete optimizers.
NOT_BY_NAME = ("Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap")


def get_optimizer(optimizer: str | Mapping[str, Any] | keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return the optimizer that a name or a Keras configuration stands for, or the instance that is given.

    Raises:
        MTLError: If it is none of them, or Keras cannot create it.
    """
    known = [
        name for name in dir(keras.optimizers) if isinstance(getattr(keras.optimizers, name), type) and name not in NOT_BY_NAME
    ]
    if isinstance(optimizer, str) and optimizer.lower() not in {name.lower() for name in known}:
        raise unknown("optimizer", optimizer, known)
    problem = ""
    if isinstance(optimizer, str | Mapping | keras.optimizers.Optimizer):
        try:
            return keras.optimizers.get(optimizer)
        except (ValueError, TypeError, KeyError) as error:
            problem = f" ({' '.join(str(error).split())[:200]})"
    raise MTLError(
        f"`optimizer` must be a name, a Keras configuration or an optimizer. Received: {describe(optimizer)}{problem}. Pass "
        "e.g. optimizer='adam'."
    )
