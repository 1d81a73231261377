"""Images listed in a table: one row per image, one label column per task."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._arrays import collect_class_names, encode_columns, hold_out, resolve_columns
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
    """Create `Data` from images listed in a table.

    Args:
        table: A pandas DataFrame, or the path of a `.csv` file (read by `pandas.read_csv`) or a `.json` file (a list of
            records, or a mapping from columns to their values).
        tasks: What is predicted; each task reads the column it names. Strings are classes in alphabetical order for
            `Classification` and `ClassMap`, and become their `class_names`. NaN, None and empty strings are absent labels.
        image: Column with the paths of the images; default `"path"`.
        root: Folder that the paths are relative to. None (default) is the folder of the table's file, or the current one.
        image_size: Side, or height and width, in px to which images are resized (bilinear, antialiased). None (default)
            keeps their size, which must then be the same.
        split: Column with the split of each row: `train`, `validation` (or `val`) or `test`. None (default) chooses the
            splits at random.
        validation: Fraction of the training rows held out for validation, in `(0, 1)`; default 0.1. Not if the split column
            has validation rows.
        test: The same for test; None (default) holds out no rows.
        seed: Seed of these choices, which are stratified over the classes of all tasks jointly, from 0; default 0.
        name: Name of the data set in reports; default the file's name without suffix, or `"dataframe"`.

    Returns:
        RGB images, uint8 `[n, height, width, 3]`, each split in the order of the table. Messages count rows from 0.

    Raises:
        MTLError: If a column or an image is missing, an image is not readable or in two splits, sizes differ, or a label is
            outside its task's range.

    Example:
        data = mtl.data.from_dataframe("photos/train.csv", tasks, image="file", image_size=32, test=0.2)
    """
    frame, folder, default_name = _read_table(table, image)
    for column in (image, *([split] if split is not None else [])):
        if column not in frame.columns:
            raise unknown("column", column, map(str, frame.columns))
    tasks = resolve_columns(tasks, list(frame.columns))
    root = folder if root is None else Path(root).expanduser()
    files = _find_files(frame[image].tolist(), image, root)
    sides = np.full(len(files), "train") if split is None else _read_sides(frame[split].tolist(), split)
    counts = _count_held_out(sides, {"validation": validation, "test": test})
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
            f"Every file of the table must be a readable image. Received: {int((~readable).sum())} of {len(files)} that are "
            f"not, the first {root / files[row]} in row {row}. Replace them, or remove their rows."
        )
    whole = encode_columns(tasks, images, columns, name="train", class_names=class_names)
    parts = {"train": whole}
    if split is not None:
        parts = {side: replace(whole.take(np.flatnonzero(sides == side)), name=side) for side in np.unique(sides).tolist()}
    for side, count in counts.items():
        parts["train"], parts[side] = hold_out(parts["train"], count, seed, side)
    return Data(
        name or default_name,
        parts["train"],
        parts["validation"],
        parts.get("test"),
        collect_class_names(tasks, class_names),
        images.shape[1:],
    )


def _read_table(table: Any, image: str) -> tuple[pd.DataFrame, Path, str]:
    """Return the table, the folder that its paths are relative to, and its name."""
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        frame, folder, name = table, Path(), "dataframe"
    else:
        path = Path(table if isinstance(table, str | os.PathLike) else type(table).__name__).expanduser()
        if path.suffix.lower() not in (".csv", ".json") or not path.is_file():
            raise MTLError(
                f"`table` must be a DataFrame, or a .csv or .json file. Received: {path}"
                f"{'' if path.is_file() else ', which is not a file'}. Read other formats with pandas and pass the DataFrame."
            )
        try:
            # Names of images may look like numbers and must stay strings.
            csv = path.suffix.lower() == ".csv"
            frame = pd.read_csv(path, dtype={image: str}) if csv else pd.DataFrame(json.loads(path.read_text("utf-8")))
        except (ValueError, AttributeError, TypeError) as error:
            raise MTLError(
                f"A .json table must be a list of records or a mapping of columns, a .csv table must have a header. Received: "
                f"{path}: {' '.join(str(error).split())[:200]}. Correct it, or pass a DataFrame."
            ) from error
        folder, name = path.parent, path.stem
    if not len(frame):
        raise MTLError(f"A table must list images. Received: {name!r} without rows. Add some.")
    return frame, folder, name


def _find_files(values: Sequence[Any], column: str, root: Path) -> list[Path]:
    """Return the paths in a column, after checking that each file exists below the root."""
    for row, value in enumerate(values):
        if not (isinstance(value, str | os.PathLike) and str(value).strip()):
            raise MTLError(
                f"Every row must have the path of an image. Received: {value!r} in row {row} of column {column!r}. Fill it in, "
                "or remove the row."
            )
    files = [Path(value) for value in values]
    missing = [row for row, file in enumerate(files) if not (root / file).is_file()]
    if missing:
        raise MTLError(
            f"Every image of the table must exist. Received: {len(missing)} of {len(files)} that do not, the first "
            f"{root / files[missing[0]]} in row {missing[0]}. Pass root=, the folder that the paths are relative to, or remove "
            "the rows."
        )
    return files


def _read_sides(names: Sequence[Any], column: str) -> np.ndarray:
    """Return the split of each row from the names in a column."""
    for row, name in enumerate(names):
        if not isinstance(name, str) or name not in SPLITS:
            raise unknown("split", name, SPLITS, f"Row {row} of column {column!r} has it.")
    sides = np.array([SPLITS[name] for name in names])
    if "train" not in sides:
        raise MTLError(
            f"The split column must have training rows. Received: none in column {column!r}. Call their split 'train'."
        )
    return sides


def _count_held_out(sides: np.ndarray, shares: dict[str, float | None]) -> dict[str, int]:
    """Return how many training rows go to each split that has no rows yet, test first."""
    present = sorted(side for side, share in shares.items() if share is not None and side in sides)
    if present:
        raise MTLError(
            f"`{present[0]}` must not be given if the split column has rows of that split. Received: "
            f"{present[0]}={shares[present[0]]}, and {int((sides == present[0]).sum())} rows. Remove `{present[0]}`."
        )
    given = {"test": shares["test"], "validation": VALIDATION if shares["validation"] is None else shares["validation"]}
    asked = {side: share for side, share in given.items() if share is not None and side not in sides}
    n = int((sides == "train").sum())
    counts = {side: max(round(n * share), 1) for side, share in asked.items()}
    if not all(0 < share < 1 for share in asked.values()) or sum(counts.values()) >= n:
        received = ", ".join(f"{side}={share}" for side, share in asked.items())
        raise MTLError(
            f"Fractions must lie in (0, 1) and leave a row to train on. Received: {received} of {n} rows. Pass smaller "
            "fractions, or more rows."
        )
    return counts


def _check_sides(files: Sequence[Path], root: Path, sides: np.ndarray, sampled: bool) -> None:
    """Check that no image is in two splits, or could be if rows are held out at random (`sampled`)."""
    first: dict[str, int] = {}
    for row, file in enumerate(files):
        before = first.setdefault(os.path.realpath(root / file), row)
        if before == row or (sides[before] == sides[row] and not (sampled and sides[row] == "train")):
            continue
        where = "from which rows are held out at random" if sides[before] == sides[row] else "two splits"
        raise MTLError(
            f"An image must be in one split. Received: {file} in row {before} ({sides[before]}) and row {row} ({sides[row]}), "
            f"{where}. Keep one row per image, or assign its rows to one split in a split column."
        )
