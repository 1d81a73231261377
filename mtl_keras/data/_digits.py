"""The handwritten digits that come with scikit-learn: 1,797 real images of 8x8 pixels, no download."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.data._arrays import from_arrays
from mtl_keras.data._data import Data
from mtl_keras.data._stratify import stratified_choice

if TYPE_CHECKING:
    from mtl_keras.tasks import Tasks

__all__ = ["load_digits"]

TEST_FRACTION = 0.2


def load_digits(
    tasks: Tasks, *, data_dir: str | os.PathLike[str] | None = None, validation_fraction: float | None = None, seed: int = 0
) -> Data:
    """Load the digits: columns `digit` (0 to 9) and `parity` (digit modulo 2), images `[8, 8, 1]` in `[0, 255]`.

    The test split is a fixed stratified fifth, the same for every seed, since the data set comes without one.

    Args:
        tasks: What is predicted.
        data_dir: Unused: the images come with scikit-learn.
        validation_fraction: Fraction of the other rows held out for validation, in `(0, 1)`; default 0.2.
        seed: Seed of the validation split, from 0; default 0.
    """
    from sklearn import datasets

    source = datasets.load_digits()
    # The originals have 17 gray values, 0 to 16.
    images = (source.images[..., None] * (255 / 16)).astype(np.float32)
    digit = source.target.astype(np.int32)
    test = np.zeros(len(digit), bool)
    test[stratified_choice([digit], len(digit), round(len(digit) * TEST_FRACTION), seed=0)] = True
    columns = {"digit": digit, "parity": digit % 2}
    return from_arrays(
        tasks,
        train=(images[~test], {name: column[~test] for name, column in columns.items()}),
        test=(images[test], {name: column[test] for name, column in columns.items()}),
        validation_fraction=0.2 if validation_fraction is None else validation_fraction,
        seed=seed,
        name="digits",
        class_names={"digit": tuple("0123456789"), "parity": ("even", "odd")},
    )
