"""Steps of each data set in the training log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

__all__ = ["StepCounts"]


class StepCounts(keras.callbacks.Callback):
    """Adds `steps_{data set}` to the log of each epoch, and takes out what the tasks of one without a step cannot have.

    It has to come before callbacks that read the log.

    Args:
        steps: For each epoch the steps of each data set, by its name.
        tasks: The tasks of each data set, by its name.
    """

    def __init__(self, steps: Sequence[Mapping[str, int]], tasks: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.steps = steps
        self.tasks = tasks

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        for name, count in self.steps[epoch].items():
            logs[f"steps_{name}"] = count
            if not count:
                for task in self.tasks[name]:
                    # A mean of nothing, which Keras logs as 0.
                    for entry in (f"{task}_loss", f"{task}_{self.model.tasks[task].metric.name}"):
                        logs.pop(entry, None)
