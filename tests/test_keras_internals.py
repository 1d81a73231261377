"""What mtl_keras leans on in Keras without Keras promising it. A failure here says what to look at after an update of Keras."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import pytest
import tensorflow as tf

from mtl_keras.callbacks._keras_callbacks import STATE
from mtl_keras.model._compiled import COMPILED


def test_a_symbolic_tensor_knows_its_operation_and_an_operation_its_calls() -> None:
    """Used by `mtl_keras/model/_graph.py`."""
    image = keras.Input((3,))
    layer = keras.layers.Dense(2)
    output = layer(image)
    operation, node, index = output._keras_history
    assert (operation, node, index) == (layer, 0, 0), "KerasTensor._keras_history has changed"
    call = layer._inbound_nodes[0]
    assert call.input_tensors == [image], "Node.input_tensors has changed"
    assert call.outputs[0] is output, "Node.outputs has changed"
    args, _ = call.arguments.fill_in({id(image): "other"})
    assert args == ("other",), "Node.arguments.fill_in has changed"


@pytest.mark.parametrize(("activation", "name"), [("softmax", "softmax"), ("sigmoid", "sigmoid")])
def test_activations_keep_their_logits(activation: str, name: str) -> None:
    """Used by `mtl_keras/model/_batching.py`: cross-entropies of several tasks in one call stay those of the logits."""
    logits = tf.constant([[1.0, 2.0]])
    assert getattr(keras.activations.get(name)(logits), "_keras_logits", None) is logits, f"{activation} has no _keras_logits"


@pytest.mark.parametrize(
    ("optimizer", "slots"),
    [(keras.optimizers.SGD(momentum=0.9), 1), (keras.optimizers.Adam(), 2), (keras.optimizers.AdamW(), 2)],
)
def test_optimizers_keep_slots_in_lists_in_the_order_of_the_variables(optimizer: Any, slots: int) -> None:
    """Used by `mtl_keras/model/_idle.py`, which restores the slots of idle heads."""
    variables = [keras.Variable([1.0] * size, name=f"v{size}") for size in (1, 2, 3)]
    optimizer.build(variables)
    lists = {
        name: values
        for name, values in vars(optimizer).items()
        if isinstance(values, list) and len(values) == 3 and name not in ("_variables", "_trainable_variables")
    }
    assert len(lists) == slots, f"the slots of {optimizer.name} are no longer lists: {sorted(lists)}"
    for name, values in lists.items():
        assert [tuple(slot.shape) for slot in values] == [(1,), (2,), (3,)], f"{name} has another order"


def test_compile_sets_the_attributes_that_are_kept_for_a_phase() -> None:
    """Used by `mtl_keras/model/_compiled.py`, which swaps them between phases."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    before = set(vars(model))
    model.compile("sgd", "mse", metrics=["mae"])
    model.train_on_batch(tf.zeros((1, 2)), tf.zeros((1, 1)))
    missing = set(COMPILED) - set(vars(model)) - {"_objective"}
    assert not missing, f"Keras has renamed {missing}"
    new = set(vars(model)) - before - set(COMPILED)
    assert not new, f"compile sets {new} as well, which COMPILED lacks"


@pytest.mark.parametrize("kind", STATE)
def test_callbacks_of_keras_have_the_state_that_a_checkpoint_keeps(kind: type) -> None:
    """Used by `mtl_keras/callbacks/_keras_callbacks.py`."""
    arguments = {"ModelCheckpoint": ("a.keras",), "CSVLogger": ("a.csv",)}.get(kind.__name__, ())
    callback = kind(*arguments)
    if kind is keras.callbacks.EarlyStopping:
        callback.on_train_begin()
        assert hasattr(callback, "best_weights")
    missing = [name for name in STATE[kind] if not hasattr(callback, name)]
    assert not missing, f"{kind.__name__} has no {missing}"


def test_keras_has_no_direction_for_the_metrics_of_tasks() -> None:
    """Why `fit` fills in `mode`. If this no longer raises an error, `fill_in_modes` may go."""
    early = keras.callbacks.EarlyStopping("val_skill")
    early.set_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    with pytest.raises(ValueError, match="mode='max'"):
        early.on_epoch_end(0, {"val_skill": 1.0})


def test_tensorflow_counts_traces_by_a_key_of_each_function() -> None:
    """Used by `mtl_keras/model/_tracing.py`, which gives each function a key of its own."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    model.make_train_function()
    found = inspect.getclosurevars(model.train_function).nonlocals
    many, single = found["multi_step_on_iterator"], found["one_step_on_data"].__wrapped__
    for function in (many, single):
        assert isinstance(function, tf.types.experimental.PolymorphicFunction), "Keras traces other functions"
        code = inspect.unwrap(function._python_function).__code__
        assert function._key_for_call_stats is code, "TensorFlow counts by another key"
