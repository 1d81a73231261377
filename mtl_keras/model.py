"""One trunk, one head per task: the recipe and the functional builder."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import keras
import numpy as np

from mtl_keras import heads as head_kinds
from mtl_keras import tasks as task_kinds
from mtl_keras.backbones import Backbone
from mtl_keras.errors import MTLError, unknown
from mtl_keras.heads import Decoder, Head
from mtl_keras.normalization import BatchNormalizationPerDataSet, Copies, Part, check_statistics, per_data_set
from mtl_keras.tasks import Tasks

__all__ = ["Decoder", "Head", "MultiTaskModel", "Recipe", "build_model"]


@dataclass(frozen=True)
class Recipe:
    """Everything that fixes a model's shape, as one frozen value that JSON can hold.

    Args:
        tasks: What is predicted.
        backbone: The trunk.
        image_shape: Height, width and channels of one input; height and width may be None where no task needs them.
        shared: The trained dense stack that all tasks without a tap share, between trunk and heads; `Head()` is none.
        heads: Dense layers per task, or a `Decoder` for a task that gives the image back; a task that is left out gets
            none.
        freeze: True freezes the whole backbone, False nothing. A name freezes every layer of the backbone before the
            first one of that name or prefix (a block), which is trained with all that follow.
        stack: For some tasks another one, whose output probabilities are joined to the features of the first one's head. No
            gradient flows back through them, and in training they are out-of-fold; see `Phase`.
        statistics: Groups of tasks, those of each data set that is alternated: batch normalisation keeps moving statistics of
            each (`mtl_keras.normalization`). Every task is in one group. None (default) are those of all images together,
            as is one group. Inference takes as many passes through the trunk as there are groups.

    Raises:
        MTLError: If the backbone refuses the image shape, a head names no task or does not suit its task, or taps and
            the backbone's pooling, or the tasks of a stack, do not fit together; or if statistics do not share out the tasks,
            or the backbone's are not trained.
    """

    tasks: Tasks
    backbone: Backbone
    image_shape: tuple[int | None, ...] = (None, None, 3)
    shared: Head = field(default_factory=Head)
    heads: Mapping[str, Head | Decoder] = field(default_factory=dict)
    freeze: bool | str = False
    stack: Mapping[str, str] = field(default_factory=dict)
    statistics: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        for name in self.heads:
            if name not in self.tasks:
                raise unknown("task in heads", name, self.tasks)
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        object.__setattr__(self, "heads", {name: self.heads.get(name, Head()) for name in self.tasks})
        if any(task.from_input for task in self.tasks.values()) and None in self.image_shape:
            raise MTLError(
                f"A task that gives the image back needs its size. Received: image_shape={self.image_shape}. "
                "Give image_shape=data.image_shape."
            )
        self.backbone.check(self.image_shape)
        drawn = [name for name, task in self.tasks.items() if task.from_input]
        head_kinds.check(self.shared, self.heads, self.backbone.pooling, drawn, self.image_shape)
        object.__setattr__(self, "stack", dict(self.stack))
        task_kinds.in_order(self.tasks, self.stack)
        groups = tuple(tuple(group) for group in self.statistics)
        if groups:
            check_statistics(groups, self.tasks, self.stack, self.backbone, self.freeze)
        object.__setattr__(self, "statistics", groups if len(groups) > 1 else ())

    def only(self, *names: str) -> Recipe:
        """Return the same recipe for these tasks alone: with one name, its single-task twin."""
        kept = self.tasks.only(*names)
        stack = {name: source for name, source in self.stack.items() if name in kept and source in kept}
        groups = [[name for name in group if name in kept] for group in self.statistics]
        return replace(
            self,
            tasks=kept,
            heads={name: self.heads[name] for name in kept},
            stack=stack,
            statistics=tuple(tuple(group) for group in groups if group),
        )

    def config(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values."""
        return {
            "tasks": self.tasks.config(),
            "backbone": self.backbone.config(),
            "image_shape": list(self.image_shape),
            "shared": head_kinds.config(self.shared),
            "heads": {name: head_kinds.config(head) for name, head in self.heads.items()},
            "freeze": self.freeze,
            "stack": self.stack,
            # Left out where there are none, so that trainings begun before are continued.
            **({"statistics": [list(group) for group in self.statistics]} if self.statistics else {}),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Recipe:
        """Rebuild a recipe from what `config()` returned."""
        return cls(
            tasks=task_kinds.from_config(config["tasks"]),
            backbone=Backbone.from_config(config["backbone"]),
            image_shape=tuple(config["image_shape"]),
            shared=cast(Head, head_kinds.from_config(config["shared"])),
            heads={name: head_kinds.from_config(head) for name, head in config["heads"].items()},
            freeze=config["freeze"],
            stack=config.get("stack", {}),
            statistics=config.get("statistics", ()),
        )


class MultiTaskModel(keras.Model):
    """A functional `keras.Model` that remembers its recipe; `compile`, `fit` and `predict` are Keras' own.

    Inputs are uint8 or float images `[batch, height, width, channels]` in `[0, 255]`; the output is a dict by task name.
    `build_model` makes it and `load_model` reads it back.

    Attributes:
        recipe: What it was built from.
        features: The trunk's symbolic output, `[batch, channels]` or a map `[batch, height, width, channels]`, where cached
            features enter.
        head_layers: The layers that belong to one task alone, by task.
        weighting_state: Variables of the weighting it was last trained with, by name; empty before training.
    """

    def __init__(self, recipe: Recipe, images: Any, features: Any, common: Any, outputs: Mapping[str, Any]) -> None:
        super().__init__(inputs=images, outputs=dict(outputs), name="multi_task_model")
        self.recipe = recipe
        self.features = features
        self.weighting_state: dict[str, np.ndarray] = {}
        # Names, not layers: Keras would track a list of layers a second time.
        between = {name: _layers_between(features, output) for name, output in outputs.items()}
        # Where every head has a tap of its own, the shared stack is no part of the model.
        shared = () if common is None or common is features else _layers_between(features, common)
        self._shared_layer_names = tuple(layer for layer in shared if any(layer in layers for layers in between.values()))

        def others(name: str) -> list[str]:
            """Return the layers of the tasks whose outputs this one's head takes."""
            sources = (recipe.tasks[name].source, recipe.stack.get(name))
            return [layer for source in sources if source is not None for layer in between[source]]

        self._head_layer_names = {
            name: tuple(layer for layer in layers if layer not in (*shared, *others(name))) for name, layers in between.items()
        }

    @property
    def head_layers(self) -> dict[str, list[keras.layers.Layer]]:
        """The layers that belong to one task alone, by task."""
        return {name: [self.get_layer(layer) for layer in layers] for name, layers in self._head_layer_names.items()}

    @property
    def trunk(self) -> keras.Model:
        """Images to features, sharing this model's layers."""
        return keras.Model(self.input, self.features, name="trunk")

    @property
    def frozen_trunk(self) -> bool:
        """Whether training cannot change the features of an image: nothing in the trunk is trained or drawn at random.

        Frozen batch normalization is in inference mode whatever the backbone says; dropout is not, unless the backbone
        is called in inference mode. With statistics per data set an image has no features before its task is known.
        """
        if self.recipe.statistics:
            return False
        backbone = self.get_layer("backbone")
        if backbone.trainable_variables:
            return False
        drawn = any(getattr(layer, "seed_generator", None) is not None for layer in backbone.layers)
        return self.recipe.backbone.resolved().batch_norm == "inference" or not drawn

    def identity(self) -> dict[str, Any]:
        """Return, as plain JSON values, what fixes the features of an image besides the trunk's weights."""
        return {"backbone": self.recipe.backbone.resolved().config(), "image_shape": list(self.recipe.image_shape)}

    def layers_to(self, task: str) -> list[keras.layers.Layer]:
        """Return the layers on the way from the images to a task's output, those of its sources among them."""
        return [self.get_layer(name) for name in _layers_between(self.input, self.output[task])]

    def layers_called(self, name: str) -> list[keras.layers.Layer]:
        """Return the layers that `name` stands for: `"backbone"`, `"shared"`, a task's head, or one layer.

        Raises:
            MTLError: If there is no such part.
        """
        backbone = self.get_layer("backbone")
        inner = {layer.name: layer for layer in backbone.layers}
        own = {layer.name: layer for layer in self.layers}
        if name == "shared":
            return [self.get_layer(layer) for layer in self._shared_layer_names]
        if name in self._head_layer_names:
            return self.head_layers[name]
        if name in own or name in inner:
            return [own.get(name) or inner[name]]
        raise unknown("layer", name, ["backbone", "shared", *self._head_layer_names, *own, *inner])

    def plain(self) -> keras.Model:
        """Return the same network, sharing its weights, as a functional model of built-in Keras classes only.

        Statistics per data set are the exception: that model needs `mtl_keras` to be loaded.
        """
        return keras.Model(self.input, self.output, name=self.name)


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
        value = Backbone(backbone) if isinstance(backbone, str) else backbone
        recipe = Recipe(
            tasks=tasks,
            backbone=value if weights == "auto" else value.replace(weights=weights),
            image_shape=tuple(image_shape),
            shared=shared if isinstance(shared, Head) else Head(dense=tuple(shared)),
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
        recipe.backbone.hold(trunk.get_layer("backbone"))
    images, features = trunk.input, trunk.output

    # Functional model
    common = _start(features, recipe.shared, "shared", features if recipe.backbone.pooling else None)
    common = None if common is None else recipe.shared.apply(common, "shared")
    outputs: dict[str, Any] = {}
    for name in task_kinds.in_order(recipe.tasks, recipe.stack):
        task, head = recipe.tasks[name], recipe.heads[name]
        own = _start(features, head, name, common)
        norm = None
        if copies:
            own = Part(groups[name], copies, name=f"{name}_part")(own)
            norm = functools.partial(BatchNormalizationPerDataSet, (groups[name],))
        if name in recipe.stack:
            own = _joined(own, outputs[recipe.stack[name]], name)
        own = head.apply(own, name, recipe.image_shape, norm)
        outputs[name] = task.head(own, recipe.image_shape, None if task.source is None else outputs[task.source])
    outputs = {name: outputs[name] for name in recipe.tasks}

    # Config
    return MultiTaskModel(recipe, images, features, common, outputs)


def _start(features: Any, head: Head | Decoder, prefix: str, untapped: Any) -> Any:
    """Return what a stack is laid on: the feature map, pooled for it alone, or what there is without a tap."""
    return untapped if head.tap is None else head_kinds.pooled(features, head.tap, prefix)


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


def _layers_between(start: Any, end: Any) -> tuple[str, ...]:
    """Return the names of the layers that lie between two symbolic tensors of one graph."""
    operations = keras.Function(inputs=start, outputs=end).operations
    return tuple(
        op.name for op in operations if isinstance(op, keras.layers.Layer) and not isinstance(op, keras.layers.InputLayer)
    )
