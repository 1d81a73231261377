"""Steps of each data set in the training log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from mtl_keras.tasks import Tasks

__all__ = ["StepCounts"]


class StepCounts(keras.callbacks.Callback):
    """Adds `steps_{data set}` to the log of each epoch, and removes the training entries of tasks that had no step.

    Place it before callbacks that read the log.

    Args:
        steps: For each epoch the number of steps of each data set, by its name.
        names: Names of the tasks of each data set, by its name.
        tasks: The tasks.
    """

    def __init__(self, steps: Sequence[Mapping[str, int]], names: Mapping[str, Sequence[str]], tasks: Tasks) -> None:
        super().__init__()
        self.steps, self.names, self.tasks = steps, names, tasks

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        for data_set, count in self.steps[epoch].items():
            logs[f"steps_{data_set}"] = count
            if not count:
                for name in self.names[data_set]:
                    # The mean of no rows, which the metrics report as 0.
                    metric = self.tasks[name].row_metric
                    for entry in ("loss", *([] if metric is None else [metric.name])):
                        logs.pop(f"{name}_{entry}", None)
