"""Choosing rows at random so that classes keep their shares."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mtl_keras.errors import MTLError

__all__ = ["stratified_choice"]

_log = logging.getLogger("mtl_keras")


def stratified_choice(strata: Sequence[np.ndarray], n: int, count: int, seed: int) -> np.ndarray:
    """Choose `count` of `n` rows so that each joint stratum keeps its share, rounded to whole rows.

    Strata whose share on either side would be less than one row cannot be kept. Their rows are pooled and divided by
    coarser strata: the column with the most values is left out, then the next, until all that is left is one pool.

    Args:
        strata: Integers `[n]`, one array for each thing to keep in proportion; may be empty.
        n: Number of rows.
        count: Number of rows to choose, from 0 to `n`.
        seed: Same rows for the same seed, from 0 to 2^32 - 1.

    Returns:
        Row numbers `[count]`, ascending.

    Raises:
        MTLError: If the seed is out of range.
    """
    if not 0 <= seed < 2**32:
        raise MTLError(f"`seed` lies between 0 and 2^32 - 1. Received: seed={seed}. Give e.g. 0.")
    # RandomState rather than Generator: its stream is frozen, so that a split outlives versions of NumPy.
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
    said = False
    for level in range(len(columns), -1, -1):
        joint = joints[level]
        sizes = np.bincount(joint[left], minlength=int(joint.max(initial=0)) + 1)
        kept = left & ((sizes * share >= 1)[joint] | (level == 0))
        group[kept] = groups + joint[kept]
        groups += len(sizes)
        if level and (short := int(left.sum() - kept.sum())) and 0 < count < n and not said:
            said = True
            _log.info(
                "Split: %d rows are in %d strata of %d column(s) too small to be divided in proportion; they are pooled.",
                short, int(((sizes > 0) & (sizes * share < 1)).sum()), level,
            )  # fmt: skip
        left &= ~kept
    return np.sort(_proportional(group[order], order, count))


def _proportional(group: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Take the first rows of each group: whole shares first, then one more where the remainder is largest."""
    _, member, sizes = np.unique(group, return_inverse=True, return_counts=True)
    quota = sizes * (count / max(len(rows), 1))
    takes = np.floor(quota + 1e-9).astype(np.int64)
    missing = count - int(takes.sum())
    if missing:
        takes[np.argsort(takes - quota, kind="stable")[:missing]] += 1
    by_group = np.argsort(member, kind="stable")
    position = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rows[by_group][position < takes[member[by_group]]]
