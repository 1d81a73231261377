"""Values computed from arrays, kept for as long as the arrays live."""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

__all__ = ["ArrayCache"]


class ArrayCache:
    """Keeps values under the identity of the arrays they were computed from, and drops them with the first of the arrays.

    Splits that are derived from one another (other tasks, other inputs) share one cache. Thirty trainings on the same
    arrays then convert them to tensors once, and a copy of some rows that is no longer used leaves nothing behind.

    A copy of a cache, by `copy.deepcopy` or `pickle`, is empty.
    """

    def __init__(self) -> None:
        self._entries: dict[Hashable, tuple[list[weakref.ref[np.ndarray]], Any]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __reduce__(self) -> tuple[type[ArrayCache], tuple[()]]:
        return ArrayCache, ()

    def find(self, kind: Hashable, arrays: Sequence[np.ndarray]) -> Any:
        """Return the value kept for these very arrays, or None.

        Args:
            kind: What the value is.
            arrays: The arrays it was computed from, in the same order as for `keep`.
        """
        entry = self._entries.get((kind, *map(id, arrays)))
        return None if entry is None else entry[1]

    def keep(self, kind: Hashable, arrays: Sequence[np.ndarray], value: Any) -> Any:
        """Keep a value, which must not hold any of the arrays itself, and return it."""
        key = (kind, *map(id, arrays))
        # No strong reference to the cache: a cycle would keep large tensors until the next garbage collection.
        owner = weakref.ref(self)

        def drop(_: weakref.ref[np.ndarray]) -> None:
            if (cache := owner()) is not None:
                cache._entries.pop(key, None)

        self._entries[key] = ([weakref.ref(array, drop) for array in arrays], value)
        return value
