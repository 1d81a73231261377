"""Checks of values that are one of several: a name of a registry, with or without options, or one of a few constants."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from mtl_keras.errors._errors import MTLError, describe, unknown

__all__ = ["check_choice", "check_option", "choice_config", "parse_choice"]

T = TypeVar("T")


def check_choice(kind: str, value: Any, names: Iterable[str], hint: str = "") -> str:
    """Return `value` after checking that it is one of some names.

    Args:
        kind: What is chosen, e.g. `"tuner"`, for the message.
        value: The value received.
        names: All accepted names.
        hint: As for `unknown`.

    Raises:
        MTLError: If it is none of them; the message has the closest ones.
    """
    known = tuple(names)
    if isinstance(value, str) and value in known:
        return value
    raise unknown(kind, value, known, hint)


def check_option(name: str, value: Any, options: Sequence[Any], *, of: str = "") -> Any:
    """Return `value` after checking that it is one of a few constants, of the same type.

    Args:
        name: Name of the argument.
        value: The value received.
        options: The constants, e.g. `("avg", "max", None)`.
        of: What the argument belongs to, for the message; default empty.

    Raises:
        MTLError: If it is none of them.
    """
    # By type as well: 1 is equal to True.
    if any(type(value) is type(option) and value == option for option in options):
        return value
    owner, expected = f" of {of}" if of else "", ", ".join(map(repr, options))
    raise MTLError(
        f"`{name}`{owner} must be one of {expected}. Received: {name}={describe(value)}. Pass e.g. {name}={options[0]!r}."
    )


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
            f"The {kind} must be a name or a mapping with the entry 'method'. Received: {describe(value)}. Pass e.g. "
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
                else MTLError(f"The {kind} {name!r} has no options. Received: {option}={describe(options[option])}. Remove it.")
            )
    for field in fields:
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in options:
            raise MTLError(
                f"The {kind} {name!r} must have the option {field.name!r}. Received: {describe(value)}. Pass "
                f"{{'method': {name!r}, {field.name!r}: ...}}."
            )
    return choices[name](**options)


def choice_config(value: Any, choices: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    """Return `{"method": name, option: value}` with every option, from which `parse_choice` makes an equal object."""
    name = next(name for name, choice in choices.items() if type(value) is choice)
    return {"method": name, **dataclasses.asdict(value)}
