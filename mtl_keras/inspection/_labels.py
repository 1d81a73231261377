"""The labels of a table as the checks see them: classes or numbers, one array for each label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.tables import to_numbers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Labels", "class_labels", "number_labels"]


@dataclass(frozen=True, eq=False)
class Labels:
    """One label of all rows.

    Args:
        name: Name of the task; of a label set with that of the label, e.g. `"marks: red"`.
        task: Name of the task.
        kind: Kind of the task, e.g. `"Classification"`.
        column: Column that it is read from.
        values: Class indices `[n]` int32, -1 where missing; or numbers `[n]` float64, NaN where missing.
        classes: Names of the classes; None for numbers.
        transformed: Whether numbers are trained on as their logarithms; default False.
    """

    name: str
    task: str
    kind: str
    column: str
    values: np.ndarray
    classes: tuple[str, ...] | None = None
    transformed: bool = False

    @property
    def present(self) -> np.ndarray:
        """Which rows have the label, booleans `[n]`."""
        return self.values >= 0 if self.classes is not None else np.isfinite(self.values)

    @property
    def plural(self) -> bool:
        """Whether it is one label of a set."""
        return self.name != self.task


def class_labels(name: str, kind: str, column: pd.Series, names: Sequence[str] = (), *, task: str | None = None) -> Labels:
    """Return a column as classes.

    Args:
        name: See `Labels`.
        kind: See `Labels`.
        column: Texts, numbers or booleans; missing and empty values are missing labels.
        names: Names of the classes in their order; those that occur besides follow. Default: all that occur, numbers in
            ascending and texts in alphabetical order.
        task: See `Labels`; default the name.
    """
    import pandas as pd

    texts = class_texts(column)
    codes, found = pd.factorize(texts)
    order = sorted(map(str, found), key=_by_number)
    known = tuple(dict.fromkeys((*map(str, names), *order)))
    place = {text: index for index, text in enumerate(known)}
    numbers = np.array([place[str(text)] for text in found] + [-1], np.int32)
    return Labels(name, task or name, kind, str(column.name), numbers[codes], known)


def number_labels(name: str, kind: str, column: pd.Series, *, task: str | None = None) -> Labels:
    """Return a column as numbers; what is no finite number is missing."""
    values = to_numbers(column, "number")
    return Labels(name, task or name, kind, str(column.name), np.where(np.isfinite(values), values, np.nan))


def class_texts(column: pd.Series) -> pd.Series:
    """Return classes as texts without spaces around them, whole numbers without a point, and missing ones as None."""
    import pandas as pd

    if pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        texts = column.astype(object).map({True: "1", False: "0"})
    elif pd.api.types.is_numeric_dtype(column.dtype):
        codes, numbers = pd.factorize(column.to_numpy(np.float64, na_value=np.nan))
        texts = pd.Series(np.array([*(f"{value:.15g}" for value in numbers), None], object)[codes], column.index)
    else:
        codes, found = pd.factorize(column.astype(str).where(column.notna(), None))
        texts = pd.Series(np.array([*(str(value).strip() or None for value in found), None], object)[codes], column.index)
    return texts


def _by_number(text: str) -> tuple[int, float, str]:
    """Return what class names are ordered by: numbers first, by value."""
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text
