"""Losses, metrics and weights of a task as plain JSON values that can be compared and hashed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["Frozen", "freeze", "thaw"]


class Frozen(dict[str, Any]):
    """A mapping of JSON values that is not changed once it is made, so that a frozen task can hold it."""

    def __hash__(self) -> int:  # type: ignore[override]  # a plain dict has none
        return hash(json.dumps(self, sort_keys=True))

    def __setitem__(self, *_: Any) -> None:
        raise TypeError("What a task holds cannot be changed.")

    def __deepcopy__(self, memo: Any) -> Frozen:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return freeze, (thaw(self),)


def freeze(value: Any) -> Any:
    """Return JSON values as hashable ones: mappings as `Frozen`, lists as tuples."""
    if isinstance(value, Mapping):
        return Frozen({str(name): freeze(each) for name, each in value.items()})
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value


def thaw(value: Any) -> Any:
    """Return frozen JSON values as plain ones: dicts and lists."""
    if isinstance(value, Mapping):
        return {name: thaw(each) for name, each in value.items()}
    return [thaw(each) for each in value] if isinstance(value, list | tuple) else value
