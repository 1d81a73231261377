"""Data from a table: one row per example, one label column per task, and images or columns as inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._arrays import check_tasks, collect_class_names, encode_labels, make_split, resolve_columns
from mtl_keras.data._columns import read_labels, refuse_unseen
from mtl_keras.data._data import Data
from mtl_keras.data._images import check_headers, read_images
from mtl_keras.data._listed import check_sides, find_files, refuse_unreadable
from mtl_keras.data._skipped import OnError, read_good_rows
from mtl_keras.data._splits import Splits, parse_splits
from mtl_keras.data._stratify import strata_of
from mtl_keras.data._weights import check_weight, read_weights
from mtl_keras.errors import (
    MTLError,
    Problems,
    check_image_size,
    check_mapping,
    check_names,
    check_seed,
    check_text,
    describe,
    unknown,
)
from mtl_keras.tables import KINDS, Table, TableEncoder, infer_columns, read_table

if TYPE_CHECKING:
    import pandas as pd

    from mtl_keras.tasks import Tasks

__all__ = ["from_table"]

Labels = dict[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class _Rows:
    """What is read of the rows of a table.

    Attributes:
        x: Inputs.
        tasks: What is predicted, with the classes of the table.
        labels: Stored labels and presence by task.
        weights: Weights of rows by task.
        class_names: Names of classes by column.
        sides: Split of each row.
        encoder: Of the input columns.
    """

    x: np.ndarray
    tasks: Tasks
    labels: Labels
    weights: dict[str, np.ndarray]
    class_names: dict[str, tuple[str, ...]]
    sides: np.ndarray
    encoder: TableEncoder | None = None


def from_table(
    table: pd.DataFrame | str | os.PathLike[str] | Table,
    tasks: Tasks,
    *,
    image: str | None = None,
    inputs: Sequence[str] | Mapping[str, str] | None = None,
    root: str | os.PathLike[str] | None = None,
    suffix: str = "",
    image_size: int | tuple[int, int] | None = None,
    splits: Splits | str | Mapping[str, Any] | None = None,
    weight: str | Mapping[str, str] | None = None,
    on_error: OnError = "raise",
    seed: int = 0,
    name: str | None = None,
) -> Data:
    """Create `Data` from a table of images, or of rows of numbers, categories and dates.

    Args:
        table: A pandas DataFrame, or the path of a table that `mtl_keras.tables.read_table` reads: `.csv`, `.tsv`, `.parquet`,
            `.jsonl` or `.json`, perhaps packed. To say how it is written, pass what `read_table` returns.
        tasks: What is predicted; each task reads the column it names. Classes that a task leaves out are those of its column.
            NaN, None and empty texts are missing labels.
        image: Column with the paths of the images. Exactly one of `image` and `inputs` must be given.
        inputs: Names of the input columns, whose kinds are inferred; or their kinds by name: `"number"`, `"category"`,
            `"boolean"` or `"date"`. They are encoded by what is learnt from the training rows.
        root: Folder that the paths are relative to and must lie in, also absolute ones. None (default) is the folder of the
            table's file, or the current one. Pass `"/"` for absolute paths anywhere.
        suffix: Ending that is added to each path, e.g. `".jpg"` where the column has names without one; default empty.
        image_size: Side, or height and width, in px to which images are resized (bilinear, antialiased). None (default)
            keeps their size, which must then be the same.
        splits: A `Splits`, or the name of the column with the split of each row. None (default) holds out a tenth of the rows
            for validation, stratified over the classes of all tasks jointly.
        weight: Column with the weight of each row in the loss, at least 0, or a mapping of task to such a column; None
            (default) counts all rows alike. A row of weight 0 counts like one without a label.
        on_error: `"raise"` (default), or `"skip"` to leave out rows that cannot be used, with a warning that says the cost.
        seed: Seed of the choice of held-out rows, from 0; default 0.
        name: Name of the data set in reports; default the file's name without endings, or `"dataframe"`.

    Returns:
        Data whose `tasks` have their classes. Each split is in the order of the table. Images are RGB, uint8
        `[n, height, width, 3]`: upright by the EXIF orientation, of 16 bits a channel the upper 8, and transparent pixels over
        white. Rows of columns are float32 `[n, columns]`. Messages count rows from 0.

    Raises:
        MTLError: If the table, a column or an image is missing, an image lies outside the root, is not readable (JPEG, PNG,
            WebP, GIF, BMP or TIFF), has more than 89 million pixels or is in two splits, sizes differ, or a label is outside
            its task's range. One error names all of these.

    Example:
        data = mtl.data.from_table("photos/train.csv", tasks, image="file", image_size=32, splits=mtl.data.Splits(test=0.2))
        data = mtl.data.from_table("wine.csv", tasks, inputs=["alcohol", "color"])
    """
    check_tasks(tasks)
    seed, size = check_seed("seed", seed), None if image_size is None else check_image_size("image_size", image_size)
    if not isinstance(suffix, str):
        raise MTLError(f"`suffix` must be a text. Received: suffix={describe(suffix)}. Pass e.g. suffix='.jpg'.")
    divided = parse_splits(splits)
    if (image is None) == (inputs is None):
        received = "neither" if image is None else "both"
        raise MTLError(
            f"`from_table` must have image or inputs, one of them. Received: {received}. Pass image='file', for instance."
        )
    whole = table if isinstance(table, Table) else read_table(table)
    kinds = None if inputs is None else _read_kinds(inputs, whole)
    for column in [check_text("image", image, example="file")] if image is not None else [*(kinds or ())]:
        if column not in whole.frame.columns:
            raise unknown("column", column, map(str, whole.frame.columns))
    tasks = resolve_columns(tasks, list(whole.frame.columns))
    _check_overlap(tasks, kinds or ())
    weight_columns = check_weight(weight, tasks, list(whole.frame.columns))
    place = whole.folder if root is None else Path(root).expanduser()

    def read(frame: pd.DataFrame) -> _Rows:
        problems = Problems()
        files = None if image is None else find_files(frame[image].tolist(), image, place, suffix, problems)
        known, columns, class_names = read_labels(frame, tasks, problems)
        labels = encode_labels(known, len(frame), columns, problems, name="train", class_names=class_names)
        weights: dict[str, np.ndarray] = {}
        sides = np.array([])
        with problems.collect():
            weights = read_weights(weight_columns, frame, len(frame), "train")
        with problems.collect():
            sides = divided.assign(frame, strata_of(known, labels), seed)
            if files is not None:
                check_sides(files, place, sides, divided.drawn(frame), str(image))
        if files is None:
            problems.raise_all()
            encoder = TableEncoder.fit(frame, kinds or {}, rows=np.flatnonzero(sides == "train"))
            return _Rows(encoder.transform(frame)[0], known, labels, weights, class_names, sides, encoder)
        images = _read_images(files, place, size, str(image), problems)
        return _Rows(images, known, labels, weights, class_names, sides)

    labeled = [column for task in tasks.values() if not task.from_input for column in task.columns_read]
    rows, _, _ = read_good_rows(whole.frame, read, on_error, list(dict.fromkeys(labeled)))
    everything = make_split(rows.tasks, rows.x, rows.labels, "train", rows.weights)
    parts = {
        side: replace(everything.take(np.flatnonzero(rows.sides == side)), name=side) for side in np.unique(rows.sides).tolist()
    }
    called = collect_class_names(rows.tasks, rows.class_names)
    refuse_unseen(tasks, rows.tasks, parts, called)
    return Data(
        whole.name if name is None else name,
        parts["train"],
        parts["validation"],
        parts.get("test"),
        called,
        rows.x.shape[1:],
        encoder=rows.encoder,
    )


def _read_kinds(inputs: Any, table: Table) -> dict[str, str]:
    """Return the kinds of the input columns by name."""
    if isinstance(inputs, Mapping):
        kinds = {str(name): kind for name, kind in check_mapping("inputs", inputs, example="{'age': 'number'}").items()}
        for name, kind in kinds.items():
            if kind not in KINDS:
                raise unknown(f"kind of input column {name!r}", kind, KINDS)
        return kinds
    names = check_names("inputs", inputs)
    if not names:
        raise MTLError("`inputs` must name at least one column. Received: none. Pass e.g. inputs=['age'].")
    for name in names:
        if name not in table.frame.columns:
            raise unknown("column", name, map(str, table.frame.columns))
    chosen = replace(table, frame=table.frame[list(names)])
    return {column.name: column.kind for column in infer_columns(chosen, inputs=names).of("input")}


def _check_overlap(tasks: Tasks, inputs: Sequence[str] | Mapping[str, str]) -> None:
    """Refuse a column that is predicted from itself."""
    for task in tasks.values():
        for column in () if task.from_input else task.columns_read:
            if column not in inputs:
                continue
            raise MTLError(
                f"A column must be an input or a label. Received: {column!r} as both, for task {task.name!r}. Leave it "
                "out of the inputs."
            )


def _read_images(
    files: Sequence[Path | None], root: Path, size: tuple[int, int] | int | None, column: str, problems: Problems
) -> np.ndarray:
    """Return the images of all rows, after raising what is wrong with the table."""
    there = {row: file for row, file in enumerate(files) if file is not None}
    with problems.collect(column):
        # Their pixels are decoded, which takes long, only if nothing else is wrong.
        refuse_unreadable(there, root, check_headers(root, [*there.values()]) if problems else {}, column)
    problems.raise_all()
    images, unreadable = read_images(root, [*there.values()], size)
    refuse_unreadable(there, root, unreadable, column)
    return images
