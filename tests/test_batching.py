"""Tasks that are alike are lost and measured together; every figure is that of each task by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mtl_keras import distribute, weighting
from mtl_keras.data import from_arrays
from mtl_keras.model import MultiTaskModel, Objective, build_model
from mtl_keras.model._batching import batch_by_task_type
from mtl_keras.tasks import Binary, Classification, MultiLabel, Ordinal, Reconstruction, Regression, Tasks
from mtl_keras.training import Phase, train
from mtl_keras.weighting import LossWeighting
from tests import _tiny

N = 5
#: Kinds in turn, so that those that are alike are no neighbors.
TASKS = Tasks(
    Binary("a"),
    Classification("kind", classes=3),
    Regression("far", scale=4.0),
    Binary("b"),
    Regression("near", location=2.0),
    Classification("smooth", classes=3, label_smoothing=0.1),
    Ordinal("rank", classes=3),
    MultiLabel("several", classes=3),
    Classification("other", classes=3),
    Reconstruction("image"),
    Classification("coarse", classes=2, derive_from="kind", mapping=(0, 1, 1)),
    Regression("as_far", scale=4.0),
    Binary("c"),
    MultiLabel("more", classes=3),
)
ACTIVE = ("kind", "far", "b", "smooth", "rank", "several", "image", "coarse", "as_far", "c", "more")


def objective(method: str, active: tuple[str, ...] = tuple(TASKS)) -> MultiTaskModel:
    keras.utils.set_random_seed(0)
    model = build_model(TASKS, _tiny.BACKBONE, image_shape=_tiny.SHAPE, shared=(6,))
    objective = Objective(
        model,
        tasks=TASKS,
        active=active,
        weighting=weighting.get(method),
        labels="partial",
        heads=model.head_layers,
    )
    model.compile_objective(objective, keras.optimizers.SGD(), run_eagerly=True)
    return model


LOSS_BASED = [name for name in weighting.METHODS if isinstance(weighting.get(name), weighting.LossWeighting)]


@pytest.fixture(scope="module", params=[(method, active) for method in LOSS_BASED for active in (tuple(TASKS), ACTIVE)])
def made(request: pytest.FixtureRequest) -> MultiTaskModel:
    return objective(*request.param)


def stored(draw: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Labels as a split stores them."""
    found = {}
    for name, task in TASKS.items():
        if isinstance(task, Binary):
            found[name] = draw.integers(0, 2, n).astype(np.int32)
        elif isinstance(task, Classification | Ordinal):
            found[name] = draw.integers(0, task.classes, n).astype(np.int32)
        elif isinstance(task, MultiLabel):
            found[name] = draw.integers(0, 2, (n, task.classes)).astype(np.int32)
        elif isinstance(task, Regression):
            found[name] = draw.normal(size=n).astype(np.float32)
    return found


def task_by_task(made: MultiTaskModel, y: Any, outputs: Any, weight: Any) -> tuple[Any, dict[str, float]]:
    """The loss and the log, one task after the other."""
    logs, losses, counts = {}, {}, {}
    for name, task in TASKS.items():
        w, present = weight[name], weight[name] > 0
        target = tf.where(tf.reshape(present, [-1] + [1] * (len(y[name].shape) - 1)), y[name], tf.zeros_like(y[name]))
        losses[name] = tf.math.divide_no_nan(tf.reduce_sum(w * task.row_loss(target, outputs[name])), tf.reduce_sum(w))
        counts[name] = tf.reduce_sum(w)
        logs[f"{name}_loss"] = float(losses[name])
        counted = np.asarray(task.row_metrics(y[name], outputs[name])[task.metric.name])[np.asarray(present)]
        logs[f"{name}_{task.metric.name}"] = float(counted.mean()) if counted.size else 0.0
    objective = made.objective
    assert objective is not None
    assert isinstance(objective.weighting, LossWeighting)
    state = {name: variable.value for name, variable in objective.state.variables.items()}
    vectors = [tf.stack([values[name] for name in objective.active]) for values in (losses, counts)]
    return objective.weighting.total(vectors[0], vectors[1], state), logs


@pytest.mark.parametrize("seed", [0, 1])
def test_every_figure_is_that_of_each_task_by_itself(made: MultiTaskModel, seed: int) -> None:
    """Whatever labels are absent, all of a task's among them."""
    draw = np.random.default_rng(seed)
    x = tf.constant(draw.integers(0, 256, (N, *_tiny.SHAPE)), tf.float32)
    y = {name: tf.constant(labels) for name, labels in stored(draw, N).items()} | {"image": x / 255}
    weights = draw.choice([0.0, 0.0, 0.0, 0.25, 1.0, 3.0], (len(TASKS), N)).astype(np.float32)
    weights[draw.integers(0, len(TASKS), 2)] = 0
    weight = dict(zip(TASKS, tf.constant(weights), strict=True))
    variables = [v.value for v in made.trainable_variables]
    made.reset_metrics()
    with tf.GradientTape(persistent=True) as tape:
        outputs = made(x, training=True)
        total = made.compute_loss(x, y, outputs, weight)
        expected, logs = task_by_task(made, y, outputs, weight)
    found = {name: float(value) for name, value in made.compute_metrics(x, y, outputs, weight).items()}
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
    assert set(found) == {"loss", *logs}
    for name, value in logs.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    for ours, theirs in zip(*(tape.gradient(value, variables) for value in (total, expected)), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_function_is_called_once_for_all_that_are_alike() -> None:
    called: list[tuple[str, list[int]]] = []

    def measure(task: Any, tensor: Any) -> Any:
        called.append((task.name, list(tensor.shape)))
        return tensor

    found = batch_by_task_type(TASKS, measure, {name: tf.fill([N], float(number)) for number, name in enumerate(TASKS)})
    np.testing.assert_array_equal(found, np.repeat(np.arange(len(TASKS)), N).reshape(-1, N))
    threes, twos = [3 * N], [2 * N]
    alike = {"a": threes, "kind": twos, "far": twos, "several": twos}
    alone = {name: [N] for name in ("near", "smooth", "rank", "image", "coarse")}
    assert dict(called) == alike | alone
    assert len(called) == 9


def test_alike_tasks_whose_labels_are_stored_otherwise_are_measured_apart() -> None:
    called: list[str] = []

    def measure(task: Any, tensor: Any) -> Any:
        called.append(task.name)
        return tf.cast(tensor, tf.float32)

    y = {"a": tf.zeros(N, tf.int32), "b": tf.ones(N), "c": tf.zeros(N, tf.int32)}
    found = batch_by_task_type(TASKS.only("a", "b", "c"), measure, y)
    assert called == ["a", "b"]
    np.testing.assert_array_equal(found, [[0] * N, [1] * N, [0] * N])


def test_losses_are_those_of_logits_where_there_are_logits() -> None:
    """A saturated sigmoid has a probability of 1; only its logit says how wrong it is, and in which direction to go."""
    tasks, logits = Tasks(Binary("a"), Binary("b")), {"a": tf.constant([[200.0]]), "b": tf.constant([[-200.0]])}
    with tf.GradientTape() as tape:
        tape.watch(logits)
        outputs = {name: keras.activations.sigmoid(logit) for name, logit in logits.items()}
        rows = batch_by_task_type(
            tasks, lambda task, *both: task.row_loss(*both), {"a": tf.constant([0]), "b": tf.constant([1])}, outputs
        )
    np.testing.assert_allclose(rows, [[200.0], [200.0]])
    gradient = tape.gradient(rows, logits)
    assert (gradient["a"].numpy().item(), gradient["b"].numpy().item()) == (1, -1)


def test_many_tasks_train_on_two_replicas_as_on_one() -> None:
    tasks = TASKS.only(*(name for name in TASKS if name != "image"))
    draw = np.random.default_rng(0)
    columns = {name: np.asarray(labels, np.float64) for name, labels in stored(draw, 20).items()}
    columns["coarse"] = np.minimum(columns["kind"], 1)
    for name, column in columns.items():
        # The first half of the rows has no label of `c`.
        column[draw.random(20) < 0.3 if name != "c" else slice(10)] = np.nan
    columns["coarse"][np.isnan(columns["kind"])] = np.nan
    images = draw.integers(0, 256, (20, *_tiny.SHAPE), "uint8")
    data = from_arrays(tasks, train=(images, columns), validation=(images, columns))
    data = replace(data, train=replace(data.train, weight={name: w * 0.5 for name, w in data.train.weight.items()}))
    runs, initial = [], None
    for strategy in (distribute.strategy("none"), distribute.strategy("mirrored", ["CPU:0", "CPU:1"])):
        with strategy.scope():
            model = build_model(tasks, _tiny.BACKBONE, image_shape=_tiny.SHAPE, shared=(6,))
        initial = initial or model.get_weights()
        model.set_weights(initial)
        phase = Phase(epochs=2, batch_size=5, optimizer="adamw", weighting="uncertainty")
        runs.append(train(model, data, phase, seed=1))
    for single, mirrored in zip(*(run.history for run in runs), strict=True):
        assert set(single) == set(mirrored)
        for name, value in single.items():
            assert mirrored[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    for one, two in zip(*(_tiny.weights(run.model) for run in runs), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-4)
