"""Two small data sets of different length and with different tasks, and both alternated."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtl_keras.data import Data, alternate, from_arrays
from mtl_keras.tasks import Binary, Classification, Tasks
from tests import _tiny

TASKS = Tasks(Classification("kind", classes=3), Binary("odd"))


def long(n: int = 40, n_validation: int = 20, **options: Any) -> Data:
    """Forty rows with `kind`."""
    return from_arrays(TASKS.only("kind"), _tiny.rows(n, 0), _tiny.rows(n_validation, 1), name="long", **options)


def short(n: int = 12, n_validation: int = 8, **options: Any) -> Data:
    """Twelve rows with `odd`."""
    return from_arrays(TASKS.only("odd"), _tiny.rows(n, 2), _tiny.rows(n_validation, 3), name="short", **options)


def both(**options: Any) -> Data:
    """Both, alternated; in batches of 8 a pass takes 5 steps of `long` and 2 of `short`."""
    return alternate(long(), short(), **options)


def rows_of(data: Data, **options: Any) -> list[tuple[str, list[int]]]:
    """Return the data set and the row numbers of each batch, found by the pixels; rows of weight 0 are left out."""
    known = {image.tobytes(): number for number, image in enumerate(data.train.x)}
    found = []
    for x, _, weight in data.train.batches(8, **options):
        present = {name: np.array(w) > 0 for name, w in weight.items()}
        (name,) = [name for name, mask in present.items() if mask.any()]
        images = np.array(x)[present[name]]
        found.append(({"kind": "long", "odd": "short"}[name], [known[image.tobytes()] for image in images]))
    return found
