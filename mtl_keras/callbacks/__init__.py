"""What happens at the end of an epoch: skill, the rows of the history, the checkpoint, TensorBoard.

Callbacks reach the model's state through `self.model` only, never through a variable of their own: keras-tuner and
others copy callbacks, and a copy would then steer a copy.
"""

from __future__ import annotations

from mtl_keras.callbacks._checkpoint import Checkpoint, TrainingState, assign_values, get_values, load_state, own_variables
from mtl_keras.callbacks._rows import EpochEnd
from mtl_keras.callbacks._skill import Skill
from mtl_keras.callbacks._taken import StepCounts
from mtl_keras.callbacks._tensorboard import TensorBoardLog, write_hparams, write_hparams_space, write_images

__all__ = [
    "Checkpoint",
    "EpochEnd",
    "Skill",
    "TrainingState",
    "StepCounts",
    "TensorBoardLog",
    "own_variables",
    "assign_values",
    "load_state",
    "get_values",
    "write_hparams",
    "write_hparams_space",
    "write_images",
]
