"""Input columns that identify rows instead of describing them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows
from mtl_keras.tables import to_numbers

__all__ = ["check_identifiers"]

#: Fewest rows of which it can be told.
ENOUGH = 20
#: Share of distinct values from which texts are names of rows.
DISTINCT = 0.9
#: Names of columns of identifiers: `id`, `row_id`, `userId`, `uuid`, `index`, `Unnamed: 0`.
NAMES = re.compile(r"(?i:(?:.*[_ -])?(?:id|ids|uuid|guid|index|idx)|unnamed: \d+)|.*[a-z]Id")


def check_identifiers(rows: Rows) -> Iterator[Finding]:
    """Find identifiers among the inputs.

    Texts are identifiers if at least 90 % of them are distinct. Whole numbers are if all are distinct and they count the rows
    (they rise or fall from row to row, or have few gaps), or their column is called like one.
    """
    for column, kind in rows.inputs.items():
        values = rows.frame[column].dropna()
        if len(values) < ENOUGH or kind not in ("category", "number"):
            continue
        if kind == "number":
            reason = _counts_rows(to_numbers(values, "number"), column)
        else:
            distinct = values.astype(str).nunique()
            reason = f"{distinct:,} of {len(values):,} values are distinct" if distinct >= DISTINCT * len(values) else ""
        if reason:
            yield Finding(
                "identifiers",
                "warning",
                column,
                f"The column looks like an identifier: {reason}.",
                "Leave it out of the inputs: it can be learned by heart and says nothing of other rows.",
            )


def _counts_rows(values: np.ndarray, column: str) -> str:
    """Return why distinct whole numbers are an identifier, or nothing."""
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        return ""
    ordered = np.sort(values)
    if (np.diff(ordered) == 0).any():
        return ""
    steps = np.diff(values)
    if (steps > 0).all() or (steps < 0).all():
        return "its whole numbers are distinct and in order"
    if ordered[-1] - ordered[0] < 2 * len(values):
        return f"its whole numbers are distinct and nearly all from {ordered[0]:.0f} to {ordered[-1]:.0f} occur"
    return "its whole numbers are distinct, and so it is called" if NAMES.fullmatch(column) else ""
