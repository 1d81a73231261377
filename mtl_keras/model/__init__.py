"""The model: images to a trunk, a shared stack and one head per task, and how one step trains it."""

from __future__ import annotations

from mtl_keras.heads import Decoder, Head
from mtl_keras.model._build import build_model
from mtl_keras.model._cut import Cut, layers_before
from mtl_keras.model._finite import changing_weights
from mtl_keras.model._gramian import At
from mtl_keras.model._hooks import WeightingUpdate, refuse_backups
from mtl_keras.model._model import MultiTaskModel
from mtl_keras.model._monitor import directions
from mtl_keras.model._optimizer import get_optimizer
from mtl_keras.model._saving import read_metadata
from mtl_keras.model._step import Objective
from mtl_keras.recipe import Recipe

__all__ = [
    "At",
    "Cut",
    "Decoder",
    "Head",
    "MultiTaskModel",
    "Objective",
    "Recipe",
    "WeightingUpdate",
    "build_model",
    "changing_weights",
    "directions",
    "get_optimizer",
    "layers_before",
    "read_metadata",
    "refuse_backups",
]
