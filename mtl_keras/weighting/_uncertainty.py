"""Weights that are learned as the uncertainty of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from mtl_keras.errors import check_number, store
from mtl_keras.weighting._base import LossWeighting

__all__ = ["Uncertainty"]


@dataclass(frozen=True)
class Uncertainty(LossWeighting):
    """Minimize the sum of `(exp(-s_i) L_i + s_i) / 2` over network and `s_i`, the logarithm of each task's variance.

    A task whose loss stays high gets a high variance and thus a small weight, `exp(-s_i) / 2`. The term `s_i` keeps the
    variance from growing without bound. At the optimum `exp(s_i) = L_i`, so the weight of a loss is half its inverse.

    Deviations from the paper: the paper has `1 / (2 sigma^2)` for a squared error and `1 / sigma^2` for a cross-entropy.
    Here, as in most implementations, all tasks have the former; the variance absorbs the constant. A task without a label
    in the batch adds nothing, since counting it would decrease its variance. The `s_i` are trained by the optimizer of the
    phase, without weight decay.

    Args:
        initial: Initial value of every `s_i`, from -50 to 50; default 0, a variance of 1.

    Raises:
        MTLError: If `initial` is out of range.

    Example:
        >>> Uncertainty().config()
        'uncertainty'

    Reference:
        A. Kendall, Y. Gal, R. Cipolla, Multi-task learning using uncertainty to weigh losses for scene geometry and
        semantics, CVPR 2018.
    """

    name: ClassVar[str] = "uncertainty"
    trained: ClassVar[tuple[str, ...]] = ("log_variance",)

    initial: float = 0.0

    def __post_init__(self) -> None:
        # Beyond this, `exp` leaves the range of float32.
        store(self, initial=check_number("initial", self.initial, -50, 50, of="'uncertainty'", example=0))

    def state(self, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        return {"log_variance": np.full(len(tasks), self.initial, np.float32)}

    def total(self, losses: Any, present: Any, state: Mapping[str, Any]) -> Any:
        s = state["log_variance"]
        return ops.sum(ops.where(present > 0, 0.5 * (ops.exp(-s) * losses + s), 0.0))

    def loss_weights(self, losses: Any, state: Mapping[str, Any]) -> Any:
        return 0.5 * ops.exp(-state["log_variance"])
