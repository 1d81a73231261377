"""Images listed in a table: one row per image, one label column per task."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._arrays import check_tasks, collect_class_names, encode_labels, hold_out, make_split, resolve_columns
from mtl_keras.data._columns import read_column
from mtl_keras.data._data import Data
from mtl_keras.data._images import SPLITS, check_headers, read_images
from mtl_keras.errors import MTLError, Problems, check_fraction, check_image_size, check_seed, list_rows, unknown

if TYPE_CHECKING:
    import pandas as pd

    from mtl_keras.tasks import Tasks

__all__ = ["from_dataframe", "read_table"]

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
        root: Folder that the paths are relative to and must lie in, also absolute ones. None (default) is the folder of the
            table's file, or the current one. Pass `"/"` for absolute paths anywhere.
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
        RGB images, uint8 `[n, height, width, 3]`, each split in the order of the table: upright by the EXIF orientation, of
        16 bits a channel the upper 8, and transparent pixels over white. Messages count rows from 0.

    Raises:
        MTLError: If a column or an image is missing, an image lies outside the root, is not readable (JPEG, PNG, WebP, GIF,
            BMP or TIFF), has more than 89 million pixels or is in two splits, sizes differ, or a label is outside its task's
            range. One error names all of these.

    Example:
        data = mtl.data.from_dataframe("photos/train.csv", tasks, image="file", image_size=32, test=0.2)
    """
    check_tasks(tasks)
    seed, size = check_seed("seed", seed), None if image_size is None else check_image_size("image_size", image_size)
    frame, folder, default_name = read_table(table, image)
    for column in (image, *([split] if split is not None else [])):
        if column not in frame.columns:
            raise unknown("column", column, map(str, frame.columns))
    tasks = resolve_columns(tasks, list(frame.columns))
    root = folder if root is None else Path(root).expanduser()
    problems = Problems()
    files = _find_files(frame[image].tolist(), image, root, problems)
    sides, counts = _assign_sides(frame, split, {"validation": validation, "test": test}, problems)
    with problems.collect():
        _check_sides(files, root, sides, bool(counts))
    columns, class_names = {}, {}
    for column in dict.fromkeys(task.column for task in tasks.values() if not task.from_input and task.column is not None):
        with problems.collect():
            columns[column], class_names[column] = read_column(frame[column], column, tasks)
    labels = encode_labels(tasks, len(frame), columns, problems, name="train", class_names=class_names)
    there = {row: file for row, file in enumerate(files) if file is not None}
    with problems.collect():
        # Their pixels are decoded, which takes long, only if nothing else is wrong.
        _refuse_unreadable(there, root, check_headers(root, [*there.values()]) if problems else {})
    problems.raise_all()
    images, unreadable = read_images(root, [*there.values()], size)
    _refuse_unreadable(there, root, unreadable)
    whole = make_split(tasks, images, labels, "train")
    parts = {"train": whole}
    if split is not None:
        parts = {side: replace(whole.take(np.flatnonzero(sides == side)), name=side) for side in np.unique(sides).tolist()}
    for side, count in counts.items():
        parts["train"], parts[side] = hold_out(parts["train"], count, seed, side)
    return Data(
        default_name if name is None else name,
        parts["train"],
        parts["validation"],
        parts.get("test"),
        collect_class_names(tasks, class_names),
        images.shape[1:],
    )


def read_table(table: Any, image: str) -> tuple[pd.DataFrame, Path, str]:
    """Return the table, the folder that its paths are relative to, and its name; see `from_dataframe` for arguments."""
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
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise MTLError(
                f"A .json table must be a list of records or a mapping of columns, a .csv table must have a header. Received: "
                f"{path}: {' '.join(str(error).split())[:200]}. Correct it, or pass a DataFrame."
            ) from error
        folder, name = path.parent, path.stem
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise MTLError(f"Columns of a table must have names of their own. Received: {twice!r} more than once. Rename one.")
    if not len(frame):
        raise MTLError(f"A table must list images. Received: {name!r} without rows. Add some.")
    return frame, folder, name


def _find_files(values: Sequence[Any], column: str, root: Path, problems: Problems) -> list[Path | None]:
    """Return the paths in a column, None for those that are no image below the root, which are added to the problems."""
    files = [Path(value) if isinstance(value, str | os.PathLike) and str(value).strip() else None for value in values]
    with problems.collect():
        if empty := [row for row, file in enumerate(files) if file is None]:
            raise MTLError(
                f"Every row must have the path of an image. Received: {values[empty[0]]!r} in {list_rows(empty)} of column "
                f"{column!r}. Fill it in, or remove the rows."
            )
    # By their names alone: links are those of whoever owns the folder, paths may be those of somebody else.
    base = os.path.abspath(root)
    below = [None if file is None else Path(os.path.relpath(os.path.join(base, file), base)) for file in files]
    outside = [row for row, path in enumerate(below) if path is not None and path.parts[:1] == (os.pardir,)]
    for row in outside:
        below[row] = None
    missing = [row for row, path in enumerate(below) if path is not None and not (root / path).is_file()]
    with problems.collect():
        if outside:
            raise MTLError(
                f"Every image of the table must lie below the root, {base}. Received: {len(outside)} of {len(files)} that do "
                f"not, the first {files[outside[0]]}, {list_rows(outside)}. Pass root=, a folder that contains them all, or "
                "root='/' for absolute paths anywhere."
            )
    with problems.collect():
        if missing:
            first = root / (below[missing[0]] or "")
            raise MTLError(
                f"Every image of the table must exist. Received: {len(missing)} of {len(files)} that do not, the first "
                f"{first}, {list_rows(missing)}. {_suggest_file(first, column)}."
            )
    for row in missing:
        below[row] = None
    return below


def _suggest_file(path: Path, column: str) -> str:
    """Return the remedy for a file that is missing."""
    endings = sorted(p.name.removeprefix(path.name) for p in path.parent.glob(f"{glob.escape(path.name)}.*"))
    if endings:
        return f"{path.name}{endings[0]} lies there: add the ending, e.g. df[{column!r}] + {endings[0]!r}"
    return "Pass root=, the folder that the paths are relative to, or remove the rows"


def _refuse_unreadable(files: Mapping[int, Path], root: Path, reasons: Mapping[int, str]) -> None:
    """Raise an error for files that are not readable images, if there are any; `reasons` counts files, not rows."""
    if reasons:
        rows = [*files]
        shown = "; ".join(f"{root / files[rows[i]]} in row {rows[i]}: {reason}" for i, reason in [*reasons.items()][:5])
        raise MTLError(
            f"Every file of the table must be a readable image. Received: {len(reasons)} of {len(files)} that are not: {shown}"
            f"{'; ...' if len(reasons) > 5 else ''}. Replace them, or remove their rows."
        )


def _assign_sides(
    frame: pd.DataFrame, column: str | None, shares: dict[str, float | None], problems: Problems
) -> tuple[np.ndarray, dict[str, int]]:
    """Return the split of each row, and how many training rows go to each split that has no rows yet."""
    sides, counts = np.full(len(frame), "train"), {}
    shares = {side: None if share is None else check_fraction(side, share, example=0.1) for side, share in shares.items()}
    with problems.collect():
        if column is not None:
            sides = _read_sides(frame[column].tolist(), column)
        counts = _count_held_out(sides, shares)
    return sides, counts


def _read_sides(names: Sequence[Any], column: str) -> np.ndarray:
    """Return the split of each row from the names in a column."""
    wrong: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        if not isinstance(name, str) or name not in SPLITS:
            wrong.setdefault(name if isinstance(name, str) else "", []).append(row)
    if wrong:
        shown = "; ".join(f"{name!r} in {list_rows(rows)}" for name, rows in [*wrong.items()][:5])
        raise MTLError(
            f"A split must be one of {', '.join(SPLITS)}. Received: {shown} of column {column!r}. Correct these rows."
        )
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
    if sum(counts.values()) >= n:
        received = ", ".join(f"{side}={share}" for side, share in asked.items())
        raise MTLError(
            f"Fractions must leave a row to train on. Received: {received} of {n} rows. Pass smaller fractions, or more rows."
        )
    return counts


def _check_sides(files: Sequence[Path | None], root: Path, sides: np.ndarray, sampled: bool) -> None:
    """Check that no image is in two splits, or could be if rows are held out at random (`sampled`)."""
    rows: dict[str, list[int]] = {}
    for row, file in enumerate(files):
        if file is not None:
            rows.setdefault(os.path.realpath(root / file), []).append(row)
    repeated = [own for own in rows.values() if len(own) > 1]
    divided = [own for own in repeated if len({*sides[own]}) > 1]
    if divided:
        own = divided[0]
        where = ", ".join(f"row {row} ({sides[row]})" for row in own[:5])
        raise MTLError(
            f"An image must be in one split. Received: {len(divided)} in several, the first {files[own[0]]}, {where}. Assign "
            "the rows of an image to one split."
        )
    if repeated and sampled and (drawn := [own for own in repeated if sides[own[0]] == "train"]):
        raise MTLError(
            "Rows of one image must not be divided between splits, and rows are held out of the training part at random. "
            f"Received: {len(drawn)} images in several of its rows, the first {files[drawn[0][0]]}, {list_rows(drawn[0])}. "
            "Keep one row per image, or name the validation rows in a split column."
        )
