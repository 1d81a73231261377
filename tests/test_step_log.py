"""The log of a step leaves a traced function as a few vectors."""

from __future__ import annotations

from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

import mtl_keras as mtl
from mtl_keras.model._step_log import StepLog


def test_a_log_is_one_vector_for_each_dtype_and_comes_back_in_its_order() -> None:
    log = StepLog()

    def step(data: Any) -> dict[str, Any]:
        return {"loss": data, "b": tf.cast(data * 2, "float64"), "a": data * 3}

    function = tf.function(log.packed(step))
    packed = function(tf.constant(1.5))
    assert {name: tuple(vector.shape) for name, vector in packed.items()} == {"float32": (2,), "float64": (1,)}
    found = log.unpacked(function)(tf.constant(1.5))
    assert list(found) == ["loss", "b", "a"]
    assert [value.dtype.name for value in found.values()] == ["float32", "float64", "float32"]
    assert [float(value) for value in found.values()] == [1.5, 3.0, 4.5]


def test_the_graph_of_a_step_has_no_more_outputs_with_more_tasks() -> None:
    """Keras hands all outputs to one optional, for which TensorFlow needs time with the square of their number."""
    outputs = []
    for count in (2, 12):
        tasks = mtl.Tasks(*(mtl.Binary(f"task_{number}") for number in range(count)))
        model = mtl.build_model(tasks, "SmallCNN", image_shape=(8, 8, 1))
        model.compile("sgd")
        x, y = np.zeros((4, 8, 8, 1), "float32"), {name: np.zeros(4, "float32") for name in tasks}
        with mock.patch.object(tf.experimental.Optional, "from_value", wraps=tf.experimental.Optional.from_value) as given:
            log = model.evaluate(tf.data.Dataset.from_tensors((x, y)), verbose=0, return_dict=True)
        outputs.append([len(tf.nest.flatten(call.args[0])) for call in given.call_args_list])
        assert len(log) == 1 + 2 * count
    assert outputs == [[1], [1]]


def test_keras_makes_the_functions_of_steps_where_the_log_is_packed() -> None:
    """Used by `mtl_keras/model/_joint_training.py`; without it many tasks are traced slowly again."""
    assert hasattr(keras.Model, "_make_function"), "Model._make_function has been renamed"
