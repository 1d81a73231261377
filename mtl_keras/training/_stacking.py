"""Stacked tasks: one task learns from the outputs of another for rows that these were not trained on.

The output of a model for a row that it was trained on gives the label of the row away, and a head that learns from it learns
to trust what new rows do not offer. Training rows therefore get outputs of models that were trained without them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mtl_keras.callbacks import assign_values, get_values
from mtl_keras.data import Data, stratified_folds
from mtl_keras.errors import MTLError
from mtl_keras.files import atomic
from mtl_keras.model import MultiTaskModel, Recipe, build_model
from mtl_keras.prediction import predict
from mtl_keras.training._freezing import flagged_layers, freezing, trained_heads
from mtl_keras.training._phase import Phase

__all__ = ["InitialState", "Stacked", "add_out_of_fold_predictions", "plan_stacking", "sources_of"]

INITIAL = "initial.npz"

logger = logging.getLogger("mtl_keras")


@dataclass(frozen=True)
class Stacked:
    """What a phase takes from tasks that it does not train.

    Attributes:
        sources: Those tasks.
        earlier: The phases that trained them, up to the last one that changes one of their outputs.
        frozen: Whether none of these phases changes the trunk.
    """

    sources: tuple[str, ...]
    earlier: tuple[Phase, ...]
    frozen: bool


def sources_of(recipe: Recipe, phase: Phase) -> tuple[str, ...]:
    """Return the tasks that those of a phase are stacked on and that the phase does not train itself."""
    trained = trained_heads(recipe.tasks, phase)
    return tuple(sorted({s for name, s in recipe.stack.items() if name in trained and s not in trained}))


def plan_stacking(model: MultiTaskModel, phases: Sequence[Phase], rows: int) -> list[Stacked | None]:
    """Return for each phase what it takes from tasks that it does not train; None where it takes nothing.

    Raises:
        MTLError: If a source was not trained before, or is changed by the phase, or there are fewer rows than folds.
    """
    tasks, planned = model.recipe.tasks, list[Stacked | None]()
    for number, phase in enumerate(phases):
        sources = sources_of(model.recipe, phase)
        if not sources:
            planned.append(None)
            continue
        if rows < phase.folds:
            raise MTLError(
                f"`folds` must be at most the number of training rows. Received: folds={phase.folds} for {rows} rows. Pass "
                f"folds={max(rows, 2)}."
            )
        for source in sources:
            if not any(source in trained_heads(tasks, p) and _changed(model, p, source) for p in phases[:number]):
                raise MTLError(
                    f"A phase stacked on a task must follow one that trains it in the same training. Received: phase {number}, "
                    f"stacked on {source!r}, which no phase before trains. Pass mtl.Phase(tasks=({source!r},)) first."
                )
            if changed := _changed(model, phase, source):
                raise MTLError(
                    f"A phase stacked on a task must not change that task's output. Received: phase {number}, stacked on "
                    f"{source!r}, trains {', '.join(changed)}. Pass freeze=('backbone', 'shared') to the phase."
                )
        last = max(n for n in range(number) for source in sources if _changed(model, phases[n], source))
        planned.append(Stacked(sources, tuple(phases[: last + 1]), all(_freezes_trunk(model, p) for p in phases[: last + 1])))
    return planned


def _changed(model: MultiTaskModel, phase: Phase, source: str) -> list[str]:
    """Return the layers between the images and a task's output that a phase trains."""
    with freezing(model, phase):
        return [layer.name for layer in model.layers_for_task(source) if layer.trainable_variables]


def _freezes_trunk(model: MultiTaskModel, phase: Phase) -> bool:
    with freezing(model, phase):
        return model.frozen_trunk


@dataclass(frozen=True, eq=False)
class InitialState:
    """Values of a model's variables and its trainable flags when its training started."""

    values: list[np.ndarray]
    flags: list[bool]

    @classmethod
    def of(cls, model: MultiTaskModel, output_dir: str | Path | None, resumed: bool) -> InitialState:
        """Return the state of a model; of a resumed training, the one that was written when it started."""
        values = get_values(model.variables)
        if output_dir is not None:
            path = Path(output_dir) / INITIAL
            if resumed and path.exists():
                with np.load(path, allow_pickle=False) as file:
                    values = [file[f"arr_{number}"] for number in range(len(file.files))]
            else:
                with atomic(path) as temporary:
                    np.savez(temporary, *values)
        return cls(values, [layer.trainable for layer in flagged_layers(model)])

    def copy(self, model: MultiTaskModel) -> MultiTaskModel:
        """Return a new model of the same recipe in this state."""
        with model.distribute_strategy.scope():
            copy = build_model(replace(model.recipe, backbone=model.recipe.backbone.without_weights()))
            assign_values(self.values, copy.variables)
        # The same fingerprint of its trunk, so that cached features are its own.
        copy.recipe = model.recipe
        for layer, flag in zip(flagged_layers(copy), self.flags, strict=True):
            layer.trainable = flag
        return copy


def add_out_of_fold_predictions(
    model: MultiTaskModel,
    data: Data,
    base: Data,
    stacked: Stacked,
    initial: InitialState,
    copy: MultiTaskModel,
    *,
    folds: int,
    seed: int,
    fit: Callable[..., Any],
) -> Data:
    """Return the data with outputs of the sources as further inputs.

    Training rows get those of a model that was trained without them, validation rows those of the model.

    Args:
        model: The model after the phases before this one.
        data: What the phase is trained on.
        base: What the phases before it are trained on, images or features of the same rows.
        stacked: What the phase takes, from `plan_stacking`.
        initial: State of the model when its training started.
        copy: Another model of the same recipe and flags, which is reset to `initial` and trained for each fold.
        folds: How many models are trained, each without one part of the training rows.
        seed: Seed of the folds and of the data order.
        fit: Called with data and the earlier phases; trains the copy.
    """
    rows = np.arange(len(base.train))
    side = {name: np.zeros((len(rows), model.output[name].shape[-1]), np.float32) for name in stacked.sources}
    variables = list(copy.variables)
    for number, held_out in enumerate(stratified_folds(base.train, folds, seed), start=1):
        logger.info("Fold %d of %d: outputs of %s for rows not trained on.", number, folds, ", ".join(stacked.sources))
        assign_values(initial.values, variables)
        fit(replace(base, train=base.train.take(np.setdiff1d(rows, held_out))), *stacked.earlier)
        outputs = predict(copy, base.train.take(held_out), tasks=stacked.sources, features=base.features is not None)
        for name in stacked.sources:
            side[name][held_out] = outputs[name]
    own = predict(model, data.validation, tasks=stacked.sources, features=data.features is not None)
    return replace(data, train=replace(data.train, side=side), validation=replace(data.validation, side=own))
