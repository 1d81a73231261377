"""Every weighting method through the same tests; a new method adds one row of reference numbers."""

from __future__ import annotations

import itertools
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
from mtl_keras.weighting import (
    DWA,
    METHODS,
    MGDA,
    Fixed,
    GradientWeighting,
    GradNorm,
    GradVac,
    LossWeighting,
    Uncertainty,
)

TASKS = ("fine", "coarse", "image")
#: Results of TorchJD, and of an exact solution where there is one.
REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "weighting.json").read_text(encoding="utf-8"))
LOSSES = np.array([2.0, 0.5, 0.0625], np.float32)
PRESENT = np.array([16.0, 8.0, 16.0], np.float32)
#: Gradients of three tasks, of which the first and the last as well as the last two are in conflict.
JACOBIAN = np.array([[1.0, 2.0, -1.0, 0.5], [-2.0, 1.0, 0.5, 1.0], [0.5, -1.5, 2.0, -0.5]])
GRAMIAN = (JACOBIAN @ JACOBIAN.T).astype(np.float32)


@dataclass(frozen=True)
class Reference:
    """Numbers for `LOSSES`, derived by hand, in the initial state."""

    create: Callable[[], Any]
    total: float
    loss_weights: tuple[float, float, float]


@dataclass(frozen=True)
class GradientReference:
    """Weights for `GRAMIAN` and `LOSSES` in the initial state, for tasks visited in the order of the model."""

    create: Callable[[], Any]
    weights: tuple[float, float, float]


#: One row for each name in `METHODS`, and one for each further kind of specification.
LOSS_REFERENCES = {
    "equal": Reference(METHODS["equal"], 2.5625, (1, 1, 1)),
    "fixed": Reference(lambda: weighting.get({"coarse": 4, "image": 8, "fine": 0.25}), 3.0, (0.25, 4, 8)),
    "fixed, one ignored": Reference(lambda: weighting.get({"coarse": 0, "image": 8, "fine": 0.25}), 1.0, (0.25, 0, 8)),
    "mean": Reference(METHODS["mean"], 2.5625 / 3, (1 / 3, 1 / 3, 1 / 3)),
    # The cube root of 1/16.
    "geometric_mean": Reference(METHODS["geometric_mean"], 0.39685026, (0.06614171, 0.26456684, 2.1165347)),
    "uncertainty": Reference(METHODS["uncertainty"], 1.28125, (0.5, 0.5, 0.5)),
    "uncertainty, options": Reference(lambda: Uncertainty(initial=math.log(4)), 2.3997541, (0.125, 0.125, 0.125)),
    "dwa": Reference(METHODS["dwa"], 2.5625, (1, 1, 1)),
    "dwa, options": Reference(lambda: DWA(temperature=0.5), 2.5625, (1, 1, 1)),
}
GRADIENT_REFERENCES = {
    # The exact minimum, found by enumeration.
    "mgda": GradientReference(METHODS["mgda"], (0.38639201, 0.20786517, 0.40574282)),
    "gradvac": GradientReference(METHODS["gradvac"], (1.76, 1.32, 2.0)),
    "gradvac, options": GradientReference(lambda: GradVac(beta=0.1, seed=5), (1.76, 1.32, 2.0)),
    "gradnorm": GradientReference(METHODS["gradnorm"], (1, 1, 1)),
    "gradnorm, options": GradientReference(lambda: GradNorm(alpha=0, learning_rate=0.1), (1, 1, 1)),
}
REFERENCES: dict[str, Reference | GradientReference] = {**LOSS_REFERENCES, **GRADIENT_REFERENCES}


@pytest.fixture(params=LOSS_REFERENCES)
def reference(request: pytest.FixtureRequest) -> Reference:
    return LOSS_REFERENCES[request.param]


@pytest.fixture(params=GRADIENT_REFERENCES)
def gradient_reference(request: pytest.FixtureRequest) -> GradientReference:
    return GRADIENT_REFERENCES[request.param]


def step(
    method: GradientWeighting,
    gramian: Any,
    losses: Any = LOSSES,
    present: Any = PRESENT,
    state: Any = None,
    order: Any = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Take a step of a gradient-based method outside a model; return its weights and its whole state."""
    n = len(gramian)
    before = method.state([f"task_{i}" for i in range(n)]) if state is None else state
    weights, changed = method.step(
        tf.constant(gramian, tf.float32),
        tf.constant(losses, tf.float32),
        tf.constant(present, tf.float32),
        {name: tf.constant(value) for name, value in before.items()},
        tf.constant(range(n) if order is None else order, tf.int32),
    )
    assert changed.keys() <= before.keys()
    return np.array(weights), {**before, **{name: np.array(value) for name, value in changed.items()}}


# All methods


def test_every_method_has_a_row() -> None:
    assert set(METHODS) <= set(REFERENCES)
    assert all(isinstance(METHODS[name](), LossWeighting) for name in set(METHODS) & set(LOSS_REFERENCES))
    assert all(isinstance(METHODS[name](), GradientWeighting) for name in set(METHODS) & set(GRADIENT_REFERENCES))


@pytest.mark.parametrize("name", REFERENCES)
def test_state_is_float32_by_name(name: str) -> None:
    method = REFERENCES[name].create()
    state = method.state(TASKS)
    for variable, value in state.items():
        assert variable.isidentifier()
        assert value.dtype == np.float32
        assert np.isfinite(value).all()
    assert set(method.trained) <= set(state)


@pytest.mark.parametrize("name", REFERENCES)
def test_config_is_json_and_restores_the_value(name: str) -> None:
    method = REFERENCES[name].create()
    assert weighting.get(json.loads(json.dumps(method.config()))) == method
    assert weighting.get(method) is method
    assert hash(method) == hash(REFERENCES[name].create())


@pytest.mark.parametrize("name", METHODS)
def test_a_second_forward_pass_is_declared(name: str) -> None:
    method = METHODS[name]()
    state = method.state(TASKS)
    changed = method.after_step(tf.constant(LOSSES), tf.constant(LOSSES) if method.needs_losses_after else None, state)
    assert changed.keys() <= state.keys()


# Loss-based methods


def test_total_and_loss_weights_are_the_reference_numbers(reference: Reference) -> None:
    method = reference.create()
    state = method.state(TASKS)
    total = method.total(tf.constant(LOSSES), tf.constant(PRESENT), state)
    assert total.shape == ()
    assert float(total) == pytest.approx(reference.total, rel=1e-6)
    np.testing.assert_allclose(method.loss_weights(tf.constant(LOSSES), state), reference.loss_weights, rtol=1e-6)


def test_loss_weights_are_the_derivatives_of_the_total(reference: Reference) -> None:
    method = reference.create()
    state = method.state(TASKS)
    losses = tf.Variable(LOSSES)
    with tf.GradientTape() as tape:
        total = method.total(losses, tf.constant(PRESENT), state)
    np.testing.assert_allclose(tape.gradient(total, losses), method.loss_weights(losses, state), rtol=1e-6)


def test_a_task_without_a_label_has_no_influence(reference: Reference) -> None:
    """Its loss is 0: the others are weighted as in a network without it, and none of its own variables changes."""
    method = reference.create()
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
    weights = np.array(gradients[0])[[0, 2]]
    if isinstance(method, Fixed | DWA | Uncertainty):
        np.testing.assert_allclose(weights, np.take(reference.loss_weights, [0, 2]), rtol=1e-6)
    # Whatever the method: the ratio of the two other weights stays.
    expected = np.divide(*np.take(reference.loss_weights, [0, 2]))
    assert weights[0] / weights[1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("losses", [[0.0, 1.0, 2.0], [1e-10, 1e15, 1.0], [1e-30, 1e-30, 1e-30]])
def test_hard_losses_give_finite_weights(reference: Reference, losses: list[float]) -> None:
    method = reference.create()
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
    ("theirs", "name"), [("Sum", "equal"), ("Mean", "mean"), ("GeometricMean", "geometric_mean"), ("UW_init0", "uncertainty")]
)
def test_values_and_gradients_of_another_implementation(theirs: str, name: str, case: str) -> None:
    known = REFERENCE["losses"][case]
    losses = tf.Variable(np.array(known["losses"], np.float32))
    tasks = [f"task_{i}" for i in range(len(known["losses"]))]
    method = weighting.get(name)
    with tf.GradientTape() as tape:
        total = method.total(losses, tf.ones(len(tasks)), method.state(tasks))
    assert float(total) == pytest.approx(known["out"][theirs]["value"], rel=1e-5)
    np.testing.assert_allclose(tape.gradient(total, losses), known["out"][theirs]["grad"], rtol=1e-5)


def test_dwa_follows_another_implementation() -> None:
    steps = REFERENCE["trajectories"]["DWA_T2"]
    method, tasks = DWA(), ["a", "b", "c"]
    state = method.state(tasks)
    for known in steps:
        losses = np.array(known["losses"])
        np.testing.assert_allclose(state["weights"], known["weights"], rtol=1e-5)
        total = method.total(tf.constant(losses, tf.float32), tf.ones(3), state)
        assert float(total) == pytest.approx(known["value"], rel=1e-5)
        state |= method.on_epoch_end(losses, state)


def test_dwa_uses_a_ratio_of_1_for_a_task_without_labels() -> None:
    method = DWA()
    state = method.state(TASKS)
    state |= method.on_epoch_end(np.array([1.0, np.nan, 1.0]), state)
    state |= method.on_epoch_end(np.array([1.0, 3.0, 0.5]), state)
    powers = np.exp([0.5, 0.5, 0.25])
    np.testing.assert_allclose(state["weights"], 3 * powers / powers.sum(), rtol=1e-6)
    state |= method.on_epoch_end(np.array([np.nan, np.nan, np.nan]), state)
    np.testing.assert_allclose(state["weights"], [1, 1, 1], rtol=1e-6)


def test_uncertainty_follows_another_implementation() -> None:
    method = Uncertainty()
    variable = tf.Variable(method.state(["a", "b"])["log_variance"])
    for known in REFERENCE["trajectories"]["UW_sgd0.1"]:
        with tf.GradientTape() as tape:
            total = method.total(tf.constant(known["losses"], tf.float32), tf.ones(2), {"log_variance": variable})
        assert float(total) == pytest.approx(known["value"], rel=1e-5)
        variable.assign_sub(0.1 * tape.gradient(total, variable))
        np.testing.assert_allclose(variable, known["log_var_after"], rtol=1e-4, atol=1e-7)


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3).filter(any), st.lists(st.floats(0, 1e15), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_fixed_is_the_weighted_sum(weights: list[float], losses: list[float]) -> None:
    method = Fixed(dict(zip(TASKS, weights, strict=True)))
    total = method.total(tf.constant(losses, tf.float32), tf.constant(PRESENT), method.state(TASKS))
    slow = sum(np.float64(np.float32(w)) * np.float64(np.float32(x)) for w, x in zip(weights, losses, strict=True))
    assert float(total) == pytest.approx(slow, rel=1e-5)


# Gradient-based methods


def test_weights_are_the_reference_numbers(gradient_reference: GradientReference) -> None:
    method = gradient_reference.create()
    weights, _ = step(method, GRAMIAN)
    np.testing.assert_allclose(weights, gradient_reference.weights, rtol=1e-5)
    public = method.weights(GRAMIAN.tolist(), LOSSES)
    assert public.shape == (3,)
    np.testing.assert_array_equal(public, weights)
    np.testing.assert_array_equal(method.weights(GRAMIAN), weights)


def test_only_the_tasks_of_the_batch_count(gradient_reference: GradientReference) -> None:
    """The others have a zero gradient; weights and state of the rest are those of a network without them."""
    method = gradient_reference.create()
    there = np.array([1, 0, 1], np.float32)
    kept = [0, 2]
    state = small = None
    for factor in (1.0, 0.5, 0.7):
        losses = LOSSES * [factor, 1, 1]
        weights, state = step(method, GRAMIAN * np.outer(there, there), losses * there, PRESENT * there, state)
        expected, small = step(method, GRAMIAN[np.ix_(kept, kept)], losses[kept], PRESENT[kept], small)
        np.testing.assert_allclose(weights[kept], expected, rtol=1e-5)
        assert np.isfinite(weights).all()
    assert state is not None
    assert small is not None
    initial = method.state(TASKS)
    for name, value in state.items():
        index = np.ix_(*[kept] * value.ndim)
        np.testing.assert_allclose(value[index], small[name], rtol=1e-5)
        np.testing.assert_array_equal(value[1], initial[name][1])


@pytest.mark.parametrize("scale", [1e-10, 1e-3, 1e5, 1e15])
def test_the_scale_of_all_gradients_has_no_influence(gradient_reference: GradientReference, scale: float) -> None:
    method = gradient_reference.create()
    small = large = None
    for _ in range(3):
        weights, small = step(method, GRAMIAN, state=small)
        scaled, large = step(method, GRAMIAN * np.float32(scale) ** 2, state=large)
        np.testing.assert_allclose(scaled, weights, rtol=1e-4)


def test_the_numbering_of_tasks_has_no_influence(gradient_reference: GradientReference) -> None:
    method = gradient_reference.create()
    permutation = np.array([2, 0, 1])
    one = other = None
    for losses in (LOSSES, LOSSES * [0.5, 1, 0.25]):
        weights, one = step(method, GRAMIAN, losses, state=one, order=permutation)
        permuted, other = step(
            method, GRAMIAN[np.ix_(permutation, permutation)], losses[permutation], PRESENT[permutation], other
        )
        np.testing.assert_allclose(permuted, weights[permutation], rtol=1e-5)


HARD = {
    "zero": np.zeros((3, 3)),
    "one zero": np.diag([1.0, 0.0, 1e-20]),
    "equal": np.ones((3, 3)),
    "opposed": np.outer([1, -1, 1], [1, -1, 1]),
    "rank 1": np.outer([1e-3, 5, 2e3], [1e-3, 5, 2e3]),
    "scales": np.diag([1e-20, 1.0, 1e30]),
}


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("present", [PRESENT, np.zeros(3, np.float32)], ids=["present", "absent"])
def test_hard_gramians_give_finite_weights(gradient_reference: GradientReference, case: str, present: np.ndarray) -> None:
    method = gradient_reference.create()
    state = None
    for _ in range(4):
        weights, state = step(method, HARD[case], LOSSES, present, state)
        assert np.isfinite(weights).all()
        assert all(np.isfinite(value).all() for value in state.values())


def test_a_gramian_must_be_square(gradient_reference: GradientReference) -> None:
    with pytest.raises(MTLError, match=r"`gramian` must be a square matrix. Received: shape \(3, 4\). Pass J @ J.T"):
        gradient_reference.create().weights(JACOBIAN)


def test_one_task_gets_all_the_weight(gradient_reference: GradientReference) -> None:
    weights, _ = step(gradient_reference.create(), np.array([[4.0]]), LOSSES[:1], PRESENT[:1])
    np.testing.assert_allclose(weights, [1], rtol=1e-6)


@pytest.mark.parametrize("case", REFERENCE["gradients"])
def test_gradients_of_another_implementation(case: str) -> None:
    known = REFERENCE["gradients"][case]
    jacobian = np.array(known["J"])
    for method, row in ((MGDA(), known["MGDA"]), (GradVac(), known["GradVac_beta0.5"])):
        weights, _ = step(method, jacobian @ jacobian.T, np.ones(len(jacobian)), np.ones(len(jacobian)), order=row.get("order"))
        size = np.abs(jacobian).max()
        np.testing.assert_allclose(weights @ jacobian, row["vector"], rtol=1e-4, atol=1e-6 * size)
        if case != "identical_2x3":  # every convex combination is the same vector
            np.testing.assert_allclose(weights, row["weights"], rtol=1e-4, atol=1e-6)


def shortest(jacobian: np.ndarray) -> np.ndarray:
    """Return the point of the convex hull of the rows that is closest to the origin, by trying every subset of rows."""
    best = jacobian[np.square(jacobian).sum(1).argmin()]
    for size in range(2, len(jacobian) + 1):
        for rows in itertools.combinations(jacobian, size):
            # The affine hull's closest point is a convex combination for at least one of the subsets.
            g = np.stack(rows)
            weights = np.linalg.lstsq(np.block([[g @ g.T, np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]]),
                                      np.r_[np.zeros(size), 1.0], rcond=None)[0][:size]  # fmt: skip
            if (weights >= 0).all() and np.square(weights @ g).sum() < np.square(best).sum():
                best = weights @ g
    return best


@given(st.integers(2, 5), st.integers(2, 6), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_mgda_is_the_shortest_convex_combination(n: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    jacobian = rng.normal(size=(n, size)) * np.exp(rng.normal(size=(n, 1)))
    weights, _ = step(MGDA(), jacobian @ jacobian.T, np.ones(n), np.ones(n))
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    exact = np.linalg.norm(shortest(jacobian))
    assert np.linalg.norm(weights @ jacobian) == pytest.approx(exact, abs=2e-3 * np.abs(jacobian).max())


def vaccinate(jacobian: np.ndarray, targets: np.ndarray, order: Any, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of the corrected gradients and the new targets, gradient by gradient as the paper has it."""
    targets = targets.copy()
    corrected = []
    for i, own in enumerate(jacobian):
        for j in order:
            if i == j:
                continue
            other = jacobian[j]
            sizes = np.linalg.norm(own), np.linalg.norm(other)
            cosine, target = own @ other / np.prod(sizes), targets[i, j]
            if cosine < target:
                change = target * np.sqrt(1 - cosine**2) - cosine * np.sqrt(1 - target**2)
                own = own + other * sizes[0] * change / (sizes[1] * np.sqrt(1 - target**2))
            targets[i, j] = (1 - beta) * target + beta * cosine
        corrected.append(own)
    return np.sum(corrected, axis=0), targets


@given(st.integers(2, 5), st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
@settings(max_examples=20, deadline=None)
def test_gradvac_is_the_slow_counterpart(n: int, seed: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    method, state, targets = GradVac(beta=beta), None, np.zeros((n, n))
    for _ in range(3):
        jacobian, order = rng.normal(size=(n, 8)), rng.permutation(n)
        weights, state = step(method, jacobian @ jacobian.T, np.ones(n), np.ones(n), state, order)
        vector, targets = vaccinate(jacobian, targets, order, beta)
        np.testing.assert_allclose(weights @ jacobian, vector, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(state["targets"], targets, atol=1e-4)


def test_gradvac_follows_another_implementation() -> None:
    state = None
    for known in REFERENCE["trajectories"]["GradVac_beta0.5"]:
        jacobian = np.array(known["J"])
        weights, state = step(GradVac(), jacobian @ jacobian.T, np.ones(2), np.ones(2), state)
        np.testing.assert_allclose(weights @ jacobian, known["vector"], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(state["targets"], known["phi"], rtol=1e-4, atol=1e-6)


def imbalance(logarithms: np.ndarray, norms: np.ndarray, targets: np.ndarray) -> float:
    """Return the loss of GradNorm's weights relative to the mean weighted norm, which its derivative regards as constant."""
    return float(np.abs(np.exp(logarithms) * norms - targets).sum())


def test_gradnorm_descends_on_the_loss_of_the_paper() -> None:
    """Its step is the derivative of that loss by the logarithms of the weights, found here by differences."""
    rng = np.random.default_rng(0)
    method, state = GradNorm(alpha=0.7, learning_rate=0.05), None
    first, weights = None, np.ones(4)
    for _ in range(5):
        jacobian = rng.normal(size=(4, 6)) * [[1], [2], [0.5], [1]]
        losses = rng.uniform(0.5, 2, 4)
        found, state = step(method, jacobian @ jacobian.T, losses, np.ones(4), state)
        np.testing.assert_allclose(found, weights, rtol=1e-5, err_msg="a step uses the weights of the step before")
        first = losses if first is None else first
        norms = np.linalg.norm(jacobian, axis=1)
        mean = (weights * norms).mean()
        ratios = losses / first
        targets = mean * (ratios / ratios.mean()) ** 0.7
        logs, derivative = np.log(weights), np.zeros(4)
        for i in range(4):
            shift = 1e-6 * np.eye(4)[i]
            derivative[i] = (imbalance(logs + shift, norms, targets) - imbalance(logs - shift, norms, targets)) / 2e-6
        weights = np.exp(logs - 0.05 * derivative / mean)
        weights *= 4 / weights.sum()
        np.testing.assert_allclose(state["weights"], weights, rtol=1e-4)
        np.testing.assert_allclose(state["first_losses"], first, rtol=1e-6)


def test_gradnorm_balances_constant_gradients() -> None:
    state = None
    for _ in range(400):
        weights, state = step(GradNorm(alpha=0.0), np.diag([1.0, 16.0, 4.0]), LOSSES, PRESENT, state)
    np.testing.assert_allclose(weights * [1, 4, 2], np.mean(weights * [1, 4, 2]), rtol=0.1)
    assert weights.sum() == pytest.approx(3, rel=1e-5)


# What is refused


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"fine": -0.5, "coarse": 1}, r"`weights\['fine'\]` must be a number in \[0, 1e\+09\]. Received: .*=-0.5"),
        (
            {"fine": 0, "coarse": 0.0},
            r"one loss weight must be above 0. Received: weights=\{'fine': 0.0, 'coarse': 0.0\}",
        ),
        ({"fine": math.nan, "coarse": 1}, r"must be a number in .*nan"),
        ({"fine": math.inf}, r"must be a number in .*inf"),
        ({"fine": "much"}, r"must be a number in .*='much'"),
        ({"fine": None}, r"must be a number in .*=None"),
        ([3], r"`weighting` must be a name.*Received: weighting=\[3\]"),
        ({}, r"must name every task"),
        ("eqaul", r"Unknown weighting: received 'eqaul'. Did you mean 'equal'"),
        (3, r"`weighting` must be a name.*Received: weighting=3"),
        ({"method": "dva"}, r"Unknown weighting: received 'dva'. Did you mean 'dwa'"),
        (
            {"method": "dwa", "temprature": 1},
            r"Unknown option of weighting 'dwa': received 'temprature'. Did you mean 'temperature'",
        ),
        (
            {"method": "dwa", "temperature": 0},
            r"`temperature` of 'dwa' must be a number greater than 0. Received: temperature=0",
        ),
        ({"method": "gradvac", "beta": 1.5}, r"`beta` of 'gradvac' must be a number in \[0, 1\]. Received: beta=1.5"),
        ({"method": "gradvac", "seed": -1}, r"`seed` of 'gradvac' must be an integer in \[0, 2147483647\]. Received: seed=-1"),
        ({"method": "gradnorm", "alpha": -1}, r"`alpha` of 'gradnorm' must be a number in \[0, 100\]. Received: alpha=-1"),
        (
            {"method": "gradnorm", "learning_rate": 0},
            r"`learning_rate` of 'gradnorm' must be a number in \(0, 1000\]. Received: learning_rate=0",
        ),
        ({"method": "mgda", "beta": 1}, r"The weighting 'mgda' has no options. Received: beta=1"),
    ],
)
def test_invalid_specifications_are_refused(spec: Any, message: str) -> None:
    with pytest.raises(MTLError, match=message) as info:
        weighting.get(spec)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"fien": 1, "coarse": 1, "image": 1}, r"Unknown task in loss weights: received 'fien'. Did you mean 'fine'"),
        ({"fine": 1, "image": 1}, r"Loss weights must name every task. Received: none for coarse"),
    ],
)
def test_weights_must_fit_the_tasks(weights: dict[str, float], message: str) -> None:
    with pytest.raises(MTLError, match=message):
        Fixed(weights).state(TASKS)


@pytest.mark.parametrize("kind", [LossWeighting, GradientWeighting])
def test_contracts_are_abstract(kind: Any) -> None:
    with pytest.raises(TypeError, match="abstract"):
        kind()
