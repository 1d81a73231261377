"""A model compiled for its phases, so that each is built and traced once and trained again from other weights."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from mtl_keras.callbacks import assign_values, get_values
from mtl_keras.data import Data
from mtl_keras.model import At, Cut, MultiTaskModel, Objective
from mtl_keras.training._phase import Phase
from mtl_keras.training._stacking import InitialState, sources_of

__all__ = ["CompiledPhases", "own_variables"]

#: Most steps that one call of TensorFlow takes.
STEPS_PER_CALL = 32


class CompiledPhases:
    """Compiles a model for its phases, and reuses what it compiled where only weights and rows differ.

    Tracing a step takes seconds, about as long as hundreds of steps on cached features.

    Args:
        model: The whole network.
    """

    def __init__(self, model: MultiTaskModel) -> None:
        self.model = model
        self._compiled: dict[str, tuple[dict[str, Any], list[np.ndarray]]] = {}
        self._copy: CompiledPhases | None = None

    def copy_for_folds(self, initial: InitialState) -> CompiledPhases:
        """Return those of a copy of the model. It is built once, which takes longer than training it on few rows."""
        if self._copy is None:
            self._copy = CompiledPhases(initial.copy(self.model))
        return self._copy

    @contextlib.contextmanager
    def compile(
        self, phase: Phase, data: Data, cut: Cut | None, callbacks: Sequence[keras.callbacks.Callback]
    ) -> Iterator[Objective]:
        """Compile the model for a phase, as if for the first time, for as long as the context is open.

        Use it while the trainable flags of the phase are set. What the model was compiled with before is restored; its
        weighting state is that of the phase.

        Args:
            phase: How the model is trained.
            data: What it is trained on.
            cut: Where in the trunk the data enter; None if they are images.
            callbacks: Those of the user.
        """
        model, before = self.model, self.model.compiled_state()
        steps = data.train.steps(phase.batch_size)
        # TensorFlow cannot build the sums over replicas inside a loop of steps.
        alone = model.distribute_strategy.num_replicas_in_sync == 1
        steps_per_call = _steps_per_call(steps, callbacks) if cut == Cut() and alone else 1
        complete = data.train.complete
        # Of the phase's own tasks: labels of others do not matter to the gradients that are compared.
        all_labeled = all((data.train.weight[name] > 0).all() for name in phase.active(model.recipe.tasks))
        at: At = "activations" if all_labeled else "parameters"
        key = json.dumps(
            [
                phase.config(),
                complete,
                at,
                None if cut is None else [cut.layer],
                steps_per_call,
                steps if phase.schedule == "cosine" else None,
                [variable.path for variable in model.trainable_variables],
            ]
        )
        try:
            if key in self._compiled:
                state, initial = self._compiled[key]
                model.restore_compiled_state(state)
                assign_values(initial, own_variables(model))
            else:
                self._compile_anew(phase, steps, steps_per_call, cut, complete, at)
                initial = get_values(own_variables(model))
            objective = model.objective
            assert objective is not None
            try:
                yield objective
            finally:
                # With the functions that were traced, also where the training was interrupted.
                self._compiled[key] = model.compiled_state(), initial
        finally:
            weighting = model.weighting_variables
            model.restore_compiled_state(before)
            model.weighting_variables = weighting

    def _compile_anew(self, phase: Phase, steps: int, steps_per_call: int, cut: Cut | None, complete: bool, at: At) -> None:
        model, tasks = self.model, self.model.recipe.tasks
        with model.distribute_strategy.scope():
            sources, whole = sources_of(model.recipe, phase), model.part()
            part = whole if cut is None and not sources else model.part(cut, sources)
            objective = Objective(
                part,
                tasks=tasks,
                active=tuple(phase.active(tasks)),
                weighting=phase.weighting,  # type: ignore[arg-type]  # Phase has turned it into a Weighting
                labels="complete" if complete else "partial",
                heads=model.head_layers,
                groups=model.recipe.batch_norm_groups,
                others=() if part is whole else (whole,),
                representation=model.recipe.shared.representation,
                at=at,
                units=model.unit_layers,
            )
            optimizer = phase.new_optimizer(steps * phase.epochs)
        model.compile_objective(objective, optimizer, steps_per_execution=steps_per_call)


def own_variables(model: MultiTaskModel) -> list[Any]:
    """Return what a phase has of its own besides the network: the variables of the objective and of the optimizer."""
    assert model.objective is not None
    return [*model.objective.own_variables, *model.optimizer.variables]


def _steps_per_call(steps: int, callbacks: Sequence[keras.callbacks.Callback]) -> int:
    """Return how many steps on cached features TensorFlow takes in one call: a step takes milliseconds, and so does Python.

    It divides the steps of an epoch, since a call would continue with rows of the next epoch; it is 1 where a callback acts
    on batches.
    """
    base = keras.callbacks.Callback
    names = ("on_train_batch_begin", "on_train_batch_end")
    if any(getattr(type(callback), name) is not getattr(base, name) for callback in callbacks for name in names):
        return 1
    return max(count for count in range(1, STEPS_PER_CALL + 1) if steps % count == 0)
