"""Several errors in one: what is wrong with a table is said at once, not one kind after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mtl_keras.errors._errors import MTLError, RowsError

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

    @property
    def errors(self) -> tuple[MTLError, ...]:
        """The errors that were collected."""
        return tuple(self._errors)

    @contextlib.contextmanager
    def collect(self, column: str = "") -> Iterator[None]:
        """Keep an error that is raised in this context.

        Args:
            column: That of the values that are checked, for rows that may be set aside.
        """
        try:
            yield
        except RowsError as error:
            error.columns = tuple(own or column for own in error.columns)
            self._errors.append(error)
        except MTLError as error:
            self._errors.append(error)

    def raise_all(self) -> None:
        """Raise the errors that were collected, as one line.

        Raises:
            RowsError: If all of them are errors of single rows, with the rows of all.
            MTLError: Otherwise the only one, or one that holds the text of all.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if not self._errors:
            return
        texts = " ".join(f"({number}) {error}" for number, error in enumerate(self._errors, start=1))
        message = f"{len(self._errors)} kinds of problems: {texts}"
        of_rows = [error for error in self._errors if isinstance(error, RowsError)]
        if len(of_rows) < len(self._errors):
            raise MTLError(message)
        rows, reasons, columns = ([each for error in of_rows for each in getattr(error, field)] for field in FIELDS)
        raise RowsError(message, rows, reasons, columns)


#: What an error of single rows knows of each of them.
FIELDS = ("rows", "reasons", "columns")
