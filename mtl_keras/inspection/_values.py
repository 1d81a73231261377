"""Input columns whose values do not fit their kind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._labels import to_numbers
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import count, name_some

__all__ = ["check_values"]


def check_values(rows: Rows) -> Iterator[Finding]:
    """Find texts and infinite values in columns of numbers."""
    for column, kind in rows.inputs.items():
        if kind != "number":
            continue
        values = rows.frame[column]
        numbers = to_numbers(values)
        wrong = np.flatnonzero(values.notna().to_numpy() & ~np.isfinite(numbers))
        # An empty field is a missing value.
        wrong = np.array([row for row in wrong if str(values.iloc[row]).strip()], np.int64)
        if wrong.size:
            shown = list(dict.fromkeys(repr(values.iloc[row]) for row in wrong[:1000]))
            yield Finding(
                "values",
                "error",
                column,
                f"{count(wrong.size, 'value')} of a column of numbers are none: {name_some(shown)}.",
                "Correct them, leave them empty if they stand for missing values, or call the column a category.",
                tuple(wrong),
            )
