"""Checks of sequences, mappings, functions and objects; and how a frozen value stores what was checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from mtl_keras.errors._errors import MTLError, describe
from mtl_keras.errors._numbers import MAX_SIZE, check_integer, check_side
from mtl_keras.errors._task_names import check_input_name

__all__ = [
    "check_function",
    "check_image_size",
    "check_input_shape",
    "check_instance",
    "check_instances",
    "check_integers",
    "check_mapping",
    "check_names",
    "check_sizes",
    "check_unique",
    "store",
]

T = TypeVar("T")


def store(value: Any, **fields: Any) -> None:
    """Set fields of a frozen value in its constructor."""
    for name, content in fields.items():
        object.__setattr__(value, name, content)


def check_function(name: str, value: Any, *arguments: str, of: str = "") -> Callable[..., Any]:
    """Return `value` after checking that it is a function that can be called with so many arguments; it is not called.

    Args:
        name: Name of the argument.
        value: The value received.
        *arguments: Names of what the function gets, for the message.
        of: What the argument belongs to, for the message; default empty.

    Raises:
        MTLError: If it is not.
    """
    problem = f"{name}={describe(value)}"
    if callable(value):
        try:
            inspect.signature(value).bind(*arguments)
        except ValueError:
            # Some functions in C have no signature.
            return value
        except TypeError as error:
            problem = f"{name}={describe(value)}, for which {error}"
        else:
            return value
    raise MTLError(
        f"`{name}`{f' of {of}' if of else ''} must be a function ({', '.join(arguments)}). Received: {problem}. Pass such a "
        "function."
    )


def check_image_size(name: str, value: Any, *, example: int = 32) -> tuple[int, int]:
    """Return height and width in px after checking them as `check_side` does.

    Args:
        name: Name of the argument.
        value: A side, or height and width.
        example: A valid value for the message.

    Raises:
        MTLError: If it is neither, or out of range.
    """
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    sides = tuple(value) if several else (value, value)
    if len(sides) != 2:
        raise MTLError(
            f"`{name}` must be a side, or height and width, in px. Received: {name}={describe(value)}. Pass e.g. "
            f"{name}={example}."
        )
    height, width = (check_side(name, side, example=example) for side in sides)
    return height, width


def check_instance(name: str, value: Any, kind: type[T], remedy: str, *, of: str = "") -> T:
    """Return `value` after checking that it is an instance of a class.

    Args:
        name: Name of the argument.
        value: The value received.
        kind: The class.
        remedy: The last sentence of the message.
        of: What the argument belongs to, for the message; default empty.

    Raises:
        MTLError: If it is not.
    """
    if isinstance(value, kind):
        return value
    raise MTLError(
        f"`{name}`{f' of {of}' if of else ''} must be a {kind.__name__}. Received: {name}={describe(value)}. {remedy}"
    )


def check_instances(name: str, value: Any, kind: type[T], *, of: str = "") -> tuple[T, ...]:
    """Return `value` as a tuple after checking that it is a sequence of instances of a class.

    Raises:
        MTLError: If it is not.
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and all(isinstance(each, kind) for each in value):
        return tuple(value)
    raise MTLError(
        f"`{name}`{f' of {of}' if of else ''} must be a sequence, each a {kind.__name__}. Received: {name}={describe(value)}. "
        "Pass a list of them."
    )


def check_mapping(name: str, value: Any, *, of: str = "", example: str = "{'name': ...}") -> dict[str, Any]:
    """Return `value` as a dict after checking that it is a mapping whose keys are texts.

    Args:
        name: Name of the argument.
        value: The value received.
        of: What the argument belongs to, for the message; default empty.
        example: A valid value for the message.

    Raises:
        MTLError: If it is not.
    """
    if isinstance(value, Mapping) and all(isinstance(key, str) and key for key in value):
        return dict(value)
    raise MTLError(
        f"`{name}`{f' of {of}' if of else ''} must map names to values. Received: {name}={describe(value)}. Pass e.g. "
        f"{name}={example}."
    )


def check_names(name: str, value: Any, *, of: str = "") -> tuple[str, ...]:
    """Return `value` as a tuple after checking that it is a sequence of names.

    Raises:
        MTLError: If it is not, in particular if it is a single name.
    """
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        names = tuple(value)
        if all(isinstance(each, str) and each for each in names):
            return names
    example = f"({value!r},)" if isinstance(value, str) and 0 < len(value) < 80 else "('name',)"
    raise MTLError(
        f"`{name}`{f' of {of}' if of else ''} must be a sequence of names. Received: {name}={describe(value)}. Pass "
        f"{name}={example}."
    )


def check_unique(name: str, values: Sequence[str]) -> None:
    """Refuse a value that is given more than once, of which one would be lost or work done twice.

    Args:
        name: Name of the argument.
        values: The values received.

    Raises:
        MTLError: If one is repeated.
    """
    for value in values:
        if (count := list(values).count(value)) > 1:
            raise MTLError(f"`{name}` must be given once for each name. Received: {value!r} {count} times. Drop the others.")


def check_integers(
    name: str, value: Any, minimum: int, maximum: int | None = None, *, of: str = "", example: int | None = None
) -> tuple[int, ...]:
    """Return one integer, or a sequence of them, as a tuple after checking each as `check_integer` does.

    Raises:
        MTLError: If one of them is not in the range.
    """
    several = (isinstance(value, Sequence) and not isinstance(value, str | bytes)) or getattr(value, "ndim", 0) == 1
    given = value if several else (value,)
    return tuple(check_integer(name, each, minimum, maximum, of=of, example=example) for each in given)


def check_input_shape(name: str, value: Any, *, of: str = "") -> tuple[int, ...] | dict[str, tuple[int, ...]]:
    """Return the shape of one input as a tuple, or those of several by name, after checking that all sides are at least 1.

    Raises:
        MTLError: If one is not.
    """
    if not isinstance(value, Mapping):
        return check_integers(name, value, 1, of=of)
    return {check_input_name(key): check_integers(f"{name}[{key!r}]", each, 1, of=of) for key, each in value.items()}


def check_sizes(name: str, value: Any, *, of: str = "", example: int | None = None) -> tuple[int, ...]:
    """Return numbers of units, channels or classes as a tuple after checking each as `check_size` does.

    Raises:
        MTLError: If one of them is not in the range.
    """
    return check_integers(name, value, 1, MAX_SIZE, of=of, example=example)
