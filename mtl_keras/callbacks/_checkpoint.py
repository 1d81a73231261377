"""Where a training stands after each epoch, so that one that was killed goes on as if it had not been."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtl_keras.errors import MTLError
from mtl_keras.files import atomic

__all__ = ["Checkpoint", "TrainingState", "own_variables", "assign_values", "load_state", "get_values"]


#: Share of the time that writing may take, and seconds below which it is not counted.
SHARE, QUICK = 0.1, 0.1


@dataclass(frozen=True, eq=False)
class TrainingState:
    """What a training has come to.

    Attributes:
        phase: Number of the phase, from 0.
        epoch: Epochs of that phase that are finished.
        stopped: Whether patience has ended the phase.
        rows: The history so far, of all phases.
        early: `best`, `best_epoch` and `wait` of EarlyStopping.
        variables: Values of the network's variables, seeds of dropout among them.
        slots: Values of what this phase has of its own: the weighting's state and the optimizer.
        best_weights: Weights at the best epoch so far.
    """

    phase: int
    epoch: int
    stopped: bool
    rows: list[dict[str, Any]]
    early: dict[str, Any]
    variables: list[np.ndarray]
    slots: list[np.ndarray]
    best_weights: list[np.ndarray]


class Checkpoint(keras.callbacks.Callback):
    """Writes a `TrainingState` after each epoch, whole or not at all, and puts one back when a phase goes on.

    Where writing takes long, epochs are passed over so that it takes a tenth of the time at most; whatever is lost is
    trained again in the same way. The last epoch of a phase is always written.

    Keras' own `BackupAndRestore` keeps neither what EarlyStopping remembers nor the history, and writes in place. This has
    to come after `EarlyStopping` and after the callback that appends to the history.

    Args:
        path: The file, which ends in `.npz`.
        identity: What fixes the training, as plain JSON values.
        network: The model whose layers are trained.
        early: Its state is part of the standing.
        rows: The history, which another callback appends to.
        phase: Number of the phase.
        standing: Where to go on from, if this phase had begun before.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        network: keras.Model,
        early: keras.callbacks.EarlyStopping,
        rows: list[dict[str, Any]],
        phase: int,
        standing: TrainingState | None,
    ) -> None:
        super().__init__()
        self.path, self.identity, self.network = path, identity, network
        self.early, self.rows, self.phase, self.standing = early, rows, phase, standing
        self._took, self._written = 0.0, 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.standing is not None:
            assign_values(self.standing.slots, own_variables(self.model, self.network))
            vars(self.early).update(self.standing.early, best_weights=self.standing.best_weights)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        began = time.perf_counter()
        last = self.model.stop_training or epoch + 1 == self.params["epochs"]
        if not last and self._took > QUICK and began - self._written < self._took / SHARE:
            return
        early = {"best": float(self.early.best), "best_epoch": int(self.early.best_epoch), "wait": int(self.early.wait)}
        about = {
            "identity": self.identity,
            "phase": self.phase,
            "epoch": epoch + 1,
            "stopped": bool(self.model.stop_training),
            "rows": self.rows,
            "early": early,
        }
        groups = {
            "variables": get_values(self.network.variables),
            "slots": get_values(own_variables(self.model, self.network)),
            "best_weights": self.early.best_weights,
        }
        arrays = {f"{group}.{number}": array for group, values in groups.items() for number, array in enumerate(values)}
        with atomic(self.path) as temporary:
            np.savez(temporary, about=np.array(json.dumps(about)), **arrays)
        self._written = time.perf_counter()
        self._took = self._written - began


def load_state(path: Path, identity: Mapping[str, Any]) -> TrainingState | None:
    """Return where the training that wrote this file stands, or None if there is no file.

    Raises:
        MTLError: If it is no checkpoint, or that of another training; the message names the first difference.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            groups: dict[str, Any] = {"variables": [], "slots": [], "best_weights": []}
            for name in file.files:
                if name != "about":
                    groups[name.partition(".")[0]].append(file[name])
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise MTLError(f"A checkpoint is one that `train` wrote. Received: {path} ({error}). Name another folder.") from error
    before, now = about.pop("identity"), json.loads(json.dumps(identity))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise MTLError(
                f"A training is continued as it was begun. Received: another {key} than that of {path}. "
                "Name another folder, or remove the checkpoint to start anew."
            )
    return TrainingState(**about, **groups)


def own_variables(model: keras.Model, network: keras.Model) -> list[Any]:
    """Return what a phase has of its own besides the network: the weighting's state, the log's means, the optimizer."""
    shared = {id(variable) for variable in network.variables}
    return [variable for variable in model.variables if id(variable) not in shared] + list(model.optimizer.variables)


def assign_values(values: Sequence[np.ndarray], variables: Sequence[Any]) -> None:
    """Assign values to variables, one to one.

    Raises:
        MTLError: If they are not the values of these variables.
    """
    if [np.shape(value) for value in values] != [tuple(variable.shape) for variable in variables]:
        raise MTLError(
            "A training is continued by the version of mtl-keras that began it. Received: a checkpoint of "
            f"{len(values)} variables for {len(variables)}, or of other shapes. Name another folder, or remove it."
        )
    for value, variable in zip(values, variables, strict=True):
        variable.assign(value)


def get_values(variables: Sequence[Any]) -> list[np.ndarray]:
    """Return the values of variables."""
    return [keras.ops.convert_to_numpy(variable) for variable in variables]
