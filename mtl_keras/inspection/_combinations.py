"""Combinations of classes of two tasks that never occur."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._labels import Labels
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import name_some

__all__ = ["check_combinations"]

#: Pairs of tasks that are looked at, and combinations of a pair up to which its tasks are.
MAX_PAIRS, MAX_CELLS = 500, 10_000
#: Rows that a combination would have if the two labels were independent, from which it is unexpected that it has none.
EXPECTED = 5


def check_combinations(rows: Rows) -> Iterator[Finding]:
    """Find combinations of classes that never occur although at least 5 rows of them are expected of independent labels."""
    labels = [each for each in rows.classes if 2 <= len(each.classes or ()) <= MAX_CELLS]
    pairs = len(labels) * (len(labels) - 1) // 2
    for one, other in islice(combinations(labels, 2), MAX_PAIRS):
        if one.column != other.column and len(one.classes or ()) * len(other.classes or ()) <= MAX_CELLS:
            yield from _check_pair(one, other)
    if pairs > MAX_PAIRS:
        yield Finding("combinations", "note", "tasks", f"Of {pairs:,} pairs of tasks the first {MAX_PAIRS} were looked at.")


def count_pairs(one: Labels, other: Labels) -> np.ndarray:
    """Return how many rows have each combination of classes, `[classes, classes]`."""
    size = len(one.classes or ()), len(other.classes or ())
    both = one.present & other.present
    cell = one.values[both].astype(np.int64) * size[1] + other.values[both]
    return np.bincount(cell, minlength=size[0] * size[1]).reshape(size)


def _check_pair(one: Labels, other: Labels) -> Iterator[Finding]:
    """Find combinations of two tasks, and whether one follows from the other."""
    counts = count_pairs(one, other)
    n = int(counts.sum())
    if not n:
        yield Finding(
            "combinations",
            "warning",
            f"{one.name}, {other.name}",
            "No row has labels of both tasks.",
            "This is fine for data sets that were joined; otherwise look for rows that were shifted.",
        )
        return
    a, b = (names for names in (one.classes or (), other.classes or ()))
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / n
    for name, first, second, table in ((other.name, one.name, a, counts), (one.name, other.name, b, counts.T)):
        if len(second) > 1 and _determines(table):
            yield Finding(
                "combinations",
                "note",
                f"{one.name}, {other.name}",
                f"{name} follows from {first}: each class of {first} has one of {name}.",
            )
            return
    never = np.argwhere((counts == 0) & (expected >= EXPECTED))
    if len(never):
        never = never[np.argsort(-expected[tuple(never.T)], kind="stable")]
        shown = [f"{a[i]} with {b[j]} (of independent labels {expected[i, j]:.0f})" for i, j in never]
        yield Finding(
            "combinations",
            "note",
            f"{one.name}, {other.name}",
            f"Of {counts.size} combinations, {len(never)} never {'occurs' if len(never) == 1 else 'occur'} although at least "
            f"{EXPECTED} rows would be expected: {name_some(shown)}.",
            "If they are possible, the model has not seen them; if not, a prediction of both tasks may still be one of them.",
        )


def _determines(counts: np.ndarray) -> bool:
    """Return whether each class of the rows has one class of the columns, and several of these occur."""
    return bool(((counts > 0).sum(axis=1) <= 1).all() and (counts.sum(axis=0) > 0).sum() > 1)
