"""Which names a task may have."""

from __future__ import annotations

import re
from typing import Any

from mtl_keras.errors import MTLError, describe

__all__ = ["check_task_name"]

#: Characters of a task's name: it is part of the names of layers, columns and files.
LONGEST = 100
#: Names that would collide with other entries of logs and results, or with layers.
RESERVED_NAMES = frozenset({"loss", "skill", "all", "val", "learning_rate", "backbone", "shared", "input", "input_image"})

#: Patterns of such names.
RESERVED_PATTERN = r"val_.*|backbone_.*|shared_pool|shared_(dense|dropout)_\d+"


def check_task_name(name: Any) -> None:
    """Refuse a name that cannot be that of an output, a layer, and a part of the names of logs and files.

    Raises:
        MTLError: If so.
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
