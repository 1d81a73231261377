"""How often TensorFlow traces the functions of a model, counted for each model alone."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["count_alone"]


def count_alone(function: Any) -> Any:
    """Return the train, test or predict function of a model, after having TensorFlow count its traces for itself.

    TensorFlow warns of retracing if most of the last calls of a function were traced, and takes functions of the same code for
    one. Keras makes those of all models from the same code, so that a few short trainings, each of which has to be traced
    once, look like one function that is traced in every call. One that is really traced again and again is still warned of.

    Args:
        function: `train_function`, `test_function` or `predict_function` of a Keras model.
    """
    import tensorflow as tf

    # The functions of a training and a test are plain ones around those that are traced: many steps, or a single one.
    inner = inspect.getclosurevars(function).nonlocals.values() if inspect.isfunction(function) else ()
    for part in (function, *inner):
        for each in (part, getattr(part, "__wrapped__", None)):
            if isinstance(each, tf.types.experimental.PolymorphicFunction):
                # What identifies it to the counter; the default is its code.
                each._key_for_call_stats = each._python_function
    return function
