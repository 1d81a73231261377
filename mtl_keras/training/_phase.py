"""How one stretch of training runs, as a value."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import keras

from mtl_keras import weighting as weightings
from mtl_keras.errors import MTLError, unknown
from mtl_keras.tasks import Tasks
from mtl_keras.weighting import Weighting

__all__ = ["Phase"]

Schedule = Literal["constant", "cosine"]

#: Classes in `keras.optimizers` that are no optimizer by themselves.
NOT_BY_NAME = ("Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap")


@dataclass(frozen=True)
class Phase:
    """One stretch of training: which tasks, what is frozen, how losses combine, and when to stop.

    A phase holds no live Keras object, so it can be used again: every training starts with a fresh optimizer. Joint
    training is one phase; sequential training is several.

    Args:
        epochs: At least 1.
        tasks: Names of the tasks trained; None (default) means all. The heads of the others do not move.
        freeze: None (default) keeps the model's own flags. A tuple freezes exactly the named parts for this phase
            (`"backbone"`, `"shared"`, a task's head, or one layer) and trains the rest; the flags are put back afterward.
        weighting: A word of `mtl_keras.weighting.METHODS`, with options `{"method": word, option: value}`, a mapping of task
            to fixed weight, or a `Weighting`.
        optimizer: Name, Keras config, or an instance, of which only the configuration is kept.
        batch_size: Rows a step over all replicas together, at least 1.
        monitor: The entry of the training log that decides on the best epoch, e.g. `"val_skill"` or
            `"val_fine_accuracy"`; its direction is known.
        patience: Epochs without improvement after which the phase ends; None (default) runs all epochs.
        schedule: `"constant"` (default) keeps the optimizer's learning rate; `"cosine"` lets it fall along half a cosine
            to 0 over the steps of the phase.
        folds: Where a task is stacked on one that this phase does not train: how many models are trained, each without one
            part of the training rows, so that every row gets that task's output from one that has not seen its label. At
            least 2; default 5.

    Raises:
        MTLError: If a value is out of range, or the optimizer or weighting is unknown.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Phase(epochs=30, weighting={"fine": 0.7, "coarse": 0.3}).epochs
        30
    """

    epochs: int
    tasks: tuple[str, ...] | None = None
    freeze: tuple[str, ...] | None = None
    weighting: Weighting | str | Mapping[str, Any] = "equal"
    optimizer: str | Mapping[str, Any] | keras.optimizers.Optimizer = "adam"
    batch_size: int = 128
    monitor: str = "val_skill"
    patience: int | None = None
    schedule: Schedule = "constant"
    folds: int = 5

    def __post_init__(self) -> None:
        for field in ("epochs", "batch_size") + (("patience",) if self.patience is not None else ()):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise MTLError(f"`{field}` is a whole number of at least 1. Received: {field}={value!r}. Give e.g. {field}=10.")
        for field in ("tasks", "freeze"):
            value = getattr(self, field)
            if isinstance(value, str):
                raise MTLError(f"`{field}` is a sequence of names. Received: {field}={value!r}. Give {field}=({value!r},).")
            object.__setattr__(self, field, None if value is None else tuple(value))
        if not isinstance(self.folds, int) or isinstance(self.folds, bool) or self.folds < 2:
            raise MTLError(f"`folds` is a whole number of at least 2. Received: folds={self.folds!r}. Give e.g. folds=5.")
        if self.schedule not in get_args(Schedule):
            raise unknown("schedule", self.schedule, get_args(Schedule))
        object.__setattr__(self, "weighting", weightings.get(self.weighting))
        config = _optimizer_config(self.optimizer)
        object.__setattr__(self, "optimizer", config)
        rate = config["config"]["learning_rate"]
        if self.schedule != "constant" and not isinstance(rate, int | float):
            raise MTLError(
                f"One schedule moves the learning rate. Received: schedule={self.schedule!r} and an optimizer with its own, "
                f"{rate.get('class_name')}. Leave one out."
            )

    def new_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """Return a fresh optimizer for a phase of so many steps; call it inside the strategy's scope."""
        # Keras changes the configuration that it reads.
        config: Any = copy.deepcopy(self.optimizer)
        rate = config["config"]["learning_rate"]
        optimizer = keras.optimizers.deserialize(config)
        if self.schedule == "cosine":
            optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(rate, steps)
        return optimizer

    def active(self, tasks: Tasks) -> Tasks:
        """Return the tasks that this phase trains.

        Raises:
            MTLError: If the phase names an unknown task.
        """
        return tasks if self.tasks is None else tasks.only(*self.tasks)

    def direction(self, tasks: Tasks) -> str:
        """Return `"max"` or `"min"`, whichever is better for the monitor.

        Raises:
            MTLError: If the training log will hold no such entry.
        """
        name = self.monitor.removeprefix("val_")
        known = {"skill": "max", "loss": "min"} | {f"{task}_loss": "min" for task in tasks}
        known |= {f"{name}_{task.metric.name}": task.metric.direction for name, task in tasks.items()}
        if name not in known:
            raise unknown("metric to monitor", self.monitor, [f"val_{entry}" for entry in known])
        return known[name]

    def at_most(self, epochs: int) -> Phase:
        """Return the phase with no more than this many epochs."""
        return replace(self, epochs=min(self.epochs, epochs))

    def config(self) -> dict[str, Any]:
        """Return the phase as plain JSON values."""
        return {
            "epochs": self.epochs,
            "tasks": self.tasks and list(self.tasks),
            "freeze": None if self.freeze is None else list(self.freeze),
            "weighting": self.weighting.config(),  # type: ignore[union-attr]  # made a Weighting above
            "optimizer": self.optimizer,
            "batch_size": self.batch_size,
            "monitor": self.monitor,
            "patience": self.patience,
            "schedule": self.schedule,
            "folds": self.folds,
        }


def _optimizer_config(optimizer: str | Mapping[str, Any] | keras.optimizers.Optimizer) -> Any:
    """Return the optimizer's serialized configuration."""
    known: Sequence[str] = [
        name for name in dir(keras.optimizers) if isinstance(getattr(keras.optimizers, name), type) and name not in NOT_BY_NAME
    ]
    if isinstance(optimizer, str) and optimizer.lower() not in {name.lower() for name in known}:
        raise unknown("optimizer", optimizer, known)
    try:
        made = keras.optimizers.get(copy.deepcopy(dict(optimizer)) if isinstance(optimizer, Mapping) else optimizer)
    except (ValueError, TypeError, KeyError) as error:
        raise MTLError(f"`optimizer` is a name, a Keras config or an optimizer. Received: {optimizer!r} ({error}).") from error
    config = keras.optimizers.serialize(made)
    # Keras numbers the names of optimizers: two equal phases would differ by it.
    config["config"].pop("name", None)
    return config
