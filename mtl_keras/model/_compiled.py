"""What Keras' `compile` sets on a model, as a value that can be set again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

__all__ = ["COMPILED", "get_compiled", "set_compiled"]

#: What `compile` sets, and the functions that are traced for it. `tests/test_keras_internals.py` fails where Keras changes it.
COMPILED = (
    *("optimizer", "loss", "compiled", "steps_per_execution", "stop_training", "_jit_compile", "_run_eagerly", "_compile_loss"),
    *("_compile_metrics", "_loss_tracker", "_compile_config", "_compiled_trainable_state", "_objective"),
    *("train_function", "test_function", "predict_function"),
)


def get_compiled(model: keras.Model) -> dict[str, Any]:
    """Return what a model is compiled with, traced functions included."""
    return {name: vars(model)[name] for name in COMPILED if name in vars(model)}


def set_compiled(model: keras.Model, state: Mapping[str, Any]) -> None:
    """Compile a model with what `get_compiled` returned; nothing is traced again."""
    for name in COMPILED:
        model.__dict__.pop(name, None)
    # Not by `setattr`, since Keras would track the metrics as parts of the model.
    model.__dict__.update(state)
