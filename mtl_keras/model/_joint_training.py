"""How a multi-task model is compiled and fitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from mtl_keras.errors import MTLError
from mtl_keras.model._compiled import get_compiled, set_compiled
from mtl_keras.model._cut import Cut
from mtl_keras.model._gramian import check_weighting
from mtl_keras.model._idle import optimizer_parts
from mtl_keras.model._optimizer import get_optimizer
from mtl_keras.model._step import Objective
from mtl_keras.model._step_log import pack_log, unpack_log
from mtl_keras.model._tracing import count_alone
from mtl_keras.model._weighting_state import WeightingState
from mtl_keras.recipe import Recipe
from mtl_keras.weighting import Weighting
from mtl_keras.weighting import get as get_weighting

__all__ = ["JointTraining"]


class JointTraining(keras.Model):
    """A Keras model that trains several tasks together after `compile(weighting=...)`.

    After `compile(loss={...})` it is plain Keras. Subclasses are functional models with a recipe and heads.
    """

    recipe: Recipe
    _objective: Objective | None = None
    _weighting: WeightingState | None = None
    _weighting_config: Any = None

    @property
    def head_layers(self) -> dict[str, list[keras.layers.Layer]]:
        """The layers that belong to one task only, by task."""
        raise NotImplementedError

    @property
    def unit_layers(self) -> dict[str, Any]:
        """The layers that hold the units of standardized labels, by task."""
        raise NotImplementedError

    def part(self, cut: Cut | None = None, sources: Iterable[str] = ()) -> keras.Model:
        """Return the part of the network that is trained."""
        raise NotImplementedError

    @property
    def objective(self) -> Objective | None:
        """What the model was compiled to be trained for; None if it was not, or with Keras losses."""
        return self._objective

    @property
    def weighting_state(self) -> dict[str, np.ndarray]:
        """The values of the weighting's variables by name; empty if the model was neither compiled nor trained.

        They are none of the model's weights. Assign a dict to continue from its values.

        Raises:
            MTLError: If the assigned values are not those of the weighting that the model was compiled with.
        """
        return {} if self._weighting is None else self._weighting.values()

    @weighting_state.setter
    def weighting_state(self, values: Mapping[str, Any]) -> None:
        held = self.weighting_variables if self._objective is None else self._objective.state
        if held is not None and held.holds(values):
            held.assign(values)
        elif self._objective is not None:
            raise MTLError(
                "`weighting_state` must have the variables of the weighting that the model was compiled with. Received: "
                f"{', '.join(values) or 'none'}, or other shapes. Compile the model with the weighting they are of."
            )
        else:
            with self.distribute_strategy.scope():
                held = WeightingState(values) if values else None
        self.weighting_variables = held

    @property
    def weighting_variables(self) -> WeightingState | None:
        """The variables behind `weighting_state`."""
        return self._weighting

    @weighting_variables.setter
    def weighting_variables(self, state: WeightingState | None) -> None:
        # Not by `setattr`, in case Keras comes to track what it cannot see now.
        self.__dict__["_weighting"] = state

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        *,
        weighting: Weighting | str | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Configure the model for `fit`.

        Args:
            optimizer: As in Keras.
            loss: Losses by task for training as in plain Keras. None (default) for the losses of the tasks.
            loss_weights: For `loss` only.
            metrics: For `loss` only; without it the metric of each task is logged.
            weighted_metrics: As `metrics`.
            weighting: How the losses of the tasks are combined, see `mtl_keras.weighting.get`; default `"equal"`. Its
                variables start anew with each `compile` and continue through several `fit`.
            **options: `run_eagerly`, `steps_per_execution`, `jit_compile` and `auto_scale_loss` of `keras.Model.compile`;
                `jit_compile="auto"` means False without `loss`.

        Raises:
            MTLError: If `weighting` is unknown or does not fit the tasks, or arguments do not go together.
        """
        for_loss = {"loss_weights": loss_weights, "metrics": metrics, "weighted_metrics": weighted_metrics}
        if loss is None or weighting is not None:
            given = [name for name, value in {"loss": loss, **for_loss}.items() if value is not None]
            if given:
                raise MTLError(
                    "`compile` must have either `weighting` or Keras losses. Received: "
                    f"{', '.join([*given, 'weighting'] if weighting is not None else given)}{'' if loss else ' without loss'}. "
                    "Pass weighting= alone, or loss= with loss_weights= and metrics=."
                )
            with self.distribute_strategy.scope():
                objective = Objective(
                    self.part(),
                    tasks=self.recipe.tasks,
                    active=tuple(self.recipe.tasks),
                    weighting=get_weighting("equal" if weighting is None else weighting),
                    heads=self.head_layers,
                    groups=self.recipe.batch_norm_groups,
                    representation=self.recipe.shared.representation,
                    units=self.unit_layers,
                )
            self.compile_objective(objective, optimizer, **options)
            return
        self._forget_compiled()
        with self.distribute_strategy.scope():
            optimizer = get_optimizer(optimizer)
        super().compile(optimizer, loss, loss_weights, metrics, weighted_metrics, **options)

    def check_weighting(self, weighting: Weighting, tasks: Sequence[str]) -> None:
        """Refuse a weighting that these tasks of the model cannot be trained with, given the present trainable flags.

        Raises:
            MTLError: If it does not fit the tasks, or is gradient-based and the tasks share no trained layer.
        """
        weighting.state(tuple(tasks))
        check_weighting(weighting, self, tasks, self.head_layers, self.recipe.shared.representation)

    def compile_objective(self, objective: Objective, optimizer: Any, **options: Any) -> None:
        """Configure the model for an objective; the optimizer is built for the variables that the objective trains.

        Args:
            objective: What the model is trained for.
            optimizer: Name, configuration or instance.
            **options: As for `compile`.

        Raises:
            MTLError: If the weighting has trained variables and the optimizer was used before.
        """
        if options.get("jit_compile", "auto") == "auto":
            # XLA compiles for seconds and makes small steps slower on CPUs.
            options["jit_compile"] = False
        self._forget_compiled()
        with self.distribute_strategy.scope():
            optimizer = get_optimizer(optimizer)
            if objective.state.trained:
                for part in optimizer_parts(optimizer):
                    if part.built:
                        raise MTLError(
                            "A weighting with trained variables must have a new optimizer. Received: "
                            f"{type(part).__name__}, which was used before. Pass a new one."
                        )
                    part.exclude_from_weight_decay(var_list=objective.state.trained)
            super().compile(optimizer=optimizer, **options)
            objective.build(self.optimizer, branches=not self.jit_compile)
        self.__dict__.update(_objective=objective, _weighting=objective.state)

    def _forget_compiled(self) -> None:
        # Keras keeps the loss and metrics of an earlier `compile` where the new one has none.
        self.__dict__.update(_objective=None, _weighting=None, _compile_loss=None, _compile_metrics=None, loss=None)

    def compiled_state(self) -> dict[str, Any]:
        """Return what the model is compiled with, traced functions included, for `restore_compiled_state`."""
        return get_compiled(self)

    def restore_compiled_state(self, state: Mapping[str, Any]) -> None:
        """Compile the model again with what `compiled_state` returned; nothing is traced again."""
        set_compiled(self, state)
        self.weighting_variables = None if self._objective is None else self._objective.state

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile the model with the result of `get_compile_config` and the weighting that `from_config` read.

        The weighting is not part of the compile config, which Keras also passes to the plain clones of a model.
        """
        options = keras.saving.deserialize_keras_object(dict(config))
        if options.get("loss") is not None:
            self.compile(**options)
            self.optimizer.build(self.trainable_variables)
            return
        state = self.weighting_state
        self.compile(**options, weighting=self._weighting_config)
        if self._objective is not None and self._objective.state.holds(state):
            self.weighting_state = state

    def _make_function(self, step_function: Any) -> Any:
        # Keras averages what replicas return value by value.
        if self._objective is None or self.distribute_strategy.num_replicas_in_sync > 1:
            return count_alone(super()._make_function(step_function))
        return unpack_log(count_alone(super()._make_function(pack_log(step_function))))

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step on a batch."""
        return super().train_step(data) if self._objective is None else self._objective.train_step(self.optimizer, data)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Measure a batch."""
        return super().test_step(data) if self._objective is None else self._objective.test_step(data)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch, and add it to the mean losses of the log."""
        if self._objective is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        _, labels, weights, _ = self._objective.unpack((x, y, sample_weight))
        return self._objective.loss(labels, self._objective.in_standard_units(y_pred), weights, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Add a batch to the metrics, and return the log."""
        if self._objective is None:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        _, labels, weights, _ = self._objective.unpack((x, y, sample_weight))
        return self._objective.measure(labels, self._objective.in_standard_units(y_pred), weights)

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the log."""
        return super().get_metrics_result() if self._objective is None else self._objective.results()

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics that are reset at the start of each epoch."""
        return super().metrics if self._objective is None else self._objective.metrics

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns, in order."""
        if self._objective is None:
            return super().metrics_names
        names = [name for metric in self.metrics for name in getattr(metric, "entries", ())]
        return ["loss", *sorted(names)]

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # All is built. Keras would average the first batch over replicas, whose numbers of rows may differ.
        if self._objective is None:
            super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
