"""The rows that a model is most wrong about."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from mtl_keras.tasks import Task

__all__ = ["Mistakes", "worst_mistakes"]

#: Rows that are kept of each task.
MOST = 12


@dataclass(frozen=True, eq=False)
class Mistakes:
    """The worst predictions of one task on one split.

    Attributes:
        n: Number of rows whose predicted class, or set of labels, is wrong; of numbers, of all rows.
        rows: Numbers of the worst of them in the split, the worst first, up to 12.
        outputs: Outputs of the model for these rows.
    """

    n: int
    rows: np.ndarray
    outputs: np.ndarray


def worst_mistakes(task: Task, stored: np.ndarray, outputs: np.ndarray, rows: np.ndarray) -> Mistakes:
    """Return the predictions with the highest loss, of those that are wrong.

    Args:
        task: The task.
        stored: Present labels only, `[n, ...]`, from `Task.encode`.
        outputs: Outputs of the model for the same rows.
        rows: Their numbers in the split.
    """
    decoded = task.decode(outputs)
    wrong = np.ones(len(rows), bool)
    if decoded.probabilities is not None:
        differs, known = decoded.values != stored, task.known_parts(stored)
        wrong = differs if known is None else (differs & known).any(axis=1)
    found = np.flatnonzero(wrong)
    losses = keras.ops.convert_to_numpy(task.row_loss(task.target(stored[found]), outputs[found].astype(np.float32)))
    # The sort is stable, so that equal losses keep the order of the rows.
    order = found[np.argsort(-np.asarray(losses, np.float64), kind="stable")[:MOST]]
    return Mistakes(len(found), rows[order], outputs[order])
