"""Labels that are missing, or all the same."""

from __future__ import annotations

from collections.abc import Iterator

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import join

__all__ = ["check_missing_labels"]

#: Share of the training labels from which it is worth a note that they are missing.
MOSTLY = 0.5


def check_missing_labels(rows: Rows) -> Iterator[Finding]:
    """Find labels that are all the same or mostly missing in training, and labels of a set that are missing in a split.

    A task without any label in a split is refused where the table is read.
    """
    for label in rows.labels:
        empty = [split for split, inside in rows.splits.items() if not (label.present & inside).any()]
        values = label.values[label.present & rows.training]
        share = 1 - values.size / max(int(rows.training.sum()), 1)
        if empty and label.plural:
            where = "all rows" if rows.sides is None else f"the {join(empty)} rows"
            yield Finding(
                "missing_labels",
                "warning",
                label.name,
                f"The label is missing in {where}.",
                "Add labels, choose other splits, or leave it out.",
            )
        if values.size and (values == values[0]).all():
            value = label.classes[int(values[0])] if label.classes is not None else f"{values[0]:g}"
            yield Finding(
                "missing_labels",
                "warning",
                label.name,
                f"All labels of the training rows are {value!r}: there is nothing to learn.",
                "Add rows with other labels, or leave it out.",
            )
        elif MOSTLY <= share < 1:
            yield Finding(
                "missing_labels",
                "note",
                label.name,
                f"{share:.0%} of the training rows have no label.",
                "They are trained on for the other tasks alone.",
            )
