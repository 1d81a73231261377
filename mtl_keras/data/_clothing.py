"""Photos of clothes, with the kind of garment and whether it is a child's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_keras.data._arrays import resolve
from mtl_keras.data._data import Data
from mtl_keras.data._dataframe import from_dataframe
from mtl_keras.errors import MTLError, unknown

if TYPE_CHECKING:
    import pandas as pd

    from mtl_keras.tasks import Tasks

__all__ = ["load_clothing"]

COLUMNS = ("label", "kids")

#: What the data set calls photos without a garment, or without a known one.
NO_GARMENT = ("Not sure", "Other", "Skip")

#: Share of all photos, and of those that are left.
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
    """Load the photos of the most frequent garments: columns `label` (task `garment`) and `kids` (1 for a child's).

    The photos lie at `data_dir/clothing/images/<image>.png` (or `.jpg`), and `data_dir/clothing/labels.csv` lists them in
    columns `image`, `label` and `kids`. Classes are in alphabetical order. A fifth of the photos goes to test and a tenth to
    validation, both chosen by the seed and stratified over the classes of all tasks.

    Args:
        tasks: What is predicted.
        data_dir: The folder above `clothing`; required, since nothing is downloaded.
        validation_fraction: Share of what is left without the test photos that goes to validation; default 0.125.
        seed: Seed of the choice of test and validation photos.
        garments: Number of kinds of garment, the most frequent ones, at least 2; default 5.
        image_size: Side in px that photos are brought to; default 32.

    Raises:
        MTLError: If the photos or a column are not there, or there are not so many kinds of garment.

    Reference:
        A. Grigorev, Clothing dataset (full, high resolution), 2020, CC0.
    """
    tasks = resolve(tasks, COLUMNS, {"garment": "label"})
    root = None if data_dir is None else Path(data_dir).expanduser() / "clothing"
    if root is None or not (root / "labels.csv").is_file():
        where = "no data_dir" if root is None else f"no file {root / 'labels.csv'}"
        raise MTLError(
            f"The data set 'clothing' must be on disk and is never downloaded. Received: {where}. Give data_dir=DIR "
            "(--data-dir) with DIR/clothing/labels.csv and the photos in DIR/clothing/images."
        )
    fraction = VALIDATION if validation_fraction is None else validation_fraction
    return from_dataframe(
        _most_frequent(root, garments),
        tasks,
        root=root / "images",
        image_size=image_size,
        validation=fraction * (1 - TEST),
        test=TEST,
        seed=seed,
        name="clothing",
    )


def _most_frequent(root: Path, garments: int) -> pd.DataFrame:
    """Return the rows of the most frequent garments, with the photos' files in `path`."""
    import pandas as pd

    table = pd.read_csv(root / "labels.csv", dtype={"image": str})
    for column in ("image", *COLUMNS):
        if column not in table.columns:
            raise unknown("column of labels.csv", column, map(str, table.columns))
    # Ties in alphabetical order, whatever the order of the table.
    counts = table.label[~table.label.isin(NO_GARMENT)].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if not 2 <= garments <= len(counts):
        raise MTLError(
            f"`garments` is from 2 to the number of kinds of garment. Received: garments={garments} of {len(counts)}. Give "
            f"e.g. {min(5, len(counts))}."
        )
    kept = table[table.label.isin(counts.index[:garments])]
    endings = {path.stem: path.suffix for path in (root / "images").glob("*")}
    return kept.assign(path=[f"{image}{endings.get(image, '.png')}" for image in kept.image])
