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
from mtl_keras.data._data import PHOTO, ROW, Data
from mtl_keras.data._decode import MAX_PIXELS, WHITE
from mtl_keras.data._image_files import ImageOptions, check_headers
from mtl_keras.data._images import ImageReader
from mtl_keras.data._listed import check_sides, find_files, refuse_unreadable
from mtl_keras.data._loading import CacheDir
from mtl_keras.data._skipped import OnError, read_good_rows
from mtl_keras.data._splits import Splits, parse_splits
from mtl_keras.data._stratify import strata_of
from mtl_keras.data._weights import check_weight, read_weights
from mtl_keras.errors import (
    MTLError,
    Problems,
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

    from mtl_keras.tasks import Task, Tasks

__all__ = ["TableReader", "TableRows", "from_table", "plan_table"]

#: Characters of the ending of a file's name.
LONGEST_SUFFIX = 40
Labels = dict[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class TableRows:
    """What is read of the rows of a table, without decoding images.

    Attributes:
        tasks: What is predicted, with the classes of the table.
        labels: Stored labels and presence by task, of those that are right.
        weights: Weights of rows by task.
        class_names: Names of classes by column.
        sides: Split of each row; empty if they cannot be divided.
        drawn: Which rows are divided at random; empty if they cannot be divided.
        files: Image of each row below the root, None for those without one; None if the inputs are columns alone.
        encoder: Of the input columns; None if there are none, or one is wrong.
        x: The encoded columns.
    """

    tasks: Tasks
    labels: Labels
    weights: dict[str, np.ndarray]
    class_names: dict[str, tuple[str, ...]]
    sides: np.ndarray
    drawn: np.ndarray
    files: list[Path | None] | None = None
    encoder: TableEncoder | None = None
    x: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class TableReader:
    """How the rows of a table are read.

    Attributes:
        tasks: What is predicted.
        image: Column of images, or None.
        kinds: Kinds of the input columns, or None.
        root: Folder of the images.
        suffix: Ending of their names.
        splits: How rows are divided.
        seed: Of the choice of held-out rows.
        weight_columns: Column of the weights of rows, by task.
    """

    tasks: Tasks
    image: str | None
    kinds: Mapping[str, str] | None
    root: Path
    suffix: str
    splits: Splits
    seed: int
    weight_columns: Mapping[str, str]

    def read(self, frame: pd.DataFrame, problems: Problems) -> TableRows:
        """Read rows; what is wrong is added to the problems."""
        files, sides, drawn = None, np.array([]), np.array([], bool)
        if self.image is not None:
            files = find_files(frame[self.image].tolist(), self.image, self.root, self.suffix, problems)
        known, columns, class_names = read_labels(frame, self.tasks, problems)
        labels = encode_labels(known, len(frame), columns, problems, name="train", class_names=class_names)
        weights: dict[str, np.ndarray] = {}
        with problems.collect():
            weights = read_weights(self.weight_columns, frame, len(frame), "train")
        with problems.collect():
            sides = self.splits.assign(frame, strata_of(known, labels), self.seed)
            drawn = self.splits.drawn(frame)
            if files is not None:
                check_sides(files, self.root, sides, drawn, str(self.image))
        at = {side: np.flatnonzero(sides == side) for side in np.unique(sides).tolist()}
        by_side = {side: _take(labels, weights, own) for side, own in at.items()}
        with problems.collect():
            _check_labels(known, by_side)
        with problems.collect():
            refuse_unseen(self.tasks, known, by_side, collect_class_names(known, class_names), at)
        encoder, x = None, None
        if self.kinds is not None and len(sides):
            with problems.collect():
                encoder = TableEncoder.fit(frame, self.kinds, rows=np.flatnonzero(sides == "train"))
                x, _ = encoder.transform(frame)
        return TableRows(known, labels, weights, class_names, sides, drawn, files, encoder, x)

    def read_all(self, frame: pd.DataFrame, reader: ImageReader) -> tuple[TableRows, Any]:
        """Read rows and their inputs.

        Raises:
            MTLError: If anything is wrong.
        """
        problems = Problems()
        rows = self.read(frame, problems)
        images = None if rows.files is None else _read_images(rows.files, reader, str(self.image), problems)
        problems.raise_all()
        given = {name: x for name, x in ((PHOTO, images), (ROW, rows.x)) if x is not None}
        return rows, given if len(given) > 1 else next(iter(given.values()))

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that labels are read from."""
        return tuple(dict.fromkeys(c for task in self.tasks.values() if not task.from_input for c in task.columns_read))


def from_table(
    table: pd.DataFrame | str | os.PathLike[str] | Table,
    tasks: Tasks,
    *,
    image: str | None = None,
    inputs: Sequence[str] | Mapping[str, str] | None = None,
    root: str | os.PathLike[str] | None = None,
    suffix: str = "",
    image_size: int | tuple[int, int] | None = None,
    channels: int = 3,
    background: int | tuple[int, int, int] = WHITE,
    max_pixels: int = MAX_PIXELS,
    cache_dir: CacheDir = None,
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
        image: Column with the paths of the images. `image` or `inputs` must be given; with both, the model has two inputs, the
            images as `"photo"` and the rows of the columns as `"row"`.
        inputs: Names of the input columns, whose kinds are inferred; or their kinds by name: `"number"`, `"category"`,
            `"boolean"` or `"date"`. They are encoded by what is learnt from the training rows.
        root: Folder that the paths are relative to and must lie in, also absolute ones. None (default) is the folder of the
            table's file, or the current one. Pass `"/"` for absolute paths anywhere.
        suffix: Ending that is added to each path, e.g. `".jpg"` where the column has names without one; default empty.
        image_size: Side, or height and width, in px to which images are resized (bilinear, antialiased). None (default)
            keeps their size, which must then be the same.
        channels: 3 (default) for RGB images, or 1 for gray ones.
        background: Color that transparent pixels are composited over, from 0 to 255: red, green and blue, or one number for a
            gray; default white.
        max_pixels: Largest number of pixels of an image file; default 89 million.
        cache_dir: Folder of the cache, into which many or large image files are decoded once; False decodes them to memory
            each time. None (default) is the user's cache folder.
        splits: A `Splits`, or the name of the column with the split of each row. None (default) holds out a tenth of the rows
            for validation, stratified over the classes of all tasks jointly.
        weight: Column with the weight of each row in the loss, at least 0, or a mapping of task to such a column; None
            (default) counts all rows alike. A row of weight 0 counts like one without a label.
        on_error: `"raise"` (default), or `"skip"` to leave out rows that cannot be used, with a warning that says the cost.
        seed: Seed of the choice of held-out rows, from 0; default 0.
        name: Name of the data set in reports; default the file's name without endings, or `"dataframe"`.

    Returns:
        Data whose `tasks` have their classes. Each split is in the order of the table. Images are uint8
        `[n, height, width, channels]`: upright by the EXIF orientation, and of 16 bits a channel the upper 8. Images that need
        more than a quarter of the memory stay in the cache and are read row by row. Rows of columns are float32
        `[n, columns]`. Messages count rows from 0.

    Raises:
        MTLError: If the table, a column or an image is missing, an image lies outside the root, is not readable (JPEG, PNG,
            WebP, GIF, BMP or TIFF), has more than `max_pixels` pixels or is in two splits, sizes differ, or a label is outside
            its task's range. One error names all of these.

    Example:
        data = mtl.data.from_table("photos/train.csv", tasks, image="file", image_size=32, splits=mtl.data.Splits(test=0.2))
        data = mtl.data.from_table("wine.csv", tasks, inputs=["alcohol", "color"])
        data = mtl.data.from_table("skin/labels.csv", tasks, image="photo", inputs=["age", "site"], image_size=96)
    """
    options = ImageOptions(image_size, channels, background, max_pixels)
    whole, reader = plan_table(table, tasks, image, inputs, root, suffix, splits, weight, seed)
    images = ImageReader(reader.root, options, cache_dir)
    (rows, x), _, skipped = read_good_rows(
        whole.frame, lambda frame: reader.read_all(frame, images), on_error, reader.label_columns
    )
    everything = make_split(rows.tasks, x, rows.labels, "train", rows.weights)
    parts = {
        side: replace(everything.take(np.flatnonzero(rows.sides == side)), name=side) for side in np.unique(rows.sides).tolist()
    }
    return Data(
        whole.name if name is None else name,
        parts["train"],
        parts["validation"],
        parts.get("test"),
        collect_class_names(rows.tasks, rows.class_names),
        everything.input_shape,
        encoder=rows.encoder,
        skipped=skipped,
    )


def plan_table(
    table: Any, tasks: Tasks, image: Any, inputs: Any, root: Any, suffix: Any, splits: Any, weight: Any, seed: Any
) -> tuple[Table, TableReader]:
    """Return a table and how its rows are read; see `from_table` for arguments and errors."""
    check_tasks(tasks)
    seed = check_seed("seed", seed)
    if not isinstance(suffix, str) or suffix != suffix.strip() or not suffix.isprintable() or len(suffix) > LONGEST_SUFFIX:
        raise MTLError(
            f"`suffix` must be a text of at most {LONGEST_SUFFIX} characters without spaces around it. Received: "
            f"suffix={describe(suffix)}. Pass e.g. suffix='.jpg'."
        )
    divided = parse_splits(splits)
    if image is None and inputs is None:
        raise MTLError("`from_table` must have image or inputs, or both. Received: neither. Pass image='file', for instance.")
    whole = table if isinstance(table, Table) else read_table(table)
    kinds = None if inputs is None else _read_kinds(inputs, whole)
    for column in [*([] if image is None else [check_text("image", image, example="file")]), *(kinds or ())]:
        if column not in whole.frame.columns:
            raise unknown("column", column, map(str, whole.frame.columns))
    if image is not None and image in (kinds or ()):
        raise MTLError(
            f"A column must hold images or be an input of its own. Received: {image!r} as both. Leave it out of the inputs."
        )
    tasks = resolve_columns(tasks, list(whole.frame.columns))
    _check_overlap(tasks, kinds or ())
    weight_columns = check_weight(weight, tasks, list(whole.frame.columns))
    place = whole.folder if root is None else Path(root).expanduser()
    return whole, TableReader(tasks, image, kinds, place, suffix, divided, seed, weight_columns)


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


def _take(labels: Labels, weights: Mapping[str, np.ndarray], rows: np.ndarray) -> Labels:
    """Return stored labels and their weights of some rows."""
    return {task: (stored[rows], (present * weights.get(task, 1))[rows]) for task, (stored, present) in labels.items()}


def _check_labels(tasks: Tasks, labels: Mapping[str, Labels]) -> None:
    """Refuse a task without a label in a split, which could neither be learnt nor judged."""
    lacking: dict[str, list[str]] = {}
    for side in sorted(labels, key=("train", "validation", "test").index):
        for task, (_, weight) in labels[side].items():
            if not (weight > 0).any():
                lacking.setdefault(task, []).append(f"{side} ({len(weight):,} rows)")
    if lacking:
        shown = "; ".join(f"{task!r}{_name_column(tasks[task])} in {', '.join(sides)}" for task, sides in lacking.items())
        raise MTLError(
            f"Each task must have labels in each split. Received: none for {shown}. Add labels, leave the task out, or divide "
            "the rows otherwise."
        )


def _name_column(task: Task) -> str:
    """Return the column of a task in words, nothing for one that reads several."""
    return "" if task.column is None else f" (column {task.column!r})"


def _read_images(files: Sequence[Path | None], reader: ImageReader, column: str, problems: Problems) -> np.ndarray:
    """Return the images of all rows, after raising what is wrong with the table."""
    there = {row: file for row, file in enumerate(files) if file is not None}
    with problems.collect(column):
        # Their pixels are decoded, which takes long, only if nothing else is wrong.
        found = check_headers(reader.root, [*there.values()], reader.options) if problems else {}
        refuse_unreadable(there, reader.root, found, column)
    problems.raise_all()
    images, unreadable = reader.read([*there.values()])
    refuse_unreadable(there, reader.root, unreadable, column)
    return images
