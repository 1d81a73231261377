"""Names of tasks and of inputs, which are part of the names of layers, columns, logs and files."""

from __future__ import annotations

import re
from typing import Any

from mtl_keras.errors._errors import MTLError, describe

__all__ = ["check_input_name", "check_task_name"]

#: Characters of a task's name: it is part of the names of layers, columns and files.
LONGEST = 100
#: Names that would collide with other entries of logs and results, or with layers.
RESERVED_NAMES = frozenset({"loss", "skill", "all", "val", "learning_rate", "backbone", "shared", "input", "input_image"})

#: Patterns of such names.
RESERVED_PATTERN = r"val_.*|backbone_.*|shared_pool|shared_(dense|dropout)_\d+"


def check_task_name(name: Any) -> str:
    """Return `name` after checking that a task can have it.

    Raises:
        MTLError: If it is no text of at most 100 letters, digits and underscores that starts with a letter, or is reserved.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise MTLError(
            f"A task's name must consist of letters, digits and underscores and start with a letter. Received: "
            f"name={describe(name)}. Rename the task; `label=` still names the column it reads."
        )
    if len(name) > LONGEST:
        raise MTLError(
            f"A task's name must have at most {LONGEST} characters. Received: name={describe(name)}. Rename the task; "
            "`label=` still names the column it reads."
        )
    if name in RESERVED_NAMES or re.fullmatch(RESERVED_PATTERN, name):
        raise MTLError(
            f"A task's name must not be a reserved name of logs and layers. Received: name={name!r}. Rename the task; "
            "`label=` still names the column it reads."
        )
    return name


def check_input_name(name: Any) -> str:
    """Return `name` after checking that one of several inputs can have it, by the rules for tasks.

    Raises:
        MTLError: If not.
    """
    try:
        return check_task_name(name)
    except MTLError:
        raise MTLError(
            "An input's name must consist of letters, digits and underscores, start with a letter and not be reserved. "
            f"Received: {describe(name)}. Rename it, e.g. 'photo' or 'row', in `x`, `backbone`, `image_shape`, `columns` and "
            "`freeze`."
        ) from None
