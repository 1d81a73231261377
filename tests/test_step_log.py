"""The log of a step leaves a traced function as a few vectors."""

from __future__ import annotations

from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

import mtl_keras as mtl
from mtl_keras.model import MultiTaskModel
from mtl_keras.model._step_log import pack_log, unpack_log


def test_a_log_is_one_vector_for_each_dtype_and_comes_back_in_its_order() -> None:
    def step(data: Any) -> dict[str, Any]:
        return {"loss": data, "b": tf.cast(data * 2, "float64"), "a": data * 3}

    function = tf.function(pack_log(step))
    vectors = tf.nest.flatten(function(tf.constant(1.5)))
    assert {vector.dtype.name: tuple(vector.shape) for vector in vectors} == {"float32": (2,), "float64": (1,)}
    found = unpack_log(function)(tf.constant(1.5))
    assert list(found) == ["loss", "b", "a"]
    assert [value.dtype.name for value in found.values()] == ["float32", "float64", "float32"]
    assert [float(value) for value in found.values()] == [1.5, 3.0, 4.5]


def test_a_log_belongs_to_its_trace() -> None:
    def step(data: Any) -> dict[str, Any]:
        return {"two": data[0], "all": data[1]} if data.shape[0] == 2 else {"one": data[0], "same": data[0]}

    function = unpack_log(tf.function(pack_log(step)))
    for _ in range(2):
        assert list(function(tf.constant([1.0, 2.0]))) == ["two", "all"]
        assert list(function(tf.constant([1.0]))) == ["one", "same"]


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, {"steps_per_execution": 2}], ids=str)
@pytest.mark.parametrize(
    "added",
    [
        {"n": tf.constant(1)},
        {"n": 3.0},
        {"n": {"m": tf.constant(1.0), "k": tf.constant(2.0)}},
        {"n": tf.constant([1.0])},
        {"n": tf.constant([1.0, 2.0])},
    ],
    ids=["scalar", "number", "nested", "one", "two"],
)
def test_what_a_subclass_adds_to_the_log_is_that_of_keras(added: dict[str, Any], options: dict[str, Any]) -> None:
    class Plain(keras.Model):
        def train_step(self, data: Any) -> dict[str, Any]:
            return {**super().train_step(data), **added}

    class Joint(MultiTaskModel):
        def train_step(self, data: Any) -> dict[str, Any]:
            return {**super().train_step(data), **added}

    x, y = np.zeros((8, 8, 8, 1), "float32"), np.zeros(8, "float32")
    image = keras.Input((8, 8, 1))
    plain = Plain(image, keras.layers.Dense(1)(keras.layers.Flatten()(image)))
    plain.compile("sgd", "mse", **options)
    model = mtl.build_model(mtl.Tasks(mtl.Binary("odd")), "SmallCNN", image_shape=(8, 8, 1))
    model.__class__ = Joint
    model.compile("sgd", **options)
    found = []
    for each, labels in ((plain, y), (model, {"odd": y})):
        history = each.fit(x, labels, batch_size=4, verbose=0).history
        found.append({name: np.array(value).tolist() for name, value in history.items() if name in ("n", "m", "k")})
    assert found[0] == found[1] != {}


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
