"""A metric as a value: its name, unit and direction, and what a perfect prediction has."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from mtl_keras.errors import check_choice, check_number, check_text, store

__all__ = ["Metric"]


@dataclass(frozen=True)
class Metric:
    """A metric, with its unit and direction.

    Args:
        name: Name in logs and results, e.g. `"accuracy"`.
        unit: Unit in words, e.g. `"fraction of images"`.
        direction: `"max"` if higher is better, else `"min"`.
        perfect: Value of a perfect prediction: 1 for accuracy, 0 for MSE.
    """

    name: str
    unit: str
    direction: Literal["max", "min"]
    perfect: float

    def __post_init__(self) -> None:
        for field in ("name", "unit"):
            check_text(field, getattr(self, field), of="a metric")
        check_choice("direction", self.direction, ("max", "min"))
        if not isinstance(self.perfect, float) or not math.isinf(self.perfect):
            store(self, perfect=check_number("perfect", self.perfect, of="a metric", example=1.0))

    @property
    def description(self) -> str:
        """Unit and direction in words, e.g. `"fraction of images, higher is better"`."""
        return f"{self.unit}, {'higher' if self.direction == 'max' else 'lower'} is better"

    @property
    def weighted(self) -> Metric:
        """The same metric where each row counts by its weight, e.g. `"weighted accuracy"`."""
        return replace(self, name=f"weighted {self.name}")

    def skill(self, value: float, trivial: float) -> float:
        """Return `(value - trivial) / (perfect - trivial)`: 0 for the trivial predictor, 1 for a perfect prediction.

        The skill is 0 if the trivial predictor is already perfect.
        """
        span = self.perfect - trivial
        return float((value - trivial) / span) if span else 0.0
