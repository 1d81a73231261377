"""One training step of several tasks: forward pass, task losses, one total, update, metrics."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mtl_keras import distribute
from mtl_keras.model._batching import VectorMean
from mtl_keras.model._gramian import At, TaskGradients
from mtl_keras.model._idle import IdleHeads
from mtl_keras.model._inputs import standardize
from mtl_keras.model._losses import TaskLosses, TaskMeasures
from mtl_keras.model._units import to_standard_unit
from mtl_keras.model._weighting_state import WeightingState
from mtl_keras.normalization import training_domain
from mtl_keras.tasks import Tasks
from mtl_keras.weighting import GradientWeighting, LossWeighting, Weighting

__all__ = ["Labels", "Objective"]

#: Which labels a batch has: all of every task, those of positive weight, or what `standardize` finds.
Labels = Literal["complete", "partial", "unknown"]


class Objective(TaskMeasures):
    """What a network is trained for: the losses of its tasks, how they are weighted, and how they are measured.

    All tasks are measured; those in `active` are trained. An objective owns the variables of the weighting and of the
    metrics; create it in the scope of the model's distribution strategy, while the trainable flags are set.

    Args:
        network: Maps the input of a batch to a dict of outputs by task.
        tasks: All tasks of the network.
        active: Names of the tasks that are trained.
        weighting: How their losses are combined.
        labels: `"complete"` if every row has every label, `"partial"` if batches carry weights for all tasks, of which some
            are 0; `"unknown"` (default) for whatever a user hands to `fit`.
        heads: The layers that belong to one task only, by task.
        groups: Groups of tasks with batch normalization statistics of their own; default none.
        others: Other networks of the same outputs, for inputs that `network` does not take.
        representation: Name of the layer whose output the tasks share, if a sharing method names one.
        at: What the gradients of the tasks are taken by for a gradient-based weighting; None (default) decides by the
            first batch, whether a label can be absent.
        units: By task, the layers that hold the units of standardized labels. The outputs of the networks are those in front
            of these layers. Default none.

    Raises:
        MTLError: If the weighting does not fit the tasks, or is gradient-based and the tasks share no trained layer.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        tasks: Tasks,
        active: Sequence[str],
        weighting: Weighting,
        labels: Labels = "unknown",
        heads: Mapping[str, Sequence[keras.layers.Layer]],
        groups: Sequence[Sequence[str]] = (),
        others: Sequence[keras.Model] = (),
        representation: str | None = None,
        at: At | None = None,
        units: Mapping[str, keras.layers.Layer] | None = None,
    ) -> None:
        self.networks = (network, *others)
        self.tasks, self.active, self.weighting = tasks, tuple(active), weighting
        self.labels: Labels = labels
        self.groups = tuple(map(tuple, groups))
        self.state = WeightingState.of(weighting, self.active)
        #: What the optimizer trains, in this order.
        self.variables = [*network.trainable_weights, *self.state.trained]
        super().__init__(network, tasks, self.active, weighting, self.state, units or {})
        entries = [variable for variable in self.state.trained if tuple(variable.shape[:1]) == (len(self.active),)]
        self._idle_heads = IdleHeads(tasks, self.active, heads, entries)
        self.at: At | None = at
        self._predict: tuple[tuple[str, ...], Any] | None = None
        self._task_gradients: TaskGradients | None = None
        if isinstance(weighting, GradientWeighting):
            self._task_gradients = TaskGradients(weighting, network, self.active, heads, representation)
            self._mean_weights = VectorMean("mean_loss_weights", self.active)

    @property
    def network(self) -> keras.Model:
        """The network that is trained."""
        return self.networks[0]

    @property
    def own_variables(self) -> list[Any]:
        """The variables of the weighting, and of labels in the steps since the last update."""
        return [*self.state.variables.values(), *self._idle_heads.variables]

    def build(self, optimizer: keras.optimizers.Optimizer, branches: bool = True) -> None:
        """Build an optimizer for what it trains; call it in the scope of the model's distribution strategy.

        Args:
            optimizer: The optimizer.
            branches: Whether a step may have branches of different sizes, which XLA does not compile; default True.
        """
        # Variables that the first step creates would have it traced twice.
        optimizer.build(self.variables)
        self._idle_heads.build(optimizer, branches)

    # Steps

    def train_step(self, optimizer: keras.optimizers.Optimizer, data: Any) -> dict[str, Any]:
        """Take one step. A head whose task has no label in the global batch does not move."""
        x, y, weights, complete = self.unpack(data)
        step = functools.partial(self._update, optimizer, x, y, weights, complete)
        with self._training_domain(weights):
            if complete:
                return step()
            trained = ops.stack([ops.cast(weights[name], "float32") for name in self.active])
            counts = distribute.sum_over_replicas(ops.sum(trained, axis=1))
            return self._idle_heads.restore_after(step, counts, optimizer)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Measure one batch."""
        x, y, weights, _ = self.unpack(data)
        outputs = self.forward(x, training=False)
        self.loss(y, outputs, weights, training=False)
        return self.measure(y, outputs, weights)

    def unpack(self, data: Any) -> tuple[Any, dict[str, Any], dict[str, Any], bool]:
        """Return input, labels and row weights of a batch, and whether no label can be absent."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        # Within a phase, a callback may hand anything to `evaluate`.
        if self.labels == "unknown" or not isinstance(weights, Mapping) or set(weights) != set(self.tasks):
            y, weights, complete = standardize(self.tasks, x, y, weights)
        else:
            y, weights, complete = y, dict(weights), self.labels == "complete"
        return x, self.in_standard_units(y), weights, complete

    def in_standard_units(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return labels or outputs in their units with standardized ones where the losses are those of these."""
        return {
            **values,
            **{name: to_standard_unit(self.tasks[name], layer, values[name]) for name, layer in self.units.items()},
        }

    def forward(self, x: Any, training: bool) -> dict[str, Any]:
        """Return the outputs by task, of the first network that takes such an input."""
        network = next((network for network in self.networks if _takes(network, x)), self.network)
        return network(x, training=training)

    def predict(self, batches: Iterable[Any], names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the outputs of some tasks that are trained, those in front of `units`, for all rows of batches."""
        if self._predict is None or self._predict[0] != tuple(names):
            step = tf.function(
                lambda x: {name: self.forward(x, training=False)[name] for name in names},
                autograph=False,
                reduce_retracing=True,
            )
            self._predict = (tuple(names), step)
        outputs = [self._predict[1](keras.utils.unpack_x_y_sample_weight(batch)[0]) for batch in batches]
        return {name: np.concatenate([ops.convert_to_numpy(each[name]) for each in outputs]) for name in names}

    def _update(self, optimizer: keras.optimizers.Optimizer, x: Any, y: Any, weights: Any, complete: bool) -> dict[str, Any]:
        """Forward pass, gradient, update of the network and of the weighting, and metrics."""
        changes: dict[str, Any] = {}
        if self._task_gradients is not None:
            with tf.GradientTape(persistent=True) as tape:
                outputs, point = self._task_gradients.forward(x)
                losses = self.task_losses(y, outputs, weights, separate=True)
                self._record(losses)
            state = {name: variable.value for name, variable in self.state.variables.items()}
            found = self._task_gradients.weigh(
                tape,
                losses.shares,
                point,
                self.at or ("activations" if complete else "parameters"),
                values=losses.values,
                counts=losses.counts,
                state=state,
                regularization=None if losses.regularization is None else losses.regularization / distribute.replicas(),
                optimizer=optimizer,
            )
            gradients, changes = found.gradients, found.changes
            taken = _is_taken(optimizer, gradients)
            step_weights, present = ops.where(taken, found.weights, 0.0), ops.logical_and(taken, losses.counts > 0)
            self._mean_weights.update_state(step_weights[:, None], ops.cast(present, "float32")[:, None])
        else:
            with tf.GradientTape() as tape:
                outputs = self.forward(x, training=True)
                losses = self.task_losses(y, outputs, weights)
                loss = optimizer.scale_loss(self._record(losses))
            gradients = tape.gradient(loss, self.variables)
            taken = _is_taken(optimizer, gradients)
        if self.variables:
            optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        else:
            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
        self._update_weighting(x, y, weights, losses, changes, taken)
        return self.measure(y, outputs, weights)

    def _update_weighting(
        self, x: Any, y: Any, weights: Any, losses: TaskLosses, changes: Mapping[str, Any], taken: Any
    ) -> None:
        """Assign what a step changed of the weighting's variables, and what the losses after the update change of them."""
        changes = dict(changes)
        if type(self.weighting).after_step is not Weighting.after_step:
            after = None
            if self.weighting.needs_losses_after:
                after = self.task_losses(y, self.forward(x, training=True), weights).values
            state = {name: variable.value for name, variable in self.state.variables.items()}
            changes |= self.weighting.after_step(losses.values, after, {**state, **changes})
        variables = [self.state.variables[name] for name in changes]
        distribute.assign(variables, [ops.where(taken, *pair) for pair in zip(changes.values(), variables, strict=True)])

    def _training_domain(self, weights: Mapping[str, Any]) -> contextlib.AbstractContextManager[None]:
        """Tell domain-specific batch normalization which group of tasks has labels in the global batch; -1 if none has."""
        if not self.groups:
            return contextlib.nullcontext()
        local = ops.stack([sum(ops.sum(ops.cast(weights[name], "float32")) for name in group) for group in self.groups])
        present = distribute.sum_over_replicas(local) > 0
        return training_domain(ops.where(ops.any(present), ops.cast(ops.argmax(present), "int32"), -1))

    def describe_gradients(self) -> str | None:
        """Return one line on where the gradients of the tasks are compared; None for a loss-based weighting."""
        if self._task_gradients is None:
            return None
        return self._task_gradients.describe(self.at)

    # Epochs

    def begin_epoch(self) -> None:
        """Forget the weights of the steps of the epoch before. Validation, which resets the metrics, leaves them alone."""
        if self._task_gradients is not None:
            self._mean_weights.reset_state()

    def end_epoch(self, logs: dict[str, Any], counts: np.ndarray) -> None:
        """Add the loss weights of the epoch to its log, then let the weighting update its variables.

        Args:
            logs: The log of the epoch.
            counts: `label_counts` of the training rows of the epoch.
        """
        losses = np.array(
            [logs.get(f"{name}_loss", np.nan) if count > 0 else np.nan for name, count in zip(self.active, counts, strict=True)]
        )
        if isinstance(self.weighting, LossWeighting):
            state = {name: variable.value for name, variable in self.state.variables.items()}
            loss_weights = self.weighting.loss_weights(ops.convert_to_tensor(losses, "float32"), state)
            by_task = dict(zip(self.active, ops.convert_to_numpy(loss_weights), strict=True))
        else:
            # The mean over the steps in which the task had labels.
            by_task = self._mean_weights.result()
        for name, weight in by_task.items():
            logs[f"loss_weight_{name}"] = float(weight)
        # After the log: the weights in it are those that the epoch was trained with.
        self.state.assign(self.weighting.on_epoch_end(losses, self.state.values()))


def _is_taken(optimizer: keras.optimizers.Optimizer, gradients: Sequence[Any]) -> Any:
    """Return whether an optimizer takes a step: it skips one whose scaled gradients overflow."""
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return True
    finite = [tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients if gradient is not None]
    return distribute.sum_over_replicas(tf.cast(~tf.reduce_all(finite), "float32")) == 0


def _takes(network: keras.Model, x: Any) -> bool:
    """Return whether a network takes an input of this structure and these shapes."""
    wanted, given = network.input, x
    if isinstance(wanted, Mapping) != isinstance(given, Mapping):
        return False
    pairs = [(wanted[name], given.get(name)) for name in wanted] if isinstance(wanted, Mapping) else [(wanted, given)]
    for symbolic, tensor in pairs:
        shape = getattr(tensor, "shape", None)
        if shape is None or len(shape) != len(symbolic.shape):
            return False
        if any(None not in (a, b) and a != b for a, b in zip(symbolic.shape[1:], tuple(shape)[1:], strict=True)):
            return False
    return True
