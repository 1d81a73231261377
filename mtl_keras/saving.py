"""A trained model as a folder: a plain Keras file, the weighting's state, and the recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtl_keras.errors import MTLError
from mtl_keras.files import atomic, write_json
from mtl_keras.model import MultiTaskModel, Recipe, build_model

__all__ = ["load_model", "save_model"]

MODEL, STATE, RECIPE = "model.keras", "state.weights.h5", "tasks.json"


def save_model(model: MultiTaskModel, folder: str | Path, *, class_names: Mapping[str, Sequence[str]] | None = None) -> None:
    """Write a model into a folder, each file whole or not at all.

    `model.keras` is a functional model of built-in Keras classes: it loads in safe mode without mtl_keras. One with
    statistics per data set loads after `import mtl_keras.normalization`.
    `state.weights.h5` holds the weighting's variables and `tasks.json` the recipe and class names.

    Args:
        model: What to save.
        folder: Made if missing.
        class_names: Names of the classes by task, kept for whoever uses the model.

    Raises:
        MTLError: If the folder cannot be written.
    """
    import h5py

    folder = Path(folder)
    with atomic(folder / MODEL) as path:
        model.plain().save(path)
    with atomic(folder / STATE) as path, h5py.File(path, "w") as file:
        for name, value in model.weighting_state.items():
            file.create_dataset(name, data=value)
    names = {task: list(known) for task, known in (class_names or {}).items()}
    write_json(folder / RECIPE, {"recipe": model.recipe.config(), "class_names": names})


def load_model(folder: str | Path) -> MultiTaskModel:
    """Read back what `save_model` or a run of the command line wrote.

    Args:
        folder: A run's folder, or one given to `save_model`.

    Returns:
        The model with its recipe, weights and weighting state. No pretrained weights are looked for.

    Raises:
        MTLError: If the folder holds no model.

    Example:
        >>> import mtl_keras as mtl, tempfile
        >>> model = mtl.build_model(mtl.Tasks(mtl.Binary("parity")), "SmallCNN", image_shape=(8, 8, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     mtl.save_model(model, folder)
        ...     mtl.load_model(folder).output_names
        ['parity']
    """
    import h5py

    folder = Path(folder)
    missing = [name for name in (MODEL, STATE, RECIPE) if not (folder / name).is_file()]
    if missing:
        raise MTLError(
            f"A model folder holds {MODEL}, {STATE} and {RECIPE}. Received: {folder} without {', '.join(missing)}. "
            "Name the folder of a finished run."
        )
    config: dict[str, Any] = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
    recipe = Recipe.from_config(config["recipe"])
    # The weights come from the file; how batch normalization is called stays what it was.
    backbone = recipe.backbone.resolve().replace(weights=None)
    model = build_model(replace(recipe, backbone=backbone))
    model.recipe = recipe
    model.set_weights(keras.saving.load_model(folder / MODEL, compile=False, safe_mode=True).get_weights())
    with h5py.File(folder / STATE) as file:
        model.weighting_state = {name: np.asarray(value) for name, value in file.items()}
    return model
