"""Callbacks: skill, the history, the best epoch, checkpoints, progress, TensorBoard.

`Skill` serves with `model.fit` as well; `train` adds the others by itself. Callbacks hold no variables and reach the state of
a training through `self.model`: keras-tuner and others copy callbacks, and a copy would update a copy of the variable.

Example:
    >>> import mtl_keras as mtl
    >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Binary("parity")))
    >>> model = mtl.build_model(data.tasks, "SmallCNN", image_shape=data.image_shape)
    >>> model.compile("adam", weighting="equal")
    >>> logs = model.fit(data.train.x, data.train.y, callbacks=[mtl.callbacks.Skill(data)], verbose=0).history
    >>> sorted(logs)
    ['loss', 'loss_weight_parity', 'parity_accuracy', 'parity_loss', 'skill']
"""

from __future__ import annotations

from mtl_keras.callbacks._best_epoch import BestEpoch
from mtl_keras.callbacks._checkpoint import Checkpoint, TrainingState, load_state
from mtl_keras.callbacks._epoch_end import EpochEnd
from mtl_keras.callbacks._keras_callbacks import check_callbacks, get_states, set_states
from mtl_keras.callbacks._progress import Progress, Verbose
from mtl_keras.callbacks._skill import Skill
from mtl_keras.callbacks._step_counts import StepCounts
from mtl_keras.callbacks._tensorboard import TensorBoardLog, write_hparams, write_hparams_space, write_images
from mtl_keras.callbacks._values import assign_values, get_values

__all__ = [
    "BestEpoch",
    "Checkpoint",
    "EpochEnd",
    "Progress",
    "Skill",
    "StepCounts",
    "TensorBoardLog",
    "TrainingState",
    "Verbose",
    "assign_values",
    "check_callbacks",
    "get_states",
    "get_values",
    "load_state",
    "set_states",
    "write_hparams",
    "write_hparams_space",
    "write_images",
]
