"""Loading saved models. `MultiTaskModel.save` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtl_keras.errors import MTLError, check_path
from mtl_keras.files import check_hdf5, damaged, read_json
from mtl_keras.model import MultiTaskModel, read_metadata

__all__ = ["MODEL", "load_model"]

#: Name of the model file in a run folder.
MODEL = "model.keras"

#: What earlier versions wrote next to it: the variables of the weighting, and recipe and class names.
OLD_STATE, OLD_RECIPE = "state.weights.h5", "tasks.json"


def load_model(path: str | Path) -> MultiTaskModel:
    """Load a model that was written by `model.save`, by a `ModelCheckpoint` callback or by a run.

    Args:
        path: A `.keras` file, or a run folder, of which `model.keras` is read.

    Returns:
        The model with its recipe, weights, trainable flags, class names and weighting state, not compiled. Pretrained weights
        are neither needed nor downloaded.

    Raises:
        MTLError: If there is no such file, it is damaged, or it was not written by a multi-task model.

    Example:
        >>> import mtl_keras as mtl, tempfile
        >>> model = mtl.build_model(mtl.Tasks(mtl.Binary("parity")), "SmallCNN", image_shape=(8, 8, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.keras")
        ...     mtl.load_model(folder).output_names
        ['parity']
    """
    given = Path(check_path("path", path))
    file = given if given.is_file() else given / MODEL
    if not file.is_file() or file.suffix != ".keras":
        raise MTLError(
            f"A model must be a .keras file or a folder with {MODEL}. Received: {str(path)!r}. Pass the folder of a finished "
            "run, or a file that model.save wrote."
        )
    try:
        return _load(file)
    except MTLError:
        raise
    # Whatever a damaged file raises, the remedy is the same.
    except Exception as error:
        raise damaged(file, f"{type(error).__name__}: {error}") from error


def _load(file: Path) -> MultiTaskModel:
    """Load a model from a `.keras` file."""
    metadata = read_metadata(file) or _read_old_folder(file.parent)
    # In safe mode: a file from elsewhere runs no code of its own.
    network = keras.saving.load_model(file, compile=False, safe_mode=True)
    # `keras.saving.save_model` writes the class itself.
    if isinstance(network, MultiTaskModel):
        return network
    if metadata is None:
        raise MTLError(
            f"A model file must be written by `save` of a multi-task model. Received: {file}, a plain Keras model. Load it "
            "with keras.models.load_model."
        )
    return MultiTaskModel.from_plain(network, metadata)


def _read_old_folder(folder: Path) -> dict[str, Any] | None:
    """Return the metadata that versions before 0.1.0 wrote into a run folder next to the model, None without such files."""
    import h5py

    if not (folder / OLD_RECIPE).is_file():
        return None
    stored = read_json(folder / OLD_RECIPE, ("recipe",))
    state: dict[str, np.ndarray] = {}
    if (folder / OLD_STATE).is_file():
        check_hdf5(folder / OLD_STATE)
        with h5py.File(folder / OLD_STATE) as file:
            state = {name: np.asarray(value) for name, value in file.items()}
    recipe = stored["recipe"]
    numbers = range(1, len(recipe["shared"]["dense"]) + 1)
    return {
        "format_version": 0,
        "recipe": recipe,
        "features": "backbone" if recipe["backbone"]["pooling"] is None else "backbone_pool",
        "shared": ["shared_pool", *(f"shared_{layer}_{number}" for number in numbers for layer in ("dense", "dropout"))],
        "class_names": stored.get("class_names", {}),
        "weighting": {name: {"dtype": str(value.dtype), "value": value.tolist()} for name, value in state.items()},
    }
