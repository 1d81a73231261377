"""Where the images of a table lie: the folder that its paths are relative to, and the ending that they lack."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["IMAGE_SUFFIXES", "Place", "find_images"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
#: Values of a column that are looked for, folders in which, and the share of values that must be there.
SAMPLE, FOLDERS, SHARE = 20, 100, 0.5


@dataclass(frozen=True)
class Place:
    """Where images lie.

    Args:
        root: Folder that the paths are relative to, itself relative to the folder of the table.
        suffix: Ending that the paths lack; empty if they have one.
        found: Share of the paths that were looked for and are there.
    """

    root: str
    suffix: str
    found: float


def find_images(values: Sequence[str], folder: Path, root: str | os.PathLike[str] | None = None) -> Place | None:
    """Return where the images named in a column lie: in the folder of the table, or in a folder directly below it.

    Args:
        values: Some values of the column.
        folder: Folder of the table.
        root: The folder in which they lie, relative to that of the table; None (default) looks for it.

    Returns:
        The place with most of them, or None if half of them are nowhere.
    """
    sample = list(dict.fromkeys(values))[:SAMPLE]
    best: Place | None = None
    for each in [str(root)] if root is not None else _folders(folder):
        for suffix in ("", *IMAGE_SUFFIXES, *(suffix.upper() for suffix in IMAGE_SUFFIXES)):
            there = sum(_is_image(folder / each / (value + suffix)) for value in sample) / max(len(sample), 1)
            if there > (best.found if best else 0):
                best = Place(each, suffix, there)
            if there == 1:
                return best
    return best if best and best.found >= SHARE else None


def _folders(folder: Path) -> list[str]:
    """Return the folder itself and those below it, by name."""
    try:
        below = sorted(each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    except OSError:
        below = []
    return [".", *below[:FOLDERS]]


def _is_image(path: Path) -> bool:
    """Return whether a path is that of a file with the ending of an image."""
    try:
        return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    except (OSError, ValueError):
        return False
