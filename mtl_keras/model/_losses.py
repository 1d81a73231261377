"""The losses and metrics of several tasks on a batch, and their means over an epoch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from mtl_keras import distribute
from mtl_keras.layers import read_unit
from mtl_keras.model._batching import VectorMean, batch_by_task_type
from mtl_keras.model._weighting_state import WeightingState
from mtl_keras.tasks import Task, Tasks
from mtl_keras.weighting import LossWeighting, Weighting

__all__ = ["TaskLosses", "TaskMeasures"]


@dataclass(frozen=True, eq=False)
class TaskLosses:
    """The losses of one batch.

    Attributes:
        rows: `[tasks, batch]`; the loss of each row, trained tasks first.
        row_weights: `[tasks, batch]`; 0 where a label is absent.
        values: `[active]`; the mean loss of each trained task over the labeled rows of all replicas. Its gradient is that
            of this replica's share, since the optimizer sums the gradients of all replicas.
        shares: This replica's share of each of them, as scalars that depend on one task only; for a gradient-based
            weighting in training, else empty.
        counts: `[active]`; the sum of row weights of each trained task over all replicas.
        regularization: The sum of the losses of layers; None if there are none.
    """

    rows: Any
    row_weights: Any
    values: Any
    shares: tuple[Any, ...]
    counts: Any
    regularization: Any


class TaskMeasures:
    """Computes losses and metrics of batches, and keeps their means.

    Args:
        network: Whose regularization is added to the loss.
        tasks: All tasks, which are measured.
        active: Names of the tasks that are trained.
        weighting: How their losses are combined.
        state: Its variables.
        units: The layers that hold the units of standardized labels, by task.
    """

    def __init__(
        self,
        network: keras.Model,
        tasks: Tasks,
        active: Sequence[str],
        weighting: Weighting,
        state: WeightingState,
        units: Mapping[str, keras.layers.Layer],
    ) -> None:
        self._network, self.active, self.weighting, self.state = network, tuple(active), weighting, state
        self.units = units
        # Trained tasks come first: what is only measured is stacked apart from what a gradient flows through.
        self._trained = {name: tasks[name] for name in self.active}
        self._measured = {name: task for name, task in tasks.items() if name not in self._trained}
        in_order = {**self._trained, **self._measured}
        self._step_totals = keras.metrics.Mean(name="loss")
        self._regularization = keras.metrics.Mean(name="regularization")
        self._mean_losses = VectorMean("mean_losses", [f"{name}_loss" for name in in_order])
        # A metric that is no mean over rows is computed of all predictions, by `callbacks.Skill`.
        self._row_metrics = {name: metric for name, task in in_order.items() if (metric := task.row_metric) is not None}
        self._mean_metrics = VectorMean("mean_metrics", [f"{name}_{metric.name}" for name, metric in self._row_metrics.items()])

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics that are reset at the start of each epoch."""
        return [self._step_totals, self._regularization, self._mean_losses, self._mean_metrics]

    def results(self) -> dict[str, Any]:
        """Return the log: `loss`, then the loss and the metric of every task, in the unit of its labels.

        In training, `loss` is the mean of the totals of the steps, which the updates minimized. Otherwise it is the total of
        the mean losses over all rows, which depends neither on the order of the rows nor on the size of the batches.
        """
        losses, counts = (values[: len(self.active)] for values in (self._mean_losses.means(), self._mean_losses.count.value))
        state = {name: variable.value for name, variable in self.state.variables.items()}
        measured = self._combine(losses, counts, state) + self._regularization.result()
        loss = ops.where(self._step_totals.count.value > 0, self._step_totals.result(), measured)
        metrics = self._mean_metrics.result()
        for name, layer in self.units.items():
            if name not in self._row_metrics:
                continue
            task = self._trained.get(name) or self._measured[name]
            entry = f"{name}_{self._row_metrics[name].name}"
            # In float64: float32 holds no squares of numbers below 1e-23.
            metrics[entry] = task.metric_in_unit(ops.cast(metrics[entry], "float64"), read_unit(layer)[1])
        return {"loss": loss, **self._mean_losses.result(), **metrics}

    def loss(self, y: Mapping[str, Any], outputs: Mapping[str, Any], weights: Mapping[str, Any], training: bool = True) -> Any:
        """Return this replica's share of the loss, and add the batch to the mean losses.

        Args:
            y: Targets by task.
            outputs: Outputs by task.
            weights: Row weights `[batch]` by task; 0 where a label is absent.
            training: Whether the batch is that of a step.
        """
        return self._record(self.task_losses(y, outputs, weights), training)

    def task_losses(
        self, y: Mapping[str, Any], outputs: Mapping[str, Any], weights: Mapping[str, Any], separate: bool = False
    ) -> TaskLosses:
        """Return the losses of a batch.

        The loss of a task is the sum of row weight x row loss over all replicas divided by the sum of row weights over all
        replicas, so that it does not depend on absent labels, on the scale of weights or on the number of replicas.

        Args:
            y: As for `loss`.
            outputs: As for `loss`.
            weights: As for `loss`.
            separate: Whether each task is computed by itself, so that its gradient does not pass through other heads.
        """
        row_weights = self._row_weights(y, weights)

        def measure(task: Any, target: Any, output: Any, weight: Any) -> Any:
            return task.row_loss(_mask_absent(target, weight), output)

        trained, n = row_weights[: len(self.active)], len(self.active)
        count = distribute.sum_over_replicas(ops.sum(trained, axis=1))
        divisor = ops.where(count > 0, count, 1.0)
        alone = []
        if separate:
            alone = [batch_by_task_type({name: task}, measure, y, outputs, weights)[0] for name, task in self._trained.items()]
            rows = ops.stack(alone)
            if self._measured:
                rows = ops.concatenate([rows, batch_by_task_type(self._measured, measure, y, outputs, weights)])
            rows = ops.stop_gradient(rows)
        else:
            rows = self._rows(measure, y, outputs, weights)
        share = ops.sum(trained * rows[:n], axis=1) / divisor
        return TaskLosses(
            rows=rows,
            row_weights=row_weights,
            # Value: the mean over all replicas. Gradient: this replica's own part, which the optimizer sums.
            values=share + distribute.sum_over_replicas(share) - ops.stop_gradient(share),
            shares=tuple(ops.sum(trained[i] * row) / divisor[i] for i, row in enumerate(alone)),
            counts=count,
            regularization=sum(ops.cast(loss, "float32") for loss in added) if (added := self._network.losses) else None,
        )

    def _record(self, losses: TaskLosses, training: bool = True) -> Any:
        """Return this replica's share of the loss, and add the batch to the mean losses."""
        self._mean_losses.update_state(losses.rows, losses.row_weights)
        state = {name: _share_gradient(variable.value) for name, variable in self.state.variables.items()}
        total = self._combine(losses.values, losses.counts, state)
        regularization = 0 if losses.regularization is None else losses.regularization
        labeled = ops.any(losses.row_weights[: len(self.active)] > 0, axis=0)
        mean, value = (self._step_totals, total + regularization) if training else (self._regularization, regularization)
        mean.update_state(value, sample_weight=ops.sum(ops.cast(labeled, "float32")))
        return total + regularization / distribute.replicas()

    def _combine(self, losses: Any, counts: Any, state: Mapping[str, Any]) -> Any:
        """Return the total of the losses of the trained tasks, `[active]`, given the sums of their row weights."""
        if isinstance(self.weighting, LossWeighting):
            return self.weighting.total(losses, counts, state)
        # The weights of a gradient-based method are those of one step: a weighted sum says nothing of its progress.
        return ops.sum(losses)

    def measure(self, y: Mapping[str, Any], outputs: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, Any]:
        """Add the batch to the metrics, and return the log; arguments as for `loss`."""
        if self._row_metrics:
            present = self._row_weights(y, weights, counted=True)
            rows = self._rows(_measure_rows, y, outputs, only=self._row_metrics)
            self._mean_metrics.update_state(ops.where(present > 0, rows, 0.0), present)
        return self.results()

    def _row_weights(self, y: Mapping[str, Any], weights: Mapping[str, Any], counted: bool = False) -> Any:
        """Return `[tasks, batch]` float32: the weights times what each label counts in the loss.

        Counted, it is 1 where they are positive, times the known shares of the labels, of the tasks that have a row metric.
        """
        tasks = {**self._trained, **self._measured}
        if counted:
            tasks = {name: task for name, task in tasks.items() if name in self._row_metrics}
        stacked = ops.stack([ops.cast(weights[name], "float32") for name in tasks])
        if counted:
            stacked = ops.cast(stacked > 0, "float32")
        shares = {name: task.known(y[name]) if counted else task.loss_share(y[name]) for name, task in tasks.items()}
        if all(share is None for share in shares.values()):
            return stacked
        ones = ops.ones_like(stacked[0])
        return stacked * ops.stack([ones if share is None else share for share in shares.values()])

    def _rows(self, measure: Callable[..., Any], *by_task: Mapping[str, Any], only: Collection[str] | None = None) -> Any:
        """Return `measure` of each row, `[tasks, batch]`, without a gradient for tasks that are only measured."""
        groups = [
            {name: task for name, task in tasks.items() if only is None or name in only}
            for tasks in (self._trained, self._measured)
        ]
        trained, measured = (batch_by_task_type(tasks, measure, *by_task) if tasks else None for tasks in groups)
        if measured is None:
            return trained
        measured = ops.stop_gradient(measured)
        return measured if trained is None else ops.concatenate([trained, measured])

    def label_counts(self) -> np.ndarray:
        """Return `[active]`, the sum of row weights of each trained task since the metrics were reset."""
        return self._mean_losses.counts()[: len(self.active)]


def _share_gradient(value: Any) -> Any:
    """Return the value, with each replica's share of its gradient: every replica computes the total of all of them."""
    if distribute.replicas() == 1:
        return value
    share = value / distribute.replicas()
    return share + ops.stop_gradient(value - share)


def _measure_rows(task: Task, target: Any, output: Any) -> Any:
    """Return the metric of each row that is logged."""
    assert task.row_metric is not None
    return task.row_metrics(target, output)[task.row_metric.name]


def _mask_absent(target: Any, weight: Any) -> Any:
    """Return the targets with 0 where the label is absent: what is stored there may be NaN, and NaN x 0 is NaN."""
    present = ops.reshape(weight > 0, (-1,) + (1,) * (len(target.shape) - 1))
    return ops.where(present, target, ops.zeros_like(target))
