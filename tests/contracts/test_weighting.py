"""Every weighting through the same tests; a new method adds one row of reference numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_keras import weighting
from mtl_keras.errors import MTLError
from mtl_keras.weighting import METHODS, Fixed, Weighting

TASKS = ("fine", "coarse", "image")
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
    np.testing.assert_allclose(method.loss_weights(state), reference.loss_weights, rtol=1e-6)


def test_loss_weights_are_what_the_gradient_sees(reference: Reference) -> None:
    method = reference.make()
    state = method.state(TASKS)
    losses = tf.Variable(LOSSES)
    with tf.GradientTape() as tape:
        total = method.total(losses, tf.constant(PRESENT), state)
    np.testing.assert_allclose(tape.gradient(total, losses), method.loss_weights(state), rtol=1e-6)


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
