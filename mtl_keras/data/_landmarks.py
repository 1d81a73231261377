"""Photos of landmarks in a tree of folders: six categories of building, five landmarks each."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_keras.data._arrays import resolve
from mtl_keras.data._data import Data
from mtl_keras.data._folders import Tree, divided_tree, read_tree
from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    from mtl_keras.tasks import Tasks

__all__ = ["load_landmarks"]

LEVELS = ("category", "landmark")

#: Photos of each landmark that are held out.
VALIDATION, TEST = 2, 3


def load_landmarks(
    tasks: Tasks, *, data_dir: str | os.PathLike[str] | None = None, validation_fraction: float | None = None, seed: int = 0
) -> Data:
    """Load the photos `data_dir/landmarks/<category>/<landmark>/*.jpg`, all of one size: columns `category`, `landmark`.

    Of each landmark 2 photos go to validation and 3 to test, both chosen by the seed. A process decodes the photos once,
    however many seeds it asks for.

    Args:
        tasks: What is predicted.
        data_dir: The folder above `landmarks`; required, since nothing is downloaded.
        validation_fraction: Not taken: photos are held out by number.
        seed: Seed of the choice of validation and test photos.

    Raises:
        MTLError: If the photos are not there or a fraction is asked for.
    """
    if validation_fraction is not None:
        raise MTLError(
            f"Of each landmark {VALIDATION} photos are held out for validation, not a fraction. Received: "
            f"validation_fraction={validation_fraction}. Leave it out, or use mtl.data.from_folders(...)."
        )
    resolve(tasks, LEVELS)
    root = None if data_dir is None else Path(data_dir).expanduser().resolve() / "landmarks"
    if root is None or not root.is_dir():
        where = "no data_dir" if root is None else f"no folder {root}"
        raise MTLError(
            f"The data set 'landmarks' must be on disk and is never downloaded. Received: {where}. Give data_dir=DIR "
            "(--data-dir) with the photos in DIR/landmarks/<category>/<landmark>/*.jpg."
        )
    return divided_tree(_decoded(root), tasks, VALIDATION, TEST, seed, "landmarks")


@functools.lru_cache(maxsize=1)
def _decoded(root: Path) -> Tree:
    """Return all photos. They are kept, since ten seeds would decode the same ones ten times."""
    return read_tree(root, LEVELS)
