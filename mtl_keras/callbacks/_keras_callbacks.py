"""The state of Keras' own callbacks, so that a resumed training continues with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from mtl_keras.errors import MTLError
from mtl_keras.model import refuse_backups

__all__ = ["check_callbacks", "get_states", "set_states"]

_KERAS = keras.callbacks

#: Attributes that change in training, for each callback of Keras that has some. `tests/test_keras_internals.py` fails where
#: they are renamed.
STATE: dict[type, tuple[str, ...]] = {
    _KERAS.EarlyStopping: ("wait", "stopped_epoch", "best", "best_epoch"),
    _KERAS.ModelCheckpoint: ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    _KERAS.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
    _KERAS.CSVLogger: (),
}
#: Callbacks whose state is that of the optimizer, or none.
STATELESS = (
    *(_KERAS.LearningRateScheduler, _KERAS.TensorBoard, _KERAS.TerminateOnNaN, _KERAS.LambdaCallback, _KERAS.RemoteMonitor),
    *(_KERAS.ProgbarLogger, _KERAS.History),
)


def check_callbacks(callbacks: Sequence[Any], resumed: bool = False) -> None:
    """Refuse what is no callback, and callbacks that a resumed training cannot restore.

    Args:
        callbacks: What the user hands to `train`.
        resumed: Whether the training continues from a checkpoint.

    Raises:
        MTLError: If one is no callback, or has a state that cannot be restored.
    """
    refuse_backups(callbacks)
    for callback in callbacks:
        if not isinstance(callback, _KERAS.Callback):
            raise MTLError(f"`callbacks` must be Keras callbacks. Received: {callback!r}. Pass a keras.callbacks.Callback.")
        foreign = type(callback).__module__.split(".")[0] == "keras" and not isinstance(callback, (*STATE, *STATELESS))
        if resumed and foreign:
            raise MTLError(
                "A training must be resumed with callbacks whose state can be restored. Received: "
                f"{type(callback).__name__}. Leave it out, or pass another output_dir to restart."
            )


def get_states(callbacks: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the state of each Keras callback that has one: plain values, and `best_weights` as arrays."""
    states = []
    for callback, attributes in _stateful(callbacks):
        state: dict[str, Any] = {"callback": type(callback).__name__}
        for name in attributes:
            value = getattr(callback, name, None)
            state[name] = None if value is None else np.asarray(value).item()
        if isinstance(callback, _KERAS.EarlyStopping):
            state["best_weights"] = list(callback.best_weights or ())
        if isinstance(callback, _KERAS.CSVLogger):
            state["bytes"] = os.path.getsize(callback.filename)
        states.append(state)
    return states


def set_states(callbacks: Sequence[Any], states: Sequence[dict[str, Any]]) -> None:
    """Give Keras callbacks the state that `get_states` returned.

    Raises:
        MTLError: If they are other callbacks than those.
    """
    stateful = _stateful(callbacks)
    now, before = [type(callback).__name__ for callback, _ in stateful], [state["callback"] for state in states]
    if now != before:
        raise MTLError(
            f"A training must be resumed with the callbacks that it was started with. Received: {', '.join(now) or 'none'} "
            f"instead of {', '.join(before) or 'none'}. Pass the same callbacks, or another output_dir to restart."
        )
    for (callback, attributes), state in zip(stateful, states, strict=True):
        for name in attributes:
            setattr(callback, name, state[name])
        if isinstance(callback, _KERAS.EarlyStopping):
            callback.best_weights = list(state["best_weights"]) or None
        if isinstance(callback, _KERAS.CSVLogger) and not callback.append:
            # What was written after the checkpoint is trained, and so written, again.
            if os.path.exists(callback.filename):
                os.truncate(callback.filename, min(state["bytes"], os.path.getsize(callback.filename)))
            callback.append = True


def _stateful(callbacks: Sequence[Any]) -> list[tuple[Any, tuple[str, ...]]]:
    """Return the Keras callbacks that have a state, each with its attributes."""
    return [
        (callback, attributes) for callback in callbacks for kind, attributes in STATE.items() if isinstance(callback, kind)
    ]
