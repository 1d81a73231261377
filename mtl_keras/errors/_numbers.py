"""Checks of numbers: integers, counts, sizes, seeds, learning rates and fractions; and of booleans, which are none."""

from __future__ import annotations

import math
import numbers
from typing import Any

from mtl_keras.errors._errors import MTLError, RowsError, describe, list_rows

__all__ = [
    "check_bool",
    "check_count",
    "check_fraction",
    "check_integer",
    "check_number",
    "check_rate",
    "check_row_weights",
    "check_rows",
    "check_seed",
    "check_side",
    "check_size",
]

#: Largest number of units, channels or classes of a layer, and largest side of an image in px: more would fill any memory.
MAX_SIZE, MAX_SIDE = 1_000_000, 16_384
#: Most epochs, trials or trainings, of which each takes milliseconds at least, and most rows.
MAX_COUNT, MAX_ROWS = 1_000_000, 1_000_000_000
#: Largest seed, which TensorFlow stores in 32 bits.
MAX_SEED = 2**31 - 1
#: Largest learning rate.
MAX_RATE = 1000


def check_bool(name: str, value: Any, *, of: str = "") -> bool:
    """Return `value` as a `bool` after checking that it is one, Python's or NumPy's.

    Args:
        name: Name of the argument.
        value: The value received.
        of: What the argument belongs to, for the message; default empty.

    Raises:
        MTLError: If it is not.

    Example:
        >>> check_bool("baselines", "yes")
        Traceback (most recent call last):
        mtl_keras.errors.MTLError: `baselines` must be True or False. Received: baselines='yes'. Pass e.g. baselines=True.
    """
    # Not by class: NumPy need not be imported for `mtl-keras --help`.
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return bool(value)
    raise _out_of_range(name, value, "True or False", of, True)


def check_integer(
    name: str, value: Any, minimum: int, maximum: int | None = None, *, of: str = "", example: int | None = None
) -> int:
    """Return `value` as an `int` after checking its type and range.

    Args:
        name: Name of the argument.
        value: An integer, Python's or NumPy's; booleans are refused.
        minimum: Smallest value allowed.
        maximum: Largest value allowed; default None, no limit.
        of: What the argument belongs to, for the message, e.g. `"'crop'"`; default empty.
        example: A valid value for the message; default `minimum`.

    Raises:
        MTLError: If it is not an integer in the range.

    Example:
        >>> check_integer("seed", 3, 0)
        3
    """
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if is_integer and minimum <= value and (maximum is None or value <= maximum):
        return int(value)
    span = f"of at least {minimum}" if maximum is None else f"in [{minimum}, {maximum}]"
    raise _out_of_range(name, value, f"an integer {span}", of, minimum if example is None else example)


def check_number(
    name: str,
    value: Any,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    *,
    bounds: str = "[]",
    of: str = "",
    example: float | None = None,
) -> float:
    """Return `value` as a Python number after checking that it is a finite real number in a range.

    Args:
        name: Name of the argument.
        value: A number, Python's or NumPy's; booleans are refused.
        minimum: Lower end of the range; default none.
        maximum: Upper end of the range; default none.
        bounds: `"[]"` (default) if both ends are allowed values, `"()"` if none is, `"[)"` or `"(]"` if one is.
        of: What the argument belongs to, for the message, e.g. `"'crop'"`; default empty.
        example: A valid value for the message; default the middle of the range, or a value next to its only end.

    Raises:
        MTLError: If it is not a number in the range.

    Example:
        >>> check_number("dropout", 0.2, 0, 1, bounds="[)")
        0.2
    """
    number = _as_float(value)
    if math.isfinite(number):
        above = number >= minimum if bounds[0] == "[" else number > minimum
        below = number <= maximum if bounds[1] == "]" else number < maximum
        if above and below:
            # An integer stays an integer in a config.
            return int(value) if isinstance(value, numbers.Integral) else number
    if math.isinf(minimum) and math.isinf(maximum):
        span, inside = "a finite number", 0.0
    elif math.isinf(maximum):
        span, inside = f"a number {'of at least' if bounds[0] == '[' else 'greater than'} {minimum:g}", minimum + 1
    elif math.isinf(minimum):
        span, inside = f"a number {'of at most' if bounds[1] == ']' else 'less than'} {maximum:g}", maximum - 1
    else:
        span, inside = f"a number in {bounds[0]}{minimum:g}, {maximum:g}{bounds[1]}", (minimum + maximum) / 2
    raise _out_of_range(name, value, span, of, inside if example is None else example)


def check_fraction(name: str, value: Any, *, bounds: str = "()", of: str = "", example: float | None = None) -> float:
    """Return `value` as a Python number after checking that it is between 0 and 1.

    Args:
        name: Name of the argument.
        value: The value received.
        bounds: Which of 0 and 1 are allowed, as for `check_number`; default `"()"`, none of them.
        of: What the argument belongs to, for the message; default empty.
        example: A valid value for the message; default 0.5.

    Raises:
        MTLError: If it is not.
    """
    return check_number(name, value, 0, 1, bounds=bounds, of=of, example=example)


def check_count(name: str, value: Any, *, minimum: int = 1, of: str = "", example: int | None = None) -> int:
    """Return how often something is done, such as epochs, trials or trainings, after checking that it is at most a million.

    Args:
        name: Name of the argument.
        value: The value received.
        minimum: Smallest value allowed; default 1.
        of: As for `check_integer`.
        example: As for `check_integer`.

    Raises:
        MTLError: If it is not an integer in the range.
    """
    return check_integer(name, value, minimum, MAX_COUNT, of=of, example=example)


def check_rows(name: str, value: Any, *, minimum: int = 1, of: str = "", example: int = 128) -> int:
    """Return a number of rows, of a data set or a batch, after checking that it is at most a billion.

    Raises:
        MTLError: If it is not an integer in the range.
    """
    return check_integer(name, value, minimum, MAX_ROWS, of=of, example=example)


def check_size(name: str, value: Any, *, minimum: int = 1, of: str = "", example: int | None = None) -> int:
    """Return a number of units, channels or classes as an `int` after checking that it is at most a million.

    Args:
        name: Name of the argument.
        value: The value received.
        minimum: Smallest value allowed; default 1.
        of: As for `check_integer`.
        example: As for `check_integer`.

    Raises:
        MTLError: If it is not an integer in the range.
    """
    return check_integer(name, value, minimum, MAX_SIZE, of=of, example=example)


def check_side(name: str, value: Any, *, of: str = "", example: int = 32) -> int:
    """Return a length in px as an `int` after checking that it is at least 1 and no more than an image may have.

    Raises:
        MTLError: If it is not.
    """
    return check_integer(name, value, 1, MAX_SIDE, of=of, example=example)


def check_seed(name: str, value: Any, *, of: str = "", following: int = 0) -> int:
    """Return a seed as an `int` after checking that it is from 0 to 2^31 - 1.

    Args:
        name: Name of the argument.
        value: The value received.
        of: What the argument belongs to, for the message; default empty.
        following: How many seeds that follow it are used as well, and must be in the range too; default 0.

    Raises:
        MTLError: If it is not.
    """
    return check_integer(name, value, 0, MAX_SEED - following, of=of)


def check_rate(name: str, value: Any, *, of: str = "", example: float = 0.001) -> float:
    """Return a learning rate after checking that it is above 0 and at most 1000.

    Raises:
        MTLError: If it is not.
    """
    return check_number(name, value, 0, MAX_RATE, bounds="(]", of=of, example=example)


def _as_float(value: Any) -> float:
    """Return a real number as a float; NaN for anything else."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _out_of_range(name: str, value: Any, rule: str, of: str, example: float) -> MTLError:
    """Return the error for an argument that is not what `rule` says."""
    owner, shown = f" of {of}" if of else "", example if isinstance(example, bool) else f"{example:g}"
    return MTLError(f"`{name}`{owner} must be {rule}. Received: {name}={describe(value)}. Pass e.g. {name}={shown}.")


def check_row_weights(name: str, weights: Any, *, of: str = "", column: str = "") -> None:
    """Check that the weights of rows are finite and at least 0.

    Args:
        name: Name of the argument.
        weights: An array with a weight for each row.
        of: What the argument belongs to, for the message; default empty.
        column: Column of a table that they are from, for rows that may be set aside; default empty.

    Raises:
        RowsError: If one of them is not.

    Example:
        >>> import numpy as np
        >>> check_row_weights("sample_weight", np.array([1.0, 0.0]))
    """
    import numpy as np

    rows = np.asarray(weights, np.float64).reshape(-1)
    wrong = np.flatnonzero(~(np.isfinite(rows) & (rows >= 0)))
    if wrong.size:
        raise RowsError(
            f"`{name}`{f' of {of}' if of else ''} must be finite and at least 0. Received: {rows[wrong[0]]} in "
            f"{list_rows(wrong.tolist())} (of {len(rows)}). Pass 0 for rows that must not count.",
            wrong.tolist(),
            [f"{rows[row]} is no weight" for row in wrong],
            column,
        )
