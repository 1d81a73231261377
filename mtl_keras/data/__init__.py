"""Data sets: inputs, labels and splits.

`load` reads a data set by name, `from_arrays` takes arrays in memory, `from_folders` a tree of images whose folders are their
labels, `from_table` a table of images or of columns, `from_dataset` datasets of TensorFlow, and `alternate` combines several
data sets. All return a `Data` with a training, a validation and perhaps a test `Split`. A split holds inputs and encoded labels
in memory and feeds them to Keras as `(x, {task: y}, {task: weight})`: every task in every batch, with weight 0 where a label is
absent.

Example:
    >>> import numpy as np
    >>> import mtl_keras as mtl
    >>> tasks = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Binary("large"))
    >>> images = np.zeros((60, 8, 8, 1), "uint8")
    >>> columns = {"kind": np.arange(60) % 3, "large": np.arange(60) % 2}
    >>> data = mtl.data.from_arrays(tasks, (images, columns), validation_fraction=0.2)
    >>> len(data.train), len(data.validation)
    (48, 12)

To add a data set, write `_name.py` with a function `(tasks, *, data_dir, validation_fraction, seed) -> Data` and add it
to `LOADERS` below. It reads from `data_dir`; only a call without one may download.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from mtl_keras.data import cache
from mtl_keras.data._alternate import alternate
from mtl_keras.data._arrays import from_arrays
from mtl_keras.data._cifar import CIFAR100_COARSE, load_cifar10, load_cifar100
from mtl_keras.data._cifar100_groups import CIFAR100_GROUPS
from mtl_keras.data._clothing import load_clothing
from mtl_keras.data._data import PHOTO, ROW, Data
from mtl_keras.data._decode import ImageFacts
from mtl_keras.data._digest import describe_change
from mtl_keras.data._digits import load_digits
from mtl_keras.data._draft import Draft, Source, draft_study, infer_source, study_name
from mtl_keras.data._folders import from_folders, list_folder
from mtl_keras.data._from_dataset import from_dataset
from mtl_keras.data._image_files import ImageOptions, UnreadableImage, read_facts
from mtl_keras.data._inputs import check_input_rows, read_inputs
from mtl_keras.data._landmarks import load_landmarks
from mtl_keras.data._loading import loading
from mtl_keras.data._online import parse_online
from mtl_keras.data._rows import by_input, image_name, unnamed
from mtl_keras.data._sampling import parse_sampling, parse_steps
from mtl_keras.data._skipped import SkippedRow, skipped_text
from mtl_keras.data._split import Split
from mtl_keras.data._splits import Splits, parse_splits
from mtl_keras.data._stored import read_errors
from mtl_keras.data._stratify import stratified_folds
from mtl_keras.data._survey import Survey, survey_table
from mtl_keras.data._table import from_table
from mtl_keras.data._trivial import label_weights, trivial_scores
from mtl_keras.data._views import parse_views
from mtl_keras.errors import unknown
from mtl_keras.files import check_source

if TYPE_CHECKING:
    from mtl_keras.tasks import Tasks

__all__ = [
    "CIFAR100_COARSE",
    "CIFAR100_GROUPS",
    "LOADERS",
    "PHOTO",
    "ROW",
    "Data",
    "Draft",
    "ImageFacts",
    "ImageOptions",
    "SkippedRow",
    "Source",
    "Split",
    "Splits",
    "Survey",
    "UnreadableImage",
    "alternate",
    "by_input",
    "cache",
    "check_input_rows",
    "describe_change",
    "draft_study",
    "from_arrays",
    "from_dataset",
    "from_folders",
    "from_table",
    "image_name",
    "infer_source",
    "label_weights",
    "list_folder",
    "load",
    "loading",
    "parse_online",
    "parse_sampling",
    "parse_splits",
    "parse_steps",
    "parse_views",
    "read_errors",
    "read_facts",
    "read_inputs",
    "skipped_text",
    "stratified_folds",
    "study_name",
    "survey_table",
    "trivial_scores",
    "unnamed",
]

#: Every data set that `load` can read, by name.
LOADERS: dict[str, Callable[..., Data]] = {
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "clothing": load_clothing,
    "digits": load_digits,
    "landmarks": load_landmarks,
}


def load(
    name: str,
    tasks: Tasks,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    validation_fraction: float | None = None,
    seed: int = 0,
) -> Data:
    """Load a data set by name and encode the labels of `tasks`.

    Args:
        name: A key of `LOADERS`: `"digits"` (from scikit-learn, needs no files), `"cifar10"`, `"cifar100"`, `"clothing"`
            or `"landmarks"` (photos in `data_dir`).
        tasks: What is predicted. A task without a `label` reads the column of its own name, or the one that the data set
            declares for it (`fine` and `coarse` of cifar100 read `label` and `coarse_label`).
        data_dir: Root in which the data set is searched as `tfds/<name>/` and `<name>/`. None (default) searches
            `$TFDS_DATA_DIR`, else `~/tensorflow_datasets`, and downloads a missing data set there. The clothing and the
            landmarks are never downloaded and require it.
        validation_fraction: Fraction of the training rows held out for validation, in `(0, 1)`. None (default) is the data
            set's own: 0.2 for digits, 0.125 for clothing, 0.1 for CIFAR. Not for `landmarks`, which holds out a fixed
            number of photos.
        seed: Seed of the stratified validation split, from 0; default 0. Test rows are the same for every seed, except for
            `clothing` and `landmarks`.

    Raises:
        MTLError: If the name is unknown, `data_dir` is no folder, the data set is missing, a task's column does not exist or
            its labels are outside the task's range.

    Example:
        >>> import mtl_keras as mtl
        >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity")))
        >>> data.image_shape
        (8, 8, 1)
    """
    if name not in LOADERS:
        raise unknown("data set", name, LOADERS)
    if data_dir is not None:
        check_source("data_dir", data_dir)
    return LOADERS[name](tasks, data_dir=data_dir, validation_fraction=validation_fraction, seed=seed)
