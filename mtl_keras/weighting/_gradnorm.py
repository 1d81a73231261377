"""GradNorm: weighted gradients of equal norm, except that tasks that learn slowly get larger ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from mtl_keras.errors import check_number, check_rate, store
from mtl_keras.weighting._base import GradientWeighting

__all__ = ["GradNorm"]


@dataclass(frozen=True)
class GradNorm(GradientWeighting):
    """Learn weights by which `w_i |g_i|` becomes the mean of `w_j |g_j|` over all tasks, times `r_i^alpha`.

    `|g_i|` is the norm of a task's gradient, the root of the diagonal of the Gramian. `r_i` is the loss of the task
    relative to its first loss, divided by the mean of that ratio over the tasks: it is above 1 for a task that learns more
    slowly than the others. The weights descend on `sum_i |w_i |g_i| - mean(w |g|) r_i^alpha|`, in which the target is
    constant. Weights start at 1, and sum to the number of tasks. A step uses the weights of the step before.

    Deviations from the paper: the weights take exponentiated gradient steps of their own, `w_i <- w_i exp(-rate d)` with
    `d = sign(w_i |g_i| - target_i) w_i |g_i| / mean(w |g|)`, where the paper subtracts the derivative in the optimizer of
    the network. They thus stay positive and do not depend on the scale of the gradients. Norms are those of the gradients
    at the last trained layer that all tasks share, at its output if all labels are there and at its parameters otherwise.
    Heads get their own unweighted gradient. A task without a label in the batch keeps its weight and has no part in the
    means. A first loss of 0 counts as a ratio of 1.

    Args:
        alpha: How much a slow task gains, at least 0; default 1.5. With 0 all weighted gradients get one norm.
        learning_rate: Step size of the logarithms of the weights, above 0; default 0.025.

    Raises:
        MTLError: If an option is out of range.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.weighting.get({"method": "gradnorm", "alpha": 0.5}).config()
        {'method': 'gradnorm', 'alpha': 0.5}

    Reference:
        Z. Chen, V. Badrinarayanan, C.-Y. Lee, A. Rabinovich, GradNorm: Gradient normalization for adaptive loss balancing
        in deep multitask networks, ICML 2018.
    """

    name: ClassVar[str] = "gradnorm"

    alpha: float = 1.5
    learning_rate: float = 0.025

    def __post_init__(self) -> None:
        store(
            self,
            alpha=check_number("alpha", self.alpha, 0, 100, of="'gradnorm'", example=1.5),
            learning_rate=check_rate("learning_rate", self.learning_rate, of="'gradnorm'", example=0.025),
        )

    def state(self, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        # A first loss of 0 says that there is none yet.
        return {"weights": np.ones(len(tasks), np.float32), "first_losses": np.zeros(len(tasks), np.float32)}

    def step(self, gramian: Any, losses: Any, present: Any, state: Mapping[str, Any], order: Any) -> tuple[Any, dict[str, Any]]:
        weights, first = (ops.cast(state[name], gramian.dtype) for name in ("weights", "first_losses"))
        there = ops.cast(present > 0, gramian.dtype)
        count = ops.maximum(ops.sum(there), 1.0)
        first = ops.where(ops.logical_and(first == 0, present > 0), losses, first)
        ratios = there * ops.where(first > 0, ops.divide_no_nan(losses, first), 1.0)
        rates = ops.divide_no_nan(ratios, ops.sum(ratios) / count)
        norms = there * weights * ops.sqrt(ops.maximum(ops.diagonal(gramian), 0.0))
        relative = ops.divide_no_nan(norms, ops.sum(norms) / count)
        slopes = relative * ops.sign(relative - ops.power(rates, self.alpha))
        moved = weights * ops.exp(-self.learning_rate * slopes)
        # The tasks of this batch keep the sum of their weights.
        moved = moved * ops.divide_no_nan(ops.sum(there * weights), ops.sum(there * moved))
        return weights, {"weights": ops.where(present > 0, moved, weights), "first_losses": first}
