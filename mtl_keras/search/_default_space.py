"""The search space of a study that defines none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtl_keras.model import Recipe
from mtl_keras.runs import Plan
from mtl_keras.search._configuration import Context
from mtl_keras.search._space import dense_stack, loss_weights
from mtl_keras.training import Phase

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["default_space"]


def default_space(hp: HyperParameters, context: Context) -> Plan:
    """Ask for depth, width and dropout of a shared dense stack, a dense layer per head, loss weights and the learning rate.

    The backbone, whether it is frozen, the number of epochs and the batch size are those of the settings. Over a frozen trunk,
    loss weights are searched only where the shared stack has layers: without one, every task trains alone.

    Args:
        hp: The hyperparameters to ask.
        context: Tasks, settings and image shape.

    Returns:
        A plan with one phase that trains all tasks with Adam.

    Example:
        >>> import keras_tuner, mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> hp = keras_tuner.HyperParameters()
        >>> plan = default_space(hp, mtl.search.Context(tasks, mtl.search.Settings(), (8, 8, 1)))
        >>> sorted(hp.values)[:3]
        ['digit_depth', 'learning_rate', 'loss_ratio_parity']
    """
    settings = context.settings
    shared = dense_stack(
        hp, "shared", depth=(0, 1, 2), width=(64, 128, 256), dropout=(0.0, 0.2, 0.5), default_depth=1, default_width=128
    )
    recipe = Recipe(
        tasks=context.tasks,
        backbone=settings.new_backbone(),
        image_shape=context.image_shape,
        shared=shared,
        heads={name: dense_stack(hp, name, depth=(0, 1), width=(64,)) for name in context.tasks},
        freeze=settings.freeze,
    )
    # The squared error of pixels in [0, 1] is about a hundred times smaller than a cross-entropy.
    high = {name: 100.0 if task.from_input else 10.0 for name, task in context.tasks.items()}
    only_if = ("shared_depth", [1, 2]) if settings.freeze is True else None
    weighting = loss_weights(hp, context, low=0.1, high=high, only_if=only_if)
    learning_rate = hp.Float("learning_rate", 3e-4, 1e-2, sampling="log", default=1e-3)
    phase = Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        weighting=weighting,
        optimizer={"class_name": "Adam", "config": {"learning_rate": learning_rate}},
        patience=settings.patience,
    )
    return Plan(recipe, (phase,))
