"""Gradients of single tasks: their Gramian, and the update that follows from task weights.

A gradient-based weighting needs to know how the gradients of the tasks relate to each other. All of that is in the Gramian
`G = J J^T` of the matrix `J` of task gradients. This module chooses what the gradients are taken by, computes `G`, and
combines the gradients of the tasks once their weights are known.

**Point.** Gradients of the whole network would cost a backward pass per task. Instead they are taken at the last trained
layer that all tasks share (`_shared_point.py`).

- `"activations"`: by the output of that layer, where each task only passes back through its own head. This needs every row
  to have the labels of all tasks: a row that has a label for one task only is orthogonal to every other task.
- `"parameters"`: by the kernel and bias of that layer, each task over the rows that have its label.

**Update.** Layers that several tasks use get the gradient of the weighted sum of losses. Layers of one task alone, its head,
get the gradient of the unweighted loss: a head does not conflict with another one, and would only be trained at another rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import tensorflow as tf

from mtl_keras import distribute
from mtl_keras.errors import TrialError
from mtl_keras.model._shared_point import find_shared_point, variables_of
from mtl_keras.weighting import GradientWeighting, Weighting

__all__ = ["At", "TaskGradients", "WeightedGradients", "check_weighting", "gramian"]

At = Literal["activations", "parameters"]

#: Output of the network that stands for the point; no task can have this name.
POINT = "shared point"


@dataclass(frozen=True, eq=False)
class WeightedGradients:
    """The outcome of a gradient-based weighting in one step.

    Attributes:
        gradients: One for each variable that is trained, with loss scaling; None for a variable that no loss depends on.
        weights: `[T]`, the weights of the tasks.
        changes: New values of the variables of the weighting that change, by name.
    """

    gradients: list[Any]
    weights: Any
    changes: dict[str, Any]


def check_weighting(
    weighting: Weighting,
    network: keras.Model,
    tasks: Sequence[str],
    heads: Mapping[str, Iterable[keras.layers.Layer]],
    representation: str | None = None,
) -> None:
    """Refuse a gradient-based weighting of tasks that share no trained layer; arguments as for `find_shared_point`.

    Raises:
        TrialError: If so. A search counts such a trial as failed, since the number of shared layers may be searched.
    """
    if not isinstance(weighting, GradientWeighting) or len(tasks) == 1:
        return
    if find_shared_point(network, tasks, heads, representation) is None:
        raise TrialError(
            "A gradient-based weighting must have a trained layer that all tasks share. Received: weighting="
            f"{weighting.name!r} and no such layer for {', '.join(tasks)}. Pass shared=(512,), or train the backbone."
        )


def gramian(jacobian: Any, at: At) -> Any:
    """Return `[T, T]` float32, the inner products of the task gradients over all replicas.

    Args:
        jacobian: `[T, n]`; this replica's part of the gradients, without loss scaling.
        at: At activations replicas have different rows, whose Gramians are summed. At parameters they have parts of the
            same gradients, which are summed before they are multiplied.
    """
    # In float64: a GPU may round the factors of a float32 product to ten bits, and opposed gradients cancel.
    if at == "parameters":
        jacobian = distribute.sum_over_replicas(jacobian)
    wide = tf.cast(jacobian, "float64")
    product = tf.cast(tf.matmul(wide, wide, transpose_b=True), "float32")
    return product if at == "parameters" else distribute.sum_over_replicas(product)


class TaskGradients:
    """Computes the gradients of the tasks of one network, and combines them as a gradient-based weighting says.

    Create it while the trainable flags are set; it holds no variables.

    Args:
        weighting: Chooses the weights of the tasks.
        network: Maps the input of a batch to a dict of outputs by task.
        tasks: Names of the trained tasks.
        heads: The layers that belong to one task only, by task.
        representation: As for `find_shared_point`.

    Raises:
        TrialError: If there are several tasks and they share no trained layer.
    """

    def __init__(
        self,
        weighting: GradientWeighting,
        network: keras.Model,
        tasks: Sequence[str],
        heads: Mapping[str, Iterable[keras.layers.Layer]],
        representation: str | None = None,
    ) -> None:
        check_weighting(weighting, network, tasks, heads, representation)
        self.weighting, self.tasks = weighting, tuple(tasks)
        self.point = find_shared_point(network, tasks, heads, representation)
        outputs = dict(network.output)
        self.network = network if self.point is None else keras.Model(network.input, {**outputs, POINT: self.point.tensor})
        self.variables = list(network.trainable_variables)
        reached = {task: {id(v) for v in variables_of(outputs[task])} for task in self.tasks}
        in_heads = {id(v) for layers in heads.values() for layer in layers for v in layer.trainable_variables}
        #: Variables by task that its loss reaches and that get its unweighted gradient.
        self.own = {
            task: [
                v
                for v in self.variables
                if id(v) in reached[task] and (id(v) in in_heads or sum(id(v) in r for r in reached.values()) == 1)
            ]
            for task in self.tasks
        }
        own = {id(v) for variables in self.own.values() for v in variables}
        #: Variables that get the weighted gradient.
        self.shared = [v for v in self.variables if id(v) not in own]

    def describe(self, at: At | None) -> str:
        """Return one line on where the gradients of the tasks are compared."""
        if self.point is None:
            return f"Weighting {self.weighting.name!r} of a single task has no effect."
        what = {
            "activations": f"by the output of layer {self.point.layer!r}, since every training row has all labels",
            "parameters": f"by {', '.join(v.path for v in self.point.variables)}, since labels may be missing",
            None: f"at layer {self.point.layer!r}",
        }[at]
        return f"Weighting {self.weighting.name!r} compares the gradients of the tasks {what}."

    def forward(self, x: Any) -> tuple[dict[str, Any], Any]:
        """Return the outputs by task in training mode, and the value of the point; call it inside a persistent tape."""
        outputs = dict(self.network(x, training=True))
        return outputs, outputs.pop(POINT, None)

    def compare(
        self, tape: tf.GradientTape, losses: Sequence[Any], point: Any, at: At, scale: Any = 1.0
    ) -> tuple[Any, dict[int, Any]]:
        """Return the Gramian of the tasks and the gradients of the layers that belong to one task.

        Args:
            tape: Persistent; it has recorded the losses.
            losses: This replica's share of the loss of each task, scalars.
            point: From `forward`.
            at: What the gradients are taken by.
            scale: Factor of the loss scaling of the optimizer.

        Returns:
            `[T, T]` float32 without loss scaling, and scaled gradients by the identity of their variable.
        """
        wanted = [] if self.point is None else [point] if at == "activations" else [v.value for v in self.point.variables]
        rows, own = [], dict[int, Any]()
        for task, loss in zip(self.tasks, losses, strict=True):
            found = _gradients(tape, [loss], [*wanted, *(v.value for v in self.own[task])], [scale])
            parts = [tf.reshape(tf.cast(gradient, "float32"), [-1]) for gradient in found[: len(wanted)]]
            rows.append(tf.concat(parts, 0) / scale if parts else tf.zeros([1]))
            for variable, gradient in zip(self.own[task], found[len(wanted) :], strict=True):
                # Another task that is derived from this one's output adds to the gradient of its head.
                own[id(variable)] = own[id(variable)] + gradient if id(variable) in own else gradient
        return gramian(tf.stack(rows), at), own

    def combine(
        self,
        tape: tf.GradientTape,
        losses: Sequence[Any],
        weights: Any,
        own: Mapping[int, Any],
        regularization: Any = None,
        scale: Any = 1.0,
    ) -> list[Any]:
        """Return the gradient of each of `variables`, with loss scaling.

        Args:
            tape: As for `compare`.
            losses: As for `compare`.
            weights: `[T]`, the weights of the tasks.
            own: From `compare`.
            regularization: This replica's share of the losses of layers, which count fully; None for none.
            scale: As for `compare`.
        """
        targets = list(losses)
        outer = [scale * weight for weight in tf.unstack(weights, len(self.tasks))]
        by_variable = dict(own)
        if regularization is not None:
            targets, outer = [*targets, regularization], [*outer, scale]
            heads = [v for v in self.variables if id(v) in own]
            added = _gradients(tape, [regularization], [v.value for v in heads], [scale])
            by_variable |= {id(v): own[id(v)] + gradient for v, gradient in zip(heads, added, strict=True)}
        # Without a path from any loss the gradient is None, as Keras has it: the optimizer leaves such a variable alone.
        shared = tape.gradient(targets, [v.value for v in self.shared], output_gradients=outer)
        by_variable |= {id(v): gradient for v, gradient in zip(self.shared, shared, strict=True)}
        return [by_variable[id(v)] for v in self.variables]

    def weigh(
        self,
        tape: tf.GradientTape,
        losses: Sequence[Any],
        point: Any,
        at: At,
        *,
        values: Any,
        counts: Any,
        state: Mapping[str, Any],
        regularization: Any = None,
        optimizer: keras.optimizers.Optimizer,
    ) -> WeightedGradients:
        """Return the gradients that a step applies.

        Args:
            tape: As for `compare`.
            losses: As for `compare`.
            point: As for `compare`.
            at: As for `compare`.
            values: `[T]`, the losses over all replicas.
            counts: `[T]`, the sums of row weights over all replicas.
            state: Variables of the weighting by name.
            regularization: As for `combine`.
            optimizer: Its loss scaling is applied; its number of steps is part of the seed of the order of tasks.
        """
        scale = optimizer.scale_loss(tf.ones([]))
        matrix, own = self.compare(tape, losses, point, at, scale)
        order = _draw_order(self.weighting.order_seed(), optimizer.iterations, len(self.tasks))
        weights, changes = self.weighting.step(matrix, tf.stop_gradient(values), counts, state, order)
        gradients = self.combine(tape, losses, weights, own, regularization, scale)
        return WeightedGradients(gradients, weights, changes)


def _draw_order(seed: int | None, iterations: Any, n: int) -> Any:
    """Return the order of tasks of a step, `[n]` int32: a function of the seed and the step, the same on all replicas."""
    if seed is None:
        return tf.range(n)
    keys = tf.random.stateless_uniform([n], tf.stack([tf.constant(seed, "int64"), tf.cast(iterations, "int64")]))
    return tf.argsort(keys)


def _gradients(tape: tf.GradientTape, targets: Sequence[Any], sources: Sequence[Any], outer: Sequence[Any]) -> list[Any]:
    """Return the dense gradients of the weighted sum of scalars, 0 where there is no path."""
    outer = [tf.cast(factor, target.dtype) for factor, target in zip(outer, targets, strict=True)]
    found = tape.gradient(
        list(targets), list(sources), output_gradients=outer, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return [tf.convert_to_tensor(gradient) for gradient in found]
