"""Dates in texts: recognized by a short list of formats, never guessed value by value."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

__all__ = ["date_format"]

DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y%m%d")
TIMES = ("", " %H:%M", " %H:%M:%S", "T%H:%M", "T%H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S.%f", "T%H:%M:%S%z", "T%H:%M:%S.%f%z")


def date_format(texts: Sequence[str]) -> str | None:
    """Return the format that all texts have, or None. Where day and month could be either, the day comes first.

    Example:
        >>> date_format(["2024-02-29", "2025-01-01"]), date_format(["12/24/2024"]), date_format(["2024-13-01"])
        ('%Y-%m-%d', '%m/%d/%Y', None)
    """
    if not texts or not all(6 <= len(text) <= 40 and text[0].isdigit() for text in texts):
        return None
    for day in DAYS:
        for time in TIMES:
            if all(_fits(text, day + time) for text in texts):
                return day + time
    return None


def _fits(text: str, form: str) -> bool:
    """Return whether a text has a format."""
    try:
        datetime.datetime.strptime(text, form)
    except ValueError:
        return False
    return True
