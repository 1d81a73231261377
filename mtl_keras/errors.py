"""Errors that users cause and can fix, and the argument checks that raise them.

Each message has three parts in one line: the rule, the value received and the remedy. The command line prints such an
error without a traceback and exits with code 2. Any other exception is a bug in mtl-keras and keeps its traceback.

Example:
    >>> from mtl_keras.errors import check_integer
    >>> check_integer("epochs", 0, 1)
    Traceback (most recent call last):
    mtl_keras.errors.MTLError: `epochs` must be an integer of at least 1. Received: epochs=0. Pass e.g. epochs=1.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

__all__ = [
    "MTLError",
    "TrialError",
    "check_fraction",
    "check_integer",
    "check_number",
    "choice_config",
    "describe",
    "list_rows",
    "parse_choice",
    "unknown",
]

T = TypeVar("T")


class MTLError(ValueError):
    """An error that the user can fix; its message states rule, received value and remedy in one line."""


class TrialError(MTLError):
    """A training that failed because of its own configuration: a search counts the trial as failed and continues."""


def describe(value: object) -> str:
    """Return a short text for a value of the wrong type, to follow "Received: " in an error message.

    Example:
        >>> describe(MTLError)
        'the class MTLError'
        >>> describe((32, 32))
        '(32, 32)'
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    text = repr(value)
    # A Keras model or a data frame would fill many lines.
    return text if len(text) <= 80 and "\n" not in text else f"an object of type {type(value).__name__}"


def list_rows(rows: Sequence[int]) -> str:
    """Return row numbers in words, at most five of them.

    Example:
        >>> list_rows([7])
        'row 7'
        >>> list_rows(range(9))
        'rows 0, 1, 2, 3, 4 and 4 more'
    """
    shown = ", ".join(str(row) for row in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"row{'' if len(rows) == 1 else 's'} {shown}{more}"


def unknown(kind: str, name: object, options: Iterable[str], hint: str = "") -> MTLError:
    """Return the error for a name that is not among `options`, with the closest names first.

    Args:
        kind: What the name stands for, e.g. `"backbone"`.
        name: The name received.
        options: All accepted names.
        hint: One more sentence, for instance how to list all names.

    Example:
        >>> str(unknown("tuner", "randm", ["random", "grid"]))
        "Unknown tuner: received 'randm'. Did you mean 'random'?"
    """
    known = sorted(options)
    folded = {option.lower(): option for option in known}
    near = [folded[m] for m in difflib.get_close_matches(str(name).lower(), folded, n=3, cutoff=0.5)]
    if near:
        remedy = f"Did you mean {' or '.join(repr(n) for n in near)}?"
    else:
        shown = ", ".join(repr(n) for n in known[:12])
        remedy = f"Expected one of {shown}{', ...' if len(known) > 12 else ''}."
    return MTLError(f"Unknown {kind}: received {name!r}. {remedy}" + (f" {hint}" if hint else ""))


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
    """Return `value` as it is after checking that it is a finite real number in a range.

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
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value):
        number = float(value)
        above = number >= minimum if bounds[0] == "[" else number > minimum
        below = number <= maximum if bounds[1] == "]" else number < maximum
        if above and below:
            # As given: an integer stays an integer in a config.
            return value  # type: ignore[return-value]
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
    """Return `value` as it is after checking that it is a number between 0 and 1.

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


def parse_choice(kind: str, value: Any, choices: Mapping[str, Callable[..., T]], *, example: str | None = None) -> T:
    """Return the registered object that a name, or a name with options, stands for.

    Args:
        kind: What is chosen, e.g. `"sampling"`; used in messages.
        value: A key of `choices`, or `{"method": key, option: value}`. An instance of one of the choices is returned as it
            is.
        choices: Dataclasses by name. Their fields are the options; they check the values themselves.
        example: What to pass, for the message; default the first name.

    Raises:
        MTLError: If the value is of another type, the name or an option is unknown, a required option is missing, or the
            dataclass refuses a value.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Crop:
        ...     pad: int = 4
        >>> parse_choice("augmentation", {"method": "crop", "pad": 2}, {"crop": Crop})
        Crop(pad=2)
    """
    if isinstance(value, tuple(choice for choice in choices.values() if isinstance(choice, type))):
        return cast(T, value)
    given = {"method": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not isinstance(given.get("method"), str):
        raise MTLError(
            f"The {kind} must be a name or a mapping with the entry 'method'. Received: {value!r}. Pass e.g. "
            f"{example or repr(next(iter(choices)))}."
        )
    name, options = given["method"], {option: given[option] for option in given if option != "method"}
    if name not in choices:
        raise unknown(kind, name, choices)
    fields = [field for field in dataclasses.fields(choices[name]) if field.init]  # type: ignore[arg-type]
    known = [field.name for field in fields]
    for option in options:
        if option not in known:
            hint = f"{name!r} has {'the options ' + ', '.join(known) if known else 'no options'}."
            raise (
                unknown(f"option of {kind} {name!r}", option, known, hint)
                if known
                else MTLError(f"The {kind} {name!r} has no options. Received: {option}={options[option]!r}. Remove it.")
            )
    for field in fields:
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in options:
            raise MTLError(
                f"The {kind} {name!r} must have the option {field.name!r}. Received: {value!r}. Pass {{'method': {name!r}, "
                f"{field.name!r}: ...}}."
            )
    return choices[name](**options)


def choice_config(value: Any, choices: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    """Return `{"method": name, option: value}` with every option, from which `parse_choice` makes an equal object."""
    name = next(name for name, choice in choices.items() if type(value) is choice)
    return {"method": name, **dataclasses.asdict(value)}


def _out_of_range(name: str, value: Any, rule: str, of: str, example: float) -> MTLError:
    """Return the error for an argument that is not what `rule` says."""
    owner = f" of {of}" if of else ""
    return MTLError(f"`{name}`{owner} must be {rule}. Received: {name}={value!r}. Pass e.g. {name}={example:g}.")
