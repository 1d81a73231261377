"""The weighted sum of the losses with constant weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from mtl_keras.errors import MTLError, check_mapping, check_number, describe, store, unknown
from mtl_keras.weighting._base import LossWeighting

__all__ = ["Fixed"]


@dataclass(frozen=True)
class Fixed(LossWeighting):
    """Minimize the sum of weight x loss. Tuned fixed weights are the baseline for every other method.

    Args:
        weights: A mapping of task to weight, or `(task, weight)` pairs. Weights must be from 0 to 1e9 and not all 0,
            and every task needs one. Empty (the default) means 1 for every task.

    Raises:
        MTLError: If weights are not numbers, negative, infinite or all 0.

    Example:
        >>> Fixed({"fine": 0.7, "coarse": 0.3}).config()
        {'fine': 0.7, 'coarse': 0.3}
    """

    name: ClassVar[str] = "equal"

    weights: tuple[tuple[str, float], ...] = ()

    def __init__(self, weights: Mapping[str, float] | Sequence[tuple[str, float]] = ()) -> None:
        try:
            given = check_mapping("weights", dict(weights))
        except (TypeError, ValueError):
            raise MTLError(
                f"Loss weights must be numbers by task. Received: weights={describe(weights)}. Pass e.g. {{'fine': 0.7}}."
            ) from None
        # Beyond this, the sum of losses leaves the range of float32.
        pairs = [(name, float(check_number(f"weights[{name!r}]", each, 0, 1e9, example=1))) for name, each in given.items()]
        store(self, weights=tuple(pairs))
        if pairs and not any(value for _, value in pairs):
            raise MTLError(
                f"At least one loss weight must be above 0. Received: weights={dict(pairs)}. Pass e.g. 1.0 for every task."
            )

    def state(self, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        given = dict(self.weights)
        for name in given:
            if name not in tasks:
                raise unknown("task in loss weights", name, tasks)
        missing = [name for name in tasks if given and name not in given]
        if missing:
            raise MTLError(
                f"Loss weights must name every task. Received: none for {', '.join(missing)}. Pass 0 to ignore a loss."
            )
        return {"weights": np.array([given.get(name, 1.0) for name in tasks], np.float32)}

    def total(self, losses: Any, present: Any, state: Mapping[str, Any]) -> Any:
        return ops.sum(state["weights"] * losses)

    def loss_weights(self, losses: Any, state: Mapping[str, Any]) -> Any:
        return state["weights"]

    def config(self) -> Any:
        return dict(self.weights) or self.name
