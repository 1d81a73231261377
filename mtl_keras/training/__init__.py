"""How a model is trained: phases in, one `Run` out."""

from __future__ import annotations

from mtl_keras.training._check import check
from mtl_keras.training._objectives import Objectives
from mtl_keras.training._phase import Phase
from mtl_keras.training._run import Best, Run
from mtl_keras.training._train import train, train_again

__all__ = ["Best", "Objectives", "Phase", "Run", "check", "train", "train_again"]
