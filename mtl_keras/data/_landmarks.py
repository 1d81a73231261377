"""Photos of landmarks in a tree of folders: six categories of building, five landmarks each."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_keras.data._arrays import resolve_columns
from mtl_keras.data._data import Data
from mtl_keras.data._folders import Tree, read_tree, split_tree
from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    from mtl_keras.tasks import Tasks

__all__ = ["load_landmarks"]

LEVELS = ("category", "landmark")

#: Number of photos of each landmark that are held out.
VALIDATION, TEST = 2, 3


def load_landmarks(
    tasks: Tasks, *, data_dir: str | os.PathLike[str] | None = None, validation_fraction: float | None = None, seed: int = 0
) -> Data:
    """Load the photos `data_dir/landmarks/<category>/<landmark>/*.jpg`, all of one size: columns `category`, `landmark`.

    For each landmark, 2 photos go to validation and 3 to test, chosen at random. Photos are decoded once per process,
    whatever the number of seeds.

    Args:
        tasks: What is predicted.
        data_dir: The folder that contains `landmarks`; required, since nothing is downloaded.
        validation_fraction: Must be None: a fixed number of photos is held out.
        seed: Seed of the choice of validation and test photos, from 0; default 0.

    Raises:
        MTLError: If the photos are missing or a fraction is passed.
    """
    if validation_fraction is not None:
        raise MTLError(
            f"`validation_fraction` must be None for 'landmarks', which holds out {VALIDATION} photos per landmark. Received: "
            f"validation_fraction={validation_fraction}. Remove it, or use mtl.data.from_folders(...)."
        )
    resolve_columns(tasks, LEVELS)
    root = None if data_dir is None else Path(data_dir).expanduser().resolve() / "landmarks"
    if root is None or not root.is_dir():
        where = "no data_dir" if root is None else f"no folder {root}"
        raise MTLError(
            f"The data set 'landmarks' must be on disk and is never downloaded. Received: {where}. Pass data_dir=DIR "
            "(--data-dir) with the photos in DIR/landmarks/<category>/<landmark>/*.jpg."
        )
    return split_tree(_read_photos(root), tasks, VALIDATION, TEST, seed, "landmarks")


@functools.lru_cache(maxsize=1)
def _read_photos(root: Path) -> Tree:
    """Return all photos, decoded once: ten seeds need the same ones."""
    return read_tree(root, LEVELS)
