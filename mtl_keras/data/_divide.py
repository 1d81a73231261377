"""Divisions of rows that chance alone may not make: groups stay whole, and later rows are never before earlier ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["divide_groups", "divide_times"]


def divide_groups(group: np.ndarray, strata: Sequence[np.ndarray], wanted: Sequence[float], seed: int) -> np.ndarray:
    """Assign whole groups to parts so that each part has about the rows, and of each stratum the share, that it should have.

    Large groups come first, in an order that the seed decides among groups of similar size. Each goes to the part, among those
    that lack rows, where it changes the chi-square distance of rows and strata to the wanted numbers most to the better. No
    part gets more rows than wanted plus its last group, and none stays empty.

    Args:
        group: Group of each row, integers `[n]` from 0 without gaps.
        strata: Integers `[n]`, one array for each label to keep in proportion; may be empty.
        wanted: Number of rows of each part, above 0; their sum is n. There must be at least as many groups as parts.
        seed: Seed of the order, from 0 to 2^32 - 1.

    Returns:
        Number of the part of each row, `[n]`.
    """
    sizes = np.bincount(group)
    order = np.random.RandomState(seed).permutation(len(sizes))
    order = order[np.argsort(-np.floor(np.log2(sizes[order])), kind="stable")]
    entries, totals = _count_by_group(group, strata)
    shares = [rows / len(group) for rows in wanted]
    goals = [[share * total for total in totals] for share in shares]
    counts = [[0] * len(totals) for _ in shares]
    empty, part = len(shares), np.empty(len(sizes), np.int64)
    # Plain numbers: there may be a group for every few rows of a million.
    for left, number in zip(range(len(sizes), 0, -1), order.tolist(), strict=True):
        best, least = 0, float("inf")
        for candidate, (own, goal) in enumerate(zip(counts, goals, strict=True)):
            if own[0] > 0 if empty >= left else own[0] >= goal[0] - 1e-6:
                continue
            change = sum(times * (times + 2 * (own[code] - goal[code])) / goal[code] for code, times in entries[number])
            if change < least:
                best, least = candidate, change
        empty -= not counts[best][0]
        part[number] = best
        for code, times in entries[number]:
            counts[best][code] += times
    return part[group]


def _count_by_group(group: np.ndarray, strata: Sequence[np.ndarray]) -> tuple[list[list[tuple[int, int]]], list[int]]:
    """Return how many rows of each stratum each group has, as (number of the stratum, rows), and how many there are in all.

    Stratum 0 is that of all rows, and those of one array follow those of the one before.
    """
    entries: list[list[tuple[int, int]]] = [[(0, size)] for size in np.bincount(group).tolist()]
    totals = [len(group)]
    for column in strata:
        codes = np.unique(column, return_inverse=True)[1]
        size = int(codes.max()) + 1
        pairs, times = np.unique(group * size + codes, return_counts=True)
        for number, code, rows in zip((pairs // size).tolist(), (pairs % size).tolist(), times.tolist(), strict=True):
            entries[number].append((len(totals) + code, rows))
        totals += np.bincount(codes).tolist()
    return entries, totals


def divide_times(times: np.ndarray, wanted: Sequence[float]) -> np.ndarray:
    """Assign rows to parts in the order of time, rows of one time to one part.

    Args:
        times: Time of each row, numbers `[n]`, of at least as many different values as there are parts.
        wanted: Number of rows of each part, the earliest part first; their sum is n.

    Returns:
        Number of the part of each row, `[n]`; each part has a row. A part begins at the time nearest to where it should.
    """
    _, place, sizes = np.unique(times, return_inverse=True, return_counts=True)
    before, parts = np.cumsum(sizes), len(wanted)
    begins, last = np.cumsum(wanted), len(sizes)
    part = np.zeros(len(sizes), np.int64)
    # From the last part on, so that the final test rows are what was asked for.
    for number in range(parts - 1, 0, -1):
        # The part may begin at any of these times: each part before it keeps one, and so does this one.
        first = np.arange(number, last)
        last = int(first[np.abs(before[first - 1] - begins[number - 1]).argmin()])
        part[last:] = np.maximum(part[last:], number)
    return part[place]
