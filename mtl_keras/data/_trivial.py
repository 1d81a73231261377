"""Scores of a predictor that ignores the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.data._split import Split

if TYPE_CHECKING:
    from mtl_keras.tasks import Task

__all__ = ["label_weights", "trivial_scores"]


def trivial_scores(reference: Split, split: Split, tasks: Mapping[str, Task] | None = None) -> dict[str, dict[str, float]]:
    """Return every metric of each task's trivial predictor (majority class, mean image).

    It is fitted on one split and scored on another, on first views if rows have several. Scores are computed once for the
    same arrays of labels.

    Args:
        reference: Split the predictor is fitted on; the training split.
        split: Split it is scored on.
        tasks: Whose metrics are computed, e.g. those of a model; None (default) for those of the split.

    Returns:
        `{task: {metric: value}}`, with the weighted metrics where labels have weights; a task without any label in one of the
        splits is left out.
    """
    scores = {name: _score(name, task, reference, split) for name, task in (split.tasks if tasks is None else tasks).items()}
    return {name: by_metric for name, by_metric in scores.items() if by_metric}


def label_weights(name: str, task: Task, split: Split) -> np.ndarray | None:
    """Return what the present labels of a task count in weighted metrics: by the weights of rows and of classes.

    Args:
        name: Name of the task.
        task: The task.
        split: Rows in their first view.

    Returns:
        `[n]`, or `[n, parts]` if each part of a label has a weight of its own; None if no weights are given.
    """
    present = split.weight[name] > 0
    rows, classes = _select(split.weight[name], present), split.class_weights.get(name)
    if classes is None:
        # Where all rows have one weight, none is given.
        return rows if rows.size and np.ptp(rows) > 0 else None
    of_labels = task.label_weights(_select(split.y[name], present), classes)
    return rows * of_labels if of_labels.ndim == 1 else rows[:, None] * of_labels


def _score(name: str, task: Task, reference: Split, split: Split) -> dict[str, float]:
    """Return the metrics of one task's trivial predictor, or an empty dict if labels are missing."""
    arrays = [part[name] for part in (reference.y, reference.weight, split.y, split.weight)]
    arrays += [split.class_weights[name]] if name in split.class_weights else []
    kind = ("trivial", id(task), reference.views, split.views)
    if (known := split.array_cache.find(kind, arrays)) is not None:
        return dict(known[1])
    seen, scored = reference.weight[name] > 0, split.weight[name] > 0
    scores: dict[str, float] = {}
    if seen.any() and scored.any():
        first = split.first_view()
        labels = _select(first.y[name], scored)
        prediction = task.trivial(_select(reference.first_view().y[name], seen))
        outputs = np.broadcast_to(prediction, (len(labels), *prediction.shape))
        scores = task.score_both(labels, outputs, label_weights(name, task, first))
    # With the task, so that its identity is not that of a later one.
    split.array_cache.keep(kind, arrays, (task, scores))
    return dict(scores)


def _select(rows: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the rows under the mask, without a copy if that is all of them."""
    return rows if mask.all() else rows[mask]
