"""Several errors in one: what is wrong with a table is said at once, not one kind after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mtl_keras.errors import MTLError

__all__ = ["Problems"]


class Problems:
    """Errors of several checks, raised together.

    Example:
        >>> problems = Problems()
        >>> with problems.collect():
        ...     raise MTLError("Labels must be 0 or 1. Received: 2.")
        >>> problems.raise_all()
        Traceback (most recent call last):
        mtl_keras.errors.MTLError: Labels must be 0 or 1. Received: 2.
    """

    def __init__(self) -> None:
        self._errors: list[MTLError] = []

    def __bool__(self) -> bool:
        return bool(self._errors)

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Keep an error that is raised in this context."""
        try:
            yield
        except MTLError as error:
            self._errors.append(error)

    def raise_all(self) -> None:
        """Raise the errors that were collected, as one line.

        Raises:
            MTLError: The only one, or one that holds the text of all.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            texts = " ".join(f"({number}) {error}" for number, error in enumerate(self._errors, start=1))
            raise MTLError(f"{len(self._errors)} kinds of problems: {texts}")
