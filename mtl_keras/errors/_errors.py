"""The errors, and how they show what was received."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Sequence

__all__ = ["MTLError", "RowsError", "TrialError", "describe", "describe_failure", "list_rows", "unknown"]

#: Characters of a received value that a message shows.
SHOWN = 80


class MTLError(ValueError):
    """An error that the user can fix; its message states rule, received value and remedy in one line."""

    # As users import it; tracebacks show it.
    __module__ = "mtl_keras.errors"


class TrialError(MTLError):
    """A training that failed because of its own configuration: a search counts the trial as failed and continues."""

    __module__ = "mtl_keras.errors"


class RowsError(MTLError):
    """An error of single rows, without which the others could be used.

    Args:
        message: Rule, value received and remedy.
        rows: Numbers of all rows that are wrong, from 0; a row may be wrong several times.
        reasons: What is wrong with each of them in a few words, or one text for all.
        columns: The column that is wrong in each of them, or one name for all; default empty, not known here.

    Example:
        >>> error = RowsError("Prices must be numbers. Received: 'x' in row 3.", [3], "'x' is no number")
        >>> error.rows, error.reasons
        ((3,), ("'x' is no number",))
    """

    __module__ = "mtl_keras.errors"

    def __init__(
        self, message: str, rows: Iterable[int], reasons: str | Sequence[str], columns: str | Sequence[str] = ""
    ) -> None:
        super().__init__(message)
        self.rows = tuple(int(row) for row in rows)
        self.reasons = (reasons,) * len(self.rows) if isinstance(reasons, str) else tuple(reasons)
        self.columns = (columns,) * len(self.rows) if isinstance(columns, str) else tuple(columns)


def describe(value: object) -> str:
    """Return a short text for a value that is refused, to follow "Received: " in an error message.

    Example:
        >>> describe(MTLError)
        'the class MTLError'
        >>> describe((32, 32))
        '(32, 32)'
        >>> describe("x" * 1000)
        "'xxxxxxxxxxxxxxxxxxxx...' (1000 characters)"
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:20] + '...'!r} ({len(value)} characters)"
    text = repr(value)
    # A Keras model or a data frame would fill many lines.
    return text if len(text) <= SHOWN and "\n" not in text else f"an object of type {type(value).__name__}"


def describe_failure(error: BaseException) -> str:
    """Return a short sentence for an exception of code that is not part of mtl-keras, with the place where it was raised.

    Example:
        >>> describe_failure(KeyError("label"))
        "KeyError: 'label'."
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and "mtl_keras" not in frame.filename]
    where = f" in line {own[-1].lineno} of {own[-1].filename}" if own else ""
    said = " ".join(str(error).split())[:200].rstrip(".")
    return f"{type(error).__name__}{': ' if said else ''}{said}{where}."


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
        hint: One more sentence, for instance how to list all names, or why there are none.

    Example:
        >>> str(unknown("tuner", "randm", ["random", "grid"]))
        "Unknown tuner: received 'randm'. Did you mean 'random'?"
    """
    known = sorted(options)
    folded = {option.lower(): option for option in known}
    near = [folded[m] for m in difflib.get_close_matches(str(name)[:SHOWN].lower(), folded, n=3, cutoff=0.5)]
    if near:
        remedy = f"Did you mean {' or '.join(repr(n) for n in near)}?"
    elif known:
        shown = ", ".join(repr(n) for n in known[:12])
        remedy = f"Expected one of {shown}{', ...' if len(known) > 12 else ''}."
    else:
        remedy = "There is none."
    return MTLError(f"Unknown {kind}: received {describe(name)}. {remedy}" + (f" {hint}" if hint else ""))
