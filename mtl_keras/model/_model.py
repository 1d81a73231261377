"""The network of several tasks: a Keras model that knows its tasks and its parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtl_keras.errors import unknown
from mtl_keras.model import _saving
from mtl_keras.recipe import Recipe

__all__ = ["MultiTaskModel"]


@keras.saving.register_keras_serializable(package="mtl_keras")
class MultiTaskModel(keras.Model):
    """A functional `keras.Model` that remembers its recipe; `compile`, `fit` and `predict` are Keras' own.

    Inputs are uint8 or float images `[batch, height, width, channels]` in `[0, 255]`; the output is a dict by task name.
    Create one with `build_model`, or read a saved one with `load_model`.

    Attributes:
        recipe: What it was built from.
        features: The trunk's symbolic output, `[batch, channels]` or a map `[batch, height, width, channels]`, where cached
            features enter.
        head_layers: The layers that belong to one task alone, by task.
        weighting_state: Variables of the weighting it was last trained with, by name; empty before training.
        class_names: For tasks with named classes, the names in the order of the class indices. `train` sets them.
    """

    def __init__(self, recipe: Recipe, images: Any, features: Any, common: Any, outputs: Mapping[str, Any]) -> None:
        super().__init__(inputs=images, outputs=dict(outputs), name="multi_task_model")
        self.recipe = recipe
        self.features = features
        self.weighting_state: dict[str, np.ndarray] = {}
        self.class_names: dict[str, tuple[str, ...]] = {}
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
        return self.recipe.backbone.resolve().batch_norm == "inference" or not drawn

    def identity(self) -> dict[str, Any]:
        """Return, as plain JSON values, what fixes the features of an image besides the trunk's weights."""
        return {"backbone": self.recipe.backbone.resolve().config(), "image_shape": list(self.recipe.image_shape)}

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
        """Return the same network, sharing its layers, as a functional model of built-in Keras classes.

        Domain-specific batch normalization is an exception: its layers are classes of `mtl_keras.normalization`.
        """
        return keras.Model(self.input, self.output, name=self.name)

    def save(self, filepath: str | Path, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Write the model as a `.keras` file, completely or not at all.

        The file holds the network as a functional model of built-in Keras classes, so `keras.models.load_model` reads it in
        safe mode without mtl_keras. One additional member of the archive holds recipe, class names and weighting state;
        `mtl.load_model` restores a `MultiTaskModel` from it. The optimizer is not saved: to resume a training, pass
        `output_dir` to `train`. To save the optimizer as well, use `keras.saving.save_model`, whose files need
        `import mtl_keras.model` to be loaded.

        `keras.callbacks.ModelCheckpoint` writes such files as well.

        Args:
            filepath: Path that ends in `.keras`. Missing folders are created.
            overwrite: Whether to replace an existing file; default True. With False an existing file is an error.
            zipped: None (default) or True.
            **kwargs: Other arguments of `keras.Model.save`.

        Raises:
            MTLError: If the path does not end in `.keras`, exists and `overwrite` is False, or cannot be written.
        """
        _saving.save(self, filepath, overwrite, zipped, **kwargs)

    def metadata(self) -> dict[str, Any]:
        """Return what `save` writes besides the plain network, as JSON values: recipe, class names, weighting state."""
        return _saving.create_metadata(self)

    @classmethod
    def from_plain(cls, network: keras.Model, metadata: Mapping[str, Any]) -> MultiTaskModel:
        """Return a model that shares the layers of `network`, given results of `plain` and `metadata`."""
        return _saving.restore(cls, network, metadata)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration that `from_config` reads: the plain network's, and the metadata."""
        return {
            "name": self.name,
            "network": keras.saving.serialize_keras_object(self.plain()),
            "metadata": json.loads(json.dumps(self.metadata())),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> MultiTaskModel:
        """Create a model with new weights from the result of `get_config`."""
        network = keras.saving.deserialize_keras_object(config["network"], custom_objects=custom_objects)
        return cls.from_plain(network, config["metadata"])


def _layers_between(start: Any, end: Any) -> tuple[str, ...]:
    """Return the names of the layers that lie between two symbolic tensors of one graph."""
    operations = keras.Function(inputs=start, outputs=end).operations
    return tuple(
        op.name for op in operations if isinstance(op, keras.layers.Layer) and not isinstance(op, keras.layers.InputLayer)
    )
