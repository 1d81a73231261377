"""How a `MultiTaskModel` is written and restored: a plain Keras file with one additional archive member.

`model.save` writes the network as a functional model of built-in Keras classes, so that `keras.models.load_model` reads it
without mtl_keras. A JSON member of the archive, which Keras ignores, holds what a plain network does not: the recipe, the
class names and the state of the weighting.
"""

from __future__ import annotations

import json
import logging
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from mtl_keras.errors import MTLError
from mtl_keras.files import atomic, seal, unseal
from mtl_keras.recipe import Recipe
from mtl_keras.tables import TableEncoder

__all__ = ["MEMBER", "create_metadata", "read_metadata", "restore", "save"]

#: Name of the archive member.
MEMBER = "mtl_keras.json"
#: Version of its format; a file of a later version is refused.
FORMAT_VERSION = 1

#: Packages whose classes Keras finds in any process.
BUILT_IN = ("keras", "builtins")

logger = logging.getLogger("mtl_keras")

Model = TypeVar("Model", bound=keras.Model)


def save(model: Any, filepath: str | Path, overwrite: bool = True, zipped: bool | None = None, **options: Any) -> None:
    """Write a model as a `.keras` file, completely or not at all; see `MultiTaskModel.save`."""
    path = Path(filepath)
    if path.suffix != ".keras" or "://" in str(filepath) or zipped is False:
        unzipped = "" if zipped is None else f", zipped={zipped}"
        raise MTLError(
            f"A model must be saved as one local .keras file. Received: {str(filepath)!r}{unzipped}. Pass e.g. 'model.keras'; "
            "for other formats use model.save_weights or model.export."
        )
    if path.exists() and not overwrite:
        raise MTLError(
            f"An existing file must not be replaced with overwrite=False. Received: {str(path)!r}. "
            "Pass another path or overwrite=True."
        )
    # A link that the user names is followed, as by Keras.
    with atomic(Path(os.path.realpath(path)) if path.is_symlink() else path) as temporary:
        model.plain().save(temporary, **options)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, json.dumps(seal(create_metadata(model)), indent=1))
            config = json.loads(archive.read("config.json"))
    custom = sorted(set(_custom_classes(config)))
    if custom:
        modules = " and ".join(sorted({module for module, _ in custom}))
        logger.warning(
            "%s holds layers that are not built into Keras (%s): keras.models.load_model needs `import %s` first; "
            "mtl.load_model does not.",
            path,
            ", ".join(name for _, name in custom),
            modules,
        )


def create_metadata(model: Any) -> dict[str, Any]:
    """Return what `restore` needs besides the plain network, as JSON values."""
    return {
        "format_version": FORMAT_VERSION,
        "recipe": model.recipe.config(),
        "features": model.features._keras_history.operation.name,
        "shared": list(model._shared_layer_names),
        "class_names": {task: list(names) for task, names in model.class_names.items()},
        **({} if model.encoder is None else {"encoder": model.encoder.config()}),
        # float32 and integers survive the conversion to JSON numbers exactly.
        "weighting": {
            name: {"dtype": str(value.dtype), "value": value.tolist()}
            for name, value in ((name, np.asarray(value)) for name, value in model.weighting_state.items())
        },
    }


def read_metadata(path: Path) -> dict[str, Any] | None:
    """Return the metadata in a `.keras` file; None if it was not written by `MultiTaskModel.save`.

    Raises:
        MTLError: If the file is no archive, of a later format, or the metadata was changed after it was written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                return None
            metadata = unseal(json.loads(archive.read(MEMBER)))
    except (zipfile.BadZipFile, zlib.error, ValueError) as error:
        raise MTLError(f"A model file must be a complete .keras archive. Received: {path} ({error}). Save it again.") from error
    if metadata["format_version"] > FORMAT_VERSION:
        raise MTLError(
            f"The format of a model file must be at most version {FORMAT_VERSION}. Received: {path} of version "
            f"{metadata['format_version']}. Install a newer mtl-keras."
        )
    return metadata


def restore(cls: type[Model], network: keras.Model, metadata: Mapping[str, Any]) -> Model:
    """Return a multi-task model that shares the layers of a plain network.

    Args:
        cls: The class of the result.
        network: The plain network.
        metadata: Result of `create_metadata`.
    """
    recipe = Recipe.from_config(metadata["recipe"])
    features = _find_tensor(network, metadata["features"])
    outputs = {name: network.output[name] for name in recipe.tasks}
    model: Any = cls(recipe, network.input, features, outputs, metadata.get("shared", ()))
    model.class_names = {task: tuple(names) for task, names in metadata["class_names"].items()}
    if "encoder" in metadata:
        model.encoder = TableEncoder.from_config(metadata["encoder"])
    model.weighting_state = {name: np.array(stored["value"], stored["dtype"]) for name, stored in metadata["weighting"].items()}
    return model


def _find_tensor(network: keras.Model, name: str) -> Any:
    """Return the output tensor of the operation `name` in the graph of a network, by way of the operations that take it.

    `network.get_layer(name).output` would be the tensor inside a nested model.
    """
    for operation in network.operations:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        for tensor in keras.tree.flatten(operation.input):
            if tensor._keras_history.operation.name == name:
                return tensor
    raise ValueError(f"No operation takes the output of {name!r}.")


def _custom_classes(config: Any) -> Iterator[tuple[str, str]]:
    """Yield module and name of each class in a serialized Keras config that is not built into Keras."""
    if isinstance(config, Mapping):
        module, name = config.get("module"), config.get("class_name")
        if isinstance(module, str) and isinstance(name, str) and module.partition(".")[0] not in BUILT_IN:
            yield module, name
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _custom_classes(value)
