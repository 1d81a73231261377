"""How the losses of several tasks become one.

A weighting is pure mathematics on the vector of task losses; it knows neither model nor data. Its variables (weights,
log-variances, counters) are owned by the model, so that they are saved, distributed and restored with it.

To add a method, write `_my_method.py` with a frozen dataclass that fills in `Weighting`, add one line to `METHODS`, and
one row of reference numbers to the contract tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from mtl_keras.errors import MTLError, unknown
from mtl_keras.weighting._base import Weighting
from mtl_keras.weighting._dwa import DWA
from mtl_keras.weighting._fixed import Fixed
from mtl_keras.weighting._geometric_mean import GeometricMean
from mtl_keras.weighting._mean import Mean
from mtl_keras.weighting._uncertainty import Uncertainty

__all__ = ["METHODS", "DWA", "Fixed", "GeometricMean", "Mean", "Uncertainty", "Weighting", "get"]

#: Every weighting that can be asked for by one word.
METHODS: dict[str, Callable[..., Weighting]] = {
    method.name: method for method in (Fixed, Mean, GeometricMean, Uncertainty, DWA)
}


def get(spec: Weighting | str | Mapping[str, Any]) -> Weighting:
    """Return the weighting that `spec` names.

    Args:
        spec: A word among `METHODS`, with options `{"method": word, option: value}`, a mapping of task to fixed weight, or
            a weighting, which is returned as it is.

    Raises:
        MTLError: If the word or an option is unknown, or weights are negative or all 0.

    Example:
        >>> get({"fine": 0.7, "coarse": 0.3}) == Fixed({"fine": 0.7, "coarse": 0.3})
        True
        >>> get({"method": "dwa", "temperature": 1.0})
        DWA(temperature=1.0)
    """
    if isinstance(spec, Weighting):
        return spec
    if isinstance(spec, str):
        return _made(spec, {})
    if isinstance(spec, Mapping) and isinstance(spec.get("method"), str):
        return _made(spec["method"], {name: value for name, value in spec.items() if name != "method"})
    if isinstance(spec, Mapping):
        if not spec:
            raise MTLError(
                "Fixed loss weights name every task. Received: {}. Give e.g. {'fine': 0.7, 'coarse': 0.3} or 'equal'."
            )
        return Fixed(spec)
    raise MTLError(f"`weighting` is a word, a mapping of task to weight, or a Weighting. Received: {spec!r}.")


def _made(word: str, options: Mapping[str, Any]) -> Weighting:
    """Return the method of that name with these options."""
    if word not in METHODS:
        raise unknown("weighting", word, METHODS)
    method = METHODS[word]
    known = [field.name for field in fields(method)]  # type: ignore[arg-type]  # each is a dataclass
    for name in options:
        if name not in known:
            raise unknown(f"option of weighting {word!r}", name, known)
    return method(**options)
