"""Row-aligned arrays under one kind of key, so that every operation on rows treats inputs, labels and weights alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mtl_keras.data._stored import concatenate

__all__ = ["Key", "RowArrays", "concatenate_rows", "map_rows"]

#: Field of a split and name within it: `("x", "")`, `("y", task)`, `("weight", task)`, `("side", name)`, `("group", "")`, ...
Key = tuple[str, str]
RowArrays = Mapping[Key, np.ndarray]

X: Key = ("x", "")


def map_rows(change: Callable[[np.ndarray], np.ndarray], arrays: RowArrays) -> dict[Key, np.ndarray]:
    """Apply `change` to every array, once where several keys hold the same array.

    A target that is the input thus stays the same array as the input.
    """
    changed: dict[int, np.ndarray] = {}
    for array in arrays.values():
        if id(array) not in changed:
            changed[id(array)] = change(array)
    return {key: changed[id(array)] for key, array in arrays.items()}


def concatenate_rows(parts: Sequence[RowArrays]) -> dict[Key, np.ndarray]:
    """Return the rows of all parts, one part after the other; rows of parts that lack an array are zeros in it.

    An array that is the input of its part becomes the concatenated input: it is held once, and other parts' inputs are its
    dummy rows.
    """
    lengths = [len(part[X]) for part in parts]
    joined: dict[Key, np.ndarray] = {X: concatenate([part[X] for part in parts])}
    for key in dict.fromkeys(key for part in parts for key in part):
        if key == X:
            continue
        if any(key in part and part[key] is part[X] for part in parts):
            joined[key] = joined[X]
            continue
        like = next(part[key] for part in parts if key in part)
        joined[key] = np.concatenate(
            [
                part[key] if key in part else np.zeros((n, *like.shape[1:]), like.dtype)
                for part, n in zip(parts, lengths, strict=True)
            ]
        )
    return joined
