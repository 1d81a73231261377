"""Calling the functions of a study, which a user wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mtl_keras.errors import MTLError, describe, describe_failure

__all__ = ["call_study"]

T = TypeVar("T")


def call_study(field: str, owner: str, kind: type[T], function: Callable[..., T], *arguments: Any) -> T:
    """Return what a function of a study returns, checked.

    Args:
        field: What the function is, e.g. `"space"`.
        owner: Whose it is, e.g. `"study 'mine'"`.
        kind: What it must return.
        function: The function.
        *arguments: Passed to it.

    Raises:
        MTLError: If it raises anything, `SystemExit` included, or returns something else.
    """
    try:
        value = function(*arguments)
    except MTLError:
        raise
    except (Exception, SystemExit) as error:
        raise MTLError(
            f"`{field}` of {owner} must return a {kind.__name__}. Received: {describe_failure(error)} Correct the function."
        ) from error
    if isinstance(value, kind):
        return value
    raise MTLError(
        f"`{field}` of {owner} must return a {kind.__name__}. Received: {describe(value)}. Correct what the function returns."
    )
