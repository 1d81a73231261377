"""How tasks share a network between the trunk and their heads.

A sharing method is a frozen value with one function, `apply(features, tasks)`, which maps the trunk's features to the
features of each task's head. `build_model(shared=...)` and `Recipe(shared=...)` take

- the units of a dense stack, `shared=(256,)`,
- a value, `shared=mtl.sharing.DenseStack((256, 64), dropout=0.2)`,
- or a name, or a name with options: `shared={"method": "dense_stack", "dense": (256,)}`.

To add a method, write `_my_method.py` with a subclass of `Sharing` and add it to `SHARINGS` below. The contract tests
pick it up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtl_keras.errors import parse_choice, unknown
from mtl_keras.sharing._base import Sharing
from mtl_keras.sharing._dense_stack import DenseStack

__all__ = ["SHARINGS", "DenseStack", "Sharing", "from_config", "get"]

#: Every sharing method by name.
SHARINGS: dict[str, type[Sharing]] = {"dense_stack": DenseStack}


def get(spec: Sharing | str | Mapping[str, Any] | Sequence[int]) -> Sharing:
    """Return the sharing method that a short form stands for.

    Args:
        spec: A `Sharing`, which is returned; the name of a method, or `{"method": name, option: value}`; or the units of a
            `DenseStack`.

    Raises:
        MTLError: If `spec` is none of these, or the method or an option is unknown.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.sharing.get((256,)) == mtl.sharing.get({"method": "dense_stack", "dense": [256]})
        True
    """
    if isinstance(spec, Sharing):
        return spec
    if isinstance(spec, Sequence) and not isinstance(spec, str):
        return DenseStack(tuple(spec))
    return parse_choice("sharing method", spec, SHARINGS, example="shared=(256,)")


def from_config(config: Mapping[str, Any]) -> Sharing:
    """Rebuild a sharing method from `Sharing.config()`.

    Configs written before sharing methods existed hold a dense stack without `method`.
    """
    values = dict(config)
    if "method" not in values:
        if "tap" in values:
            values["pooling"] = values.pop("tap")
        kind = values.pop("kind", "Head")
        if kind != "Head":
            raise unknown("kind of shared stack", kind, ["Head"])
        values["method"] = DenseStack.name
    return get(values)
