"""Splits with few rows."""

from __future__ import annotations

from collections.abc import Iterator

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import count

__all__ = ["check_split_sizes"]

#: Rows below which a measured accuracy is rough: of 50 rows its standard error is up to 7 percentage points.
FEW = 50


def check_split_sizes(rows: Rows) -> Iterator[Finding]:
    """Find splits with so few rows that what is measured there is rough."""
    if rows.sides is None:
        return
    for split, inside in rows.splits.items():
        n = int(inside.sum())
        if split != "train" and n < FEW:
            error = 100 * 0.5 / n**0.5
            yield Finding(
                "split_sizes",
                "warning",
                split,
                f"The {split} split has {count(n, 'row')}: the standard error of an accuracy is up to {error:.0f} percentage "
                "points.",
                "Take a larger share, or several folds.",
            )
