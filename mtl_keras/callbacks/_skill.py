"""Mean skill in the training log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mtl_keras.tasks import Tasks

__all__ = ["Skill"]


class Skill(keras.callbacks.Callback):
    """Adds `skill` and `val_skill` to the log of each epoch: the mean over tasks of what is gained on the trivial predictor.

    It has to come before callbacks that monitor them.

    Args:
        tasks: The tasks whose skill counts.
        trivial: For `"train"` and `"validation"`, each task's metric of the trivial predictor; a task left out has no
            label there and does not count.
    """

    def __init__(self, tasks: Tasks, trivial: Mapping[str, Mapping[str, float]]) -> None:
        super().__init__()
        self.tasks = tasks
        self.trivial = trivial

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        for split, prefix in (("train", ""), ("validation", "val_")):
            values = {name: logs.get(f"{prefix}{name}_{task.metric.name}") for name, task in self.tasks.items()}
            known = {name: value for name, value in values.items() if value is not None and name in self.trivial[split]}
            if known:
                logs[f"{prefix}skill"] = self.tasks.mean_skill(known, self.trivial[split])
