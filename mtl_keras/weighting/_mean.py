"""The mean of the losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from mtl_keras.weighting._base import Weighting

__all__ = ["Mean"]


@dataclass(frozen=True)
class Mean(Weighting):
    """Minimize the mean over tasks: the equal sum at a learning rate that does not grow with the number of tasks.

    Under Adam, which does not see the scale of a loss, it trains as the sum does. A task without a label in the batch
    counts as 0, so that the others keep their weight.

    Example:
        >>> Mean().config()
        'mean'
    """

    name: ClassVar[str] = "mean"

    def state(self, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        return {}

    def total(self, losses: Any, present: Any, state: Mapping[str, Any]) -> Any:
        return ops.mean(losses)

    def loss_weights(self, losses: Any, state: Mapping[str, Any]) -> Any:
        return ops.ones_like(losses) / losses.shape[0]
