"""Objectives that are built and traced once and trained again from other weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from mtl_keras.callbacks import assign_values, get_values, own_variables
from mtl_keras.data import Data
from mtl_keras.model import MultiTaskModel
from mtl_keras.model._objective import ObjectiveModel
from mtl_keras.training._phase import Phase
from mtl_keras.training._stack import InitialState, sources_of, submodel

__all__ = ["Objectives"]

#: Steps that one call of TensorFlow takes at most.
STEPS_A_CALL = 32


class Objectives:
    """Makes the objectives of one model's phases, and gives the same one again where nothing but weights and rows differ.

    To trace a step takes seconds, about as long as hundreds of steps on cached features.

    Args:
        model: The whole network.
    """

    def __init__(self, model: MultiTaskModel) -> None:
        self.model = model
        self._made: dict[str, tuple[ObjectiveModel, list[np.ndarray]]] = {}
        self._aside: Objectives | None = None

    def copy_for_folds(self, start: InitialState) -> Objectives:
        """Return those of a copy of the model, which is made once: to build it takes longer than to train it on little data."""
        if self._aside is None:
            self._aside = Objectives(start.copy(self.model))
        return self._aside

    def of(self, phase: Phase, data: Data, on_features: bool, callbacks: Sequence[keras.callbacks.Callback]) -> ObjectiveModel:
        """Return what a phase trains, compiled, as if it were new; call it while the phase's trainable flags are set.

        Args:
            phase: How it is trained.
            data: What it is trained on.
            on_features: Whether the data are features of the trunk, rather than images.
            callbacks: Those of the caller.
        """
        model = self.model
        tasks = model.recipe.tasks
        steps = data.train.steps(phase.batch_size)
        alone = model.distribute_strategy.num_replicas_in_sync == 1
        options: dict[str, Any] = {
            "active": tuple(phase.active(tasks)),
            "labeled": [name for name in phase.active(tasks) if (data.train.weight[name] > 0).any()],
            "sparse": not data.train.complete,
        }
        # TensorFlow cannot build the sums over replicas inside a loop of steps.
        steps_a_call = _steps_a_call(steps, callbacks) if on_features and alone else 1
        trained = [variable.path for variable in model.trainable_variables]
        falls_for = steps if phase.schedule == "cosine" else None
        key = json.dumps([phase.config(), options, on_features, steps_a_call, falls_for, trained])
        if key in self._made:
            objective, begun = self._made[key]
            assign_values(begun, own_variables(objective, model))
            return objective
        with model.distribute_strategy.scope():
            objective = ObjectiveModel(
                *submodel(model, on_features, sources_of(model.recipe, phase)),
                tasks=tasks,
                weighting=phase.weighting,  # type: ignore[arg-type]  # Phase has made it a Weighting
                heads=model.head_layers,
                statistics=model.recipe.batch_norm_groups,
                **options,
            )
            # Without XLA: it would compile the step of each trial for seconds, and it slows small steps on CPUs.
            objective.compile(
                optimizer=phase.new_optimizer(steps * phase.epochs), jit_compile=False, steps_per_execution=steps_a_call
            )
            # Variables made inside the first step would have it traced twice.
            objective.optimizer.build(objective.trainable_variables)
        self._made[key] = objective, get_values(own_variables(objective, model))
        return objective


def _steps_a_call(steps: int, callbacks: Sequence[keras.callbacks.Callback]) -> int:
    """Return how many steps on cached features go to TensorFlow at once: they take milliseconds, and so does Python.

    A divisor of the steps of an epoch, since a call would go on into the next epoch's rows; 1 where a callback looks at
    batches.
    """
    base = keras.callbacks.Callback
    names = ("on_train_batch_begin", "on_train_batch_end")
    if any(getattr(type(callback), name) is not getattr(base, name) for callback in callbacks for name in names):
        return 1
    return max(count for count in range(1, STEPS_A_CALL + 1) if steps % count == 0)
