"""Mean skill in the training log."""

from __future__ import annotations

from typing import Any

import keras

from mtl_keras.data import Data, trivial_scores
from mtl_keras.tasks import Tasks

__all__ = ["Skill"]


class Skill(keras.callbacks.Callback):
    """Adds `skill` and `val_skill` to the log of each epoch: the mean skill over tasks, on training and validation rows.

    The skill of a task is 0 for the trivial predictor (majority class, mean image) and 1 for a perfect one. Place it before
    callbacks that monitor skill. `train` adds one by itself.

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
        self.trivial = {
            part: {name: scores[data.tasks[name].metric.name] for name, scores in trivial_scores(data.train, split).items()}
            for part, split in (("train", data.train), ("validation", data.validation))
        }

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        for part, prefix in (("train", ""), ("validation", "val_")):
            values = {name: logs.get(f"{prefix}{name}_{task.metric.name}") for name, task in self.tasks.items()}
            known = {name: value for name, value in values.items() if value is not None and name in self.trivial[part]}
            if known:
                logs[f"{prefix}skill"] = self.tasks.mean_skill(known, self.trivial[part])
