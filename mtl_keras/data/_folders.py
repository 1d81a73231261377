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
from mtl_keras.data._images import SPLITS, read_images
from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    from mtl_keras.tasks import Tasks

__all__ = ["Tree", "divided_tree", "from_folders", "read_tree"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")

#: The splits that are looked at without training on them.
HELD_OUT = ("validation", "test")

_log = logging.getLogger("mtl_keras")


@dataclass(frozen=True, eq=False)
class Tree:
    """Every image of a tree of folders.

    Args:
        images: uint8 `[n, height, width, 3]`.
        columns: Class indices `[n]` of each level, from the top down.
        class_names: Names of the classes of each level.
        sides: Split `[n]` that each image is of, where the tree has a folder a split; None where it has none.
    """

    images: np.ndarray
    columns: dict[str, np.ndarray]
    class_names: dict[str, tuple[str, ...]]
    sides: np.ndarray | None = None


def from_folders(
    root: str | os.PathLike[str],
    tasks: Tasks,
    *,
    levels: Sequence[str],
    validation_per_class: int | None = None,
    test_per_class: int = 0,
    image_size: int | tuple[int, int] | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Data:
    """Make `Data` from `root/<first level>/<second level>/.../image.jpg`.

    Each level is a column of class indices, in alphabetical order of its folders, so that a task reads it by name. A
    class of a deeper level is a function of those above it: equal folder names in different places are different
    classes, called by their path.

    The first level may also lie below folders that name the splits: `root/train/...`, `root/validation/...` (or `val`) and
    `root/test/...`. They are then the splits.

    Args:
        root: The folder that holds the first level, or the folders of the splits.
        tasks: What is predicted.
        levels: Names of the columns, from the top down, e.g. `("category", "landmark")`.
        validation_per_class: Images of each class of the deepest level that are held out for validation, at least 1. None
            (default) where a folder holds them.
        test_per_class: Images of each such class that are held out for test; default 0, which makes no test split but that
            of a folder.
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
        data = mtl.data.from_folders("fashion", tasks, levels=("class",))  # fashion/train/Dress/1.jpg, fashion/val/...
    """
    root = Path(root).expanduser()
    if (validation_per_class is not None and validation_per_class < 1) or test_per_class < 0:
        raise MTLError(
            f"Each class gives at least 1 image to validation and 0 to test. Received: "
            f"validation_per_class={validation_per_class}, test_per_class={test_per_class}. Give e.g. 2 and 3."
        )
    resolve(tasks, list(levels))
    files, above = _images(root, len(levels))
    _check_held_out({SPLITS[file.parts[0]] for file in files} if above else set(), validation_per_class, test_per_class)
    tree = _tree(root, files, above, levels, image_size)
    return divided_tree(tree, tasks, validation_per_class or 0, test_per_class, seed, name or root.resolve().name)


def read_tree(root: Path, levels: Sequence[str], image_size: int | tuple[int, int] | None = None) -> Tree:
    """Read every image of a tree; for arguments and errors see `from_folders`."""
    return _tree(root, *_images(root, len(levels)), levels, image_size)


def divided_tree(tree: Tree, tasks: Tasks, validation_per_class: int, test_per_class: int, seed: int, name: str) -> Data:
    """Divide what `read_tree` has read; for arguments and errors see `from_folders`."""
    deepest = list(tree.columns)[-1]
    classes, sides = tree.columns[deepest], tree.sides
    if sides is not None:
        classes = np.where(sides == "train", classes, -1)
    parts = _parts(classes, tree.class_names[deepest], validation_per_class, test_per_class, seed)
    if sides is not None:
        parts[1:] = [np.union1d(part, np.flatnonzero(sides == side)) for part, side in zip(parts[1:], HELD_OUT, strict=True)]
    train, validation, test = (
        (tree.images[part], {level: column[part] for level, column in tree.columns.items()}) for part in parts
    )
    return from_arrays(tasks, train, validation, test if len(parts[2]) else None, name=name, class_names=tree.class_names)


def _tree(
    root: Path, files: Sequence[Path], above: int, levels: Sequence[str], image_size: int | tuple[int, int] | None
) -> Tree:
    """Return the tree of these files, whose first level lies below so many folders of splits, 0 or 1."""
    images, kept = _read(root, files, image_size)
    columns: dict[str, np.ndarray] = {}
    class_names: dict[str, tuple[str, ...]] = {}
    for depth, level in enumerate(levels, start=1):
        folders = sorted({path.parts[above : above + depth] for path in kept})
        columns[level] = np.array([folders.index(path.parts[above : above + depth]) for path in kept], np.int32)
        class_names[level] = _called(folders)
    return Tree(images, columns, class_names, np.array([SPLITS[path.parts[0]] for path in kept]) if above else None)


def _check_held_out(there: set[str], validation_per_class: int | None, test_per_class: int) -> None:
    """Refuse numbers of images to hold out that do not fit the splits that have folders."""
    for split, given in zip(HELD_OUT, (validation_per_class, test_per_class or None), strict=True):
        if given is not None and split in there:
            raise MTLError(
                f"Images are held out for a split that has no folder. Received: {split}_per_class={given}, and a folder of "
                f"{split} images. Leave {split}_per_class out."
            )
    if validation_per_class is None and "validation" not in there:
        raise MTLError(
            "Choices are made on validation images. Received: no validation_per_class, and no folder 'validation' or 'val' "
            "above the first level. Give e.g. validation_per_class=2."
        )


def _images(root: Path, depth: int) -> tuple[list[Path], int]:
    """Return the image files, relative to the root, in order, and the number of folders above the first level.

    They lie `depth` folders below the root, or, if there are none, below folders of splits one more.
    """
    for above in (0, 1):
        names = root.glob("/".join("*" * (above + depth + 1)))
        found = sorted(path.relative_to(root) for path in names if path.suffix.lower() in SUFFIXES)
        if found:
            break
    if not found or (above and not {"train"} <= {file.parts[0] for file in found} <= set(SPLITS)):
        raise MTLError(
            f"Images lie {depth} folders below the root. Received: {root}, "
            f"{'which has none there' if root.is_dir() else 'which is no folder'}. Name the folder above the first level."
        )
    return found, above


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
