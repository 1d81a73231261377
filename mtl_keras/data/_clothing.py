"""Photos of clothing with two labels: the kind of garment, and whether it is for children."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_keras.data._arrays import resolve_columns
from mtl_keras.data._data import Data
from mtl_keras.data._splits import Splits
from mtl_keras.data._table import from_table
from mtl_keras.errors import MTLError, unknown
from mtl_keras.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

    from mtl_keras.tasks import Tasks

__all__ = ["load_clothing"]

COLUMNS = ("label", "kids")

#: Labels of photos without a garment or without a known one.
NO_GARMENT = ("Not sure", "Other", "Skip")

#: Fraction of all photos, and fraction of the others.
TEST, VALIDATION = 0.2, 0.125


def load_clothing(
    tasks: Tasks,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    validation_fraction: float | None = None,
    seed: int = 0,
    garments: int = 5,
    image_size: int = 32,
) -> Data:
    """Load the photos of the most frequent garments: columns `label` (task `garment`) and `kids` (1 for children's).

    The photos lie at `data_dir/clothing/images/<image>.png` (or `.jpg`), and `data_dir/clothing/labels.csv` lists them in
    columns `image`, `label` and `kids`. Classes are in alphabetical order. A fifth of the photos goes to test and a tenth to
    validation, chosen at random and stratified over the classes of all tasks.

    Args:
        tasks: What is predicted.
        data_dir: The folder that contains `clothing`; required, since nothing is downloaded.
        validation_fraction: Fraction of the photos outside test that goes to validation, in `(0, 1)`; default 0.125.
        seed: Seed of the choice of test and validation photos, from 0; default 0.
        garments: Number of kinds of garment, the most frequent ones, at least 2; default 5.
        image_size: Side in px to which photos are resized; default 32.

    Raises:
        MTLError: If the photos or a column are missing, or there are fewer kinds of garment.

    Reference:
        A. Grigorev, Clothing dataset (full, high resolution), 2020, CC0.
    """
    tasks = resolve_columns(tasks, COLUMNS, {"garment": "label"})
    root = None if data_dir is None else Path(data_dir).expanduser() / "clothing"
    if root is None or not (root / "labels.csv").is_file():
        where = "no data_dir" if root is None else f"no file {root / 'labels.csv'}"
        raise MTLError(
            f"The data set 'clothing' must be on disk and is never downloaded. Received: {where}. Pass data_dir=DIR "
            "(--data-dir) with DIR/clothing/labels.csv and the photos in DIR/clothing/images."
        )
    fraction = VALIDATION if validation_fraction is None else validation_fraction
    return from_table(
        _select_most_frequent(root, garments),
        tasks,
        image="path",
        root=root / "images",
        image_size=image_size,
        splits=Splits(validation=fraction * (1 - TEST), test=TEST),
        seed=seed,
        name="clothing",
    )


def _select_most_frequent(root: Path, garments: int) -> pd.DataFrame:
    """Return the rows of the most frequent garments, with the names of the photos' files in `path`."""
    import pandas as pd

    table = read_table(root / "labels.csv").frame
    for column in ("image", *COLUMNS):
        if column not in table.columns:
            raise unknown("column of labels.csv", column, map(str, table.columns))
    # Ties in alphabetical order, so that the order of the table has no influence.
    counts = table.label[~table.label.isin(NO_GARMENT)].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if not 2 <= garments <= len(counts):
        raise MTLError(
            f"`garments` must be from 2 to the number of kinds of garment, {len(counts)}. Received: garments={garments}. Pass "
            f"e.g. garments={min(5, len(counts))}."
        )
    kept = table[table.label.isin(counts.index[:garments])]
    endings = {path.stem: path.suffix for path in (root / "images").glob("*")}
    # A column of numbers alone is read as numbers.
    names = [image if pd.isna(image) else f"{image}{endings.get(str(image), '.png')}" for image in kept.image]
    return kept.assign(path=names)
