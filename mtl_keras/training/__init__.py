"""How a model is trained: phases in, one `Run` out."""

from __future__ import annotations

from mtl_keras.training._check import check
from mtl_keras.training._compiled import CompiledPhases
from mtl_keras.training._phase import Phase
from mtl_keras.training._run import Best, Run
from mtl_keras.training._train import train, train_compiled

__all__ = ["Best", "CompiledPhases", "Phase", "Run", "check", "train", "train_compiled"]
