"""Multiple gradient descent: the shortest vector that is a weighted mean of the task gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from mtl_keras.weighting._base import GradientWeighting

__all__ = ["MGDA"]

#: The largest number of pairwise steps. Two tasks take one step, ten about fifty, fifty about a hundred.
STEPS = 512
#: Steps that would move less weight than this end the search. It is the resolution of float32.
TOLERANCE = 1e-7


@dataclass(frozen=True)
class MGDA(GradientWeighting):
    """Choose the weights `w` that minimize `w^T G w` subject to `w >= 0` and `sum(w) = 1`.

    The resulting vector `J^T w` is the point of the convex hull of the task gradients that lies closest to the origin. It
    decreases the loss of every task at first order, and is 0 only if no such direction exists. Tasks with small gradients
    get large weights, so the result depends on the scale of the losses.

    The minimum is found by pairwise Frank-Wolfe steps with exact line search: each moves weight from one task to another,
    for the pair by which `w^T G w` decreases most. They start from equal weights and converge linearly. The result is
    deterministic.

    Deviations from the paper: the Gramian is computed at the last trained layer that all tasks share (as in MGDA-UB), or
    at its parameters if labels are missing. The minimum is taken over the tasks that have a label in the batch; the
    others get weight 0. Gradients are not normalized. If several `w` attain the minimum, any one of them is returned; two
    equal gradients get equal weights.

    Example:
        >>> import mtl_keras as mtl
        >>> weights = mtl.weighting.get("mgda").weights([[1.0, 0.0], [0.0, 4.0]])
        >>> [round(float(weight), 3) for weight in weights]
        [0.8, 0.2]

    Reference:
        J.-A. Desideri, Multiple-gradient descent algorithm (MGDA) for multiobjective optimization, Comptes Rendus
        Mathematique, 2012. O. Sener, V. Koltun, Multi-task learning as multi-objective optimization, NeurIPS 2018.
    """

    name: ClassVar[str] = "mgda"

    def step(self, gramian: Any, losses: Any, present: Any, state: Mapping[str, Any], order: Any) -> tuple[Any, dict[str, Any]]:
        n, there = gramian.shape[0], present > 0
        # The scale has no influence on the minimum; without it squares of large gradients would overflow.
        gramian = ops.divide_no_nan(gramian, ops.max(ops.diagonal(gramian)))
        diagonal = ops.diagonal(gramian)
        curvatures = ops.maximum(diagonal[:, None] + diagonal[None, :] - 2.0 * gramian, 0.0)
        weights = ops.cast(there, gramian.dtype)
        weights = weights / ops.maximum(ops.sum(weights), 1.0)

        def move(number: Any, weights: Any, _: Any) -> tuple[Any, Any, Any]:
            slopes = ops.matmul(gramian, weights[:, None])
            # [to, from]
            falls = ops.where(there[:, None], ops.maximum(ops.transpose(slopes) - slopes, 0.0), 0.0)
            amounts = ops.minimum(ops.divide_no_nan(falls, curvatures), weights[None, :])
            gains = amounts * (falls - 0.5 * amounts * curvatures)
            best = ops.argmax(ops.reshape(gains, (-1,)))
            amount = ops.take(ops.reshape(amounts, (-1,)), best)
            to, source = (ops.one_hot(i, n, dtype=weights.dtype) for i in (best // n, best % n))
            return number + 1, ops.maximum(weights + amount * (to - source), 0.0), amount

        _, weights, _ = ops.while_loop(
            lambda number, _, amount: ops.logical_and(number < STEPS, amount > TOLERANCE),
            move,
            (ops.convert_to_tensor(0, "int32"), weights, ops.max(weights)),
        )
        return weights, {}
