"""Row-aligned arrays under one kind of key, so that every operation on rows treats inputs, labels and weights alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mtl_keras.data._stored import concatenate
from mtl_keras.errors import MTLError, check_input_name

__all__ = ["Key", "RowArrays", "by_input", "concatenate_rows", "image_name", "map_rows", "read_named", "unnamed"]

#: Field of a split and name within it: `("x", "")`, or `("x", input)` of several inputs, `("y", task)`, `("weight", task)`,
#: `("side", name)`, `("group", "")`, ...
Key = tuple[str, str]
RowArrays = Mapping[Key, np.ndarray]

X: Key = ("x", "")


def by_input(x: Any) -> dict[str, Any]:
    """Return what belongs to the inputs by their names: a mapping as it is, and that of a single input under an empty name."""
    return dict(x) if isinstance(x, Mapping) else {"": x}


def unnamed(inputs: Mapping[str, Any]) -> Any:
    """Return what `by_input` was made of."""
    return inputs[""] if "" in inputs else dict(inputs)


def read_named(what: str, x: Mapping[str, Any], read: Callable[[str, Any], Any]) -> Any:
    """Return what `read(name, array)` makes of each of several inputs; of a mapping with one entry, that alone.

    Args:
        what: What the mapping is called, for messages.
        x: Inputs by name.
        read: Called with the name and value of each input.

    Raises:
        MTLError: If there is none, or a name is refused.
    """
    if not x:
        raise MTLError(f"`{what}` must have at least one input. Received: an empty mapping. Pass an array.")
    read_inputs = {check_input_name(name): read(name, array) for name, array in x.items()}
    return read_inputs if len(read_inputs) > 1 else next(iter(read_inputs.values()))


def image_name(inputs: Mapping[str, Any], views: bool = False) -> str | None:
    """Return the name of the input that views, augmentation and targets that are the input refer to; None if there is none.

    A single input is it, whatever its shape. Of several, it is the one of images `[n, height, width, channels]`.

    Args:
        inputs: From `by_input`.
        views: Whether it holds several views of each row, `[n, views, height, width, channels]`.
    """
    if "" in inputs:
        return ""
    images = [name for name, array in inputs.items() if len(array.shape) == 4 + views]
    return images[0] if len(images) == 1 else None


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
