"""An idle head, whose task has no label in a batch, is restored after the step, whatever the optimizer did to it."""

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
    """Restores idle heads and the optimizer's slots for them after a step.

    Adam, AdamW and momentum move weights whose gradient is 0.

    Args:
        tasks: All tasks of the network.
        active: Names of the tasks that are trained.
        layers: The layers that belong to one task only, by task.
    """

    def __init__(self, tasks: Tasks, active: Sequence[str], layers: Mapping[str, Sequence[keras.layers.Layer]]) -> None:
        self.layers = layers
        # A head has a label where its own task has one, or a task that is derived from it.
        uses = {head: [float(head in tasks.heads_of(name)) for name in active] for head in tasks}
        self.uses = {head: row for head, row in uses.items() if any(row)}

    def restore_after(self, step: Callable[[], Any], counts: Any, trained: Sequence[Any], optimizer: Any) -> Any:
        """Take a step, restore the idle heads, and return what the step returns.

        Args:
            step: Changes variables.
            counts: `[active]` float32, the sum of row weights of each trained task over all replicas.
            trained: All variables that the step trains.
            optimizer: Built for `trained`.
        """
        present = tf.linalg.matvec(tf.constant(list(self.uses.values())), counts) > 0
        state = [
            (number, variable)
            for number, head in enumerate(self.uses)
            for variable in head_state(self.layers[head], trained, optimizer)
        ]
        if not state:
            return step()
        kinds = sorted({variable.dtype for _, variable in state})
        by_kind = [[(number, variable) for number, variable in state if variable.dtype == kind] for kind in kinds]

        def values() -> list[Any]:
            # One tensor for each dtype: each output of a branch costs time, whether the branch is taken or not.
            return [tf.concat([tf.reshape(v.value, [-1]) for _, v in own], 0) for own in by_kind]

        def restore() -> None:
            before = [
                tf.reshape(part, v.shape)
                for own, flat in zip(by_kind, kept, strict=True)
                for part, (_, v) in zip(tf.split(flat, [int(np.prod(v.shape)) for _, v in own]), own, strict=True)
            ]
            variables = [pair for own in by_kind for pair in own]
            each = tf.unstack(present)
            new = [tf.where(each[number], v.value, old) for (number, v), old in zip(variables, before, strict=True)]
            distribute.assign([v for _, v in variables], new)

        if distribute.replicas() > 1:
            # Mirrored variables cannot be assigned inside a branch.
            kept = values()
            result = step()
            restore()
            return result
        all_present = tf.reduce_all(present)
        kept = tf.cond(all_present, lambda: [tf.zeros([0], kind) for kind in kinds], values)
        result = step()
        tf.cond(all_present, lambda: None, restore)
        return result


def head_state(layers: Sequence[keras.layers.Layer], trained: Sequence[Any], optimizer: Any) -> list[Any]:
    """Return the trained variables of a head's layers, the optimizer's slots for them, and moving statistics."""
    moving = [
        v
        for layer in layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for v in (layer.moving_mean, layer.moving_variance)
    ]
    own = {id(v) for layer in layers for v in layer.trainable_variables}
    # An optimizer keeps its slots in lists as long as its list of trained variables, in the same order;
    # `tests/test_keras_internals.py` fails where this changes.
    slots = [
        values
        for name, values in vars(optimizer).items()
        if isinstance(values, list) and len(values) == len(trained) and name not in ("_variables", "_trainable_variables")
    ]
    found = [variables[i] for variables in (trained, *slots) for i, v in enumerate(trained) if id(v) in own]
    # Muon has slots for some variables only.
    return [variable for variable in found if isinstance(variable, keras.Variable)] + moving
