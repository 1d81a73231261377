"""Images in a tree of folders: each level of folders is a label column."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.data._arrays import check_tasks, from_arrays, resolve_columns
from mtl_keras.data._data import Data
from mtl_keras.data._decode import MAX_PIXELS, SUFFIXES, WHITE
from mtl_keras.data._image_files import ImageOptions
from mtl_keras.data._images import SPLITS, ImageReader
from mtl_keras.data._loading import CacheDir
from mtl_keras.errors import MTLError, check_names, check_rows, check_seed
from mtl_keras.tables import Table

if TYPE_CHECKING:
    from mtl_keras.tasks import Tasks

__all__ = ["Tree", "from_folders", "list_folder", "read_tree", "split_tree"]

#: Files that systems leave in folders, besides hidden ones.
SYSTEM_FILES = ("desktop.ini", "thumbs.db")

#: Deepest level of folders that is looked at where the levels are not named.
DEEPEST = 8

#: The splits that are not trained on.
HELD_OUT = ("validation", "test")

_log = logging.getLogger("mtl_keras")


@dataclass(frozen=True, eq=False)
class Tree:
    """All images of a tree of folders.

    Args:
        images: uint8 `[n, height, width, channels]`.
        columns: Class indices `[n]` of each level, from the top down.
        class_names: Class names of each level.
        sides: Split `[n]` of each image, if the tree has a folder for each split; else None.
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
    channels: int = 3,
    background: int | tuple[int, int, int] = WHITE,
    max_pixels: int = MAX_PIXELS,
    cache_dir: CacheDir = None,
    seed: int = 0,
    name: str | None = None,
) -> Data:
    """Create `Data` from `root/<first level>/<second level>/.../image.jpg`.

    Each level is a column of class indices, in alphabetical order of its folders; a task reads it by name. A class of a
    deeper level is a function of those above it: folders of the same name in different places are different classes,
    named by their paths.

    The first level may also lie below folders named after splits: `root/train/...`, `root/validation/...` (or `val`) and
    `root/test/...`. They are then the splits.

    Args:
        root: The folder that contains the first level, or the folders of the splits.
        tasks: What is predicted.
        levels: Names of the columns, from the top down, e.g. `("category", "landmark")`.
        validation_per_class: Number of images of each class of the deepest level that are held out for validation, at least
            1. None (default) if a folder contains them.
        test_per_class: The same for test; default 0, no test split other than that of a folder.
        image_size: Side, or height and width, in px to which images are resized (bilinear, antialiased). None (default)
            keeps their size, which must then be the same.
        channels: As for `from_table`, as are the next three.
        background: See there.
        max_pixels: See there.
        cache_dir: See there.
        seed: Seed of the choice of validation and test images, from 0; default 0.
        name: Name of the data set in reports; default the folder's name.

    Returns:
        Images as `from_table` reads them. Files that are not readable JPEG, PNG, WebP, GIF, BMP or TIFF images, or lie at
        another depth, are left out with a warning.

    Raises:
        MTLError: If there is no such tree, a class has too few images, sizes differ, an image has more than
            `max_pixels` pixels, or a task does not read a level.

    Example:
        data = mtl.data.from_folders("photos", tasks, levels=("category", "landmark"), validation_per_class=2)
        data = mtl.data.from_folders("fashion", tasks, levels=("class",))  # fashion/train/Dress/1.jpg, fashion/val/...
    """
    check_tasks(tasks)
    seed, options = check_seed("seed", seed), ImageOptions(image_size, channels, background, max_pixels)
    root = Path(root).expanduser()
    if validation_per_class is not None:
        check_rows("validation_per_class", validation_per_class, example=2)
    check_rows("test_per_class", test_per_class, minimum=0, example=2)
    resolve_columns(tasks, list(levels))
    files, above = _find_images(root, len(levels))
    _check_held_out({SPLITS[file.parts[0]] for file in files} if above else set(), validation_per_class, test_per_class)
    tree = _read_files(ImageReader(root, options, cache_dir), files, above, levels)
    return split_tree(
        tree, tasks, validation_per_class or 0, test_per_class, seed, root.resolve().name if name is None else name
    )


def list_folder(root: str | os.PathLike[str], levels: Sequence[str] | None = None) -> tuple[Table, tuple[str, ...]]:
    """Return the images of a tree of folders as a table, and the names of its levels.

    Args:
        root: As for `from_folders`.
        levels: As for `from_folders`; None (default) takes the depth at which most images lie, and calls a single level
            `label` and several ones `level_1`, `level_2` and so on.

    Returns:
        Columns `file`, relative to the root, and one of class names for each level; with a folder for each split also `split`.

    Raises:
        MTLError: If there is no such tree.
    """
    import pandas as pd

    root = Path(root).expanduser()
    names = _name_levels(root) if levels is None else check_names("levels", levels)
    files, above = _find_images(root, len(names))
    columns: dict[str, list[str]] = {"file": [file.as_posix() for file in files]}
    for depth, level in enumerate(names, start=1):
        folders = sorted({file.parts[above : above + depth] for file in files})
        called = dict(zip(folders, _name_classes(folders), strict=True))
        columns[level] = [called[file.parts[above : above + depth]] for file in files]
    if above:
        columns["split"] = [file.parts[0] for file in files]
    return Table(pd.DataFrame(columns), root.resolve().name, root), names


def _name_levels(root: Path) -> tuple[str, ...]:
    """Return names for the levels at which most images of a tree lie."""
    images = [file for file in _list_files(root, DEEPEST) if file.suffix.lower() in SUFFIXES]
    depths = Counter(len(file.parts) - 1 for file in images)
    depth = depths.most_common(1)[0][0] if depths else 0
    first = {file.parts[0] for file in images if len(file.parts) > 1}
    if depth > 1 and {"train"} <= first <= set(SPLITS):
        depth -= 1
    if not depth:
        received = f"{len(images)} images in it, but no folders" if images else "no image below it"
        raise MTLError(
            f"A folder of images must have a folder for each class. Received: {root}, "
            f"{received if root.is_dir() else 'no folder'}. Sort the images into folders, or list them in a table."
        )
    return ("label",) if depth == 1 else tuple(f"level_{number}" for number in range(1, depth + 1))


def read_tree(root: Path, levels: Sequence[str]) -> Tree:
    """Read all images of a tree in their own size; see `from_folders` for arguments and errors."""
    return _read_files(ImageReader(root, ImageOptions()), *_find_images(root, len(levels)), levels)


def split_tree(tree: Tree, tasks: Tasks, validation_per_class: int, test_per_class: int, seed: int, name: str) -> Data:
    """Return a tree as `Data` with its splits; see `from_folders` for arguments and errors."""
    deepest = list(tree.columns)[-1]
    classes, sides = tree.columns[deepest], tree.sides
    if sides is not None:
        classes = np.where(sides == "train", classes, -1)
    parts = _choose_rows(classes, tree.class_names[deepest], validation_per_class, test_per_class, seed)
    if sides is not None:
        parts[1:] = [np.union1d(part, np.flatnonzero(sides == side)) for part, side in zip(parts[1:], HELD_OUT, strict=True)]
    train, validation, test = (
        (tree.images[part], {level: column[part] for level, column in tree.columns.items()}) for part in parts
    )
    return from_arrays(tasks, train, validation, test if len(parts[2]) else None, name=name, class_names=tree.class_names)


def _read_files(reader: ImageReader, files: Sequence[Path], above: int, levels: Sequence[str]) -> Tree:
    """Return the tree of these files; `above` is the number of folders above the first level, 0 or 1."""
    images, kept = _read_images(reader, files)
    columns: dict[str, np.ndarray] = {}
    class_names: dict[str, tuple[str, ...]] = {}
    for depth, level in enumerate(levels, start=1):
        folders = sorted({path.parts[above : above + depth] for path in kept})
        columns[level] = np.array([folders.index(path.parts[above : above + depth]) for path in kept], np.int32)
        class_names[level] = _name_classes(folders)
    return Tree(images, columns, class_names, np.array([SPLITS[path.parts[0]] for path in kept]) if above else None)


def _check_held_out(present: set[str], validation_per_class: int | None, test_per_class: int) -> None:
    """Check that images are held out for exactly those splits that have no folder."""
    for split, given in zip(HELD_OUT, (validation_per_class, test_per_class or None), strict=True):
        if given is not None and split in present:
            raise MTLError(
                f"`{split}_per_class` must not be given if a folder contains the {split} images. Received: "
                f"{split}_per_class={given}. Remove it."
            )
    if validation_per_class is None and "validation" not in present:
        raise MTLError(
            "There must be validation images. Received: no validation_per_class, and no folder 'validation' or 'val' above the "
            "first level. Pass e.g. validation_per_class=2."
        )


def _find_images(root: Path, depth: int) -> tuple[list[Path], int]:
    """Return the image files, relative to the root and sorted, and the number of folders above the first level.

    They lie `depth` folders below the root or, with folders for the splits, one more.
    """
    files = _list_files(root, depth + 2)
    others = [file for file in files if file.suffix.lower() not in SUFFIXES]
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    for above in (0, 1):
        found = [file for file in images if len(file.parts) == above + depth + 1]
        if found:
            break
    if not found or (above and not {"train"} <= {file.parts[0] for file in found} <= set(SPLITS)):
        elsewhere = f"which has none there, but e.g. {images[0]}" if images else "which has none there"
        raise MTLError(
            f"Images must lie {depth} folders below the root. Received: {root}, "
            f"{elsewhere if root.is_dir() else 'which is not a folder'}. Pass the folder above the first level."
        )
    _warn_of(root, "without the ending of an image", others)
    _warn_of(root, "with images at another depth", [file for file in images if len(file.parts) != above + depth + 1])
    return found, above


def _list_files(root: Path, depth: int) -> list[Path]:
    """Return the files at most `depth` folders below the root, relative to it and sorted, without hidden and system files."""
    files = []
    for folder, below, names in os.walk(root, followlinks=True):
        inside = Path(folder).relative_to(root)
        below[:] = [name for name in below if not name.startswith(".") and len(inside.parts) < depth]
        files += [inside / name for name in names if not name.startswith(".") and name.lower() not in SYSTEM_FILES]
    return sorted(files)


def _warn_of(root: Path, what: str, files: Sequence[object]) -> None:
    """Say which files are left out, and why."""
    if files:
        shown = ", ".join(map(str, files[:3])) + (", ..." if len(files) > 3 else "")
        _log.warning("Left out of %s: %d file%s %s: %s.", root, len(files), "s" if len(files) > 1 else "", what, shown)


def _read_images(reader: ImageReader, files: Sequence[Path]) -> tuple[np.ndarray, list[Path]]:
    """Return the images `[n, height, width, 3]` and the files that they were read from."""
    images, unreadable = reader.read(files)
    broken = [f"{files[number]} ({reason})" for number, reason in unreadable.items()]
    _warn_of(reader.root, f"(of {len(files)}) that are not readable images", broken)
    if not len(images):
        raise MTLError(
            f"Images must be readable. Received: {len(files)} files in {reader.root}, of which none is, e.g. {broken[0]}. "
            "Check them."
        )
    return images, [file for number, file in enumerate(files) if number not in unreadable]


def _name_classes(folders: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the names of folders, or their paths if several have the same name."""
    last = [folder[-1] for folder in folders]
    return tuple(name if last.count(name) == 1 else "/".join(folder) for name, folder in zip(last, folders, strict=True))


def _choose_rows(classes: np.ndarray, names: Sequence[str], validation: int, test: int, seed: int) -> list[np.ndarray]:
    """Return the rows of train, validation and test, ascending, with the given numbers of each class held out."""
    rng = np.random.default_rng(seed)
    chosen: list[list[np.ndarray]] = [[], [], []]
    small = []
    for index, name in enumerate(names):
        rows = rng.permutation(np.flatnonzero(classes == index))
        if len(rows) <= validation + test:
            small.append(f"{len(rows)} of {name!r}")
        for part, rows_of_part in zip(chosen, np.split(rows, [len(rows) - validation - test, len(rows) - test]), strict=True):
            part.append(rows_of_part)
    if small:
        shown = ", ".join(small[:12]) + (", ..." if len(small) > 12 else "")
        raise MTLError(
            f"Each class must keep an image to train on. Received: {shown}, of which {validation} each go to validation and "
            f"{test} to test. Lower validation_per_class or test_per_class, or add images."
        )
    return [np.sort(np.concatenate(part)) for part in chosen]
