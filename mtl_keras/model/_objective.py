"""The model that one phase trains: the user's network plus the loss over its tasks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from mtl_keras import distribute
from mtl_keras.model._batching import VectorMean, batch_by_task_type
from mtl_keras.model._idle import IdleHeads
from mtl_keras.normalization import training_domain
from mtl_keras.tasks import Tasks
from mtl_keras.weighting import Weighting

__all__ = ["ObjectiveModel"]


class WeightingState(keras.layers.Layer):
    """Holds the variables of a weighting, so that they are saved, distributed and restored with the model."""

    def __init__(self, weighting: Weighting, tasks: Sequence[str]) -> None:
        super().__init__(name="weighting")
        self.by_name = {
            name: self.add_weight(
                name=name,
                shape=value.shape,
                initializer=keras.initializers.Constant(value),
                trainable=name in weighting.trained,
            )
            for name, value in weighting.state(tasks).items()
        }
        self.built = True


class ObjectiveModel(keras.Model):
    """Shares the layers of a multi-task network and adds how its tasks are lost, weighted and measured.

    Batches are `(x, {task: y}, {task: row weight})`; a row of weight 0 has no label. Every task is measured, those of
    the phase are trained.

    Args:
        inputs: Symbolic input: images, or the features of a frozen trunk.
        outputs: Symbolic outputs by task name.
        tasks: All tasks of the network.
        active: Names of the tasks that are trained.
        weighting: How their losses combine.
        labeled: Names of the tasks that some training row has a label of.
        sparse: Whether a batch may lack every label of some task, so that its head has to be held still.
        heads: The layers that belong to one task alone, by task.
        statistics: Groups of tasks that have moving statistics of their own; none by default.
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Mapping[str, Any],
        *,
        tasks: Tasks,
        active: Sequence[str],
        weighting: Weighting,
        labeled: Sequence[str],
        sparse: bool,
        heads: Mapping[str, Sequence[keras.layers.Layer]],
        statistics: Sequence[Sequence[str]] = (),
    ) -> None:
        super().__init__(inputs=inputs, outputs=dict(outputs), name="objective")
        self.tasks = tasks
        self.active = tuple(active)
        self.weighting = weighting
        self.weighting_state = WeightingState(weighting, self.active)
        self.labeled = tuple(labeled)
        self.sparse = sparse
        self.statistics = tuple(map(tuple, statistics))
        # Trained tasks come first: what is only measured is stacked apart from what a gradient goes back through.
        self._trained = {name: tasks[name] for name in self.active}
        self._measured = {name: task for name, task in tasks.items() if name not in self._trained}
        in_order = {**self._trained, **self._measured}
        self._total = keras.metrics.Mean(name="loss")
        self._mean_losses = VectorMean("mean_losses", [f"{name}_loss" for name in in_order])
        self._mean_metrics = VectorMean("mean_metrics", [f"{name}_{task.metric.name}" for name, task in in_order.items()])
        # By name: Keras would track a dict of layers a second time.
        self._idle_heads = IdleHeads(tasks, active, {name: [layer.name for layer in own] for name, own in heads.items()})

    def compile(self, optimizer: Any, **options: Any) -> None:
        """Compile as Keras does; what a weighting trains is no network to be kept small."""
        if self.weighting_state.trainable_variables:
            optimizer.exclude_from_weight_decay(var_list=self.weighting_state.trainable_variables)
        super().compile(optimizer=optimizer, **options)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return this replica's share of the loss.

        Each task's loss is the sum of row weight x row loss over all replicas divided by the sum of row weights over
        all replicas, so that absent labels, fractional weights and any number of replicas give one and the same loss.
        """
        weights = self._row_weights(sample_weight)
        rows = self._rows(
            lambda task, target, output, weight: task.loss(_without_dummies(target, weight), output), y, y_pred, sample_weight
        )
        self._mean_losses.update_state(rows, weights)
        trained = weights[: len(self.active)]
        local = ops.sum(trained * rows[: len(self.active)], axis=1)
        count = distribute.sum_over_replicas(ops.sum(trained, axis=1))
        share = local / ops.where(count > 0, count, 1.0)
        # Value: the mean over all replicas. Gradient: this replica's own part, which the optimizer sums.
        losses = share + distribute.sum_over_replicas(share) - ops.stop_gradient(share)
        state = {name: _shared_out(variable.value) for name, variable in self.weighting_state.by_name.items()}
        total = self.weighting.total(losses, count, state)
        regularization = sum(self.losses)
        labeled = ops.any(trained > 0, axis=0)
        self._total.update_state(total + regularization, sample_weight=ops.sum(ops.cast(labeled, "float32")))
        # Keras multiplies by the number of replicas what it logs, and the optimizer sums what it applies.
        logged_once = ops.stop_gradient(total) * (1.0 / distribute.replicas() - 1.0)
        return total + logged_once + regularization / distribute.replicas()

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        present = ops.cast(self._row_weights(sample_weight) > 0, "float32")
        rows = self._rows(lambda task, target, output: task.row_metrics(target, output)[task.metric.name], y, y_pred)
        self._mean_metrics.update_state(ops.where(present > 0, rows, 0.0), present)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the log; its `loss` is the mean over labeled rows, where Keras' own counts rows that fill up a batch too."""
        return {**super().get_metrics_result(), "loss": self._total.result()}

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing: all is built. Keras would sum the replicas' parts of a first batch, whose numbers of rows may differ."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step; a head whose task has no present row in the global batch does not move.

        Adam, AdamW and momentum move weights whose gradient is 0, so those weights and their optimizer slots are put
        back after the update.
        """
        if not self.statistics:
            return self._step(data)
        with training_domain(self._data_set(data[2])):
            return self._step(data)

    def _data_set(self, sample_weight: Mapping[str, Any]) -> Any:
        """Return the number of the group that has labels in the global batch, int32 `[]`; -1 if none has."""
        local = ops.stack(
            [sum(ops.sum(ops.cast(sample_weight[name], "float32")) for name in group) for group in self.statistics]
        )
        present = distribute.sum_over_replicas(local) > 0
        return ops.where(ops.any(present), ops.cast(ops.argmax(present), "int32"), -1)

    def _step(self, data: Any) -> dict[str, Any]:
        """Take one step, and hold still what is idle in it."""
        if not self.sparse:
            return super().train_step(data)
        _, _, sample_weight = data
        trained = ops.stack([ops.cast(sample_weight[name], "float32") for name in self.active])
        return self._idle_heads.hold(
            self, distribute.sum_over_replicas(ops.sum(trained, axis=1)), functools.partial(super().train_step, data)
        )

    def weighting_values(self) -> dict[str, Any]:
        """Return the values of the weighting's variables, by name."""
        return {name: ops.convert_to_numpy(variable) for name, variable in self.weighting_state.by_name.items()}

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Let the weighting change its variables at the end of an epoch."""
        changes = self.weighting.on_epoch_end(self._epoch_losses(logs), self.weighting_values())
        for name, value in changes.items():
            self.weighting_state.by_name[name].assign(value)

    def _epoch_losses(self, logs: Mapping[str, float]) -> np.ndarray:
        """Return `[T]`, each trained task's mean loss over the epoch; NaN where no row that was trained on has its label."""
        return np.array([logs.get(f"{name}_loss", np.nan) if name in self.labeled else np.nan for name in self.active])

    def current_loss_weights(self, logs: Mapping[str, float]) -> dict[str, float]:
        """Return `loss_weight_{task}` for each trained task, for the log."""
        losses = ops.convert_to_tensor(self._epoch_losses(logs), "float32")
        state = {name: variable.value for name, variable in self.weighting_state.by_name.items()}
        weights = ops.convert_to_numpy(self.weighting.loss_weights(losses, state))
        return {f"loss_weight_{name}": float(weight) for name, weight in zip(self.active, weights, strict=True)}

    def _row_weights(self, sample_weight: Mapping[str, Any]) -> Any:
        """Return `[tasks, batch]` float32."""
        return ops.stack([ops.cast(sample_weight[name], "float32") for name in (*self._trained, *self._measured)])

    def _rows(self, measure: Callable[..., Any], *by_task: Mapping[str, Any]) -> Any:
        """Return `[tasks, batch]`, what a function says of each row, without a gradient where a task is only measured."""
        trained = batch_by_task_type(self._trained, measure, *by_task)
        if not self._measured:
            return trained
        return ops.concatenate([trained, ops.stop_gradient(batch_by_task_type(self._measured, measure, *by_task))])


def _shared_out(value: Any) -> Any:
    """Return the value, with each replica's share of its gradient: every replica sees the whole loss of a weighting."""
    if distribute.replicas() == 1:
        return value
    share = value / distribute.replicas()
    return share + ops.stop_gradient(value - share)


def _without_dummies(target: Any, weight: Any) -> Any:
    """Return the targets with 0 where the label is absent: a dummy may be NaN, and NaN x 0 is NaN, in the gradient too."""
    present = ops.reshape(weight > 0, (-1,) + (1,) * (len(target.shape) - 1))
    return ops.where(present, target, ops.zeros_like(target))
