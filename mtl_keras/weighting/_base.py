"""The contracts that weighting methods fulfill."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from keras import ops

from mtl_keras.errors import MTLError

__all__ = ["GradientWeighting", "LossWeighting", "Weighting"]


@dataclass(frozen=True)
class Weighting(ABC):  # noqa: B024  # its abstract methods are those of the two contracts
    """Base class of all weighting methods: how several task losses become one update.

    A method is a frozen dataclass of plain JSON values and has no side effects. Variables that change during training
    (weights, log-variances, moving averages) are owned by the model; the method declares their initial values in `state`
    and returns new values from its hooks. `T` is the number of trained tasks, in the order of the model.

    Subclass `LossWeighting` if the method needs only the loss values, `GradientWeighting` if it needs to know how the
    gradients of the tasks relate to each other.
    """

    #: Name of the method in `METHODS`.
    name: ClassVar[str] = ""
    #: Names of the variables that the optimizer trains together with the network, without weight decay; only for loss-based
    #: methods, since they have a gradient.
    trained: ClassVar[tuple[str, ...]] = ()
    #: Whether `after_step` needs the losses of the same batch after the update, which costs a second forward pass.
    needs_losses_after: ClassVar[bool] = False

    def state(self, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the initial values of the method's variables by name, float32; none by default.

        Args:
            tasks: Names of the tasks, which define `T` and the order.

        Raises:
            MTLError: If the method does not fit these tasks.
        """
        return {}

    def after_step(self, losses: Any, losses_after: Any, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return new values of the variables that change after an update of the network; none by default.

        Args:
            losses: `[T]` float32; the losses that the update was computed from, 0 for a task without a label.
            losses_after: `[T]` float32; the losses of the same batch after the update. None unless the method sets
                `needs_losses_after`.
            state: Variables of the method by name.
        """
        return {}

    def on_epoch_end(self, losses: np.ndarray, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return new values of the variables that change at the end of an epoch; none by default.

        Args:
            losses: `[T]` float64; the mean loss of each task over the labeled training rows of the epoch, NaN for a task
                without any.
            state: Values of the method's variables by name.
        """
        return {}

    def config(self) -> Any:
        """Return the name, mapping or options from which `weighting.get` restores this value."""
        options = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {"method": self.name, **options} if options else self.name


class LossWeighting(Weighting):
    """Base class of methods that combine the task losses into one scalar, which is minimized as usual."""

    @abstractmethod
    def total(self, losses: Any, present: Any, state: Mapping[str, Any]) -> Any:
        """Return the scalar to minimize.

        Args:
            losses: `[T]` float32; the mean loss of each task over the labeled rows of the global batch.
            present: `[T]` float32; the sum of row weights of each task, 0 if no row of the batch has a label for it.
            state: Variables of the method by name.
        """

    @abstractmethod
    def loss_weights(self, losses: Any, state: Mapping[str, Any]) -> Any:
        """Return `[T]`, the derivative of `total` by each loss when all tasks have labels. It is used for the log.

        Args:
            losses: `[T]`, as in `total`; NaN for a task without any label.
            state: Variables of the method by name.
        """


class GradientWeighting(Weighting):
    """Base class of methods that choose the task weights of a step from the Gramian of the task gradients.

    With `J` the `[T, P]` matrix of task gradients, all that these methods need is the Gramian `G = J J^T`: `G[i, i]` is the
    squared norm of a task's gradient and `G[i, j]` the inner product of two of them. Layers that several tasks use are
    updated along the weighted sum of the task gradients. Layers that belong to one task alone get the unweighted gradient
    of that task.
    """

    @abstractmethod
    def step(self, gramian: Any, losses: Any, present: Any, state: Mapping[str, Any], order: Any) -> tuple[Any, dict[str, Any]]:
        """Return the task weights of one training step and new values of the variables that change.

        A task without a label in the batch has a zero row and column in the Gramian. It must not influence the weights of
        the other tasks, and its own weight has no effect.

        Args:
            gramian: `[T, T]` float32, positive semidefinite.
            losses: `[T]` float32; the mean loss of each task over the labeled rows of the global batch.
            present: `[T]` float32; the sum of row weights of each task, 0 if no row of the batch has a label for it.
            state: Variables of the method by name.
            order: `[T]` int32; the order in which a sequential method visits the tasks, drawn anew for each step.

        Returns:
            `[T]` weights, and the changed variables by name.
        """

    def order_seed(self) -> int | None:
        """Return the seed of the order of tasks that `step` receives; None (default) for the order of the model."""
        return None

    def weights(
        self,
        gramian: Any,
        losses: Any = None,
        present: Any = None,
        state: Mapping[str, Any] | None = None,
        order: Any = None,
    ) -> Any:
        """Return the weights that the method gives to the tasks whose gradients have this Gramian.

        Args:
            gramian: `[T, T]`; inner products of the task gradients, `J @ J.T`.
            losses: `[T]`; default 1 for every task.
            present: `[T]`; 0 for a task without a label in the batch. Default 1 for every task.
            state: Variables of the method by name; default their initial values.
            order: `[T]` integers; the order of the tasks for sequential methods. Default `0, 1, ..., T - 1`.

        Returns:
            `[T]` float32.

        Raises:
            MTLError: If the Gramian is not a square matrix.
        """
        gramian = ops.convert_to_tensor(gramian, "float32")
        if len(gramian.shape) != 2 or gramian.shape[0] != gramian.shape[1]:
            raise MTLError(
                f"`gramian` must be a square matrix. Received: shape {tuple(gramian.shape)}. "
                "Pass J @ J.T for the matrix J of task gradients, one row per task."
            )
        n = gramian.shape[0]
        ones = ops.ones((n,))
        values = self.state([f"task_{i}" for i in range(n)]) if state is None else state
        return self.step(
            gramian,
            ones if losses is None else ops.cast(losses, "float32"),
            ones if present is None else ops.cast(present, "float32"),
            {name: ops.convert_to_tensor(value) for name, value in values.items()},
            ops.arange(n, dtype="int32") if order is None else ops.cast(order, "int32"),
        )[0]
