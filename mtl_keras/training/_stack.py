"""Stacked tasks: one learns from another's outputs, which must not have seen the labels of the rows they are of.

A model's output on a row that it was trained on gives that row's label away, and a head that learns from it learns to
trust what no new row offers. Training rows therefore get the outputs of models that were trained without them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtl_keras.callbacks import assign_values
from mtl_keras.data import Data, Split, stratified_folds
from mtl_keras.errors import MTLError
from mtl_keras.files import atomic
from mtl_keras.model import MultiTaskModel, Recipe, build_model
from mtl_keras.training._freezing import flagged_layers, freezing, trained_heads
from mtl_keras.training._phase import Phase

__all__ = ["Stacked", "InitialState", "submodel", "plan_stacking", "sources_of", "add_out_of_fold_predictions"]

INITIAL = "initial.npz"

logger = logging.getLogger("mtl_keras")


@dataclass(frozen=True)
class Stacked:
    """What a phase takes from tasks that it does not train.

    Attributes:
        sources: Those tasks.
        earlier: The phases that made their outputs, up to the last that changes one of them.
        frozen: Whether none of these changes the trunk.
    """

    sources: tuple[str, ...]
    earlier: tuple[Phase, ...]
    frozen: bool


def sources_of(recipe: Recipe, phase: Phase) -> tuple[str, ...]:
    """Return the tasks that those of a phase are stacked on and that it does not train itself."""
    trained = trained_heads(recipe.tasks, phase)
    return tuple(sorted({s for name, s in recipe.stack.items() if name in trained and s not in trained}))


def plan_stacking(model: MultiTaskModel, phases: Sequence[Phase], rows: int) -> list[Stacked | None]:
    """Return for each phase what it takes from tasks that it does not train, None where that is nothing.

    Raises:
        MTLError: If a source was not trained before, or would be changed meanwhile, or there are fewer rows than folds.
    """
    tasks, planned = model.recipe.tasks, list[Stacked | None]()
    for number, phase in enumerate(phases):
        sources = sources_of(model.recipe, phase)
        if not sources:
            planned.append(None)
            continue
        if rows < phase.folds:
            raise MTLError(
                f"Each fold holds a training row. Received: folds={phase.folds} for {rows} rows. Give folds={max(rows, 2)}."
            )
        for source in sources:
            if not any(source in trained_heads(tasks, p) and _moved(model, p, source) for p in phases[:number]):
                raise MTLError(
                    f"A phase stacked on a task follows one that trains it, in the same training. Received: phase {number}, "
                    f"stacked on {source!r}, which no phase before trains. Give `train` mtl.Phase(tasks=({source!r},)) first."
                )
            if moved := _moved(model, phase, source):
                raise MTLError(
                    f"A phase stacked on a task leaves what that one is made of as it is. Received: phase {number}, stacked on "
                    f"{source!r}, trains {', '.join(moved)}. Give the phase freeze=('backbone', 'shared')."
                )
        last = max(n for n in range(number) for source in sources if _moved(model, phases[n], source))
        planned.append(Stacked(sources, tuple(phases[: last + 1]), all(_frozen(model, p) for p in phases[: last + 1])))
    return planned


def _moved(model: MultiTaskModel, phase: Phase, source: str) -> list[str]:
    """Return the layers on the way to a task's output that a phase trains."""
    with freezing(model, phase):
        return [layer.name for layer in model.layers_for_task(source) if layer.trainable_variables]


def _frozen(model: MultiTaskModel, phase: Phase) -> bool:
    with freezing(model, phase):
        return model.frozen_trunk


def submodel(model: MultiTaskModel, on_features: bool, sources: Iterable[str]) -> tuple[Any, Any]:
    """Return symbolic inputs and outputs of the part of a model that a phase trains.

    Args:
        model: The whole.
        on_features: Whether it begins at the trunk's features rather than at the images.
        sources: Tasks whose outputs are inputs too.

    Returns:
        One tensor in, or a dict of `"input"` and a tensor for each source; and the outputs by task.
    """
    start = model.features if on_features else model.input
    if not sources:
        return start, model.output
    # Keras cannot cut a graph at a tensor that follows from another input, so its operations are called again.
    inputs = {"input": start, **{source: model.output[source] for source in sources}}
    fresh = {name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name) for name, tensor in inputs.items()}
    known = {id(tensor): fresh[name] for name, tensor in inputs.items()}
    return fresh, {name: _again(output, known) for name, output in model.output.items()}


def _again(tensor: Any, known: dict[int, Any]) -> Any:
    """Return what a symbolic tensor becomes where those in `known`, by identity, are others."""
    if id(tensor) not in known:
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        for parent in node.input_tensors:
            _again(parent, known)
        args, kwargs = node.arguments.fill_in(known)
        known.update(zip(map(id, node.outputs), keras.tree.flatten(operation(*args, **kwargs)), strict=True))
    return known[id(tensor)]


@dataclass(frozen=True, eq=False)
class InitialState:
    """What a model was when its training began: values of its variables and trainable flags."""

    values: list[np.ndarray]
    flags: list[bool]

    @classmethod
    def of(cls, model: MultiTaskModel, output_dir: str | Path | None, resumed: bool) -> InitialState:
        """Take a model's; of a training that goes on, what was written when it began."""
        values = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
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
        """Return a new model that is what this one was."""
        with model.distribute_strategy.scope():
            made = build_model(replace(model.recipe, backbone=model.recipe.backbone.resolve().replace(weights=None)))
            assign_values(self.values, made.variables)
        # The same digest of its trunk, so that cached features are its own.
        made.recipe = model.recipe
        for layer, flag in zip(flagged_layers(made), self.flags, strict=True):
            layer.trainable = flag
        return made


def add_out_of_fold_predictions(
    model: MultiTaskModel,
    data: Data,
    base: Data,
    stacked: Stacked,
    start: InitialState,
    copy: MultiTaskModel,
    *,
    folds: int,
    seed: int,
    fit: Callable[..., Any],
) -> Data:
    """Return the data with the sources' outputs beside its rows: out-of-fold for training rows, the model's for the others.

    Args:
        model: After the phases before this one.
        data: What the phase sees.
        base: What the phases before it see, images or features; the same rows.
        stacked: From `plan`.
        start: What the model was when training began.
        copy: Another model of the same recipe and flags, which is set to `start` and trained for each fold.
        folds: How many models are trained, each without one part of the training rows.
        seed: Of the folds and of the data order.
        fit: Called with data and the earlier phases, trains the copy.
    """
    rows = np.arange(len(base.train))
    side = {name: np.zeros((len(rows), model.output[name].shape[-1]), np.float32) for name in stacked.sources}
    begun = list(copy.variables)
    for number, held in enumerate(stratified_folds(base.train, folds, seed), start=1):
        logger.info("Fold %d of %d: outputs of %s for rows not trained on.", number, folds, ", ".join(stacked.sources))
        assign_values(start.values, begun)
        fit(replace(base, train=base.train.take(np.setdiff1d(rows, held))), *stacked.earlier)
        for name, output in _outputs(copy, base.train.take(held), stacked.sources, base.features is not None).items():
            side[name][held] = output
    own = _outputs(model, data.validation, stacked.sources, data.features is not None)
    return replace(data, train=replace(data.train, side=side), validation=replace(data.validation, side=own))


def _outputs(model: MultiTaskModel, split: Split, tasks: Iterable[str], on_features: bool, step: int = 512) -> dict[str, Any]:
    """Return a model's outputs of some tasks for every row."""
    network = keras.Model(model.features if on_features else model.input, {name: model.output[name] for name in tasks})
    # Called batch by batch: `predict` would trace a function for seconds to use it once.
    x = split.first_view().x
    parts = [network(x[i : i + step], training=False) for i in range(0, len(x), step)]
    return {name: np.concatenate([keras.ops.convert_to_numpy(part[name]) for part in parts]) for name in tasks}
