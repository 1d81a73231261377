"""Weights learned as the uncertainty of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from mtl_keras.weighting._base import Weighting

__all__ = ["Uncertainty"]


@dataclass(frozen=True)
class Uncertainty(Weighting):
    """Minimize the sum of `(exp(-s_i) L_i + s_i) / 2` over network and `s_i`, the logarithm of each task's variance.

    A task whose loss stays high gets a high variance and so a small weight, `exp(-s_i) / 2`; `s_i` itself keeps the
    variance from growing without end. At the optimum `exp(s_i) = L_i`, which is where the weight of a loss is half its
    inverse.

    Deviations from the paper: it has `1 / (2 sigma^2)` for a squared error and `1 / sigma^2` for a cross-entropy; here,
    as in most implementations, all tasks have the former, which differs by a constant that the variance takes up. A
    task without a label in the batch adds nothing, where counting it would pull its variance down. The `s_i` are trained
    by the phase's own optimizer, without weight decay.

    Args:
        initial: Of every `s_i`; default 0, a variance of 1.

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

    def state(self, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        return {"log_variance": np.full(len(tasks), self.initial, np.float32)}

    def total(self, losses: Any, present: Any, state: Mapping[str, Any]) -> Any:
        s = state["log_variance"]
        return ops.sum(ops.where(present > 0, 0.5 * (ops.exp(-s) * losses + s), 0.0))

    def loss_weights(self, losses: Any, state: Mapping[str, Any]) -> Any:
        return 0.5 * ops.exp(-state["log_variance"])
