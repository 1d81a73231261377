"""Mean skill in the training log."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from mtl_keras.data import Data, trivial_scores
from mtl_keras.tasks import Tasks

__all__ = ["Skill"]

#: Rows of a batch of predictions.
ROWS = 512


class Skill(keras.callbacks.Callback):
    """Adds `skill` and `val_skill` to the log of each epoch: the mean skill over tasks, on training and validation rows.

    The skill of a task is 0 for the trivial predictor (majority class, mean image) and 1 for a perfect one. Place it before
    callbacks that monitor skill. `train` adds one by itself.

    A metric that is no mean over rows, such as an AUC, is computed of the predictions for all validation rows, which it adds
    to the log as `val_{task}_{metric}`. It has no value on training rows, and neither has then `skill`.

    Args:
        data: Its training rows fit the trivial predictor. The model must be fitted on its training and validation rows.
        tasks: The tasks to average over; None (default) for all tasks of the data. A task without labels does not count.

    Example:
        >>> import mtl_keras as mtl
        >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Binary("parity")))
        >>> mtl.callbacks.Skill(data).trivial["validation"]["parity"] < 0.6
        True
    """

    def __init__(self, data: Data, tasks: Tasks | None = None) -> None:
        super().__init__()
        self.tasks = data.tasks if tasks is None else tasks
        every = {**data.tasks, **self.tasks}
        self.trivial = {
            part: {name: scores[every[name].metric.name] for name, scores in trivial_scores(data.train, split, every).items()}
            for part, split in (("train", data.train), ("validation", data.validation))
        }
        # Those of all tasks, since the log has the metrics of tasks that are not trained as well.
        self._of_all_rows = [name for name, task in every.items() if task.metric != task.row_metric]
        self._every, self._validation = every, data.validation

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        if self._of_all_rows and self.model.objective is not None:
            logs |= self._measure()
        for part, prefix in (("train", ""), ("validation", "val_")):
            if not prefix and any(name in self._of_all_rows for name in self.tasks):
                continue
            values = {name: logs.get(f"{prefix}{name}_{task.metric.name}") for name, task in self.tasks.items()}
            known = {name: value for name, value in values.items() if value is not None and name in self.trivial[part]}
            if known:
                logs[f"{prefix}skill"] = self.tasks.mean_skill(known, self.trivial[part])

    def _measure(self) -> dict[str, float]:
        """Return the metrics that are no means over rows, of the predictions for all validation rows."""
        split = self._validation
        outputs = self.model.in_units(self.model.objective.predict(split.batches(ROWS), self._of_all_rows))
        values = {}
        for name in self._of_all_rows:
            task, rows = self._every[name], np.flatnonzero(split.weight[name] > 0)
            metric = task.metric.name
            found = task.score(split.y[name][rows], outputs[name][rows], only=(metric,)) if len(rows) else {metric: math.nan}
            values[f"val_{name}_{metric}"] = found[metric]
        return values
