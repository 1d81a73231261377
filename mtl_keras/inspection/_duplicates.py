"""Rows with exactly the same inputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtl_keras.inspection._finding import Finding, Severity
from mtl_keras.inspection._groups import list_groups
from mtl_keras.inspection._labels import Labels
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import count, join, name_some
from mtl_keras.tables import to_numbers

__all__ = ["check_duplicates"]

#: Hash of a missing value; that of 0 is 0.
MISSING = np.uint64(0xD1B54A32D192ED03)
#: Share of copies from which the inputs are called too coarse to tell rows apart.
COARSE = 0.5


def check_duplicates(rows: Rows) -> Iterator[Finding]:
    """Find rows with the same inputs: in several splits, with different labels, and others.

    Inputs are compared by 64-bit hashes of their values, or of the bytes of their image files.
    """
    if not rows.inputs and not len(rows.files):
        return
    usable = rows.photos.readable if len(rows.files) else np.ones(len(rows), bool)
    group = group_equal(hash_rows(rows))
    size = np.bincount(group[usable], minlength=len(group))
    copied = usable & (size[group] > 1)
    if not copied.any():
        return
    what = "image files" if len(rows.files) else "rows"
    # Of few values, copies are to be expected, also in several splits.
    coarse = not len(rows.files) and copied.mean() >= COARSE
    for label in rows.labels:
        yield from _check_labels(label, group, copied, what, "note" if coarse else "warning")
    if coarse:
        yield Finding(
            "duplicates",
            "note",
            "inputs",
            f"{copied.mean():.0%} of the rows have the same inputs as another one: the input columns have few values.",
            "Add columns, if there are any that tell these rows apart.",
        )
        return
    if apart := list_groups(group, copied & _differs(group, _codes(rows.sides), copied)):
        yield _divided(rows, apart, what)
    same = list_groups(group, copied)
    extra = int(copied.sum()) - len(same)
    yield Finding(
        "duplicates",
        "note",
        "inputs",
        f"Of {count(len(rows), 'row')}, {extra:,} repeat{'s' if extra == 1 else ''} the inputs of another one exactly.",
        "Copies count several times in training and in metrics: keep one of each if they are no separate observations.",
        groups=tuple(same),
    )


def hash_rows(rows: Rows) -> np.ndarray:
    """Return a 64-bit hash of the inputs of each row, `[n]`; one column is in memory at a time."""
    import pandas as pd

    if len(rows.files):
        return rows.photos.digests
    total = np.zeros(len(rows), np.uint64)
    for column, kind in rows.inputs.items():
        values = rows.frame[column]
        if kind == "number":
            # Zeros of both signs are equal, and texts of numbers are numbers.
            own = pd.util.hash_array(to_numbers(values, "number") + 0.0)
        else:
            own = pd.util.hash_array(values.astype(str).to_numpy(object))
        own[values.isna().to_numpy()] = MISSING
        total = (total ^ own) * np.uint64(0x9E3779B97F4A7C15)
        total ^= total >> np.uint64(32)
    return total


def group_equal(hashes: np.ndarray) -> np.ndarray:
    """Return a number `[n]` for each row, the same for equal hashes."""
    return np.unique(hashes, return_inverse=True)[1].astype(np.int64)


def _codes(sides: np.ndarray | None) -> np.ndarray | None:
    """Return a number for each row's split."""
    return None if sides is None else np.unique(sides, return_inverse=True)[1].astype(np.float64)


def _differs(group: np.ndarray, values: np.ndarray | None, used: np.ndarray) -> np.ndarray:
    """Return for each row whether its group has different values among the rows that are used, booleans `[n]`."""
    if values is None:
        return np.zeros(len(group), bool)
    low, high = np.full(len(group), np.inf), np.full(len(group), -np.inf)
    np.minimum.at(low, group[used], values[used])
    np.maximum.at(high, group[used], values[used])
    return (low < high)[group]


def _divided(rows: Rows, groups: list[tuple[int, ...]], what: str) -> Finding:
    """Return the finding for copies in several splits."""
    assert rows.sides is not None
    held_out = sum(rows.sides[row] != "train" for group in groups for row in group)
    pairs = sorted({join(sorted({*rows.sides[list(group)].tolist()})) for group in groups})
    remedy = (
        "Keep one of each, or hold copies together with a group column."
        if rows.sampled
        else "Keep one of each, or put all copies into one split."
    )
    return Finding(
        "duplicates",
        "warning",
        "splits",
        f"{count(len(groups), 'group')} of equal {what} are in several splits ({name_some(pairs)}), with "
        f"{count(int(held_out), 'row')} outside of training: what was learned by heart counts as right there.",
        remedy,
        groups=tuple(groups),
    )


def _check_labels(label: Labels, group: np.ndarray, copied: np.ndarray, what: str, severity: Severity) -> Iterator[Finding]:
    """Find copies with different labels, and what that means for the best accuracy that is possible."""
    used = copied & label.present
    odd = used & _differs(group, label.values.astype(np.float64), used)
    if not odd.any():
        return
    groups, text = list_groups(group, odd), ""
    if label.classes is not None:
        # Of each group, at most the rows with its most frequent label can be right.
        cell, counts = np.unique(group[odd] * len(label.classes) + label.values[odd], return_counts=True)
        best = np.zeros(len(group), np.int64)
        np.maximum.at(best, cell // len(label.classes), counts)
        text = f" No model can be right in more than {1 - (int(odd.sum()) - int(best.sum())) / int(label.present.sum()):.2%}."
    yield Finding(
        "duplicates",
        severity,
        label.name,
        f"{count(len(groups), 'group')} of equal {what} have different labels ({count(int(odd.sum()), 'row')}).{text}",
        "Correct the labels, or add inputs that tell these rows apart.",
        groups=tuple(groups),
    )
