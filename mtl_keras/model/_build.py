"""One trunk, one head per task: the functional builder."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from mtl_keras import backbones
from mtl_keras import tasks as task_kinds
from mtl_keras.backbones import Backbone
from mtl_keras.errors import MTLError, describe
from mtl_keras.heads import Decoder, Head
from mtl_keras.layers import apply_pooling
from mtl_keras.model._cut import layers_before
from mtl_keras.model._graph import layers_on_path, repeated_names
from mtl_keras.model._model import MultiTaskModel
from mtl_keras.normalization import RepeatForDomains, SelectDomain, use_domain_batch_norm
from mtl_keras.recipe import Recipe
from mtl_keras.sharing import Sharing
from mtl_keras.tasks import Tasks

__all__ = ["build_model"]


def build_model(
    tasks: Tasks | Recipe,
    backbone: Backbone | str = "SmallCNN",
    *,
    image_shape: Sequence[int] | None = None,
    weights: str | None = "auto",
    freeze: bool | str = False,
    shared: Sharing | Head | Sequence[int] | str | Mapping[str, Any] = (),
    heads: Mapping[str, Head | Decoder | Sequence[int]] | None = None,
    stack: Mapping[str, str] | None = None,
    batch_norm_groups: Sequence[Sequence[str]] = (),
    trunk: keras.Model | None = None,
) -> MultiTaskModel:
    """Build a functional Keras model from a backbone, shared layers and one head per task.

    Args:
        tasks: The tasks; or a `Recipe`, and then all other arguments except `trunk` are ignored.
        backbone: A name, or a `Backbone` with its options.
        image_shape: Height, width and channels of one input, e.g. `data.image_shape`. It may be left out only if `trunk` is
            given.
        weights: `"imagenet"`, a `.weights.h5` file, None for random ones; `"auto"` (default) leaves it to the backbone.
        freeze: True, False, or the layer or block of the backbone to train from; see `Recipe`.
        shared: Units of the dense layers that all tasks share, e.g. `(256,)`, or any other form that `Recipe` takes.
        heads: By task, a `Head`, the units of its dense layers, or a `Decoder`; a task that is left out has its output
            layer alone.
        stack: For some tasks, the task whose output is a feature of their heads; see `Recipe`.
        batch_norm_groups: Groups of tasks with their own statistics of batch normalization, `data.task_groups`; see `Recipe`.
        trunk: `model.trunk` of another model with the same backbone, to be used again, with its weights, instead of building
            a new one. Networks of other origin are refused.

    Returns:
        A model whose output is a dict by task name. Draws its initial weights from Keras' global generator: call
        `keras.utils.set_random_seed` before, to repeat them.

    Raises:
        MTLError: If the recipe is invalid, `trunk` is that of another backbone, the weights are unavailable, the layer to train
            from is unknown, or the dtype policy of Keras keeps variables in another type than float32.

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
            image_shape=_full_shape(image_shape, trunk),
            shared=shared,
            heads=heads or {},  # type: ignore[arg-type]  # Recipe converts units to a Head
            freeze=freeze,
            stack=stack or {},
            batch_norm_groups=tuple(tuple(group) for group in batch_norm_groups),
        )
    _check_dtype_policy()
    if trunk is None:
        trunk = _build_trunk(recipe)
    else:
        _check_trunk(trunk, recipe)
    features = trunk.output
    shared_features = recipe.shared.apply(features, recipe.sharing_tasks)
    outputs = _build_heads(recipe, features, shared_features)
    shared_layers = [layer for tensor in shared_features.values() for layer in layers_on_path(tensor, [features])]
    return MultiTaskModel(recipe, trunk.input, features, outputs, shared_layers)


def _build_trunk(recipe: Recipe) -> keras.Model:
    """Return the network from images to features, with the trainable flags of the recipe."""
    domains = len(recipe.batch_norm_groups)
    name = "input_image" if len(recipe.image_shape) == 3 else "input"
    images = keras.Input(recipe.image_shape, dtype=recipe.backbone.input_dtype, name=name)
    repeated = RepeatForDomains(domains, name="repeat_for_domains")(images) if domains else images
    transform = functools.partial(use_domain_batch_norm, domains=domains) if domains else None
    trunk = keras.Model(images, recipe.backbone.apply(repeated, transform), name="trunk")
    _freeze(trunk.get_layer("backbone"), recipe.freeze)
    recipe.backbone.fix_inference_mode(trunk.get_layer("backbone"))
    return trunk


def _build_heads(recipe: Recipe, features: Any, shared_features: Mapping[str, Any]) -> dict[str, Any]:
    """Return the output of each task.

    Args:
        recipe: What is built.
        features: The output of the trunk.
        shared_features: What the sharing makes of it for each task.

    Raises:
        MTLError: If a task is called like a layer.
    """
    domain_of = {name: number for number, group in enumerate(recipe.batch_norm_groups) for name in group}
    outputs: dict[str, Any] = {}
    for name in task_kinds.order_by_source(recipe.tasks, recipe.stack):
        task, head = recipe.tasks[name], recipe.heads[name]
        own = shared_features[name] if head.pooling is None else apply_pooling(features, head.pooling, name)
        if domain_of:
            own = SelectDomain(domain_of[name], len(recipe.batch_norm_groups), name=f"{name}_select_domain")(own)
        if name in recipe.stack:
            own = _concatenate(own, outputs[recipe.stack[name]], name)
        own = head.apply(own, name, recipe.image_shape)
        with _float32():
            outputs[name] = task.head(own, recipe.image_shape, None if task.source is None else outputs[task.source])
    outputs = {name: outputs[name] for name in recipe.tasks}
    if repeated := repeated_names(outputs.values()):
        raise MTLError(
            f"A task must not be called like a layer of the model. Received: {', '.join(repeated)}, a task and a layer of "
            f"another one of {', '.join(recipe.tasks)}. Rename the task; `label=` still names the column it reads."
        )
    return outputs


def _check_trunk(trunk: keras.Model, recipe: Recipe) -> None:
    """Refuse a trunk that is not `model.trunk` of a model with the same backbone: the recipe would not say what was built."""
    if getattr(trunk, "built_as", None) != recipe.trunk_config():
        raise MTLError(
            f"`trunk` must be the `trunk` of a model with the same backbone and image shape. Received: {describe(trunk)}. "
            "Pass a network of your own as the backbone, mtl.Backbone(network), or pass model.trunk."
        )


def _check_dtype_policy() -> None:
    """Refuse policies under which small updates are lost."""
    policy = keras.config.dtype_policy()
    if policy.variable_dtype != "float32":
        raise MTLError(
            f"The dtype policy of Keras must keep variables in float32. Received: {policy.name!r}. Set 'float32', "
            "'mixed_float16' or 'mixed_bfloat16' with keras.config.set_dtype_policy."
        )


@contextlib.contextmanager
def _float32() -> Iterator[None]:
    """Compute the layers built inside in float32: half precision has neither the digits of an output nor its range."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def _full_shape(image_shape: Any, trunk: keras.Model | None) -> Any:
    """Return height, width and channels of the images."""
    shape = trunk.input.shape[1:] if image_shape is None and trunk is not None else image_shape
    if shape is None or (isinstance(shape, list | tuple) and None in shape):
        raise MTLError(f"`image_shape` must be fully specified. Received: {shape}. Pass image_shape=data.image_shape.")
    return shape


def _concatenate(features: Any, output: Any, prefix: str) -> Any:
    """Return the features of a head concatenated with the output of another task, through which no gradient flows."""
    stopped = keras.ops.stop_gradient(output)
    # Keras would number its name by how many there were in the process.
    stopped._keras_history.operation.name = f"{prefix}_stop"
    return keras.layers.Concatenate(name=f"{prefix}_stack")([features, stopped])


def _freeze(backbone: keras.Model, freeze: bool | str) -> None:
    """Set the trainable flags of the backbone's layers as `Recipe.freeze` says."""
    if freeze is False:
        # As they are: layers of a network of the user's own may be frozen.
        return
    if freeze is True:
        backbone.trainable = False
        return
    frozen = {id(layer) for layer in layers_before(backbone, freeze)}
    for layer in backbone.layers:
        layer.trainable = id(layer) not in frozen
