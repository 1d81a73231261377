"""Input columns that say nothing."""

from __future__ import annotations

from collections.abc import Iterator

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows

__all__ = ["check_constant_columns"]

#: Share of missing values from which a column is worth a note.
MOSTLY = 0.5


def check_constant_columns(rows: Rows) -> Iterator[Finding]:
    """Find input columns that have one value only, or are mostly missing, in the training rows."""
    training = rows.training
    for column in rows.inputs:
        values = rows.frame[column][training]
        known = values.dropna()
        if known.dtype == object:
            # Lists are categories as well, by their texts.
            known = known.map(str)
        share = 1 - len(known) / max(len(values), 1)
        if not share and len(known) and (known == known.iloc[0]).all():
            yield _find(column, f"All training rows have {known.iloc[0]!r}.")
        elif MOSTLY <= share < 1:
            yield Finding(
                "constant_columns",
                "note",
                column,
                f"{share:.0%} of the training rows have no value.",
                "Check that it is not known only after the label is.",
            )


def _find(column: str, message: str) -> Finding:
    return Finding("constant_columns", "warning", column, message, "Leave the column out.")
