"""Regression targets whose logarithm is easier to learn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows

__all__ = ["check_targets", "needs_log", "skewness"]

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
                f"The values reach from {low:.4g} to {high:.4g} with a skewness of {skewness(values):.1f}, of their logarithms "
                f"{skewness(np.log(values)):.1f}: a few large values dominate the loss.",
                "Consider to predict the logarithm.",
            )


def needs_log(values: np.ndarray) -> bool:
    """Return whether numbers are positive and much less skewed as logarithms."""
    if len(values) < ENOUGH or not (values > 0).all():
        return False
    plain = skewness(values)
    return bool(plain >= SKEWED and abs(skewness(np.log(values))) < plain / 2)


def skewness(values: np.ndarray) -> float:
    """Return the mean cube of standardized values; 0 for equal ones."""
    away = values - values.mean()
    # By the largest first: squares of large numbers overflow.
    away = away / (np.abs(away).max(initial=0) or 1)
    scale = np.sqrt(np.square(away).mean())
    return float((away**3).mean() / scale**3) if scale > 0 else 0.0
