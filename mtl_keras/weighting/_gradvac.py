"""Gradient vaccine: task gradients are moved toward the cosines that they have on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from mtl_keras.errors import check_fraction, check_seed, store
from mtl_keras.weighting._base import GradientWeighting

__all__ = ["GradVac"]

#: Keeps the correction finite for a cosine target of 1 or -1.
EPSILON = 1e-7


@dataclass(frozen=True)
class GradVac(GradientWeighting):
    """Change each task gradient until its cosine with every other one is at least the moving average of that cosine.

    For each task `i` and, one after the other, each other task `j`, with `c` the cosine of the current `g_i` and `g_j` and
    `t` its target: if `c < t`, then

        g_i <- g_i + g_j |g_i| (t sqrt(1 - c^2) - c sqrt(1 - t^2)) / (|g_j| sqrt(1 - t^2))

    and in any case `t <- (1 - beta) t + beta c`. The shared layers are updated by the sum of the changed gradients, which
    is a weighted sum of the original ones. Targets start at 0, where the correction is the projection of PCGrad.

    Deviations from the paper: there is one target for each pair of tasks, at the gradients of the last trained layer that
    all tasks share, rather than one for each layer. All tasks are corrected in one common order, which is drawn for each
    step from `seed` and the number of the step. Pairs in which a task has no label in the batch keep their target.
    `1 - t^2` is at least 1e-7.

    Args:
        beta: Rate at which the targets follow the cosines, in `[0, 1]`; default 0.5, as in LibMTL and TorchJD. With 0 all
            targets stay 0.
        seed: Seed of the order of tasks, at least 0; default 0. With two tasks the order has no influence.

    Raises:
        MTLError: If an option is out of range.

    Example:
        >>> import mtl_keras as mtl
        >>> weights = mtl.weighting.get("gradvac").weights([[18.0, -22.0], [-22.0, 38.0]])
        >>> [round(float(weight), 3) for weight in weights]
        [2.222, 1.579]

    Reference:
        Z. Wang, Y. Tsvetkov, O. Firat, Y. Cao, Gradient vaccine: Investigating and improving multi-task optimization in
        massively multilingual models, ICLR 2021.
    """

    name: ClassVar[str] = "gradvac"

    beta: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        store(
            self,
            beta=check_fraction("beta", self.beta, bounds="[]", of="'gradvac'"),
            seed=check_seed("seed", self.seed, of="'gradvac'"),
        )

    def state(self, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        return {"targets": np.zeros((len(tasks), len(tasks)), np.float32)}

    def order_seed(self) -> int | None:
        return self.seed

    def step(self, gramian: Any, losses: Any, present: Any, state: Mapping[str, Any], order: Any) -> tuple[Any, dict[str, Any]]:
        n, dtype = gramian.shape[0], gramian.dtype
        # Cosines do not depend on the scale, and squares of large gradients would overflow.
        norms = ops.sqrt(ops.maximum(ops.diagonal(gramian), 0.0))
        largest = ops.max(norms)
        norms = ops.divide_no_nan(norms, largest)
        gramian = ops.divide_no_nan(ops.divide_no_nan(gramian, largest), largest)
        there = ops.logical_and(present > 0, norms > 0)

        def correct(place: Any, parts: Any, targets: Any) -> tuple[Any, Any]:
            """Correct the gradients of all tasks by that of one; row i of `parts` holds the weights that make up g_i."""
            j = ops.take(order, place)
            column = ops.one_hot(j, n, dtype=dtype)
            pairs = ops.logical_and(there, ops.logical_and(ops.take(there, j), column == 0))
            products = ops.matmul(parts, gramian)
            own = ops.sqrt(ops.maximum(ops.sum(products * parts, axis=1), 0.0))
            other, target = ops.take(norms, j), ops.take(targets, j, axis=1)
            cosine = ops.clip(ops.divide_no_nan(ops.take(products, j, axis=1), own * other), -1.0, 1.0)
            sine, target_sine = (ops.sqrt(ops.maximum(1.0 - ops.square(c), EPSILON)) for c in (cosine, target))
            added = ops.divide_no_nan(own * (target * sine - cosine * target_sine), other * target_sine)
            added = ops.where(ops.logical_and(pairs, cosine < target), added, 0.0)
            moved = ops.where(pairs, (1.0 - self.beta) * target + self.beta * cosine, target)
            return parts + added[:, None] * column, ops.where(column > 0, moved[:, None], targets)

        parts, targets = ops.eye(n, dtype=dtype), ops.cast(state["targets"], dtype)
        for place in range(n):
            parts, targets = correct(place, parts, targets)
        return ops.sum(parts, axis=0), {"targets": targets}
