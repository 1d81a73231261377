"""What `fit` adds to the callbacks of the user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from mtl_keras.errors import MTLError
from mtl_keras.model._finite import FiniteWeights
from mtl_keras.model._monitor import fill_in_modes
from mtl_keras.tasks import Tasks

__all__ = ["WeightingUpdate", "refuse_backups", "with_hooks"]


class WeightingUpdate(keras.callbacks.Callback):
    """Adds `loss_weight_{task}` to the log of each epoch, and lets the weighting update its variables after it.

    `fit` adds one by itself, before all other callbacks, where there is none among them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts: np.ndarray | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._counts = None
        self.model.objective.begin_epoch()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        # Validation resets the metrics, which count the labels of the training rows.
        if self._counts is None:
            self._counts = self.model.objective.label_counts()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        objective = self.model.objective
        objective.end_epoch(logs, objective.label_counts() if self._counts is None else self._counts)


def refuse_backups(callbacks: Iterable[Any]) -> None:
    """Refuse Keras' `BackupAndRestore`, which restores neither the state of a weighting nor the best epoch.

    Raises:
        MTLError: If one of the callbacks is one.
    """
    if any(isinstance(callback, keras.callbacks.BackupAndRestore) for callback in callbacks):
        raise MTLError(
            "`callbacks` must not restore a training without its weighting and best epoch. Received: BackupAndRestore. Use "
            "mtl.train with output_dir=, which resumes from there."
        )


def with_hooks(callbacks: Any, model: keras.Model, tasks: Tasks) -> Any:
    """Return callbacks for `fit` with those that watch the weights and update the weighting, and with directions filled in.

    Args:
        callbacks: What the user passed: None, a callback, several, or a `CallbackList`.
        model: The model that is fitted.
        tasks: Its tasks.

    Raises:
        MTLError: If one of them is a `BackupAndRestore`.
    """
    as_list = isinstance(callbacks, keras.callbacks.CallbackList)
    given = callbacks.callbacks if as_list else callbacks
    given = list(given) if isinstance(given, list | tuple) else [given] if given else []
    refuse_backups(given)
    fill_in_modes(given, tasks)
    hooks = [hook for hook in (FiniteWeights, WeightingUpdate) if not any(isinstance(callback, hook) for callback in given)]
    added = [hook() for hook in hooks]
    if not as_list:
        return [*added, *given]
    for hook in added:
        hook.set_model(model)
        hook.set_params(callbacks.params)
    callbacks.callbacks[:0] = added
    return callbacks
