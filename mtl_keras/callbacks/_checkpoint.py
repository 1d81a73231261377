"""The state of a training after each epoch, from which it can be resumed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtl_keras.callbacks._best_epoch import BestEpoch
from mtl_keras.callbacks._keras_callbacks import get_states, set_states
from mtl_keras.callbacks._values import get_values
from mtl_keras.errors import MTLError, describe
from mtl_keras.files import atomic

__all__ = ["Checkpoint", "TrainingState", "load_state"]

#: Share of the time that writing may take, and seconds below which it is not counted.
SHARE, QUICK = 0.1, 0.1


@dataclass(frozen=True, eq=False)
class TrainingState:
    """The state of a training.

    Attributes:
        phase: Number of the phase, from 0.
        epoch: Number of finished epochs of that phase.
        stopped: Whether the phase was stopped early.
        rows: The history so far, of all phases.
        early: `best`, `best_loss`, `best_epoch` and `wait` of `BestEpoch`.
        variables: Values of the network's variables, seeds of dropout included.
        slots: Values of the variables of the weighting and the optimizer.
        best_weights: Values of what `BestEpoch` restores, at the best epoch so far.
        callbacks: State of the Keras callbacks that the user passed.
        digests: Digests of the data, None if a version wrote the file that kept none.
        versions: Versions of packages of each process that worked on it, those of the last one last.
    """

    phase: int
    epoch: int
    stopped: bool
    rows: list[dict[str, Any]]
    early: dict[str, Any]
    variables: list[np.ndarray]
    slots: list[np.ndarray]
    best_weights: list[np.ndarray]
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    digests: Mapping[str, Any] | None = None
    versions: Sequence[Mapping[str, str | None]] = ()


class Checkpoint(keras.callbacks.Callback):
    """Writes a `TrainingState` after each epoch, atomically, and restores the state of callbacks when a phase is resumed.

    Where writing takes long, epochs are skipped so that it takes at most a tenth of the time; what is lost is trained again
    in the same way. The last epoch of a phase is always written. It must be the last of all callbacks.

    Args:
        path: The file, which ends in `.npz`.
        identity: What determines the training, as plain JSON values.
        about: `digests` and `versions` of `TrainingState`.
        slots: Variables of the weighting and the optimizer.
        best: The phase's best epoch.
        rows: The history, which another callback appends to.
        phase: Number of the phase.
        callbacks: Callbacks of the user.
        resumed: The state that this phase is resumed from; None if it is started.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        about: Mapping[str, Any],
        *,
        slots: Sequence[Any],
        best: BestEpoch,
        rows: list[dict[str, Any]],
        phase: int,
        callbacks: Sequence[keras.callbacks.Callback],
        resumed: TrainingState | None,
    ) -> None:
        super().__init__()
        self.path, self.identity, self.about, self.slots, self.best = path, identity, about, slots, best
        self.rows, self.phase, self.callbacks, self.resumed = rows, phase, callbacks, resumed
        self._took, self._written = 0.0, 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # The others have reset themselves by now.
        if self.resumed is not None:
            early = self.resumed.early
            self.best.best, self.best.best_epoch, self.best.wait = early["best"], early["best_epoch"], early["wait"]
            # Checkpoints of earlier versions lack it.
            self.best.best_loss = early.get("best_loss", -math.inf)
            self.best.best_values = self.resumed.best_weights
            set_states(self.callbacks, self.resumed.callbacks)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        began = time.perf_counter()
        last = self.model.stop_training or epoch + 1 == self.params["epochs"]
        if not last and self._took > QUICK and began - self._written < self._took / SHARE:
            return
        states = get_states(self.callbacks)
        arrays: dict[str, list[np.ndarray]] = {
            "variables": get_values(self.model.variables),
            "slots": get_values(self.slots),
            "best_weights": self.best.best_values,
            **{f"callback_{number}": state.pop("best_weights", []) for number, state in enumerate(states)},
        }
        about = {
            "identity": self.identity,
            "phase": self.phase,
            "epoch": epoch + 1,
            "stopped": bool(self.model.stop_training),
            "rows": self.rows,
            "early": {name: getattr(self.best, name) for name in ("best", "best_loss", "best_epoch", "wait")},
            "callbacks": states,
            **self.about,
        }
        named = {f"{group}.{number}": array for group, values in arrays.items() for number, array in enumerate(values)}
        with atomic(self.path) as temporary:
            np.savez(temporary, about=np.array(json.dumps(about)), **named)  # type: ignore[arg-type]  # names have a dot
        self._written = time.perf_counter()
        self._took = self._written - began


def load_state(path: Path, identity: Mapping[str, Any]) -> TrainingState | None:
    """Return the state of the training that wrote a file, or None if there is no file.

    Digests of the data are returned, not compared.

    Raises:
        MTLError: If it is no checkpoint, or that of another training; the message names the first difference.
    """
    if not path.exists():
        return None
    try:
        before, state = _read(path)
    # Whatever a damaged archive raises, the remedy is the same.
    except Exception as error:
        raise MTLError(
            f"A checkpoint must be a file that `train` wrote. Received: {path} ({type(error).__name__}: {error}). Remove it to "
            "start again, or pass another folder."
        ) from error
    now = json.loads(json.dumps(identity))
    if "trainable" in now.keys() - before.keys():
        raise MTLError(
            "A training must be resumed with the frozen layers that it was started with. Received: "
            f"{path} of an earlier version, which does not say what they were. Pass another folder, or remove the checkpoint "
            "to restart."
        )
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise MTLError(
                f"A training must be resumed with what it was started with. Received: {path}, which differs: "
                f"{_first_difference(key, before.get(key), now.get(key))}. Pass another folder, or remove the checkpoint to "
                "restart."
            )
    return state


def _first_difference(name: str, before: Any, now: Any) -> str:
    """Return where two JSON values differ first, and how."""
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = [(f"{name}.{key}", before.get(key), now.get(key)) for key in {**before, **now}]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = [(f"{name}[{number}]", *both) for number, both in enumerate(zip(before, now, strict=True))]
    for inner, one, other in pairs:
        if one != other:
            return _first_difference(inner, one, other)
    return f"{name} is {describe(now)} and was {describe(before)}"


def _read(path: Path) -> tuple[dict[str, Any], TrainingState]:
    """Return identity and state in a file."""
    groups: dict[str, Any] = {"variables": [], "slots": [], "best_weights": []}
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        for name in file.files:
            if name != "about":
                groups.setdefault(name.partition(".")[0], []).append(file[name])
    for number, callback in enumerate(about.get("callbacks", ())):
        callback["best_weights"] = groups.pop(f"callback_{number}", [])
    identity = dict(about.pop("identity"))
    return identity, TrainingState(**about, **groups)
