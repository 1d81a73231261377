"""What a predictor that ignores the input would reach."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from mtl_keras.data._split import Split

__all__ = ["trivial_scores"]

_KNOWN: WeakKeyDictionary[Split, WeakKeyDictionary[Split, dict[str, dict[str, float]]]] = WeakKeyDictionary()


def trivial_scores(reference: Split, split: Split) -> dict[str, dict[str, float]]:
    """Return every metric of each task's trivial predictor (majority class, mean image).

    It is fitted on one split and scored on another, on first views where rows have several. A pair of splits, which may
    be the same one, is computed once.

    Args:
        reference: Where the majority class or the mean is taken from; the training split.
        split: Where it is scored.

    Returns:
        `{task: {metric: value}}`; a task without any present label in one of the splits is left out.
    """
    known = _KNOWN.setdefault(split, WeakKeyDictionary())
    if reference not in known:
        scores = {}
        learned, scored = reference.first_view(), split.first_view()
        for name, task in split.tasks.items():
            seen, asked = reference.weight[name] > 0, split.weight[name] > 0
            if not seen.any() or not asked.any():
                continue
            stored = _present(scored.y[name], asked)
            guess = task.trivial(_present(learned.y[name], seen))
            scores[name] = task.score(stored, np.broadcast_to(guess, (len(stored), *guess.shape)))
        known[reference] = scores
    return known[reference]


def _present(rows: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the rows under the mask, without a copy where that is all of them."""
    return rows if mask.all() else rows[mask]
