"""Words that several checks share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["count", "join", "name_some"]


def count(number: int, noun: str) -> str:
    """Return a number and its noun, e.g. `"1,200 rows"` or `"2 classes"`."""
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('s') else 's'}"


def join(words: Iterable[str]) -> str:
    """Return `"a, b and c"`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def name_some(names: Sequence[object], shown: int = 5) -> str:
    """Return names, and how many more there are."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(map(str, names[:shown])) + more
