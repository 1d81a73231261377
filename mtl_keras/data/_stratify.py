"""Random choices of rows that keep the proportions of classes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.errors import check_integer

if TYPE_CHECKING:
    from mtl_keras.data._split import Split
    from mtl_keras.tasks import Tasks

__all__ = ["choose_folds", "label_strata", "stratified_choice", "stratified_folds", "strata_of"]

_log = logging.getLogger("mtl_keras")
#: What marks a message about the rows of a training: the command line shows the first one, once a training begins.
OF_TRAINING = {"of_training": True}


def stratified_choice(strata: Sequence[np.ndarray], n: int, count: int, seed: int) -> np.ndarray:
    """Choose `count` of `n` rows so that each joint stratum keeps its share, rounded to whole rows.

    Strata whose share on either side would be less than one row cannot be kept. Their rows are pooled and divided by
    coarser strata: the column with the most values is left out, then the next, until one pool remains.

    Args:
        strata: Integers `[n]`, one array for each label to keep in proportion; may be empty.
        n: Number of rows.
        count: Number of rows to choose, from 0 to `n`.
        seed: Seed of the choice, from 0 to 2^32 - 1.

    Returns:
        Row numbers `[count]`, ascending.

    Raises:
        MTLError: If the seed is out of range.
    """
    check_integer("seed", seed, 0, 2**32 - 1)
    # RandomState rather than Generator: its stream is frozen, so that a split does not depend on the version of NumPy.
    order = np.random.RandomState(seed).permutation(n)
    columns = sorted(
        (np.unique(column, return_inverse=True)[1] for column in strata), key=lambda column: int(column.max(initial=0))
    )
    group = np.zeros(n, np.int64)
    left = np.ones(n, bool)
    groups = 0
    share = min(count, n - count) / n if n else 0.0
    joints = [np.zeros(n, np.int64)]
    for column in columns:
        joints.append(np.unique(joints[-1] * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1])
    reported = False
    for level in range(len(columns), -1, -1):
        joint = joints[level]
        sizes = np.bincount(joint[left], minlength=int(joint.max(initial=0)) + 1)
        kept = left & ((sizes * share >= 1)[joint] | (level == 0))
        group[kept] = groups + joint[kept]
        groups += len(sizes)
        if level and (short := int(left.sum() - kept.sum())) and 0 < count < n and not reported:
            reported = True
            _log.info(
                "Split: %d rows are in %d strata too small to be divided in proportion; they are pooled.",
                short,
                int(((sizes > 0) & (sizes * share < 1)).sum()),
                extra=OF_TRAINING,
            )
        left &= ~kept
    return np.sort(_choose_in_proportion(group[order], order, count))


def label_strata(split: Split) -> list[np.ndarray]:
    """Return the labels that a division of the split keeps in proportion: `[n]` integers for each task that has classes."""
    return strata_of(split.tasks, {name: (split.y[name], split.weight[name]) for name in split.tasks})


def strata_of(tasks: Tasks, labels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """Return the same as `label_strata` for stored labels and presence by task; tasks without labels are left out."""
    columns = []
    for name, (stored, present) in labels.items():
        strata = tasks[name].strata(stored)
        if strata is not None:
            # Absent labels are a class of their own: each part gets its share of them.
            columns.append(np.where(present > 0, strata, -1))
    return columns


def choose_folds(strata: Sequence[np.ndarray], n: int, folds: int, seed: int) -> list[np.ndarray]:
    """Divide `n` rows into folds of equal size, within one row, which keep the proportions of strata.

    Args:
        strata: As for `stratified_choice`.
        n: Number of rows, at least `folds`.
        folds: Number of folds, at least 2.
        seed: Seed of the division.

    Returns:
        Row numbers of each fold, ascending.
    """
    left, parts = np.arange(n), []
    for share in range(folds, 1, -1):
        chosen = stratified_choice([column[left] for column in strata], len(left), len(left) // share, seed)
        parts.append(left[chosen])
        left = np.delete(left, chosen)
    return [*parts, left]


def stratified_folds(split: Split, folds: int, seed: int) -> list[np.ndarray]:
    """Divide the rows into folds of equal size, within one row, which keep the proportions of classes.

    Rows of one group, such as the views that `data.augment(steps, mode="repeat")` made of an image, stay in one fold.

    Args:
        split: The rows to divide.
        folds: Number of folds, from 2 to the number of rows.
        seed: Seed of the division.

    Returns:
        Row numbers of each fold, ascending.
    """
    check_integer("folds", folds, 2, len(split), example=5)
    group = np.arange(len(split)) if split.group is None else split.group
    names, first = np.unique(group, return_index=True)
    parts = choose_folds([column[first] for column in label_strata(split)], len(first), folds, seed)
    return [np.flatnonzero(np.isin(group, names[part])) for part in parts]


def _choose_in_proportion(group: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Choose the first rows of each group: whole shares first, then one more where the remainder is largest."""
    _, member, sizes = np.unique(group, return_inverse=True, return_counts=True)
    quota = sizes * (count / max(len(rows), 1))
    takes = np.floor(quota + 1e-9).astype(np.int64)
    missing = count - int(takes.sum())
    if missing:
        takes[np.argsort(takes - quota, kind="stable")[:missing]] += 1
    by_group = np.argsort(member, kind="stable")
    position = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rows[by_group][position < takes[member[by_group]]]
