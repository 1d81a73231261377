"""What a phase trains and what it freezes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

from mtl_keras.model import MultiTaskModel, layers_before
from mtl_keras.tasks import Tasks
from mtl_keras.training._phase import Phase

__all__ = ["flagged_layers", "freezing", "trainable_flags", "trained_heads"]


def trained_heads(tasks: Tasks, phase: Phase) -> set[str]:
    """Return the tasks whose heads a phase trains: a task derived from another one trains that one's head as well."""
    return {head for name in phase.active(tasks) for head in tasks.heads_of(name)}


def flagged_layers(model: MultiTaskModel) -> list[keras.layers.Layer]:
    """Return the layers with a trainable flag of their own, containers first: a backbone's flag sets those within it."""
    return [*model.layers, *model.get_layer("backbone").layers]


def trainable_flags(model: MultiTaskModel) -> dict[str, bool]:
    """Return by name the trainable flag of each layer that has weights."""
    named = [(layer.name, layer) for layer in model.layers]
    named += [(f"backbone/{layer.name}", layer) for layer in model.get_layer("backbone").layers]
    return {name: bool(layer.trainable) for name, layer in named if layer.weights}


@contextlib.contextmanager
def freezing(model: MultiTaskModel, phase: Phase) -> Iterator[None]:
    """Set the trainable flags of a phase for as long as the context is open."""
    layers = flagged_layers(model)
    flags = [(layer, layer.trainable) for layer in layers]
    try:
        if phase.sets_flags:
            for layer in layers:
                layer.trainable = True
            frozen = [layer for name in phase.freeze or () for layer in model.layers_by_name(name)]
            if phase.train_from is not None:
                frozen += layers_before(model.get_layer("backbone"), phase.train_from)
            for layer in frozen:
                layer.trainable = False
            for layer in model.unit_layers.values():
                layer.trainable = False
            model.recipe.backbone.fix_inference_mode(model.get_layer("backbone"))
        trained = trained_heads(model.recipe.tasks, phase)
        for name, head in model.head_layers.items():
            if name not in trained:
                for layer in head:
                    layer.trainable = False
        yield
    finally:
        for layer, flag in flags:
            layer.trainable = flag
