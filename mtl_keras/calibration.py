"""How far probabilities can be believed: reliability in bins and the expected calibration error.

Reference:
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, On calibration of modern neural networks, ICML 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mtl_keras.tasks import Task

__all__ = ["BINS", "Reliability", "reliability"]

#: Bins of equal width, as in the reference.
BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Predicted probabilities and how often they came true, in bins of equal width.

    A probability p falls into the bin (low, high], and 0 into the first.

    Attributes:
        counts: Number of predictions in each bin.
        confidence: Mean of the probabilities in each bin, NaN in an empty one.
        frequency: Share of the predictions in each bin that came true, NaN in an empty one.
    """

    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    frequency: tuple[float, ...]

    @property
    def n(self) -> int:
        """Number of predictions."""
        return sum(self.counts)

    @property
    def ece(self) -> float:
        """Expected calibration error: mean distance of probability and frequency, by number of predictions; NaN of none."""
        gaps = (count * abs(p - f) for count, p, f in zip(self.counts, self.confidence, self.frequency, strict=True) if count)
        return math.fsum(gaps) / self.n if self.n else math.nan


def reliability(task: Task, stored: np.ndarray, outputs: np.ndarray) -> tuple[Reliability, ...]:
    """Return how far the probabilities of a task can be believed.

    Args:
        task: The task.
        stored: Present labels only, `[n, ...]`, from `Task.encode`.
        outputs: Outputs of the model for the same rows.

    Returns:
        Of more than two classes, one for the probability of the predicted class, as in the reference. Of two classes, one for
        the probability of the second, which says more: a model may be right on one side only. Of a label set, one for the
        probability of each label, without the rows where it is unknown. Empty for a task without probabilities.

    Example:
        >>> import numpy as np
        >>> from mtl_keras.calibration import reliability
        >>> from mtl_keras.tasks import Binary
        >>> found = reliability(Binary("odd"), np.array([0, 1, 1, 1]), np.array([[0.9], [0.9], [0.9], [0.9]]))
        >>> round(found[0].ece, 3)
        0.15
    """
    decoded = task.decode(outputs)
    if decoded.probabilities is None:
        return ()
    probabilities = np.asarray(decoded.probabilities, np.float64)
    if decoded.values.ndim == 2:
        known = task.known_parts(stored)
        every = np.ones(stored.shape, bool) if known is None else known
        return tuple(_bins(stored[rows, label] == 1, probabilities[rows, label]) for label, rows in enumerate(every.T))
    if probabilities.shape[1] == 2:
        return (_bins(stored == 1, probabilities[:, 1]),)
    return (_bins(decoded.values == stored, probabilities[np.arange(len(stored)), decoded.values]),)


def _bins(true: np.ndarray, probability: np.ndarray) -> Reliability:
    """Return the bins of predictions that came true or not."""
    place = np.clip(np.ceil(probability * BINS).astype(int) - 1, 0, BINS - 1)
    counts, sums, hits = (np.bincount(place, weights, BINS) for weights in (None, probability, true.astype(np.float64)))

    def means(totals: Any) -> tuple[float, ...]:
        return tuple(np.divide(totals, counts, np.full(BINS, np.nan), where=counts > 0).tolist())

    return Reliability(tuple(counts.tolist()), means(sums), means(hits))
