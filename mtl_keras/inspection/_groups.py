"""Rows in groups."""

from __future__ import annotations

import numpy as np

__all__ = ["list_groups"]


def list_groups(group: np.ndarray, chosen: np.ndarray) -> list[tuple[int, ...]]:
    """Return the chosen rows of each group, in order of their first rows.

    Args:
        group: Number of each row's group, integers `[n]`.
        chosen: Which rows are meant, booleans `[n]`.
    """
    at = np.flatnonzero(chosen)
    at = at[np.argsort(group[at], kind="stable")]
    parts = np.split(at, np.flatnonzero(np.diff(group[at])) + 1) if at.size else []
    return sorted(tuple(part.tolist()) for part in parts)
