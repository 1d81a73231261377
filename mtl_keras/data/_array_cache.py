"""Values computed from arrays, kept for as long as the arrays live."""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from mtl_keras.data._stored import is_mapped
from mtl_keras.errors import MTLError

__all__ = ["ArrayCache"]

#: Places of an array, evenly spread, and bytes in each, by which a change is noticed.
PLACES, BYTES = 64, 256


class ArrayCache:
    """Keeps values under the identity of the arrays they were computed from, and drops them with the first of the arrays.

    Splits that are derived from one another (other tasks, other inputs) share one cache. Thirty trainings on the same
    arrays then convert them to tensors once, and a copy of some rows that is no longer used leaves nothing behind.

    An array that was changed in place would silently be used as it was before. Its bytes at a few places are kept, and
    compared when a value is used again: what changes all of an array is noticed, a single row may not be.

    A copy of a cache, by `copy.deepcopy` or `pickle`, is empty.
    """

    def __init__(self) -> None:
        self._entries: dict[Hashable, tuple[list[weakref.ref[np.ndarray]], list[int | None], Any]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __reduce__(self) -> tuple[type[ArrayCache], tuple[()]]:
        return ArrayCache, ()

    def find(self, kind: Hashable, arrays: Sequence[np.ndarray]) -> Any:
        """Return the value kept for these very arrays, or None.

        Args:
            kind: What the value is.
            arrays: The arrays it was computed from, in the same order as for `keep`.

        Raises:
            MTLError: If one of them was changed since.
        """
        entry = self._entries.get((kind, *map(id, arrays)))
        if entry is None:
            return None
        _, samples, value = entry
        for array, sample in zip(arrays, samples, strict=True):
            if _sample(array) != sample:
                raise MTLError(
                    "Arrays of data are not copied and must not be changed. Received: an array of shape "
                    f"{list(array.shape)} and type {array.dtype} that was changed after it was used. Create the data anew."
                )
        return value

    def keep(self, kind: Hashable, arrays: Sequence[np.ndarray], value: Any) -> Any:
        """Keep a value, which must not hold any of the arrays itself, and return it."""
        key = (kind, *map(id, arrays))
        # No strong reference to the cache: a cycle would keep large tensors until the next garbage collection.
        owner = weakref.ref(self)

        def drop(_: weakref.ref[np.ndarray]) -> None:
            if (cache := owner()) is not None:
                cache._entries.pop(key, None)

        self._entries[key] = ([weakref.ref(array, drop) for array in arrays], [*map(_sample, arrays)], value)
        return value


def _sample(array: np.ndarray) -> int | None:
    """Return a hash of some bytes of an array, None for one that is mapped from a file, which would have to be read."""
    if array.dtype.hasobject or (is_mapped(array) and getattr(array, "mode", "r") != "c"):
        return None
    if not array.flags.c_contiguous:
        rows = array[:: max(1, len(array) // PLACES)]
        return hash(rows.reshape(len(rows), -1)[:, :BYTES].tobytes())
    flat = array.reshape(-1).view(np.uint8)
    if len(flat) <= PLACES * BYTES:
        return hash(flat.tobytes())
    return hash(flat[: len(flat) // PLACES * PLACES].reshape(PLACES, -1)[:, :BYTES].tobytes())
