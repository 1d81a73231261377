"""Images listed in a table: the files that a column names, and what is wrong with them."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtl_keras.errors import MTLError, Problems, RowsError, list_rows

__all__ = ["check_sides", "find_files", "refuse_unreadable"]

#: What addresses of images begin with, which are not downloaded.
ADDRESSES = ("http://", "https://", "ftp://", "s3://", "gs://")


def _read_name(value: Any, suffix: str) -> str | None:
    """Return the path that a value of an image column names, or None; names may be whole numbers."""
    if isinstance(value, int | float | np.integer | np.floating) and float(value).is_integer():
        value = str(int(value))
    if not isinstance(value, str | os.PathLike) or not str(value).strip() or "\0" in str(value):
        return None
    return f"{os.fspath(value)}{suffix}"


def find_files(values: Sequence[Any], column: str, root: Path, suffix: str, problems: Problems) -> list[Path | None]:
    """Return the paths in a column, None for those that are no image below the root, which are added to the problems.

    Args:
        values: The column.
        column: Its name, for messages.
        root: Folder that the paths are relative to and must lie in.
        suffix: Ending that is added to each of them.
        problems: Where errors are collected.
    """
    files = [_read_name(value, suffix) for value in values]
    with problems.collect(column):
        if empty := [row for row, file in enumerate(files) if file is None]:
            raise RowsError(
                f"Every row must have the path of an image. Received: {values[empty[0]]!r} in {list_rows(empty)} of column "
                f"{column!r}. Fill it in, or remove the rows.",
                empty,
                "no path",
            )
    with problems.collect(column):
        if web := [row for row, value in enumerate(values) if str(value).lower().startswith(ADDRESSES)]:
            raise RowsError(
                f"An image column must hold paths of files. Received: addresses in {list_rows(web)} of column {column!r}, the "
                f"first {str(values[web[0]])[:100]}. Download the images, and put their paths into the table.",
                web,
                "an address",
            )
    for row in web:
        files[row] = None
    # By their names alone: links are those of whoever owns the folder, paths may be those of somebody else. Paths are texts
    # here, since making objects of those of many images takes longer than looking for the files.
    base = os.path.abspath(root)
    inside = os.path.join(base, "")
    paths = [None if file is None else os.path.normpath(os.path.join(base, file)) for file in files]
    outside = [row for row, path in enumerate(paths) if path is not None and not f"{path}{os.sep}".startswith(inside)]
    for row in outside:
        paths[row] = None
    missing = [row for row, path in enumerate(paths) if path is not None and not os.path.isfile(path)]
    with problems.collect(column):
        if outside:
            raise RowsError(
                f"Every image of the table must lie below the root, {base}. Received: {len(outside)} of {len(files)} that do "
                f"not, the first {Path(files[outside[0]] or '')}, {list_rows(outside)}. Pass root=, a folder that contains "
                "them all, or root='/' for absolute paths anywhere.",
                outside,
                "outside of the root",
            )
    with problems.collect(column):
        if missing:
            first = root / str(paths[missing[0]]).removeprefix(inside)
            raise RowsError(
                f"Every image of the table must exist. Received: {len(missing)} of {len(files)} that do not, the first "
                f"{first}, {list_rows(missing)}. {_suggest_file(first, suffix)}.",
                missing,
                "no such file",
            )
    for row in missing:
        paths[row] = None
    return [None if path is None else Path(path.removeprefix(inside)) for path in paths]


def _suggest_file(path: Path, given: str) -> str:
    """Return the remedy for a file that is missing, whose name ends in the suffix that was given."""
    endings = sorted(p.name.removeprefix(path.name) for p in path.parent.glob(f"{glob.escape(path.name)}.*"))
    if endings:
        return f"{path.name}{endings[0]} lies there: pass suffix={endings[0]!r}"
    below = sorted(each for each in path.parent.glob(f"*/{glob.escape(path.name)}*"))
    if below:
        suffix = below[0].name.removeprefix(path.name)
        return f"{below[0]} lies there: pass root={str(below[0].parent)!r}" + (f" and suffix={suffix!r}" if suffix else "")
    also = f", correct suffix={given!r}" if given else ""
    return f"Pass root=, the folder that the paths are relative to{also}, or remove the rows"


def refuse_unreadable(files: Mapping[int, Path], root: Path, reasons: Mapping[int, str], column: str) -> None:
    """Raise an error for files that are not readable images, if there are any; `reasons` counts files, not rows."""
    if reasons:
        rows = [*files]
        shown = "; ".join(f"{root / files[rows[i]]} in row {rows[i]}: {reason}" for i, reason in [*reasons.items()][:5])
        raise RowsError(
            f"Every file of the table must be a readable image. Received: {len(reasons)} of {len(files)} that are not: {shown}"
            f"{'; ...' if len(reasons) > 5 else ''}. Replace them, or remove their rows.",
            [rows[i] for i in reasons],
            [*reasons.values()],
            column,
        )


def check_sides(files: Sequence[Path | None], root: Path, sides: np.ndarray, drawn: np.ndarray, column: str) -> None:
    """Check that no image is in two splits, or could be with another seed, where its rows are drawn one by one."""
    rows: dict[str, list[int]] = {}
    folders: dict[str, str] = {}
    for row, file in enumerate(files):
        if file is not None:
            # Links of a folder are followed once, not for each image in it.
            folder, name = os.path.split(os.path.join(root, file))
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            path = os.path.join(folders[folder], name)
            rows.setdefault(os.path.realpath(path) if os.path.islink(path) else path, []).append(row)
    repeated = [own for own in rows.values() if len(own) > 1]
    if together := [own for own in repeated if drawn[own].sum() > 1]:
        raise MTLError(
            "Rows of one image must not be divided between splits, and rows are held out of the training part at random. "
            f"Received: {len(together)} images in several of its rows, the first {files[together[0][0]]}, "
            f"{list_rows(together[0])}. Keep one row per image, name the validation rows in a split column, or split by "
            f"group={column!r}."
        )
    if divided := [own for own in repeated if len({*sides[own]}) > 1]:
        own = divided[0]
        where = ", ".join(f"row {row} ({sides[row]})" for row in own[:5])
        raise MTLError(
            f"An image must be in one split. Received: {len(divided)} in several, the first {files[own[0]]}, {where}. Assign "
            "the rows of an image to one split."
        )
