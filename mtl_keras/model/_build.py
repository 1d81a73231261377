"""One trunk, one head per task: the functional builder."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from mtl_keras import backbones
from mtl_keras import heads as head_kinds
from mtl_keras import tasks as task_kinds
from mtl_keras.backbones import Backbone
from mtl_keras.errors import unknown
from mtl_keras.heads import Decoder, Head
from mtl_keras.model._model import MultiTaskModel
from mtl_keras.normalization import Copies, Part, per_data_set
from mtl_keras.recipe import Recipe
from mtl_keras.tasks import Tasks

__all__ = ["build_model"]


def build_model(
    tasks: Tasks | Recipe,
    backbone: Backbone | str = "SmallCNN",
    *,
    image_shape: Sequence[int | None] = (None, None, 3),
    weights: str | None = "auto",
    freeze: bool | str = False,
    shared: Head | Sequence[int] = (),
    heads: Mapping[str, Head | Decoder] | None = None,
    stack: Mapping[str, str] | None = None,
    statistics: Sequence[Sequence[str]] = (),
    trunk: keras.Model | None = None,
) -> MultiTaskModel:
    """Compose a backbone, a shared dense stack and one head per task into a functional Keras model.

    Args:
        tasks: What is predicted; or a whole `Recipe`, and then nothing else but `trunk` is read.
        backbone: A name, or a `Backbone` with its options.
        image_shape: Height, width and channels of one input, e.g. `data.image_shape`.
        weights: `"imagenet"`, a `.weights.h5` file, None for random ones; `"auto"` (default) leaves it to the backbone.
        freeze: True, False, or the layer or block of the backbone to train from; see `Recipe`.
        shared: Units of the trained dense stack that all tasks share, or a `Head` with its dropout, activation and tap.
        heads: A `Head` or `Decoder` per task; tasks left out get the output layer alone.
        stack: For some tasks the one whose output is a feature of their heads; see `Recipe`.
        statistics: Groups of tasks whose images have moving statistics of their own, `data.task_groups`; see `Recipe`.
        trunk: A trunk built before by the same backbone (`model.trunk`) to be used again, with its weights, instead of
            building a new one.

    Returns:
        A model whose output is a dict by task name. Draws its initial weights from Keras' global generator: call
        `keras.utils.set_random_seed` before, to repeat them.

    Raises:
        MTLError: If the recipe is refused, the weights cannot be had, or the layer to freeze up to is unknown.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> model = mtl.build_model(tasks, "SmallCNN", image_shape=(8, 8, 1), shared=(64,))
        >>> sorted(model.output_names)
        ['digit', 'parity']
    """
    if isinstance(tasks, Recipe):
        recipe = tasks
    else:
        value = backbones.get(backbone)
        recipe = Recipe(
            tasks=tasks,
            backbone=value if weights == "auto" else value.replace(weights=weights),
            image_shape=image_shape,  # type: ignore[arg-type]  # Recipe checks it and makes it a tuple
            shared=shared,  # type: ignore[arg-type]  # likewise
            heads=heads or {},
            freeze=freeze,
            stack=stack or {},
            statistics=tuple(tuple(group) for group in statistics),
        )
    groups = {name: number for number, group in enumerate(recipe.statistics) for name in group}
    copies = len(recipe.statistics)

    # Layers
    if trunk is None:
        images = keras.Input(recipe.image_shape, name="input_image")
        seen = Copies(copies, name="copies")(images) if copies else images
        features = recipe.backbone.apply(seen, functools.partial(per_data_set, data_sets=copies) if copies else None)
        trunk = keras.Model(images, features, name="trunk")
        _freeze(trunk.get_layer("backbone"), recipe.freeze)
        recipe.backbone.fix_inference_mode(trunk.get_layer("backbone"))
    images, features = trunk.input, trunk.output

    # Functional model
    common = _start(features, recipe.shared, "shared", features if recipe.backbone.pooling else None)
    common = None if common is None else recipe.shared.apply(common, "shared")
    outputs: dict[str, Any] = {}
    for name in task_kinds.in_order(recipe.tasks, recipe.stack):
        task, head = recipe.tasks[name], recipe.heads[name]
        own = _start(features, head, name, common)
        if copies:
            own = Part(groups[name], copies, name=f"{name}_part")(own)
        if name in recipe.stack:
            own = _joined(own, outputs[recipe.stack[name]], name)
        own = head.apply(own, name, recipe.image_shape)
        outputs[name] = task.head(own, recipe.image_shape, None if task.source is None else outputs[task.source])
    outputs = {name: outputs[name] for name in recipe.tasks}

    # Config
    return MultiTaskModel(recipe, images, features, common, outputs)


def _start(features: Any, head: Head | Decoder, prefix: str, untapped: Any) -> Any:
    """Return what a stack is laid on: the feature map, pooled for it alone, or what there is without a tap."""
    return untapped if head.pooling is None else head_kinds.pooled(features, head.pooling, prefix)


def _joined(features: Any, output: Any, prefix: str) -> Any:
    """Return a head's features with another task's output beside them, through which no gradient flows."""
    held = keras.ops.stop_gradient(output)
    # Keras would number it anew in every process.
    held._keras_history.operation.name = f"{prefix}_stop"
    return keras.layers.Concatenate(name=f"{prefix}_stack")([features, held])


def _freeze(backbone: keras.Model, freeze: bool | str) -> None:
    """Set the trainable flags of the backbone's layers as `Recipe.freeze` says."""
    if isinstance(freeze, bool):
        backbone.trainable = not freeze
        return
    names = [layer.name for layer in backbone.layers]
    start = next((i for i, name in enumerate(names) if name == freeze or name.startswith(freeze)), None)
    if not freeze or start is None:
        raise unknown("layer or block to train from", freeze, names)
    for index, layer in enumerate(backbone.layers):
        layer.trainable = index >= start
