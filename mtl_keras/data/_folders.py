"""Images in a tree of folders whose names are their labels, a level a label."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.data._arrays import from_arrays, resolve
from mtl_keras.data._data import Data
from mtl_keras.data._images import read_images
from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    from mtl_keras.tasks import Tasks

__all__ = ["Tree", "divided_tree", "from_folders", "read_tree"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")

_log = logging.getLogger("mtl_keras")


@dataclass(frozen=True, eq=False)
class Tree:
    """Every image of a tree of folders.

    Args:
        images: uint8 `[n, height, width, 3]`.
        columns: Class indices `[n]` of each level, from the top down.
        class_names: Names of the classes of each level.
    """

    images: np.ndarray
    columns: dict[str, np.ndarray]
    class_names: dict[str, tuple[str, ...]]


def from_folders(
    root: str | os.PathLike[str],
    tasks: Tasks,
    *,
    levels: Sequence[str],
    validation_per_class: int,
    test_per_class: int = 0,
    image_size: int | tuple[int, int] | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Data:
    """Make `Data` from `root/<first level>/<second level>/.../image.jpg`.

    Each level is a column of class indices, in alphabetical order of its folders, so that a task reads it by name. A
    class of a deeper level is a function of those above it: equal folder names in different places are different
    classes, called by their path.

    Args:
        root: The folder that holds the first level.
        tasks: What is predicted.
        levels: Names of the columns, from the top down, e.g. `("category", "landmark")`.
        validation_per_class: Images of each class of the deepest level that are held out for validation, at least 1.
        test_per_class: Images of each such class that are held out for test; default 0, which makes no test split.
        image_size: Side, or height and width, in px that images are brought to (bilinear, antialiased); None (default)
            takes them as they are, which have to be of one size.
        seed: Seed of the choice of validation and test images, from 0; default 0.
        name: Of the data set in reports; default the folder's name.

    Returns:
        RGB images, uint8 `[n, height, width, 3]`. Files that are no readable image are left out with a warning.

    Raises:
        MTLError: If there is no such tree, a class has too few images, sizes differ, or a task reads no level.

    Example:
        data = mtl.data.from_folders("photos", tasks, levels=("category", "landmark"), validation_per_class=2)
    """
    root = Path(root).expanduser()
    if validation_per_class < 1 or test_per_class < 0:
        raise MTLError(
            f"Each class gives at least 1 image to validation and 0 to test. Received: "
            f"validation_per_class={validation_per_class}, test_per_class={test_per_class}. Give e.g. 2 and 3."
        )
    resolve(tasks, list(levels))
    tree = read_tree(root, levels, image_size)
    return divided_tree(tree, tasks, validation_per_class, test_per_class, seed, name or root.resolve().name)


def read_tree(root: Path, levels: Sequence[str], image_size: int | tuple[int, int] | None = None) -> Tree:
    """Read every image of a tree; for arguments and errors see `from_folders`."""
    files = _images(root, len(levels))
    images, kept = _read(root, files, image_size)
    columns: dict[str, np.ndarray] = {}
    class_names: dict[str, tuple[str, ...]] = {}
    for depth, level in enumerate(levels, start=1):
        folders = sorted({path.parts[:depth] for path in kept})
        columns[level] = np.array([folders.index(path.parts[:depth]) for path in kept], np.int32)
        class_names[level] = _called(folders)
    return Tree(images, columns, class_names)


def divided_tree(tree: Tree, tasks: Tasks, validation_per_class: int, test_per_class: int, seed: int, name: str) -> Data:
    """Divide what `read_tree` has read; for arguments and errors see `from_folders`."""
    deepest = list(tree.columns)[-1]
    parts = _parts(tree.columns[deepest], tree.class_names[deepest], validation_per_class, test_per_class, seed)
    train, validation, test = (
        (tree.images[part], {level: column[part] for level, column in tree.columns.items()}) for part in parts
    )
    return from_arrays(tasks, train, validation, test if test_per_class else None, name=name, class_names=tree.class_names)


def _images(root: Path, depth: int) -> list[Path]:
    """Return the image files that lie `depth` folders below the root, relative to it, in order."""
    found = sorted(path.relative_to(root) for path in root.glob("/".join("*" * (depth + 1))) if path.suffix.lower() in SUFFIXES)
    if not found:
        raise MTLError(
            f"Images lie {depth} folders below the root. Received: {root}, "
            f"{'which has none there' if root.is_dir() else 'which is no folder'}. Name the folder above the first level."
        )
    return found


def _read(root: Path, files: Sequence[Path], image_size: int | tuple[int, int] | None) -> tuple[np.ndarray, list[Path]]:
    """Return the images `[n, height, width, 3]` and the files that they were read from."""
    images, readable = read_images(root, files, image_size)
    broken = [file for file, fine in zip(files, readable, strict=True) if not fine]
    if broken:
        _log.warning("%d of %d files in %s are no image and are left out, e.g. %s.", len(broken), len(files), root, broken[0])
    if not len(images):
        raise MTLError(f"Images can be read. Received: {len(files)} files in {root} and none that can. Check them.")
    return images, [file for file, fine in zip(files, readable, strict=True) if fine]


def _called(folders: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the names of folders, or their paths where two have one name."""
    last = [folder[-1] for folder in folders]
    return tuple(name if last.count(name) == 1 else "/".join(folder) for name, folder in zip(last, folders, strict=True))


def _parts(classes: np.ndarray, names: Sequence[str], validation: int, test: int, seed: int) -> list[np.ndarray]:
    """Return the rows of train, validation and test, in order, with so many of each class held out."""
    rng = np.random.default_rng(seed)
    chosen: list[list[np.ndarray]] = [[], [], []]
    for index, name in enumerate(names):
        rows = rng.permutation(np.flatnonzero(classes == index))
        if len(rows) <= validation + test:
            raise MTLError(
                f"Each class keeps an image to train on. Received: {len(rows)} of {name!r}, of which {validation} go to "
                f"validation and {test} to test. Hold out fewer, or add images."
            )
        for part, rows_of_part in zip(chosen, np.split(rows, [len(rows) - validation - test, len(rows) - test]), strict=True):
            part.append(rows_of_part)
    return [np.sort(np.concatenate(part)) for part in chosen]
