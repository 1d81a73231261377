"""The model: images to a trunk, a shared stack and one head per task, and how one step trains it."""

from __future__ import annotations

from mtl_keras.heads import Decoder, Head
from mtl_keras.model._build import build_model
from mtl_keras.model._gramian import At
from mtl_keras.model._hooks import WeightingUpdate, refuse_backups
from mtl_keras.model._model import MultiTaskModel
from mtl_keras.model._monitor import directions
from mtl_keras.model._saving import read_metadata
from mtl_keras.model._step import Objective
from mtl_keras.recipe import Recipe

__all__ = [
    "At",
    "Decoder",
    "Head",
    "MultiTaskModel",
    "Objective",
    "Recipe",
    "WeightingUpdate",
    "build_model",
    "directions",
    "read_metadata",
    "refuse_backups",
]
