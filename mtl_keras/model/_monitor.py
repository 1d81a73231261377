"""The entries of the training log, and in which direction they are better."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from mtl_keras.tasks import Tasks

__all__ = ["directions", "fill_in_modes"]


def directions(tasks: Tasks) -> dict[str, Literal["max", "min"]]:
    """Return `"max"` or `"min"` by entry of the log, without `val_`: skill, losses and metrics of each task."""
    known: dict[str, Literal["max", "min"]] = {"skill": "max", "loss": "min"}
    known |= {f"{name}_loss": "min" for name in tasks}
    metrics = (
        (name, metric) for name, task in tasks.items() for metric in (task.row_metric, task.metric) if metric is not None
    )
    return known | {f"{name}_{metric.name}": metric.direction for name, metric in metrics}


def fill_in_modes(callbacks: Iterable[Any], tasks: Tasks) -> None:
    """Set the direction of Keras callbacks that monitor an entry of the log with `mode="auto"`.

    Keras knows the direction of its own metrics only, and raises an error for others.
    """
    known = directions(tasks)
    for callback in callbacks:
        monitor = str(getattr(callback, "monitor", "")).removeprefix("val_")
        if getattr(callback, "mode", None) == "auto" and monitor in known:
            callback.mode = known[monitor]
