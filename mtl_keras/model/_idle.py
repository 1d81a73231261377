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
    """A variable that does not change while its head is idle; of the weighting, entries that do not while their task is.

    Attributes:
        head: Number of its head; that plus the number of heads if it rests in each step without a label, whatever the window;
            None for a variable of the weighting, which has an entry for each trained task.
        variable: The variable.
        average_of: The variable whose average it is; None if it is none.
    """

    head: int | None
    variable: Any
    average_of: Any = None


class IdleHeads:
    """Restores after a step what belongs to idle tasks: heads, trained variables of the weighting, and slots for them.

    Adam, AdamW and momentum move weights whose gradient is 0. An optimizer that accumulates gradients updates once in a window
    of several steps; a task is then idle if the whole window has no label of it. Moving statistics of batch normalization
    change in every step, so they rest in each step without a label. Averages of `use_ema` are slots as well, and start at the
    weights.

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
            return self._restore_after(step, counts, counts, optimizer)
        (window,), counter = self.variables, _counting_part(optimizer)
        before = tf.identity(counter._iterations.value)
        labels = tf.where(before % counter.gradient_accumulation_steps == 0, 0.0, window.value) + counts
        result = self._restore_after(step, labels, counts, optimizer)
        # A step whose scaled gradients overflow is skipped, and is no part of the window.
        distribute.assign([window], [tf.where(counter._iterations.value > before, labels, window.value)])
        return result

    def _restore_after(self, step: Callable[[], Any], labels: Any, counts: Any, optimizer: keras.optimizers.Optimizer) -> Any:
        """Restore what is idle; `labels` are those of the window so far, `counts` those of the step."""
        state = [*self._find_state(optimizer)]
        if not state:
            return step()
        heads, own = (tf.linalg.matvec(tf.constant(list(self.uses.values())), each) > 0 for each in (labels, counts))
        # One tensor for each shape: an operation for each variable is what takes a graph of many heads long to optimize.
        groups = [*_group(state).values()]
        masks = [_mask(group, tf.concat([heads, own], 0), labels > 0) for group in groups]
        first = _counting_part(optimizer).iterations == 0

        def value(item: _State) -> Any:
            # Keras starts an average at the weights after the first step. An idle head has those from before it.
            own = item.variable.value
            return own if item.average_of is None else tf.where(first, item.average_of.value, own)

        def values() -> list[Any]:
            return [tf.stack([value(item) for item in group]) for group in groups]

        def restore() -> None:
            for group, mask, before in zip(groups, masks, kept, strict=True):
                variables = [item.variable for item in group]
                after = tf.stack([variable.value for variable in variables])
                distribute.assign(variables, tf.unstack(tf.where(mask, after, before), len(variables)))

        # Mirrored variables cannot be assigned inside a branch.
        if distribute.replicas() > 1 or not self._branches:
            kept = values()
            result = step()
            restore()
            return result
        all_present = tf.reduce_all(labels > 0 if self.entries else heads) & tf.reduce_all(own)
        empty = [tf.zeros([0, *group[0].variable.shape], group[0].variable.dtype) for group in groups]
        kept = tf.cond(all_present, lambda: empty, values)
        result = step()
        tf.cond(all_present, lambda: None, restore)
        return result

    def _find_state(self, optimizer: keras.optimizers.Optimizer) -> Iterator[_State]:
        """Yield the trained variables of heads and weighting, the slots for them, and moving statistics of heads."""
        slots = slots_of(optimizer)
        owners: list[tuple[int | None, Any]] = [
            *((number, variable) for number, head in enumerate(self.uses) for variable in head_variables(self.layers[head])),
            *((None, variable) for variable in self.entries),
        ]
        for number, variable in owners:
            if id(variable) in slots:
                yield _State(number, variable)
                for name, slot in slots[id(variable)]:
                    # Adafactor has slots for whole variables, of another shape.
                    if number is not None or slot.shape == variable.shape:
                        yield _State(number, slot, variable if name == AVERAGES else None)
        for number, head in enumerate(self.uses):
            for layer in self.layers[head]:
                if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
                    statistics = (layer.moving_mean, layer.moving_variance)
                    yield from (_State(len(self.uses) + number, each) for each in statistics)


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


def _group(state: Sequence[_State]) -> dict[Any, list[_State]]:
    """Return what can be stacked: variables of one dtype and shape, those of the weighting by themselves."""
    groups: dict[Any, list[_State]] = {}
    for item in state:
        groups.setdefault((item.variable.dtype, tuple(item.variable.shape), item.head is None), []).append(item)
    return groups


def _mask(group: Sequence[_State], heads: Any, tasks: Any) -> Any:
    """Return what a stacked group keeps of a step, in a shape that broadcasts over the stack.

    Args:
        group: Variables of one shape, either of heads or of the weighting.
        heads: `[2 x heads]` bool, whether a head has a label in the window, then whether it has one in the step.
        tasks: `[active]` bool, whether a trained task has a label.
    """
    rank = len(group[0].variable.shape)
    if group[0].head is None:
        return tf.reshape(tasks, [1, -1] + [1] * (rank - 1))
    return tf.reshape(tf.gather(heads, [item.head for item in group]), [-1] + [1] * rank)
