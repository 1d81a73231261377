"""The rows that are checked, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.data import ImageOptions, SkippedRow
from mtl_keras.errors import MTLError
from mtl_keras.inspection._labels import Labels
from mtl_keras.inspection._photos import Photos, read_photos

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SPLITS", "Rows"]

#: In the order in which they are shown.
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a table, or of a folder of images, and what they are used for.

    Args:
        name: Name of the data.
        frame: The table, with the columns of `inputs`.
        labels: What is predicted.
        inputs: Kind of each input column: `"number"`, `"category"`, `"boolean"` or `"date"`; default none.
        sides: Split of each row, `[n]` texts; None (default) if there are none.
        sampled: Whether the splits are chosen at random; default False.
        files: Image of each row, None where there is none; default empty, the inputs are no images.
        image_size: Height and width in px that images are resized to; None (default) keeps their size.
        refused: What training refuses of these rows; default nothing.
        skipped: Rows that training leaves out on request, and which are not among these; default none.
        cost: What that costs, in words; default empty.
        max_pixels: Largest number of pixels of an image; default 89 million.
    """

    name: str
    frame: pd.DataFrame
    labels: tuple[Labels, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    sides: np.ndarray | None = None
    sampled: bool = False
    files: Sequence[Path | None] = ()
    image_size: tuple[int, int] | None = None
    refused: tuple[MTLError, ...] = ()
    skipped: tuple[SkippedRow, ...] = ()
    cost: str = ""
    max_pixels: int = ImageOptions.max_pixels

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def splits(self) -> dict[str, np.ndarray]:
        """Which rows are in each split, booleans `[n]`; all rows as `"all"` if there are no splits."""
        if self.sides is None:
            return {"all": np.ones(len(self), bool)}
        names = np.unique(self.sides).tolist()
        ordered = [name for name in SPLITS if name in names] + [name for name in names if name not in SPLITS]
        return {name: self.sides == name for name in ordered}

    @property
    def training(self) -> np.ndarray:
        """Which rows are trained on, booleans `[n]`; all if there are no splits."""
        return self.splits.get("train", np.ones(len(self), bool)) if self.sides is not None else self.splits["all"]

    @property
    def classes(self) -> tuple[Labels, ...]:
        """The labels that are classes."""
        return tuple(each for each in self.labels if each.classes is not None)

    @property
    def numbers(self) -> tuple[Labels, ...]:
        """The labels that are numbers."""
        return tuple(each for each in self.labels if each.classes is None)

    @cached_property
    def photos(self) -> Photos:
        """What is known of the images; read on first use, which takes long."""
        return read_photos(self.files, self.max_pixels)
