"""One step of a phase, without a graph: the loss against its definition, and a head without labels under every optimizer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_keras import weighting
from mtl_keras.data import Split
from mtl_keras.model import Cut, MultiTaskModel, Objective
from tests import _tiny

N = 6
FACTORS = {"kind": 0.25, "odd": 4.0, "image": 2.0}


def compiled(
    model: MultiTaskModel, optimizer: Any = "sgd", *, active: tuple[str, ...] = tuple(_tiny.TASKS), cut: Cut | None = None
) -> MultiTaskModel:
    """The model itself, compiled as a phase would compile it, but without a graph."""
    objective = Objective(
        model.part(cut),
        tasks=model.recipe.tasks,
        active=active,
        weighting=weighting.get({task: FACTORS[task] for task in active}),
        labels="partial",
        heads=model.head_layers,
    )
    model.compile_objective(objective, optimizer, run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def split() -> Split:
    return _tiny.data(n=N).train


@pytest.fixture(scope="module")
def plain() -> MultiTaskModel:
    keras.utils.set_random_seed(0)
    return compiled(_tiny.model())


def batch(split: Split, weight: dict[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    x, y, _ = next(iter(split.batches(N)))
    return x, y, {task: tf.constant(weight.get(task, [1.0] * N), tf.float32) for task in y}


def row_losses(task: str, y: Any, output: Any) -> tuple[np.ndarray, np.ndarray]:
    """The loss and the metric of each row, by definition."""
    truth, made = np.asarray(y), np.asarray(output, np.float64)
    if task == "kind":
        return -np.log(made[np.arange(N), truth]), (made.argmax(-1) == truth).astype(float)
    if task == "odd":
        p = made[:, 0]
        return -np.log(np.where(truth == 1, p, 1 - p)), ((p > 0.5) == truth).astype(float)
    lost = np.square(truth - made).mean((1, 2, 3))
    return lost, lost


WEIGHTS = st.lists(st.sampled_from([0.0, 0.25, 1.0, 3.0]), min_size=N, max_size=N)


@given(kind=WEIGHTS, odd=WEIGHTS, image=WEIGHTS)
@settings(max_examples=8, deadline=None)
def test_loss_and_metrics_are_means_over_the_labels_that_are_there(
    plain: MultiTaskModel, split: Split, kind: list[float], odd: list[float], image: list[float]
) -> None:
    x, y, weight = batch(split, {"kind": kind, "odd": odd, "image": image})
    outputs = plain(x, training=True)
    plain.reset_metrics()
    loss = plain.compute_loss(x, y, outputs, weight)
    logs = {name: float(value) for name, value in plain.compute_metrics(x, y, outputs, weight).items()}
    total = 0.0
    for task, factor in FACTORS.items():
        w = np.asarray(weight[task])
        lost, metric = row_losses(task, y[task], outputs[task])
        mean = float((w * lost).sum() / w.sum()) if w.any() else 0.0
        total += factor * mean
        assert logs[f"{task}_loss"] == pytest.approx(mean, rel=1e-4)
        counted = metric[w > 0]
        assert logs[f"{task}_{_tiny.TASKS[task].metric.name}"] == pytest.approx(counted.mean() if counted.size else 0, rel=1e-4)
    assert float(loss) == pytest.approx(total, rel=1e-4)


def test_the_gradient_of_dummy_labels_is_zero(plain: MultiTaskModel, split: Split) -> None:
    """NaN x 0 is NaN: a dummy has to go before the loss, not after it."""
    x, y, weight = batch(split, {task: [1, 0, 2, 0, 0.5, 0] for task in _tiny.TASKS})
    gradients = []
    for dummy in (np.nan, 0.3):
        here = weight["image"] > 0
        labels = {**y, "odd": tf.where(here, tf.cast(y["odd"], "float32"), dummy)}
        labels["image"] = tf.where(here[:, None, None, None], y["image"], dummy)
        with tf.GradientTape() as tape:
            loss = plain.compute_loss(x, labels, plain(x, training=True), weight)
        gradients.append(tape.gradient(loss, [v.value for v in plain.trainable_variables]))
    for ours, theirs in zip(*gradients, strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(ours, theirs, atol=1e-7)


def test_only_active_tasks_are_lost_and_all_are_measured(split: Split) -> None:
    made = compiled(_tiny.model(), active=("odd",))
    x, y, weight = batch(split, {})
    outputs = made(x)
    loss = made.compute_loss(x, y, outputs, weight)
    assert float(loss) == pytest.approx(4 * row_losses("odd", y["odd"], outputs["odd"])[0].mean(), rel=1e-4)
    logs = made.compute_metrics(x, y, outputs, weight)
    assert {"kind_loss", "kind_accuracy", "image_loss", "image_mse", "odd_loss", "odd_accuracy"} <= set(logs)
    assert made.objective is not None
    made.objective.end_epoch(log := {"odd_loss": 1.0}, made.objective.label_counts())
    assert log == {"odd_loss": 1.0, "loss_weight_odd": 4.0}


def test_losses_of_layers_count_once(split: Split) -> None:
    network = _tiny.model()
    kernel = network.get_layer("backbone").get_layer("conv1")
    kernel.kernel.regularizer = keras.regularizers.L2(0.1)
    made = compiled(network)
    x, y, weight = batch(split, {})
    outputs = made(x)
    regularized = float(made.compute_loss(x, y, outputs, weight))
    tasks = sum(FACTORS[task] * row_losses(task, y[task], outputs[task])[0].mean() for task in FACTORS)
    penalty = 0.1 * np.square(np.asarray(kernel.kernel)).sum()
    assert penalty > 0.01
    assert regularized == pytest.approx(tasks + penalty, rel=1e-5)


#: Every optimizer of Keras, those with further slots by an option as well.
OPTIONS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Adam": {"amsgrad": True, "use_ema": True},
    "AdamW": {"weight_decay": 0.1},
}
NONE_BY_THEMSELVES = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}
OPTIMIZERS = [*sorted(name for name, kind in vars(keras.optimizers).items() if isinstance(kind, type)), "SGD plain"]


@pytest.fixture(scope="module")
def behind_features() -> MultiTaskModel:
    keras.utils.set_random_seed(0)
    return _tiny.model(_tiny.TASKS.only("kind", "odd"), freeze=True)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in NONE_BY_THEMSELVES])
def test_a_head_without_a_label_in_the_batch_does_not_move(name: str, behind_features: MultiTaskModel, split: Split) -> None:
    """Its weights and its slots are what the step before left, whatever that left in them."""
    model, optimizer = behind_features, getattr(keras.optimizers, name.split()[0])(learning_rate=0.05, **OPTIONS.get(name, {}))
    made = compiled(model, optimizer, active=("kind", "odd"), cut=Cut())
    own = {v.path: v for layer in model.head_layers["odd"] for v in layer.weights}
    marks = [path.replace("/", "_") for path in own]
    slots = {v.path: v for v in optimizer.variables if any(mark in v.path for mark in marks)}
    assert len(own) == 4
    assert bool(slots) == (name != "SGD plain")

    _, y, weight = batch(split.only("kind", "odd"), {})
    x = tf.random.stateless_normal((N, 4), (0, 0))
    made.train_on_batch(x, y, weight)
    before = {path: np.array(v) for path, v in {**own, **slots}.items()}
    others = {v.path: np.array(v) for v in made.trainable_variables if v.path not in own}
    made.train_on_batch(x, y, {**weight, "odd": tf.zeros(N)})
    for path, variable in {**own, **slots}.items():
        np.testing.assert_array_equal(np.array(variable), before[path], err_msg=path)
    assert any(not np.array_equal(np.array(v), others[v.path]) for v in made.trainable_variables if v.path in others)
    assert int(optimizer.iterations) == 2

    made.train_on_batch(x, y, {**weight, "odd": tf.constant([0.0] * (N - 1) + [0.5])})
    assert any(not np.array_equal(np.array(v), before[path]) for path, v in own.items()), "one label is enough"


def test_the_steps_of_an_optimizer_without_slots_are_counted(split: Split) -> None:
    """With two trained variables Keras' list of an SGD's own variables is as long as that of the trained ones."""
    model = _tiny.model(shared=(), heads={}, freeze=True)
    made = compiled(model, keras.optimizers.SGD(0.1), active=("odd",))
    for name in ("kind", "image"):
        for layer in model.head_layers[name]:
            layer.trainable = False
    compiled(made, keras.optimizers.SGD(0.1), active=("odd",))
    assert len(made.trainable_variables) == 2 == len(made.optimizer.variables)
    made.train_on_batch(*batch(split, {"odd": [0.0] * N}))
    assert int(made.optimizer.iterations) == 1
