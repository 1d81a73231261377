"""Labels that are missing, or all the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._labels import Labels
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import join

__all__ = ["check_missing_labels"]


def check_missing_labels(rows: Rows) -> Iterator[Finding]:
    """Find tasks without labels in a split, or with one value only."""
    for task in dict.fromkeys(each.task for each in rows.labels):
        own = [each for each in rows.labels if each.task == task]
        present = np.logical_or.reduce([each.present for each in own])
        empty = [split for split, inside in rows.splits.items() if not (present & inside).any()]
        if empty:
            where = "any row" if rows.sides is None else f"the {join(empty)} rows"
            yield Finding(
                "missing_labels",
                "error",
                task,
                f"All labels are missing in {where}.",
                "Add labels, choose other splits, or leave the task out.",
            )
    for label in rows.labels:
        yield from _check_one_value(label, rows.training)


def _check_one_value(label: Labels, training: np.ndarray) -> Iterator[Finding]:
    """Find a label that is the same in all training rows: an error for a task, of a label set a warning."""
    values = label.values[label.present & training]
    if values.size and (values == values[0]).all():
        value = label.classes[int(values[0])] if label.classes is not None else f"{values[0]:g}"
        yield Finding(
            "missing_labels",
            "warning" if label.plural else "error",
            label.name,
            f"All labels of the training rows are {value!r}: there is nothing to learn.",
            "Add rows with other labels, or leave it out.",
        )
