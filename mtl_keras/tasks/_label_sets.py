"""Label sets that come as texts with a separator, or as lists of names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl_keras.errors import RowsError, list_rows

__all__ = ["distinct_labels", "is_text_column", "read_label_sets"]


def is_text_column(column: np.ndarray) -> bool:
    """Return whether a column holds texts, or lists of them, and None where the label is missing."""
    return column.ndim == 1 and column.dtype.kind == "O"


def distinct_labels(column: np.ndarray, separator: str) -> tuple[str, ...]:
    """Return the names of all labels of a column, by letters."""
    return tuple(sorted({name for value in set(column.tolist()) if value is not None for name in _split(value, separator)}))


def read_label_sets(column: np.ndarray, names: Sequence[str], separator: str, task: str, split: str) -> np.ndarray:
    """Return 0/1 `[n, labels]`, NaN in the rows without a label set.

    Args:
        column: Texts, or tuples of them, and None where the label set is missing.
        names: Names of the labels, in order.
        separator: What is between the names in a text.
        task: Name of the task, for messages.
        split: Name of the split, for messages.

    Raises:
        MTLError: If a name is unknown; the message has its rows.
    """
    number = {name: index for index, name in enumerate(names)}
    found = np.zeros((len(column), len(names)))
    unknown: dict[str, list[int]] = {}
    for row, value in enumerate(column.tolist()):
        if value is None:
            found[row] = np.nan
            continue
        for name in _split(value, separator):
            if name in number:
                found[row, number[name]] = 1
            else:
                unknown.setdefault(name, []).append(row)
    if unknown:
        name, rows = next(iter(unknown.items()))
        raise RowsError(
            f"Labels of task {task!r} must be among its {len(names)} labels. Received: {name!r} in {list_rows(rows)}"
            f"{f' of {split}' if split else ''}{f', and {len(unknown) - 1} others' if len(unknown) > 1 else ''}. Correct the "
            f"rows, add it to `classes`, or pass the separator (now {separator!r}).",
            [row for rows in unknown.values() for row in rows],
            [f"{name!r} is none of the labels" for name, rows in unknown.items() for _ in rows],
        )
    return found


def _split(value: Any, separator: str) -> list[str]:
    """Return the names in a text or in a tuple of them."""
    parts = value.split(separator) if isinstance(value, str) else value
    return [name for part in parts if (name := str(part).strip())]
