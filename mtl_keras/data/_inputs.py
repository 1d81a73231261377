"""Inputs and label columns as users pass them: what is refused, and what is said about values."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mtl_keras.data._rows import by_input, read_named
from mtl_keras.data._stored import StoredRows
from mtl_keras.errors import MTLError, describe, list_rows
from mtl_keras.tables import Column

__all__ = ["as_column", "check_input_rows", "check_part", "convert_inputs", "describe_columns", "find_missing", "read_inputs"]

_log = logging.getLogger("mtl_keras")

#: Bytes of inputs that are looked at together.
PIECE = 2**24

FLOAT_MAX, INT_MAX = float(np.finfo(np.float32).max), 2**31 - 1
#: Axes of an array of images, and of one of rows of numbers.
IMAGES, ROWS = 4, 2


def check_part(side: str, part: Any) -> None:
    """Raise an error if a split is not given as inputs and a mapping of label columns.

    Args:
        side: Name of the argument.
        part: Its value.
    """
    # A DataFrame is no Mapping, but holds columns by name as well.
    if isinstance(part, tuple | list) and len(part) == 2 and hasattr(part[1], "keys"):
        return
    received = describe(part)
    if isinstance(part, tuple | list):
        received = f"{len(part)} values" if len(part) != 2 else f"labels of type {type(part[1]).__name__}"
    raise MTLError(
        f"`{side}` must be a pair of inputs and label columns by name. Received: {received}. Pass {side}=(images, "
        "{'column': labels}); a tf.data.Dataset goes to model.compile and model.fit."
    )


def convert_inputs(x: Any, split: str) -> Any:
    """Return inputs, or several by name, as uint8, int32 or float32, without a copy if they are that already.

    See `read_inputs` for what is checked.
    Integers stay integers where they are no images, for instance token ids. Rows of numbers `[n, d]` may lack some (NaN).

    Args:
        x: Inputs `[n, ...]`, an array or a list of arrays of one shape; or several of these by name.
        split: Name of the split, for messages.

    Raises:
        MTLError: As `read_inputs`, or if several inputs have different numbers of rows.
    """
    if not isinstance(x, Mapping):
        return _convert(x, split)
    converted = read_named("x", x, lambda name, array: _convert(array, f"input {name!r} of {split}"))
    check_input_rows(by_input(converted), split)
    return converted


def check_input_rows(inputs: Mapping[str, np.ndarray], where: str) -> None:
    """Raise an error if inputs have different numbers of rows.

    Args:
        inputs: Arrays by name.
        where: Where they come from, for the message.
    """
    counts = {name: len(array) for name, array in inputs.items()}
    if len(set(counts.values())) > 1:
        raise MTLError(
            "All inputs must have the same number of rows. Received: "
            f"{', '.join(f'{count} of {name!r}' for name, count in counts.items())} in {where}. Pass one row for each example."
        )


def _convert(x: Any, split: str) -> np.ndarray:
    """Return one input."""
    x, unusual = read_inputs(x, split, missing=True)
    if unusual is not None:
        _log.warning(unusual)
    if x.dtype in (np.uint8, np.float32):
        return x
    if x.ndim != IMAGES and np.issubdtype(x.dtype, np.integer) and max(map(abs, _find_range(x, split))) <= INT_MAX:
        return x.astype(np.int32, copy=False)
    return x.astype(np.float32)


def read_inputs(x: Any, name: str, *, missing: bool | Sequence[bool] = ()) -> tuple[np.ndarray, str | None]:
    """Return inputs as an array whose values were checked, and a line on values that no image should have.

    Any value that is not finite is an error, except missing ones; images (`[n, height, width, channels]`) that are not in
    `[0, 255]`, or whose values are all at most 1, are unusual.

    Args:
        x: Inputs `[n, ...]`, an array or a list of arrays of one shape.
        name: Where they come from, for messages.
        missing: For rows of numbers `[n, d]`, which columns may lack values (NaN), or True for all; default none.

    Returns:
        The array, in its own type, and the line; None if there is nothing to say.

    Raises:
        MTLError: If they are not one array of finite real numbers with at least one row, or an input is empty.
    """
    x = _as_array(x, name)
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise MTLError(
            f"Inputs must be real numbers [n, ...] with sides of at least 1. Received: shape {list(x.shape)} in {name}. Pass "
            "one array with a row for each input."
        )
    if not len(x):
        raise MTLError(f"Inputs must have at least one row. Received: shape {list(x.shape)} in {name}. Pass some rows.")
    if x.dtype == np.uint8:
        return x, None
    if x.ndim == ROWS and np.any(missing):
        # Another number of columns is refused by whoever knows the model.
        of_columns = True if isinstance(missing, bool) or len(missing) != x.shape[1] else missing
        _check_finite(x, name, np.broadcast_to(of_columns, x.shape[1:]))
        return x, None
    return x, _describe_unusual(x, *_find_range(x, name), name)


def find_missing(x: np.ndarray) -> np.ndarray:
    """Return which columns of rows `[n, d]` lack a value (NaN); none of inputs of another shape."""
    if x.ndim != ROWS or x.dtype != np.float32:
        return np.zeros(x.shape[1:2], bool)
    return np.any([np.isnan(piece).any(axis=0) for piece in _pieces(x)], axis=0)


def describe_columns(x: np.ndarray, missing: np.ndarray) -> tuple[Column, ...]:
    """Return what a network must know of the columns of rows `[n, d]`: numbers with mean and standard deviation.

    Args:
        x: Training rows.
        missing: Which columns may lack values.
    """
    pieces = _pieces(x)
    counts = np.sum([np.isfinite(piece).sum(axis=0) for piece in pieces], axis=0)
    shares = 1 / np.maximum(counts, 1)
    mean = np.sum([np.nansum(piece, axis=0, dtype=np.float64) for piece in pieces], axis=0) * shares
    squares = np.sum([np.nansum((piece - mean) ** 2, axis=0) for piece in pieces], axis=0) * shares
    # Rounding leaves something of constant columns.
    scale = np.where(np.sqrt(squares) > 1e-7 * np.abs(mean), np.sqrt(squares), 1.0)
    return tuple(
        Column(str(number), "number", float(mean[number]), float(scale[number]) or 1.0, missing=bool(missing[number]))
        for number in range(x.shape[1])
    )


def _pieces(x: np.ndarray) -> list[np.ndarray]:
    """Return views of some rows each; a mapped array is read in pieces."""
    step = max(1, PIECE // max(x[:1].nbytes, 1))
    return [x[start : start + step] for start in range(0, len(x), step)]


def _describe_unusual(x: np.ndarray, lowest: float, highest: float, name: str) -> str | None:
    """Return what is unusual about the range of images; None if nothing is, as where all of them are black."""
    if x.ndim != IMAGES or (lowest >= 0 and 1 < highest <= 255) or lowest == highest == 0:
        return None
    # A loss of bits, or a scale that the preprocessing inside of the models does not expect.
    remedy = "Do not divide by 255" if lowest >= 0 and highest <= 1 else "Do not standardize"
    if np.issubdtype(x.dtype, np.integer) and (lowest < 0 or highest > 255):
        remedy = "Scale them by their bit depth, e.g. (x >> 8).astype('uint8') for 16 bits"
    return (
        f"Images are expected in [0, 255], but those of {name} are in [{lowest:g}, {highest:g}]. {remedy}, since models "
        "preprocess images themselves."
    )


def _has_text(value: Any) -> bool:
    """Return whether an entry is a text, or a list with one."""
    return isinstance(value, str) or (isinstance(value, list | tuple) and any(isinstance(each, str) for each in value))


def as_column(values: Any) -> np.ndarray:
    """Return a label column as an array; a text among numbers does not turn the numbers into texts."""
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, list | tuple) and any(_has_text(value) for value in values):
        return np.fromiter(values, object, len(values))
    try:
        return np.asarray(values)
    except ValueError as error:
        raise MTLError(
            f"A label column must have rows of one shape. Received: {describe(values)}. Pass numbers, or lists of one length."
        ) from error


def _as_array(x: Any, split: str) -> np.ndarray:
    """Return inputs as an array of numbers."""
    if isinstance(x, Mapping | tuple):
        raise _refuse(f"a {type(x).__name__} of {len(x)}", split, "Pass one array, a list of images, or arrays by name")
    if hasattr(x, "columns") and hasattr(x, "to_numpy"):
        # Its columns would be told apart by their order alone, and be called 0, 1, 2.
        remedy = "Pass the table to mtl.data.from_table with inputs=[...], which keeps the names, or x.to_numpy() without them"
        raise _refuse(f"a {type(x).__name__} of {len(x.columns)} columns", split, remedy)
    if hasattr(x, "element_spec"):
        raise _refuse("a tf.data.Dataset", split, "Pass np.stack([*x.as_numpy_iterator()]), or use model.fit")
    try:
        # An array as it is: one that is mapped from a file stays so.
        array: Any = x if isinstance(x, np.ndarray | StoredRows) else np.asarray(x)
    except ValueError:
        array = np.fromiter(x, object, len(x))
    if array.dtype == object:
        raise _refuse(_describe_objects(np.atleast_1d(array)), split, "Resize the images to one shape and stack them")
    if array.dtype == bool:
        raise _refuse("booleans", split, "Pass x.astype('uint8') * 255")
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise _refuse(f"{array.dtype} {list(array.shape)}", split, "Convert them")
    return array


def _refuse(received: str, split: str, remedy: str) -> MTLError:
    """Return the error for inputs of another kind."""
    return MTLError(f"Inputs must be real numbers [n, ...] in one array. Received: {received} in {split}. {remedy}.")


def _describe_objects(array: np.ndarray) -> str:
    """Return in words why inputs are no array of numbers."""
    shapes = [getattr(value, "shape", (len(value),) if isinstance(value, list) else None) for value in array]
    row = next((row for row, shape in enumerate(shapes) if shape != shapes[0]), 0)
    if row and None not in (shapes[0], shapes[row]):
        return f"inputs of several shapes, {list(shapes[0] or ())} in row 0 and {list(shapes[row] or ())} in row {row}"
    return f"{describe(array[row])} in row {row}"


def _find_range(x: np.ndarray, split: str) -> tuple[float, float]:
    """Return the lowest and the highest value, after checking that all are finite."""
    ends = [(piece.min(), piece.max()) for piece in _pieces(x)]
    # NaN is the minimum and the maximum of whatever holds one.
    if not (np.abs(np.asarray(ends, np.float64)) <= FLOAT_MAX).all():
        _check_finite(x, split, np.zeros(x.shape[1:], bool))
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _check_finite(x: np.ndarray, split: str, missing: np.ndarray) -> None:
    """Refuse NaN, except where values may be missing, and infinity, or what is one as float32."""
    found, start, absent = [], 0, False
    for piece in _pieces(x):
        nan = np.isnan(piece)
        wrong = (nan & ~missing) | (~nan & ~(np.abs(piece) <= FLOAT_MAX))
        found += (start + np.flatnonzero(wrong.reshape(len(piece), -1).any(axis=1))).tolist()
        absent, start = absent or bool((nan & wrong).any()), start + len(piece)
    if not found:
        return
    remedy = "Replace these values, or remove the rows"
    if absent and x.ndim == ROWS:
        remedy = "Replace these values, or build mtl.Backbone('MLP', columns=data.columns) from training rows that lack some"
    raise MTLError(
        f"Inputs must be finite as float32. Received: NaN or infinity in {list_rows(found)} of {len(x)} in {split}. {remedy}."
    )
