"""The network of several tasks: a Keras model that knows its tasks and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from mtl_keras.errors import unknown
from mtl_keras.recipe import Recipe

__all__ = ["MultiTaskModel"]


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
        is called in inference mode. With domain-specific batch normalization an image has no features before its task is known.
        """
        if self.recipe.batch_norm_groups:
            return False
        backbone = self.get_layer("backbone")
        if backbone.trainable_variables:
            return False
        drawn = any(getattr(layer, "seed_generator", None) is not None for layer in backbone.layers)
        return self.recipe.backbone.resolved().batch_norm == "inference" or not drawn

    def identity(self) -> dict[str, Any]:
        """Return, as plain JSON values, what fixes the features of an image besides the trunk's weights."""
        return {"backbone": self.recipe.backbone.resolved().config(), "image_shape": list(self.recipe.image_shape)}

    def layers_for_task(self, task: str) -> list[keras.layers.Layer]:
        """Return the layers on the way from the images to a task's output, those of its sources among them."""
        return [self.get_layer(name) for name in _layers_between(self.input, self.output[task])]

    def layers_by_name(self, name: str) -> list[keras.layers.Layer]:
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


def _layers_between(start: Any, end: Any) -> tuple[str, ...]:
    """Return the names of the layers that lie between two symbolic tensors of one graph."""
    operations = keras.Function(inputs=start, outputs=end).operations
    return tuple(
        op.name for op in operations if isinstance(op, keras.layers.Layer) and not isinstance(op, keras.layers.InputLayer)
    )
