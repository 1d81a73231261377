"""CIFAR-10 and CIFAR-100 through TensorFlow Datasets."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._arrays import from_arrays, resolve_columns
from mtl_keras.data._data import Data
from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    from mtl_keras.tasks import Tasks

__all__ = ["CIFAR100_COARSE", "load_cifar10", "load_cifar100"]

#: The coarse class of each of CIFAR-100's fine classes.
CIFAR100_COARSE = (
    *(4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11),
    *(6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5),
    *(5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17),
    *(10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13),
    *(16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13),
)

_log = logging.getLogger("mtl_keras")


def load_cifar100(
    tasks: Tasks, *, data_dir: str | os.PathLike[str] | None = None, validation_fraction: float | None = None, seed: int = 0
) -> Data:
    """Load CIFAR-100: 32x32 uint8 images, columns `label` (100 classes) and `coarse_label` (20).

    The tasks `fine` and `coarse` read these two unless they name a column. See `mtl_keras.data.load` for the arguments.

    Reference:
        A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """
    return _load("cifar100", {"fine": "label", "coarse": "coarse_label"}, tasks, data_dir, validation_fraction, seed)


def load_cifar10(
    tasks: Tasks, *, data_dir: str | os.PathLike[str] | None = None, validation_fraction: float | None = None, seed: int = 0
) -> Data:
    """Load CIFAR-10: 32x32 uint8 images, column `label` (10 classes), which a task `class` reads too.

    See `mtl_keras.data.load` for the arguments.

    Reference:
        A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """
    return _load("cifar10", {"class": "label"}, tasks, data_dir, validation_fraction, seed)


def _load(
    name: str,
    aliases: Mapping[str, str],
    tasks: Tasks,
    data_dir: str | os.PathLike[str] | None,
    validation_fraction: float | None,
    seed: int,
) -> Data:
    # Before images are decoded: a misspelled column should be reported at once.
    resolve_columns(tasks, sorted(set(aliases.values())), aliases)
    builder = _find_builder(name, data_dir)
    try:
        train, test = (dict(_decode_split(builder.data_path, split)) for split in ("train", "test"))
    except Exception as error:
        raise MTLError(
            f"The files of {name} must be intact. Received: {type(error).__name__} while reading {builder.data_path}. "
            f"Remove that folder and create it again (tfds build {name})."
        ) from error
    features = builder.info.features
    return from_arrays(
        tasks,
        train=(train.pop("image"), train),
        test=(test.pop("image"), test),
        validation_fraction=0.1 if validation_fraction is None else validation_fraction,
        seed=seed,
        name=name,
        class_names={column: tuple(features[column].names) for column in aliases.values()},
        aliases=aliases,
    )


def _find_builder(name: str, data_dir: str | os.PathLike[str] | None) -> Any:
    """Return the TFDS builder of a data set on disk; download the data set only if no folder was named."""
    import tensorflow_datasets as tfds

    root = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    searched = [root / "tfds" / name, root / name]
    for folder in searched:
        versions = [version.parent for version in folder.glob("*.*.*/dataset_info.json")]
        if versions:
            newest = max(versions, key=lambda path: [int(part) if part.isdigit() else -1 for part in path.name.split(".")])
            return tfds.builder_from_directory(newest)
    problem = f"The data set {name!r} must be on disk. Received: no TFDS folder at {searched[0]} or {searched[1]}."
    if data_dir is not None:
        raise MTLError(f"{problem} Create it with `tfds build {name} --data_dir {root}`, or pass the folder that contains it.")
    _log.info("%s: not at %s, downloading it there", name, searched[1])
    try:
        builder = tfds.builder(name, data_dir=root)
        builder.download_and_prepare()
    except Exception as error:
        raise MTLError(
            f"{problem} Downloading it failed ({type(error).__name__}). Pass --data-dir (data_dir=) or set TFDS_DATA_DIR, or "
            f"run `tfds build {name}` with a network connection."
        ) from error
    return builder


@functools.lru_cache(4)
def _decode_split(folder: Any, split: str) -> Mapping[str, np.ndarray]:
    """Decode one split into read-only arrays, in the order of the files; the splits of the last two are kept."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(folder)
    rows = builder.info.splits[split].num_examples
    dataset = builder.as_dataset(split=split, batch_size=1024, shuffle_files=False)
    arrays: dict[str, np.ndarray] = {}
    done = 0
    for batch in tfds.as_numpy(dataset):
        for column, part in batch.items():
            if part.dtype.kind in "iuf":
                arrays.setdefault(column, np.empty((rows, *part.shape[1:]), part.dtype))[done : done + len(part)] = part
        done += len(batch["image"])
    if done != rows:
        raise MTLError(f"The split {split!r} must have {rows} rows. Received: {done}. Create the data set again.")
    for array in arrays.values():
        array.flags.writeable = False
    return arrays
