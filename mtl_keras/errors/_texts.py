"""Checks of texts: names, sentences and paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mtl_keras.errors._errors import MTLError, describe

__all__ = ["check_path", "check_text"]

#: Characters of a part of a path that every file system takes.
PART = 255


def check_text(name: str, value: Any, *, of: str = "", maximum: int | None = None, example: str = "name") -> str:
    """Return `value` after checking that it is a text that is not empty.

    Args:
        name: Name of the argument.
        value: The value received.
        of: What the argument belongs to, for the message; default empty.
        maximum: Largest number of characters; None (default) for no limit.
        example: A valid value for the message.

    Raises:
        MTLError: If it is not.
    """
    if isinstance(value, str) and value.strip() and (maximum is None or len(value) <= maximum):
        return value
    owner, span = f" of {of}" if of else "", "" if maximum is None else f" of at most {maximum} characters"
    raise MTLError(
        f"`{name}`{owner} must be a text{span} that is not empty. Received: {name}={describe(value)}. Pass e.g. "
        f"{name}={example!r}."
    )


def check_path(name: str, value: Any, *, of: str = "") -> str | Path:
    """Return `value` after checking that a file system could have such a path; the disk is not read.

    Args:
        name: Name of the argument.
        value: The value received.
        of: What the argument belongs to, for the message; default empty.

    Raises:
        MTLError: If it is neither a text nor a `pathlib.Path`, is empty, has line breaks, or has a part of more than 255
            bytes.
    """
    text = str(value) if isinstance(value, str | Path) else ""
    if text.strip() and not {"\0", "\n", "\r"} & {*text} and all(len(os.fsencode(part)) <= PART for part in Path(text).parts):
        return value
    owner = f" of {of}" if of else ""
    raise MTLError(
        f"`{name}`{owner} must be a path whose parts have at most {PART} bytes. Received: {name}={describe(value)}. Pass "
        "another path, in one line."
    )
