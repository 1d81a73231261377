"""Weights of classes in the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mtl_keras.errors import MTLError, check_number, describe, unknown
from mtl_keras.tasks._classes import class_text, number_of
from mtl_keras.tasks._options import Frozen, freeze

__all__ = ["balanced", "check_class_weight", "weights_in_order"]


def check_class_weight(value: Any, of: str, pairs: bool = False) -> str | Frozen | None:
    """Return the weights of classes as a value: None, `"balanced"`, or numbers by class as a text.

    Args:
        value: The value received.
        of: What it belongs to, for messages.
        pairs: Whether a class may have two weights, of rows without it and with it; default False.

    Raises:
        MTLError: If it is none of these, or a weight is not above 0.
    """
    if value is None or (isinstance(value, str) and value == "balanced"):
        return value
    if not isinstance(value, Mapping) or not value:
        raise MTLError(
            f"`class_weight` of {of} must be 'balanced' or map classes to weights. Received: class_weight={describe(value)}. "
            "Pass e.g. class_weight={'rare': 5.0}."
        )
    checked = {class_text(name): _check_weight(f"class_weight[{name!r}]", each, of, pairs) for name, each in value.items()}
    if len(checked) < len(value):
        raise MTLError(f"`class_weight` of {of} must have each class once. Received: {describe(dict(value))}. Drop one.")
    return Frozen({name: freeze(weight) for name, weight in checked.items()})


def balanced(counts: np.ndarray) -> np.ndarray:
    """Return weights in inverse proportion to the numbers of rows along the last axis; 1 for a class without any.

    They are those of scikit-learn: rows / (classes with rows x rows of the class).
    """
    there = counts > 0
    rows = counts.sum(axis=-1, keepdims=True) / np.maximum(there.sum(axis=-1, keepdims=True), 1)
    return np.asarray(np.where(there, rows / np.maximum(counts, 1), 1.0), np.float32)


def weights_in_order(value: Mapping[str, Any], names: Sequence[str], classes: int, of: str) -> list[Any]:
    """Return the weight of each class, 1 where it is left out.

    Args:
        value: Weights by name of the class; by its number where no class has a number as its name.
        names: Names of the classes, if they have some.
        classes: Their number.
        of: What the weights belong to, for messages.

    Raises:
        MTLError: If a class is unknown.
    """
    numbers = [str(number) for number in range(classes)]
    # 0 is no class of 1, 2 and 3, so that 1 always is the first of them.
    named = any(name in names for name in value) or any(number_of(name) is not None for name in names)
    known = list(names) if named else numbers
    for name in value:
        if name not in known:
            raise unknown(f"class in class_weight of {of}", name, names or numbers)
    return [value.get(name, 1.0) for name in known]


def _check_weight(name: str, value: Any, of: str, pairs: bool) -> float | tuple[float, ...]:
    if pairs and isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        return tuple(float(check_number(name, each, 0, bounds="(]", of=of)) for each in value)
    return float(check_number(name, value, 0, bounds="(]", of=of, example=5.0))
