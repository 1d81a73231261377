"""A table as it is read for training, with everything that is wrong with it instead of an error, and no image decoded."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._arrays import collect_class_names
from mtl_keras.data._image_files import ImageOptions
from mtl_keras.data._images import ImageReader
from mtl_keras.data._skipped import OnError, SkippedRow, describe_cost, read_good_rows
from mtl_keras.data._splits import Splits
from mtl_keras.data._table import plan_table
from mtl_keras.errors import MTLError, Problems, check_option

if TYPE_CHECKING:
    import pandas as pd

    from mtl_keras.tables import Table
    from mtl_keras.tasks import Tasks

__all__ = ["Survey", "survey_table"]

#: Height and width in px of images that are decoded only to see that they can be.
SIDE = 8


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of a table.

    Attributes:
        name: Name of the table.
        frame: Its rows.
        tasks: What is predicted, with the classes of the table.
        labels: Stored labels and presence by task, of the columns that are right.
        class_names: By task.
        kinds: Kinds of the input columns; empty for images.
        files: Image of each row, None where there is none; empty if the inputs are columns.
        sides: Split of each row; None if they cannot be divided.
        drawn: Whether rows are divided at random.
        errors: What `from_table` refuses, apart from images that are damaged or differ in size.
        skipped: Rows that `from_table` leaves out on request; `frame` and all else are without them.
        cost: What that costs, in words.
    """

    name: str
    frame: pd.DataFrame
    tasks: Tasks
    labels: Mapping[str, tuple[np.ndarray, np.ndarray]]
    class_names: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, str]
    files: Sequence[Path | None]
    sides: np.ndarray | None
    drawn: bool
    errors: tuple[MTLError, ...]
    skipped: tuple[SkippedRow, ...] = ()
    cost: str = ""


def survey_table(
    table: pd.DataFrame | str | os.PathLike[str] | Table,
    tasks: Tasks,
    *,
    image: str | None = None,
    inputs: Sequence[str] | Mapping[str, str] | None = None,
    root: str | os.PathLike[str] | None = None,
    suffix: str = "",
    splits: Splits | str | Mapping[str, Any] | None = None,
    weight: str | Mapping[str, str] | None = None,
    max_pixels: int = ImageOptions.max_pixels,
    on_error: OnError = "raise",
    seed: int = 0,
) -> Survey:
    """Return what is known of a table; see `from_table` for the arguments.

    With `on_error="skip"` all images are decoded. Where `from_table` would stop all the same, no row is left out.

    Raises:
        MTLError: If the table or a column is missing, or an argument is refused.
    """
    whole, reader = plan_table(table, tasks, image, inputs, root, suffix, splits, weight, seed)
    check_option("on_error", on_error, ("raise", "skip"))
    problems, frame, skipped = Problems(), whole.frame, tuple[SkippedRow, ...]()
    if on_error == "skip":
        # What stops training is said below, as without skipping.
        images = ImageReader(reader.root, ImageOptions(SIDE, max_pixels=max_pixels), cache_dir=False)
        with contextlib.suppress(MTLError):
            _, kept, skipped = read_good_rows(
                frame, lambda good: reader.read_all(good, images), on_error, reader.label_columns, warn=False
            )
            frame = frame.iloc[kept].reset_index(drop=True) if skipped else frame
    rows = reader.read(frame, problems)
    class_names = collect_class_names(rows.tasks, rows.class_names)
    for name, (stored, present) in rows.labels.items():
        # Training weighs them when it has all data.
        with problems.collect():
            rows.tasks[name].class_weights(stored[present > 0], class_names.get(name, ()))
    files = [None if file is None else reader.root / file for file in rows.files or ()]
    divided = len(rows.sides) > 0
    return Survey(
        whole.name,
        frame,
        rows.tasks,
        rows.labels,
        class_names,
        reader.kinds or {},
        files,
        rows.sides if divided else None,
        bool(rows.drawn.any()),
        problems.errors,
        skipped,
        describe_cost(whole.frame, skipped, reader.label_columns) if skipped else "",
    )
