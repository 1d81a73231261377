"""Every weighting through the same tests; a new method adds one row of reference numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_keras import weighting
from mtl_keras.errors import MTLError
from mtl_keras.weighting import DWA, METHODS, Fixed, Uncertainty, Weighting

TASKS = ("fine", "coarse", "image")
#: What torchjd gives for the same losses.
REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "weighting.json").read_text(encoding="utf-8"))
LOSSES = np.array([2.0, 0.5, 0.0625], np.float32)
PRESENT = np.array([16.0, 8.0, 16.0], np.float32)


@dataclass(frozen=True)
class Reference:
    """Numbers worked out by hand for `LOSSES`, in the initial state."""

    make: Callable[[], Weighting]
    total: float
    loss_weights: tuple[float, float, float]


#: One row for each word in `METHODS`, and one for each further way of asking.
REFERENCES = {
    "equal": Reference(METHODS["equal"], 2.5625, (1, 1, 1)),
    "fixed": Reference(lambda: weighting.get({"coarse": 4, "image": 8, "fine": 0.25}), 3.0, (0.25, 4, 8)),
    "fixed, one left out": Reference(lambda: weighting.get({"coarse": 0, "image": 8, "fine": 0.25}), 1.0, (0.25, 0, 8)),
    "mean": Reference(METHODS["mean"], 2.5625 / 3, (1 / 3, 1 / 3, 1 / 3)),
    # The cube root of 1/16.
    "geometric_mean": Reference(METHODS["geometric_mean"], 0.39685026, (0.06614171, 0.26456684, 2.1165347)),
    "uncertainty": Reference(METHODS["uncertainty"], 1.28125, (0.5, 0.5, 0.5)),
    "uncertainty, options": Reference(lambda: Uncertainty(initial=math.log(4)), 2.3997541, (0.125, 0.125, 0.125)),
    "dwa": Reference(METHODS["dwa"], 2.5625, (1, 1, 1)),
    "dwa, options": Reference(lambda: DWA(temperature=0.5), 2.5625, (1, 1, 1)),
}


@pytest.fixture(params=REFERENCES)
def reference(request: pytest.FixtureRequest) -> Reference:
    return REFERENCES[request.param]


def test_every_method_has_a_row() -> None:
    assert set(METHODS) <= set(REFERENCES)


def test_state_is_float32_by_name(reference: Reference) -> None:
    for name, value in reference.make().state(TASKS).items():
        assert name.isidentifier()
        assert value.dtype == np.float32
        assert np.isfinite(value).all()


def test_total_and_loss_weights_are_the_reference_numbers(reference: Reference) -> None:
    method = reference.make()
    state = method.state(TASKS)
    total = method.total(tf.constant(LOSSES), tf.constant(PRESENT), state)
    assert total.shape == ()
    assert float(total) == pytest.approx(reference.total, rel=1e-6)
    np.testing.assert_allclose(method.loss_weights(tf.constant(LOSSES), state), reference.loss_weights, rtol=1e-6)


def test_loss_weights_are_what_the_gradient_sees(reference: Reference) -> None:
    method = reference.make()
    state = method.state(TASKS)
    losses = tf.Variable(LOSSES)
    with tf.GradientTape() as tape:
        total = method.total(losses, tf.constant(PRESENT), state)
    np.testing.assert_allclose(tape.gradient(total, losses), method.loss_weights(losses, state), rtol=1e-6)


def test_a_task_without_a_label_has_no_part_in_it(reference: Reference) -> None:
    """Its loss is 0 there: the others pull as in a network without it, and no variable of its own moves."""
    method = reference.make()
    state = {name: tf.Variable(value) for name, value in method.state(TASKS).items()}
    there = np.array([1, 0, 1], np.float32)
    losses, present = (tf.Variable(array * there) for array in (LOSSES, PRESENT))
    with tf.GradientTape() as tape:
        total = method.total(losses, present, state)
    gradients = tape.gradient(total, [losses, *state.values()], unconnected_gradients="zero")
    assert np.isfinite(float(total))
    for name, gradient in zip(["losses", *state], gradients, strict=True):
        assert np.isfinite(gradient).all()
        if name in method.trained:
            assert gradient[1] == 0
    pulls = np.array(gradients[0])[[0, 2]]
    if isinstance(method, Fixed | DWA | Uncertainty):
        np.testing.assert_allclose(pulls, np.take(reference.loss_weights, [0, 2]), rtol=1e-6)
    # Whatever the method: the two that are there keep their relation to each other.
    expected = np.divide(*np.take(reference.loss_weights, [0, 2]))
    assert pulls[0] / pulls[1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("losses", [[0.0, 1.0, 2.0], [1e-10, 1e15, 1.0], [1e-30, 1e-30, 1e-30]])
def test_hard_losses_give_finite_weights(reference: Reference, losses: list[float]) -> None:
    method = reference.make()
    state = method.state(TASKS)
    variable = tf.Variable(np.array(losses, np.float32))
    with tf.GradientTape() as tape:
        total = method.total(variable, tf.constant(PRESENT), state)
    assert np.isfinite(float(total))
    assert np.isfinite(tape.gradient(total, variable)).all()
    assert np.isfinite(method.loss_weights(variable, state)).all()
    for value in method.on_epoch_end(np.array(losses), state).values():
        assert np.isfinite(value).all()


@pytest.mark.parametrize("case", REFERENCE["losses"])
@pytest.mark.parametrize(
    ("name", "word"), [("Sum", "equal"), ("Mean", "mean"), ("GeometricMean", "geometric_mean"), ("UW_init0", "uncertainty")]
)
def test_values_and_gradients_of_another_implementation(name: str, word: str, case: str) -> None:
    known = REFERENCE["losses"][case]
    losses = tf.Variable(np.array(known["losses"], np.float32))
    tasks = [f"task_{i}" for i in range(len(known["losses"]))]
    method = METHODS[word]()
    with tf.GradientTape() as tape:
        total = method.total(losses, tf.ones(len(tasks)), method.state(tasks))
    assert float(total) == pytest.approx(known["out"][name]["value"], rel=1e-5)
    np.testing.assert_allclose(tape.gradient(total, losses), known["out"][name]["grad"], rtol=1e-5)


def test_dwa_goes_the_way_of_another_implementation() -> None:
    steps = REFERENCE["trajectories"]["DWA_T2"]
    method, tasks = DWA(), ["a", "b", "c"]
    state = method.state(tasks)
    for step in steps:
        losses = np.array(step["losses"])
        np.testing.assert_allclose(state["weights"], step["weights"], rtol=1e-5)
        total = method.total(tf.constant(losses, tf.float32), tf.ones(3), state)
        assert float(total) == pytest.approx(step["value"], rel=1e-5)
        state |= method.on_epoch_end(losses, state)


def test_dwa_gives_a_task_that_was_not_seen_the_ratio_of_no_change() -> None:
    method = DWA()
    state = method.state(TASKS)
    state |= method.on_epoch_end(np.array([1.0, np.nan, 1.0]), state)
    state |= method.on_epoch_end(np.array([1.0, 3.0, 0.5]), state)
    powers = np.exp([0.5, 0.5, 0.25])
    np.testing.assert_allclose(state["weights"], 3 * powers / powers.sum(), rtol=1e-6)
    state |= method.on_epoch_end(np.array([np.nan, np.nan, np.nan]), state)
    np.testing.assert_allclose(state["weights"], [1, 1, 1], rtol=1e-6)


def test_uncertainty_goes_the_way_of_another_implementation() -> None:
    method = Uncertainty()
    variable = tf.Variable(method.state(["a", "b"])["log_variance"])
    for step in REFERENCE["trajectories"]["UW_sgd0.1"]:
        with tf.GradientTape() as tape:
            total = method.total(tf.constant(step["losses"], tf.float32), tf.ones(2), {"log_variance": variable})
        assert float(total) == pytest.approx(step["value"], rel=1e-5)
        variable.assign_sub(0.1 * tape.gradient(total, variable))
        np.testing.assert_allclose(variable, step["log_var_after"], rtol=1e-4, atol=1e-7)


def test_config_is_json_and_gives_the_value_back(reference: Reference) -> None:
    method = reference.make()
    assert weighting.get(json.loads(json.dumps(method.config()))) == method
    assert weighting.get(method) is method
    assert hash(method) == hash(reference.make())


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3).filter(any), st.lists(st.floats(0, 1e15), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_fixed_is_the_weighted_sum(weights: list[float], losses: list[float]) -> None:
    method = Fixed(dict(zip(TASKS, weights, strict=True)))
    total = method.total(tf.constant(losses, tf.float32), tf.constant(PRESENT), method.state(TASKS))
    slow = sum(np.float64(np.float32(w)) * np.float64(np.float32(x)) for w, x in zip(weights, losses, strict=True))
    assert float(total) == pytest.approx(slow, rel=1e-5)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"fine": -0.5, "coarse": 1}, r"at least 0. Received: \{'fine': -0.5"),
        ({"fine": 0, "coarse": 0.0}, r"At least one loss weight is above 0. Received: \{'fine': 0.0, 'coarse': 0.0\}"),
        ({"fine": math.nan, "coarse": 1}, r"finite.*nan"),
        ({"fine": math.inf}, r"finite.*inf"),
        ({"fine": "much"}, r"are numbers by task. Received: \{'fine': 'much'\}"),
        ({"fine": None}, r"are numbers by task"),
        ({}, r"name every task"),
        ("eqaul", r"Unknown weighting: received 'eqaul'. Did you mean 'equal'"),
        (3, r"`weighting` is a word.*Received: 3"),
        ({"method": "dva"}, r"Unknown weighting: received 'dva'. Did you mean 'dwa'"),
        (
            {"method": "dwa", "temprature": 1},
            r"Unknown option of weighting 'dwa': received 'temprature'. Did you mean 'temperature'",
        ),
        ({"method": "dwa", "temperature": 0}, r"temperature of DWA is above 0. Received: temperature=0"),
    ],
)
def test_what_is_no_weighting_is_refused(spec: Any, message: str) -> None:
    with pytest.raises(MTLError, match=message) as info:
        weighting.get(spec)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"fien": 1, "coarse": 1, "image": 1}, r"Unknown task in loss weights: received 'fien'. Did you mean 'fine'"),
        ({"fine": 1, "image": 1}, r"Every task needs a loss weight. Received: none for coarse"),
    ],
)
def test_weights_have_to_fit_the_tasks(weights: dict[str, float], message: str) -> None:
    with pytest.raises(MTLError, match=message):
        Fixed(weights).state(TASKS)
