"""One phase of a training, as a value."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import keras

from mtl_keras import weighting as weightings
from mtl_keras.errors import (
    MTLError,
    check_choice,
    check_count,
    check_names,
    check_number,
    check_rate,
    check_rows,
    check_text,
    store,
    unknown,
)
from mtl_keras.model import directions, get_optimizer
from mtl_keras.tasks import Tasks
from mtl_keras.weighting import Weighting

__all__ = ["CacheDtype", "Phase"]

Schedule = Literal["constant", "cosine"]
Direction = Literal["max", "min"]
CacheDtype = Literal["float32", "float16"]


@dataclass(frozen=True)
class Phase:
    """One phase of a training: which tasks, what is frozen, how losses are weighted, and when to stop.

    A phase holds no live Keras object and can be used again: every training starts with a new optimizer. Joint training is
    one phase, sequential training is several.

    Args:
        epochs: At least 1.
        tasks: Names of the tasks that are trained; None (default) means all. The heads of the others do not change.
        freeze: None (default) keeps the trainable flags of the model. A tuple freezes exactly the named parts for this phase
            (`"backbone"`, `"shared"`, the head of a task, or one layer) and trains the rest; `layer.trainable` is False for
            the former, True for the latter, and restored after the phase.
        train_from: Name of the layer of the backbone, or the beginning of its name, such as `"block6a"`, from which on the
            backbone is trained. The layers in front of it are frozen, so that their output is computed once for each image
            and kept in the feature cache; all other parts are trained unless `freeze` names them. None (default) leaves it
            to `freeze`.
        cache_dtype: Type in which the output of the layers in front of `train_from` is kept: `"float32"` (default), or
            `"float16"`, which takes half of the space and rounds to three digits.
        weighting: A name among `mtl_keras.weighting.METHODS`, `{"method": name, option: value}`, a mapping of task to fixed
            weight, or a `Weighting`. Default `"equal"`.
        optimizer: Name, Keras configuration, or instance, of which only the configuration is kept. Default `"adam"`.
        batch_size: Rows of a step over all replicas, at least 1; default 128.
        monitor: The entry of the training log that decides on the best epoch, e.g. `"val_skill"` (default) or
            `"val_fine_accuracy"`. Its direction is known.
        patience: Epochs without improvement after which the phase stops, at least 1; None (default) runs all epochs.
        schedule: `"constant"` (default) keeps the optimizer's learning rate; `"cosine"` decays it along half a cosine to 0
            over the steps of the phase.
        folds: Where a task is stacked on one that this phase does not train: the number of models that are trained, each
            without one part of the training rows, so that the other task's outputs for a row come from a model that was
            trained without it. At least 2; default 5.

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
    train_from: str | None = None
    cache_dtype: CacheDtype = "float32"
    weighting: Weighting | str | Mapping[str, Any] = "equal"
    optimizer: str | Mapping[str, Any] | keras.optimizers.Optimizer = "adam"
    batch_size: int = 128
    monitor: str = "val_skill"
    patience: int | None = None
    schedule: Schedule = "constant"
    folds: int = 5

    def __post_init__(self) -> None:
        store(self, batch_size=check_rows("batch_size", self.batch_size))
        for field, minimum, example in (("epochs", 1, 10), ("patience", 1, 5), ("folds", 2, 5)):
            value = getattr(self, field)
            if field != "patience" or value is not None:
                store(self, **{field: check_count(field, value, minimum=minimum, example=example)})
        for field in ("tasks", "freeze"):
            value = getattr(self, field)
            if value is not None:
                store(self, **{field: check_names(field, value)})
        if self.tasks == ():
            raise MTLError("`tasks` must name at least one task. Received: tasks=(). Leave it out to train all of them.")
        check_text("monitor", self.monitor, example="val_skill")
        check_choice("schedule", self.schedule, get_args(Schedule))
        check_choice("cache_dtype", self.cache_dtype, get_args(CacheDtype))
        self._check_train_from()
        config = _optimizer_config(self.optimizer)
        store(self, weighting=weightings.get(self.weighting), optimizer=config)
        rate = _inner_config(config)["learning_rate"]
        if self.schedule != "constant" and not isinstance(rate, int | float):
            raise MTLError(
                f"Only one schedule must change the learning rate. Received: schedule={self.schedule!r} and an optimizer with "
                f"its own, {rate.get('class_name')}. Leave one out."
            )

    def _check_train_from(self) -> None:
        """Refuse options of a backbone that is trained in part where it is frozen as a whole."""
        if self.train_from is not None:
            check_text("train_from", self.train_from, example="block6a")
        elif self.cache_dtype != "float32":
            raise MTLError(
                f"`cache_dtype` must be left out without `train_from`. Received: cache_dtype={self.cache_dtype!r}. Features of a "
                "backbone that is frozen as a whole are float32."
            )
        if self.train_from is not None and "backbone" in (self.freeze or ()):
            raise MTLError(
                f"A phase must either freeze the backbone or train it from a layer on. Received: train_from={self.train_from!r} "
                f"and freeze={self.freeze}. Leave one of them out."
            )

    @property
    def sets_flags(self) -> bool:
        """Whether the phase decides for every layer whether it is trained."""
        return self.freeze is not None or self.train_from is not None

    def new_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """Return a new optimizer for a phase of this many steps; call it in the scope of the strategy."""
        # Keras modifies the configuration that it reads.
        config: Any = copy.deepcopy(self.optimizer)
        rate = _inner_config(config)["learning_rate"]
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

    def direction(self, tasks: Tasks) -> Direction:
        """Return `"max"` or `"min"`, the direction in which the monitor is better.

        Raises:
            MTLError: If the training log has no such entry.
        """
        known = directions(tasks)
        name = self.monitor.removeprefix("val_")
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
            "weighting": self.weighting.config(),  # type: ignore[union-attr]  # a Weighting since __post_init__
            "optimizer": self.optimizer,
            "batch_size": self.batch_size,
            "monitor": self.monitor,
            "patience": self.patience,
            "schedule": self.schedule,
            "folds": self.folds,
            # Left out where there is none, as in configurations of earlier versions.
            **({} if self.train_from is None else {"train_from": self.train_from, "cache_dtype": self.cache_dtype}),
        }


def _optimizer_config(optimizer: str | Mapping[str, Any] | keras.optimizers.Optimizer) -> Any:
    """Return the optimizer's serialized configuration."""
    if isinstance(optimizer, Mapping):
        optimizer = _with_float_rate(optimizer)
    instance = get_optimizer(optimizer)
    config = keras.optimizers.serialize(instance)
    if "learning_rate" not in _inner_config(config):
        raise MTLError(
            f"The optimizer of a phase must have one learning rate. Received: {type(instance).__name__}. Pass another one, or "
            "use model.compile and model.fit."
        )
    # Keras numbers the names of optimizers: two equal phases would differ by it.
    for own in (config["config"], _inner_config(config)):
        own.pop("name", None)
    _check_numbers(config["config"])
    return config


def _with_float_rate(optimizer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of an optimizer's configuration whose learning rate, unless a schedule, is a float, as Keras wants it."""
    copied = copy.deepcopy(dict(optimizer))
    config = copied.get("config")
    if isinstance(config, dict) and isinstance(rate := config.get("learning_rate"), numbers.Number | str):
        config["learning_rate"] = float(check_rate("learning_rate", rate, of="the optimizer"))
    return copied


def _check_numbers(config: Mapping[str, Any]) -> None:
    """Refuse numbers of an optimizer's or a schedule's configuration that no training can use."""
    for name, value in config.items():
        if name in ("learning_rate", "initial_learning_rate") and not isinstance(value, Mapping):
            # A schedule may start from 0, to warm up.
            if name == "initial_learning_rate" and value == 0:
                continue
            check_rate(name, value, of="the optimizer")
        elif isinstance(value, Mapping):
            _check_numbers(value)
        elif isinstance(value, float):
            check_number(name, value, of="the optimizer")


def _inner_config(config: Mapping[str, Any]) -> Any:
    """Return the options of a serialized optimizer; of one that only scales losses, those of the optimizer in it."""
    options = config["config"]
    return options["inner_optimizer"]["config"] if "inner_optimizer" in options else options
