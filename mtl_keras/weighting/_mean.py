"""The mean of the losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from mtl_keras.weighting._base import LossWeighting

__all__ = ["Mean"]


@dataclass(frozen=True)
class Mean(LossWeighting):
    """Minimize the mean over tasks: the equal sum, with a learning rate that does not grow with the number of tasks.

    Under Adam, whose steps do not depend on the scale of the loss, it trains as the sum does. A task without a label in the
    batch counts as 0, so the others keep their weight.

    Example:
        >>> Mean().config()
        'mean'
    """

    name: ClassVar[str] = "mean"

    def total(self, losses: Any, present: Any, state: Mapping[str, Any]) -> Any:
        return ops.mean(losses)

    def loss_weights(self, losses: Any, state: Mapping[str, Any]) -> Any:
        return ops.ones_like(losses) / losses.shape[0]
