"""Weighting methods: how the losses of several tasks become one update of the network.

There are two kinds. A *loss-based* method combines the task losses into one scalar, `total(losses, present, state)`. A
*gradient-based* method chooses the weights of a step from the inner products of the task gradients, the Gramian, by
`step(gramian, losses, present, state, order)`. Methods know neither model nor data and have no side effects. The model owns
their variables, so that these are saved, distributed and restored with it.

To add a method, write `_my_method.py` with a frozen dataclass derived from `LossWeighting` or `GradientWeighting`, add one
line to `METHODS`, and one row of reference numbers to `tests/contracts/test_weighting.py`.

Example:
    >>> import mtl_keras as mtl
    >>> method = mtl.weighting.get("mgda")
    >>> [round(float(weight), 2) for weight in method.weights([[1.0, 0.0], [0.0, 4.0]])]
    [0.8, 0.2]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mtl_keras.errors import MTLError, describe, parse_choice
from mtl_keras.weighting._base import GradientWeighting, LossWeighting, Weighting
from mtl_keras.weighting._dwa import DWA
from mtl_keras.weighting._fixed import Fixed
from mtl_keras.weighting._geometric_mean import GeometricMean
from mtl_keras.weighting._gradnorm import GradNorm
from mtl_keras.weighting._gradvac import GradVac
from mtl_keras.weighting._mean import Mean
from mtl_keras.weighting._mgda import MGDA
from mtl_keras.weighting._uncertainty import Uncertainty

__all__ = [
    "DWA",
    "METHODS",
    "MGDA",
    "Fixed",
    "GeometricMean",
    "GradNorm",
    "GradVac",
    "GradientWeighting",
    "LossWeighting",
    "Mean",
    "Uncertainty",
    "Weighting",
    "get",
]

#: Every method that can be selected by its name.
METHODS: dict[str, Callable[..., Weighting]] = {
    method.name: method for method in (Fixed, Mean, GeometricMean, Uncertainty, DWA, MGDA, GradVac, GradNorm)
}


def get(spec: Weighting | str | Mapping[str, Any]) -> Any:
    """Return the weighting method that `spec` describes.

    Args:
        spec: A name in `METHODS`, a name with options as `{"method": name, option: value}`, a mapping of task to fixed
            weight, or a `Weighting`, which is returned unchanged.

    Returns:
        A `LossWeighting` or a `GradientWeighting`.

    Raises:
        MTLError: If the name or an option is unknown, or weights are negative or all 0.

    Example:
        >>> get({"fine": 0.7, "coarse": 0.3}) == Fixed({"fine": 0.7, "coarse": 0.3})
        True
        >>> get({"method": "dwa", "temperature": 1.0})
        DWA(temperature=1.0)
    """
    if isinstance(spec, Weighting):
        return spec
    if isinstance(spec, str) or (isinstance(spec, Mapping) and isinstance(spec.get("method"), str)):
        return parse_choice("weighting", spec, METHODS)
    if isinstance(spec, Mapping):
        if not spec:
            raise MTLError(
                "`weighting` must name every task if it is a mapping. Received: weighting={}. Pass e.g. "
                "{'fine': 0.7, 'coarse': 0.3} or 'equal'."
            )
        return Fixed(spec)
    raise MTLError(
        f"`weighting` must be a name, a mapping of task to weight, or a Weighting. Received: "
        f"weighting={describe(spec)}. Pass e.g. 'equal'."
    )
