"""The geometric mean of the losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from mtl_keras.weighting._base import LossWeighting

__all__ = ["GeometricMean"]

#: Smaller losses are raised to this value, so that the logarithm stays finite; their gradient is 0.
FLOOR = 1e-30


@dataclass(frozen=True)
class GeometricMean(LossWeighting):
    """Minimize `(L_1 L_2 ... L_T)^(1/T)`, which does not depend on the scales of the losses.

    The gradient of a loss has the factor `total / (T L_i)`: a loss that is ten times smaller gets ten times the weight.
    Losses must not be negative.

    Deviation from the paper: the mean is taken over the tasks that have a label in the batch.

    Example:
        >>> GeometricMean().config()
        'geometric_mean'

    Reference:
        S. Chennupati, G. Sistu, S. Yogamani, S. Rawashdeh, MultiNet++: Multi-stream feature aggregation and geometric
        loss strategy for multi-task learning, CVPR workshops 2019.
    """

    name: ClassVar[str] = "geometric_mean"

    def total(self, losses: Any, present: Any, state: Mapping[str, Any]) -> Any:
        there = ops.cast(present > 0, losses.dtype)
        logs = there * ops.log(ops.maximum(losses, FLOOR))
        return ops.exp(ops.sum(logs) / ops.maximum(ops.sum(there), 1.0))

    def loss_weights(self, losses: Any, state: Mapping[str, Any]) -> Any:
        there = losses > FLOOR
        floored = ops.where(there, losses, FLOOR)
        total = self.total(floored, ops.where(ops.isnan(losses), 0.0, 1.0), state)
        return ops.where(there, total / (ops.sum(ops.where(ops.isnan(losses), 0.0, 1.0)) * floored), 0.0)
