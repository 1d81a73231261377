"""Images that a table lists: a row an image, with a column of labels a task."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._arrays import encoded, names_of_classes, parted, resolve
from mtl_keras.data._columns import read_column
from mtl_keras.data._data import Data
from mtl_keras.data._images import SPLITS, read_images
from mtl_keras.errors import MTLError, unknown

if TYPE_CHECKING:
    import pandas as pd

    from mtl_keras.tasks import Tasks

__all__ = ["from_dataframe"]

VALIDATION = 0.1


def from_dataframe(
    table: pd.DataFrame | str | os.PathLike[str],
    tasks: Tasks,
    *,
    image: str = "path",
    root: str | os.PathLike[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    split: str | None = None,
    validation: float | None = None,
    test: float | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Data:
    """Make `Data` from images that a table lists.

    Args:
        table: A pandas DataFrame, or the path of a `.csv` file (as `pandas.read_csv` reads it) or a `.json` file (a list of
            records, or a mapping from columns to their values).
        tasks: What is predicted; each task reads the column it names. Texts in it are classes in alphabetical order for
            `Classification` and `ClassMap`, which makes them `class_names`; NaN, None and empty text are absent labels.
        image: Column of the images' paths; default `"path"`.
        root: Folder that the paths start from. None (default) is the folder of the table's file, or the current one.
        image_size: Side, or height and width, in px that images are brought to (bilinear, antialiased); None (default)
            takes them as they are, which have to be of one size.
        split: Column that says which split a row is of: `train`, `validation` (or `val`) or `test`. None (default) makes
            the splits by the seed.
        validation: Share of the rows that are held out for validation, in `(0, 1)`, where no column names such rows;
            default 0.1. Of a table with a split column it is the share of its training rows.
        test: The same for test; None (default) takes none.
        seed: Seed of these choices, which are stratified over the classes of all tasks jointly, from 0; default 0.
        name: Of the data set in reports; default the file's name without its ending, or `"dataframe"`.

    Returns:
        RGB images, uint8 `[n, height, width, 3]`, each split in the order of the table. Rows in messages count from 0.

    Raises:
        MTLError: If a column or an image is missing, an image cannot be read or is on two sides of the split, sizes differ,
            or a label is outside its task's range.

    Example:
        data = mtl.data.from_dataframe("photos/train.csv", tasks, image="file", image_size=32, test=0.2)
    """
    frame, folder, called = _table(table, image)
    for column in (image, *([split] if split is not None else [])):
        if column not in frame.columns:
            raise unknown("column", column, map(str, frame.columns))
    tasks = resolve(tasks, list(frame.columns))
    root = folder if root is None else Path(root).expanduser()
    files = _files(frame[image].tolist(), image, root)
    sides = np.full(len(files), "train") if split is None else _sides(frame[split].tolist(), split)
    counts = _counts(sides, {"validation": validation, "test": test})
    _check_sides(files, root, sides, bool(counts))
    columns, class_names = {}, {}
    for task in tasks.values():
        if task.column is not None and not task.from_input and task.column not in columns:
            values, names = read_column(frame[task.column], task.column, tasks)
            columns[task.column] = values
            class_names[task.column] = names
    images, readable = read_images(root, files, image_size)
    if not readable.all():
        row = int(readable.argmin())
        raise MTLError(
            f"Every file of the table is an image. Received: {int((~readable).sum())} of {len(files)} that cannot be read, the "
            f"first {root / files[row]} in row {row}. Replace them, or take their rows out."
        )
    whole = encoded(tasks, images, columns, name="train", class_names=class_names)
    parts = {"train": whole}
    if split is not None:
        parts = {side: replace(whole.take(np.flatnonzero(sides == side)), name=side) for side in np.unique(sides).tolist()}
    for side, count in counts.items():
        parts["train"], parts[side] = parted(parts["train"], count, seed, side)
    return Data(
        name or called,
        parts["train"],
        parts["validation"],
        parts.get("test"),
        names_of_classes(tasks, class_names),
        images.shape[1:],
    )


def _table(table: Any, image: str) -> tuple[pd.DataFrame, Path, str]:
    """Return the table, the folder that its paths start from, and its name."""
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        frame, folder, called = table, Path(), "dataframe"
    else:
        path = Path(table if isinstance(table, str | os.PathLike) else type(table).__name__).expanduser()
        if path.suffix.lower() not in (".csv", ".json") or not path.is_file():
            raise MTLError(
                f"A table is a DataFrame, or a .csv or .json file. Received: {path}"
                f"{'' if path.is_file() else ', which is no file'}. Read others with pandas and give the DataFrame."
            )
        try:
            # Names of images may look like numbers.
            csv = path.suffix.lower() == ".csv"
            frame = pd.read_csv(path, dtype={image: str}) if csv else pd.DataFrame(json.loads(path.read_text("utf-8")))
        except (ValueError, AttributeError, TypeError) as error:
            raise MTLError(
                f"A .json table is a list of records or a mapping of columns, a .csv table has a header. Received: {path}: "
                f"{' '.join(str(error).split())[:200]}. Correct it, or give a DataFrame."
            ) from error
        folder, called = path.parent, path.stem
    if not len(frame):
        raise MTLError(f"A table lists images. Received: {called!r} with no row. Add some.")
    return frame, folder, called


def _files(values: Sequence[Any], column: str, root: Path) -> list[Path]:
    """Return the paths that a column holds, from the root, after looking for each."""
    for row, value in enumerate(values):
        if not (isinstance(value, str | os.PathLike) and str(value).strip()):
            raise MTLError(
                f"Every row names an image. Received: {value!r} in row {row} of column {column!r}. Fill it in, or take "
                "the row out."
            )
    files = [Path(value) for value in values]
    missing = [row for row, file in enumerate(files) if not (root / file).is_file()]
    if missing:
        raise MTLError(
            f"Every image of the table is there. Received: {len(missing)} of {len(files)} that are not, the first "
            f"{root / files[missing[0]]} in row {missing[0]}. Give root=, the folder that the paths start from, or take the "
            "rows out."
        )
    return files


def _sides(words: Sequence[Any], column: str) -> np.ndarray:
    """Return which split each row is of, from what the column calls it."""
    for row, word in enumerate(words):
        if not isinstance(word, str) or word not in SPLITS:
            raise unknown("split", word, SPLITS, f"Row {row} of column {column!r} has it.")
    sides = np.array([SPLITS[word] for word in words])
    if "train" not in sides:
        raise MTLError(f"Some rows are to train on. Received: none in column {column!r}. Call their split 'train'.")
    return sides


def _counts(sides: np.ndarray, shares: dict[str, float | None]) -> dict[str, int]:
    """Return how many of the training rows go to each split that no row is of yet, test first."""
    there = sorted(side for side, share in shares.items() if share is not None and side in sides)
    if there:
        raise MTLError(
            f"A share is held out where the split column names no rows. Received: {there[0]}={shares[there[0]]}, and "
            f"{int((sides == there[0]).sum())} rows of that split. Leave {there[0]}= out."
        )
    drawn = {"test": shares["test"], "validation": VALIDATION if shares["validation"] is None else shares["validation"]}
    asked = {side: share for side, share in drawn.items() if share is not None and side not in sides}
    n = int((sides == "train").sum())
    counts = {side: max(round(n * share), 1) for side, share in asked.items()}
    if not all(0 < share < 1 for share in asked.values()) or sum(counts.values()) >= n:
        given = ", ".join(f"{side}={share}" for side, share in asked.items())
        raise MTLError(
            f"Shares lie between 0 and 1 and leave a row to train on. Received: {given} of {n} rows. Give smaller shares, or "
            "more rows."
        )
    return counts


def _check_sides(files: Sequence[Path], root: Path, sides: np.ndarray, drawn: bool) -> None:
    """Refuse an image that is, or by a random choice could be, on two sides of the split."""
    first: dict[str, int] = {}
    for row, file in enumerate(files):
        before = first.setdefault(os.path.realpath(root / file), row)
        if before == row or (sides[before] == sides[row] and not (drawn and sides[row] == "train")):
            continue
        where = "of which some are drawn for another split" if sides[before] == sides[row] else "two splits"
        raise MTLError(
            f"An image is on one side of the split. Received: {file} in row {before} ({sides[before]}) and row {row} "
            f"({sides[row]}), {where}. Keep one row an image, or put its rows into one split of a split column."
        )
