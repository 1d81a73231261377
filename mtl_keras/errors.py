"""The errors a user can cause and mend.

Each message has three parts: the rule, the value received and the remedy. The command line prints such an error as
one line and exits with code 2; everything else is a fault of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["MTLError", "TrialError", "unknown"]


class MTLError(ValueError):
    """An expected error: its message says rule, received value and remedy in one line."""


class TrialError(MTLError):
    """One training failed by its own configuration: a search counts the trial as failed and goes on."""


def unknown(kind: str, name: object, options: Iterable[str], hint: str = "") -> MTLError:
    """Return the error for a name that is not among `options`, with the nearest names first.

    Args:
        kind: What was asked for, e.g. `"backbone"`.
        name: The name received.
        options: All names that would have been accepted.
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
