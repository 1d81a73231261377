"""An idle head, whose task has no label in a batch, is restored after the step, whatever the optimizer did to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mtl_keras import distribute
from mtl_keras.tasks import Tasks

__all__ = ["IdleHeads", "optimizer_parts", "slots_of"]

#: Lists of an optimizer that hold no slots: its own variables, those that it trains, and gradients that wait for an update.
NO_SLOTS = ("_variables", "_trainable_variables", "_accumulated_gradients")
#: The list of an optimizer that holds the averages of `use_ema`.
AVERAGES = "_model_variables_moving_average"


@dataclass(frozen=True, eq=False)
class _State:
    """A variable that does not change while a task, or a head, is idle.

    Attributes:
        mask: Number of its head; the number of heads for a variable of the weighting, with one entry for each task.
        variable: The variable.
        average_of: The variable whose average it is; None if it is none.
    """

    mask: int
    variable: Any
    average_of: Any = None


class IdleHeads:
    """Restores after a step what belongs to idle tasks: heads, trained variables of the weighting, and slots for them.

    Adam, AdamW and momentum move weights whose gradient is 0. An optimizer that accumulates gradients updates once in a window
    of several steps; a task is then idle if the whole window has no label of it. Averages of `use_ema` are slots as well, and
    start at the weights.

    Args:
        tasks: All tasks of the network.
        active: Names of the tasks that are trained.
        layers: The layers that belong to one task only, by task.
        entries: Trained variables of the weighting, of which each entry belongs to one of the trained tasks.
    """

    def __init__(
        self,
        tasks: Tasks,
        active: Sequence[str],
        layers: Mapping[str, Sequence[keras.layers.Layer]],
        entries: Sequence[Any] = (),
    ) -> None:
        self.layers, self.entries = layers, entries
        # A head has a label where its own task has one, or a task that is derived from it.
        uses = {head: [float(head in tasks.heads_of(name)) for name in active] for head in tasks}
        self.uses = {head: row for head, row in uses.items() if any(row)}
        #: The labels of each trained task in the steps since the last update, where gradients are accumulated; else empty.
        self.variables: list[Any] = []
        self._branches = True

    def build(self, optimizer: keras.optimizers.Optimizer, branches: bool = True) -> None:
        """Create the variables that a built optimizer needs; call it in the scope of the model's distribution strategy.

        Args:
            optimizer: The optimizer.
            branches: Whether a step may have branches of different sizes, which XLA does not compile; default True.
        """
        self._branches = branches
        if _counting_part(optimizer).gradient_accumulation_steps:
            n = len(next(iter(self.uses.values())))
            self.variables = [keras.Variable(np.zeros(n, np.float32), trainable=False, dtype="float32", name="window_labels")]

    def restore_after(self, step: Callable[[], Any], counts: Any, optimizer: keras.optimizers.Optimizer) -> Any:
        """Take a step, restore what is idle, and return what the step returns.

        Args:
            step: Changes variables.
            counts: `[active]` float32, the sum of row weights of each trained task over all replicas.
            optimizer: Built for all variables that the step trains.
        """
        if not self.variables:
            return self._restore_after(step, counts, optimizer)
        (window,), counter = self.variables, _counting_part(optimizer)
        before = tf.identity(counter._iterations.value)
        labels = tf.where(before % counter.gradient_accumulation_steps == 0, 0.0, window.value) + counts
        result = self._restore_after(step, labels, optimizer)
        # A step whose scaled gradients overflow is skipped, and is no part of the window.
        distribute.assign([window], [tf.where(counter._iterations.value > before, labels, window.value)])
        return result

    def _restore_after(self, step: Callable[[], Any], counts: Any, optimizer: keras.optimizers.Optimizer) -> Any:
        state = [*self._find_state(optimizer)]
        if not state:
            return step()
        heads = tf.linalg.matvec(tf.constant(list(self.uses.values())), counts) > 0
        masks = [*tf.unstack(heads), counts > 0]
        kinds = sorted({item.variable.dtype for item in state})
        by_kind = [[item for item in state if item.variable.dtype == kind] for kind in kinds]
        first = _counting_part(optimizer).iterations == 0

        def value(item: _State) -> Any:
            # Keras starts an average at the weights after the first step. An idle head has those from before it.
            own = item.variable.value
            return own if item.average_of is None else tf.where(first, item.average_of.value, own)

        def values() -> list[Any]:
            # One tensor for each dtype: each output of a branch costs time, whether the branch is taken or not.
            return [tf.concat([tf.reshape(value(item), [-1]) for item in own], 0) for own in by_kind]

        def restore() -> None:
            before = [
                tf.reshape(part, item.variable.shape)
                for own, flat in zip(by_kind, kept, strict=True)
                for part, item in zip(tf.split(flat, [int(np.prod(item.variable.shape)) for item in own]), own, strict=True)
            ]
            items = [item for own in by_kind for item in own]
            new = [tf.where(_over(masks[i.mask], old), i.variable.value, old) for i, old in zip(items, before, strict=True)]
            distribute.assign([item.variable for item in items], new)

        # Mirrored variables cannot be assigned inside a branch.
        if distribute.replicas() > 1 or not self._branches:
            kept = values()
            result = step()
            restore()
            return result
        all_present = tf.reduce_all(counts > 0 if self.entries else heads)
        kept = tf.cond(all_present, lambda: [tf.zeros([0], kind) for kind in kinds], values)
        result = step()
        tf.cond(all_present, lambda: None, restore)
        return result

    def _find_state(self, optimizer: keras.optimizers.Optimizer) -> Iterator[_State]:
        """Yield the trained variables of heads and weighting, the slots for them, and moving statistics of heads."""
        slots = slots_of(optimizer)
        owners = [
            *((number, variable) for number, head in enumerate(self.uses) for variable in head_variables(self.layers[head])),
            *((len(self.uses), variable) for variable in self.entries),
        ]
        for number, variable in owners:
            if id(variable) in slots:
                yield _State(number, variable)
                for name, slot in slots[id(variable)]:
                    # Adafactor has slots for whole variables, of another shape.
                    if number < len(self.uses) or slot.shape == variable.shape:
                        yield _State(number, slot, variable if name == AVERAGES else None)
        for number, head in enumerate(self.uses):
            for layer in self.layers[head]:
                if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
                    yield from (_State(number, moving) for moving in (layer.moving_mean, layer.moving_variance))


def head_variables(layers: Sequence[keras.layers.Layer]) -> list[Any]:
    """Return the trained variables of layers, each once."""
    return [*{id(v): v for layer in layers for v in layer.trainable_variables}.values()]


def optimizer_parts(optimizer: Any) -> list[Any]:
    """Return the optimizers that hold slots: an optimizer itself, or those that it wraps."""
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        return optimizer_parts(inner)
    return list(getattr(optimizer, "optimizers", ())) or [optimizer]


def slots_of(optimizer: keras.optimizers.Optimizer) -> dict[int, list[tuple[str, Any]]]:
    """Return the slots of each variable that an optimizer was built for, by its identity, with the names of their lists."""
    found: dict[int, list[tuple[str, Any]]] = {}
    for part in optimizer_parts(optimizer):
        # An optimizer keeps its slots in lists as long as its list of trained variables, in the same order;
        # `tests/test_keras_internals.py` fails where this changes.
        trained = part._trainable_variables
        found |= {id(variable): [] for variable in trained}
        for name, values in vars(part).items():
            if isinstance(values, list) and len(values) == len(trained) and name not in NO_SLOTS:
                for variable, slot in zip(trained, values, strict=True):
                    # Muon has slots for some variables only.
                    if isinstance(slot, keras.Variable):
                        found[id(variable)].append((name, slot))
    return found


def _counting_part(optimizer: keras.optimizers.Optimizer) -> Any:
    """Return an optimizer that counts the steps that are taken; one that scales losses does not count them itself."""
    return next(part for part in optimizer_parts(optimizer) if part.built)


def _over(mask: Any, value: Any) -> Any:
    """Return a mask of the first axis, or for a whole value, in a shape that broadcasts over the value."""
    return tf.reshape(mask, [-1] + [1] * (len(value.shape) - 1)) if mask.shape.rank else mask
