"""How the losses of several tasks become one.

A weighting is pure mathematics on the vector of task losses; it knows neither model nor data. Its variables (weights,
log-variances, counters) are owned by the model, so that they are saved, distributed and restored with it.

To add a method, write `_my_method.py` with a frozen dataclass that fills in `Weighting`, add one line to `METHODS`, and
one row of reference numbers to the contract tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mtl_keras.errors import MTLError, unknown
from mtl_keras.weighting._base import Weighting
from mtl_keras.weighting._fixed import Fixed

__all__ = ["METHODS", "Fixed", "Weighting", "get"]

#: Every weighting that can be asked for by one word.
METHODS: dict[str, Callable[[], Weighting]] = {"equal": Fixed}


def get(spec: Weighting | str | Mapping[str, float]) -> Weighting:
    """Return the weighting that `spec` names.

    Args:
        spec: A word among `METHODS`, a mapping of task to fixed weight, or a weighting, which is returned as it is.

    Raises:
        MTLError: If the word is unknown or the weights are negative or all 0.

    Example:
        >>> get({"fine": 0.7, "coarse": 0.3}) == Fixed({"fine": 0.7, "coarse": 0.3})
        True
    """
    if isinstance(spec, Weighting):
        return spec
    if isinstance(spec, str):
        if spec not in METHODS:
            raise unknown("weighting", spec, METHODS)
        return METHODS[spec]()
    if isinstance(spec, Mapping):
        if not spec:
            raise MTLError(
                "Fixed loss weights name every task. Received: {}. Give e.g. {'fine': 0.7, 'coarse': 0.3} or 'equal'."
            )
        return Fixed(spec)
    raise MTLError(f"`weighting` is a word, a mapping of task to weight, or a Weighting. Received: {spec!r}.")
