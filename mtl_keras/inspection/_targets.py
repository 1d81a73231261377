"""Regression targets whose logarithm is easier to learn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows

__all__ = ["check_targets", "find_transform", "moments"]

#: Skewness from which values are called skewed: that of an exponential distribution is 2, of a normal one 0.
SKEWED = 1.0
LOGS = {"log": np.log, "log1p": np.log1p}
#: Fewest values of which the skewness says something.
ENOUGH = 30


def check_targets(rows: Rows) -> Iterator[Finding]:
    """Find regression targets in need of a logarithm.

    A target is in need of one if no training value is negative, their skewness is at least 1, and that of their logarithms
    (where some are 0, those of 1 plus the values) is less than half as large, whatever its sign.
    """
    for label in rows.numbers:
        values = label.values[label.present & rows.training]
        transform = "" if label.transformed else find_transform(values)
        if transform:
            low, high = values.min(), values.max()
            yield Finding(
                "targets",
                "warning",
                label.name,
                f"The values reach from {low:.4g} to {high:.4g}, and a few large ones dominate the loss: their skewness is "
                f"{moments(values)[2]:.1f}, that of their logarithms {moments(LOGS[transform](values))[2]:.1f}.",
                f"Consider transform='{transform}' for the task.",
            )


def find_transform(values: np.ndarray) -> str:
    """Return the logarithm that numbers are in need of: `"log"`, or `"log1p"` where some are 0; empty for none."""
    if len(values) < ENOUGH or (values < 0).any():
        return ""
    transform, skew = "log" if (values > 0).all() else "log1p", moments(values)[2]
    return transform if skew >= SKEWED and abs(moments(LOGS[transform](values))[2]) < skew / 2 else ""


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
