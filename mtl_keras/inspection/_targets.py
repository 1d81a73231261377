"""Regression targets whose logarithm is easier to learn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows

__all__ = ["check_targets", "moments", "needs_log"]

#: Skewness from which values are called skewed: that of an exponential distribution is 2, of a normal one 0.
SKEWED = 1.0
#: Fewest values of which the skewness says something.
ENOUGH = 30


def check_targets(rows: Rows) -> Iterator[Finding]:
    """Find regression targets in need of a log.

    A target is in need of one if all its training values are positive, their skewness is at least 1, and that of their
    logarithms is less than half as large, whatever its sign.
    """
    for label in rows.numbers:
        values = label.values[label.present & rows.training]
        if needs_log(values):
            low, high = values.min(), values.max()
            yield Finding(
                "targets",
                "warning",
                label.name,
                f"The values reach from {low:.4g} to {high:.4g}, and a few large ones dominate the loss: their skewness is "
                f"{_skewness(values):.1f}, that of their logarithms {_skewness(np.log(values)):.1f}.",
                "Consider to predict the logarithm.",
            )


def needs_log(values: np.ndarray) -> bool:
    """Return whether numbers are positive and much less skewed as logarithms."""
    if len(values) < ENOUGH or not (values > 0).all():
        return False
    plain = _skewness(values)
    return bool(plain >= SKEWED and abs(_skewness(np.log(values))) < plain / 2)


def moments(values: np.ndarray) -> tuple[float, float, float]:
    """Return mean, standard deviation and skewness, the mean cube of standardized values; 0 for equal ones."""
    # By the largest first: sums and powers of large numbers overflow.
    scale = float(np.abs(values).max(initial=0)) or 1.0
    small = values / scale
    mean = small.mean()
    away = small - mean
    deviation = np.sqrt(np.square(away).mean())
    # Equal numbers differ from their mean by rounding.
    deviation = 0.0 if np.ptp(small) == 0 else deviation
    skew = float(((away / deviation) ** 3).mean()) if deviation > 0 else 0.0
    return float(mean * scale), float(deviation * scale), skew


def _skewness(values: np.ndarray) -> float:
    """Return the skewness of numbers."""
    return moments(values)[2]
