"""The network of several tasks: a Keras model that knows its tasks, their parts, and how they are trained together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtl_keras.backbones import Backbone, trunk_name
from mtl_keras.errors import MTLError, unknown
from mtl_keras.model import _saving
from mtl_keras.model._cut import Cut, cut_position, layers_before, network_before, network_behind
from mtl_keras.model._fitting import Fitting
from mtl_keras.model._graph import layers_on_path, network_from, origin
from mtl_keras.model._tracing import count_alone
from mtl_keras.model._units import set_units, standard_outputs, to_label_unit, unit_layers
from mtl_keras.recipe import Recipe
from mtl_keras.tables import TableEncoder

__all__ = ["MultiTaskModel"]


@keras.saving.register_keras_serializable(package="mtl_keras")
class MultiTaskModel(Fitting):
    """A functional `keras.Model` that knows its recipe, and trains its tasks together.

    Inputs are uint8 or float images `[batch, height, width, channels]` in `[0, 255]`, or whatever else the backbone takes, and
    of a model of several inputs a dict by name; the output is a dict by task name.
    `build_model` creates it and `load_model` reads it.

    `compile(optimizer, weighting=...)` and `fit` train it as `mtl_keras.train` does; `compile(optimizer, loss={...})` is
    plain Keras.

    Attributes:
        recipe: What it was built from.
        features: The symbolic output of the trunk, `[batch, channels]` or a map `[batch, height, width, channels]`.
        class_names: For tasks with named classes, the names in the order of the class indices. `train` sets them.
        encoder: For rows of a table, what encodes its columns; None if the inputs are no table. `train` sets it.

    Example:
        >>> import numpy as np
        >>> import mtl_keras as mtl
        >>> model = mtl.build_model(mtl.Tasks(mtl.Binary("odd"), mtl.Binary("dark")), "SmallCNN", image_shape=(8, 8, 1))
        >>> model.compile("adam", weighting="uncertainty")
        >>> images, labels = np.zeros((4, 8, 8, 1)), {"odd": np.array([0, 1, 0, 1]), "dark": np.array([1, 1, np.nan, 1])}
        >>> history = model.fit(images, labels, verbose=0).history
        >>> sorted(name for name in history if name.startswith("loss"))
        ['loss', 'loss_weight_dark', 'loss_weight_odd']
    """

    def __init__(
        self, recipe: Recipe, images: Any, features: Any, outputs: Mapping[str, Any], shared_layers: Iterable[str] = ()
    ) -> None:
        """Create the model from symbolic tensors.

        Args:
            recipe: What it was built from.
            images: The input, or several by name.
            features: The output of the trunk.
            outputs: The output of each task.
            shared_layers: Names of the layers of the recipe's sharing. Which layers are shared follows from the graph, except
                where a single task uses them, as in a single-task baseline.
        """
        super().__init__(inputs=images, outputs=dict(outputs), name="multi_task_model")
        self.recipe = recipe
        self.features = features
        self.class_names: dict[str, tuple[str, ...]] = {}
        self.encoder: TableEncoder | None = None
        # Names, not layers: Keras would track a list of layers a second time.
        paths = {
            name: layers_on_path(output, [features, *(other for key, other in outputs.items() if key != name)])
            for name, output in outputs.items()
        }
        users = Counter(layer for path in paths.values() for layer in path)
        common = {layer for layer, count in users.items() if count > 1}
        of_sharing = set(shared_layers)
        if sum(not of_sharing.isdisjoint(path) for path in paths.values()) == 1:
            common |= of_sharing
        self._shared_layer_names = tuple(dict.fromkeys(layer for path in paths.values() for layer in path if layer in common))
        self._head_layer_names = {name: tuple(layer for layer in path if layer not in common) for name, path in paths.items()}

    # Parts

    @property
    def head_layers(self) -> dict[str, list[keras.layers.Layer]]:
        """The layers that belong to one task only, by task."""
        return {name: [self.get_layer(layer) for layer in layers] for name, layers in self._head_layer_names.items()}

    @property
    def unit_layers(self) -> dict[str, Any]:
        """The frozen layers that hold the units of standardized labels, by task: the last layer of each regression."""
        return unit_layers(self.recipe.tasks, self.output)

    @property
    def standard_outputs(self) -> dict[str, Any]:
        """The symbolic outputs that are trained, in front of `unit_layers`."""
        return standard_outputs(self.recipe.tasks, self.output)

    def set_units(self, labels: Mapping[str, np.ndarray]) -> None:
        """Set the units of standardized labels from training rows, where the tasks do not give them and no training did.

        Args:
            labels: Present labels of the training rows by task, as `Task.encode` stores them.
        """
        set_units(self, labels)

    def in_units(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return arrays of `standard_outputs` in the units of the labels; those that were standardized as float64."""
        layers = self.unit_layers
        return {
            name: to_label_unit(self.recipe.tasks[name], layers[name], array) if name in layers else array
            for name, array in outputs.items()
        }

    @property
    def trunk(self) -> keras.Model:
        """The network from images to features; it shares this model's layers."""
        trunk = keras.Model(self.input, self.features, name="trunk")
        # `build_model` takes it for a recipe with the same trunk. Not by `setattr`: Keras would wrap a dict.
        trunk.__dict__["built_as"] = self.recipe.trunk_config()
        return trunk

    @property
    def backbones(self) -> dict[str, keras.Model]:
        """The networks by input, without preprocessing and pooling; that of a single input has an empty name."""
        networks: dict[str, keras.Model] = self.recipe.backbone.networks(self)
        return networks

    @property
    def frozen_trunk(self) -> bool:
        """Whether the features of an image stay the same in training: the trunk has nothing trained and nothing random.

        Frozen batch normalization is in inference mode whatever the backbone says; dropout is not, unless the backbone
        is called in inference mode. With domain-specific batch normalization the features depend on the task. The trunks of
        several inputs are asked one by one, see `frozen_cut`.
        """
        return not self.recipe.batch_norm_groups and not self.recipe.inputs and self._is_frozen("")

    def _is_frozen(self, name: str) -> bool:
        """Return whether the trunk of an input has nothing trained and nothing random."""
        backbone = self.backbones[name]
        return not backbone.trainable_variables and self._is_fixed(backbone.layers, name)

    def _is_fixed(self, layers: Iterable[Any], name: str = "") -> bool:
        """Return whether layers of the backbone of an input, if they are frozen, have nothing random in training."""
        if self.recipe.backbone.trunks[name].resolve().batch_norm == "inference":
            return True
        return all(getattr(layer, "seed_generator", None) is None for layer in layers)

    def frozen_cut(self, train_from: str | None) -> Cut | None:
        """Return the place in the trunk up to which the output for an image stays the same in training; None if there is none.

        Args:
            train_from: The layer or block of the backbone from which on the trainable flags allow training, if they were set
                so; None if there is no such layer. Not for several inputs, each of which is frozen as a whole or not at all.
        """
        if self.recipe.inputs:
            frozen = tuple(name for name in self.recipe.inputs if self._is_frozen(name))
            return Cut(inputs=frozen) if frozen else None
        if self.frozen_trunk:
            return Cut()
        if train_from is None or self.recipe.batch_norm_groups:
            return None
        before = layers_before(self.get_layer("backbone"), train_from)
        return Cut(train_from) if self._is_fixed(before) and any(layer.weights for layer in before) else None

    def before(self, cut: Cut, name: str = "") -> keras.Model:
        """Return the network from images to a cut of the trunk; it shares this model's layers.

        Args:
            cut: The cut.
            name: Of several inputs, the one whose trunk is meant.

        Raises:
            MTLError: If several tensors cross the cut.
        """
        if name:
            return self.get_layer(trunk_name(name))
        return self.trunk if cut.layer is None else network_before(self.trunk, cut.layer)

    def fingerprint(self, cut: Cut | None = None, name: str = "") -> dict[str, Any]:
        """Return, as plain JSON values, what determines the features of an image besides the weights of the trunk.

        Args:
            cut: For the features at a cut of the trunk; default those at its end.
            name: Of several inputs, the one whose trunk is meant; its features are those of a model of this input alone.
        """
        types = sorted({layer.compute_dtype for network in self._networks(name) for layer in network.layers} - {"float32"})
        precision = {"compute_dtypes": types} if types else {}
        within = {} if cut is None or cut.layer is None else {"cut": cut_position(self.trunk, cut.layer)}
        recipe = self.recipe
        backbone = (recipe.backbone.trunks[name] if name else recipe.backbone).resolve().config()
        shape = list(recipe.image_shape[name]) if name else recipe.shape_config()
        return {"backbone": backbone, "image_shape": shape, **precision, **within}

    def _networks(self, name: str) -> list[keras.Model]:
        """Return the network of an input, or all of them."""
        return [self.backbones[name]] if name else [*self.backbones.values()]

    def layers_for_task(self, task: str) -> list[keras.layers.Layer]:
        """Return the layers between the images and the output of a task, those of the tasks it depends on included."""
        return [self.get_layer(name) for name in layers_on_path(self.output[task], keras.tree.flatten(self.input))]

    def layers_by_name(self, name: str) -> list[keras.layers.Layer]:
        """Return the layers that `name` stands for: `"backbone"`, an input, `"shared"`, the head of a task, or one layer.

        An input stands for its trunk. A layer of the trunk of one of several inputs has the name of the input and a stroke in
        front, `"photo/stem"`.

        Raises:
            MTLError: If there is no such part.
        """
        networks = self.backbones
        inner = {f"{each}/{layer.name}" if each else layer.name: layer for each in networks for layer in networks[each].layers}
        own = {layer.name: layer for layer in self.layers if layer.name not in networks}
        if name == "backbone":
            return [*networks.values()]
        if name in networks:
            return [networks[name]]
        if name == "shared":
            return [self.get_layer(layer) for layer in self._shared_layer_names]
        if name in self._head_layer_names:
            return self.head_layers[name]
        if name in own or name in inner:
            return [own.get(name) or inner[name]]
        raise unknown("layer", name, ["backbone", *filter(None, networks), "shared", *self._head_layer_names, *own, *inner])

    def check_inputs(self, shape: Any, *, features: bool = False) -> None:
        """Raise an error if inputs do not have the shape that the model was built for.

        Keras itself would add or drop an axis of size 1, and name only its own layers.

        Args:
            shape: Shape of one input, e.g. `x.shape[1:]`; of several inputs, by name.
            features: Whether they are features of the trunk instead of images; default False.

        Raises:
            MTLError: If it is another one, or inputs have other names.
        """
        if not features:
            self.check_names(shape)
        if isinstance(shape, Mapping):
            for name, own in shape.items():
                self._check_shape(own, self.input[name], f" {name!r}")
        else:
            self._check_shape(shape, self.features if features else self.input)

    def _check_shape(self, shape: Sequence[int], symbolic: Any, of: str = "") -> None:
        """Raise an error if one input does not have the shape of a symbolic tensor."""
        expected, shape = tuple(symbolic.shape[1:]), tuple(shape)
        if len(shape) == len(expected) and all(side in (None, own) for side, own in zip(expected, shape, strict=True)):
            return
        remedy = "Resize the images, or build a model with image_shape=data.image_shape"
        if len(expected) != 3:
            remedy = "Pass inputs of that shape, or build a model with image_shape=data.image_shape"
        elif (*shape[1:], *shape[:1]) == expected:
            remedy = "The channels come first: pass np.moveaxis(x, 1, -1)"
        elif (*shape, 1) == expected:
            remedy = "The channels are missing: pass x[..., None]"
        elif shape == expected[1:]:
            remedy = f"One {'image' if len(expected) == 3 else 'row'} is a batch of one: pass x[None]"
        raise MTLError(
            f"Inputs{of} must have the shape that the model was built for, {list(expected)}. Received: {list(shape)}. {remedy}."
        )

    def check_missing(self, missing: Any, where: str) -> None:
        """Raise an error if inputs lack values where the backbone does not expect it.

        Args:
            missing: For each column of rows of numbers whether it lacks a value, `split.missing`.
            where: Where they come from, for the message.

        Raises:
            MTLError: If so; it names the columns.
        """
        trunks = self.recipe.backbone.trunks
        for name, own in missing.items() if isinstance(missing, Mapping) else [("", missing)]:
            self._check_missing(own, trunks[name], where)

    def _check_missing(self, missing: Sequence[bool], backbone: Backbone, where: str) -> None:
        """Raise an error if one input lacks values where its backbone does not expect it."""
        expected = backbone.missing or (False,) * len(missing)
        if len(expected) != len(missing):
            return
        names = [column.name for column in backbone.columns] or [*map(str, range(len(missing)))]
        wrong = [name for name, own, other in zip(names, missing, expected, strict=True) if own and not other]
        if wrong:
            raise MTLError(
                f"Inputs must be finite in columns that lacked no value in training. Received: NaN in {', '.join(wrong[:5])}"
                f"{f' and {len(wrong) - 5} more' if len(wrong) > 5 else ''} of the {where} rows. Replace these values, or "
                "build mtl.Backbone('MLP', columns=data.columns) from training rows that lack some."
            )

    def part(self, cut: Cut | None = None, sources: Iterable[str] = ()) -> keras.Model:
        """Return the part of the network that a phase runs through; it shares this model's layers.

        Args:
            cut: Where it starts in the trunk; None (default) starts from images.
            sources: Tasks whose outputs become inputs.

        Returns:
            This model itself where the part is the whole; else a network from one tensor, or from a dict of `"input"`, or of
            several inputs by name, and an entry for each source, to the outputs that are trained, by task.
        """
        sources = tuple(sources)
        if cut is None and not sources and not self.unit_layers:
            return self
        replaced = [(name, self.output[name]) for name in sources]
        if cut is not None and cut.inputs:
            ends = {name: self.get_layer(trunk_name(name)) for name in cut.inputs}
            start = {name: self._features_of(ends[name]) if name in ends else tensor for name, tensor in self.input.items()}
            return network_from(start, self.standard_outputs, replaced)
        if cut is not None and cut.layer is not None:
            return network_behind(self.trunk, cut.layer, self.standard_outputs, replaced)
        return network_from(self.input if cut is None else self.features, self.standard_outputs, replaced)

    def _features_of(self, trunk: keras.layers.Layer) -> Any:
        """Return the symbolic output in this model of the trunk of one of several inputs."""
        _, node = origin(self.features)
        return next(tensor for tensor in node.input_tensors if origin(tensor)[0] is trunk)

    # Functions that are traced

    def make_predict_function(self, force: bool = False) -> Any:
        super().make_predict_function(force)
        return count_alone(self.predict_function)

    # Saving

    def plain(self) -> keras.Model:
        """Return the same network, sharing its weights, as a functional model of built-in Keras classes only.

        Domain-specific batch normalization is the exception: that model needs `mtl_keras` to be loaded.
        """
        return keras.Model(self.input, self.output, name=self.name)

    def save(self, filepath: str | Path, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Write the model as a `.keras` file, completely or not at all.

        The file holds the network as a functional model of built-in Keras classes, so `keras.models.load_model` reads it in
        safe mode without mtl_keras. One additional member of the archive holds recipe, class names and weighting state;
        `mtl.load_model` restores a `MultiTaskModel` from it. `keras.callbacks.ModelCheckpoint` writes such files as well.

        Layers keep the trainable flags that they have while saving. The optimizer is not saved: to resume a training, pass
        `output_dir` to `train`. To save the optimizer as well, use `keras.saving.save_model`; its files need
        `import mtl_keras.model` to be loaded.

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
        """Return the configuration that `from_config` reads: that of the plain network, the metadata and the weighting."""
        weighting = None if self.objective is None else self.objective.weighting.config()
        return {
            "name": self.name,
            "network": keras.saving.serialize_keras_object(self.plain()),
            # Keras would serialize tuples in its own way.
            **json.loads(json.dumps({"metadata": self.metadata(), "weighting": weighting})),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> MultiTaskModel:
        """Create a model with new weights from the result of `get_config`."""
        network = keras.saving.deserialize_keras_object(config["network"], custom_objects=custom_objects)
        model = cls.from_plain(network, config["metadata"])
        # Not by `setattr`: Keras would wrap a dict.
        model.__dict__["_weighting_config"] = config["weighting"]
        return model
