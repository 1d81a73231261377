"""Heads without a label in a step are held still, whatever the optimizer does with a gradient of 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mtl_keras import distribute
from mtl_keras.tasks import Tasks

__all__ = ["IdleHeads"]


class IdleHeads:
    """Puts back what a step did to heads whose task has no label in it, and to the optimizer's slots for them.

    Args:
        tasks: All tasks of the network.
        active: Names of the tasks that are trained.
        layers: Names of the layers that belong to one task alone, by task.
    """

    def __init__(self, tasks: Tasks, active: Sequence[str], layers: Mapping[str, Sequence[str]]) -> None:
        self.layers = layers
        # A head has a label where its own task has one, or one that is derived from it.
        uses = {head: [float(head in tasks.heads_of(name)) for name in active] for head in tasks}
        self.uses = {head: row for head, row in uses.items() if any(row)}

    def hold(self, model: keras.Model, counts: Any, step: Callable[[], Any]) -> Any:
        """Take a step; return what it returns.

        Adam, AdamW and momentum move weights whose gradient is 0, so that what was there before is put back.

        Args:
            model: It owns the heads and has an optimizer that is built.
            counts: `[active]` float32, each trained task's sum of row weights over all replicas.
            step: Changes the model's variables.
        """
        present = tf.linalg.matvec(tf.constant(list(self.uses.values())), counts) > 0
        state = [
            (number, variable) for number, head in enumerate(self.uses) for variable in head_state(model, self.layers[head])
        ]
        if not state:
            return step()
        kinds = sorted({variable.dtype for _, variable in state})
        by_kind = [[(number, variable) for number, variable in state if variable.dtype == kind] for kind in kinds]

        def values() -> list[Any]:
            # One tensor a type: what a branch gives out costs, taken or not.
            return [tf.concat([tf.reshape(v.value, [-1]) for _, v in own], 0) for own in by_kind]

        def assign_values() -> None:
            before = [
                tf.reshape(part, v.shape)
                for own, flat in zip(by_kind, kept, strict=True)
                for part, (_, v) in zip(tf.split(flat, [int(np.prod(v.shape)) for _, v in own]), own, strict=True)
            ]
            held = [pair for own in by_kind for pair in own]
            each = tf.unstack(present)
            new = [tf.where(each[number], v.value, old) for (number, v), old in zip(held, before, strict=True)]
            distribute.assign([v for _, v in held], new)

        if distribute.replicas() > 1:
            # Mirrored variables cannot be assigned inside a branch.
            kept = values()
            result = step()
            assign_values()
            return result
        all_present = tf.reduce_all(present)
        kept = tf.cond(all_present, lambda: [tf.zeros([0], kind) for kind in kinds], values)
        result = step()
        tf.cond(all_present, lambda: None, assign_values)
        return result


def head_state(model: keras.Model, layers: Sequence[str]) -> list[Any]:
    """Return the trained variables of a head's layers, the optimizer's slots for them, and moving statistics."""
    moving = [
        v
        for layer in map(model.get_layer, layers)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for v in (layer.moving_mean, layer.moving_variance)
    ]
    own = {id(v) for layer in layers for v in model.get_layer(layer).trainable_variables}
    trained = model.trainable_variables
    # An optimizer keeps its slots in lists as long as its list of trained variables, in the same order.
    slots = [
        values
        for name, values in vars(model.optimizer).items()
        if isinstance(values, list) and len(values) == len(trained) and name not in ("_variables", "_trainable_variables")
    ]
    found = [variables[i] for variables in (trained, *slots) for i, v in enumerate(trained) if id(v) in own]
    # Muon has slots for some variables only.
    return [variable for variable in found if isinstance(variable, keras.Variable)] + moving
