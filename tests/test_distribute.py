"""Two replicas train as one does: same losses, same weights, same head left alone. The replicas are two logical CPUs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mtl_keras import distribute
from mtl_keras.data import Data
from mtl_keras.errors import MTLError
from mtl_keras.evaluation import evaluate
from mtl_keras.model import MultiTaskModel
from mtl_keras.tasks import Binary, Tasks
from mtl_keras.training import Phase, Run, train
from tests import _tiny

TASKS = Tasks(*_tiny.TASKS.values(), Binary("idle", label="odd"))
DEVICES = ["CPU:0", "CPU:1"]
OPTIMIZERS = {"sgd": keras.optimizers.SGD(0.1, momentum=0.9), "adam": keras.optimizers.Adam(0.02)}


@pytest.fixture(scope="module")
def data() -> Data:
    """17 rows: in batches of 8 the last one is a single row, so that none that counts is left for one of two replicas."""
    made = _tiny.data(17, 11, tasks=TASKS)
    rng = np.random.default_rng(0)
    weight = {task: rng.choice([0, 0.5, 1, 2], 17).astype(np.float32) for task in TASKS} | {
        "idle": (np.arange(17) == 3).astype(np.float32)
    }
    return replace(made, train=replace(made.train, weight=weight))


def built(weights: list[np.ndarray] | None = None) -> MultiTaskModel:
    """With a penalty on the trunk's weights, which has to count once whatever the number of replicas."""
    model = _tiny.model(TASKS)
    model.get_layer("backbone").get_layer("conv1").kernel.regularizer = keras.regularizers.L2(0.05)
    if weights is not None:
        model.set_weights(weights)
    return model


class Steps(keras.callbacks.Callback):
    """Keeps the weights of the head `idle` after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[list[np.ndarray]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.weights.append(_tiny.weights(self.model.get_layer("idle")))


@dataclass
class Both:
    """The same training on one replica and on two."""

    initial: list[np.ndarray]
    one: Run
    two: Run
    idle: list[list[list[np.ndarray]]]  # of each run, after each step
    idle_began: np.ndarray


@pytest.fixture(scope="module", params=OPTIMIZERS)
def both(request: pytest.FixtureRequest, data: Data) -> Both:
    keras.utils.set_random_seed(1)
    first = built()
    initial, idle_began = _tiny.weights(first), _tiny.weights(first.get_layer("idle"))[1]
    weights = {"kind": 1, "odd": 0.5, "image": 4, "idle": 1}
    phase = Phase(epochs=2, batch_size=8, weighting=weights, optimizer=OPTIMIZERS[request.param], monitor="loss")
    runs: list[Run] = []
    idle = []
    for strategy in (distribute.strategy("none"), distribute.strategy("mirrored", DEVICES)):
        with strategy.scope():
            assert distribute.replicas() == len(runs) + 1
            model = built(initial)
        steps = Steps()
        runs.append(train(model, data, phase, seed=4, callbacks=[steps]))
        idle.append(steps.weights)
    one, two = runs
    return Both(initial, one, two, idle, idle_began)


def test_two_replicas_log_what_one_logs(both: Both) -> None:
    assert len(both.one.history) == len(both.two.history) == 2
    for single, mirrored in zip(both.one.history, both.two.history, strict=True):
        assert set(single) == set(mirrored)
        for name, value in single.items():
            assert mirrored[name] == pytest.approx(value, rel=2e-5, abs=1e-6), name


def test_two_replicas_end_with_the_weights_of_one(both: Both) -> None:
    assert both.one.best.epoch == both.two.best.epoch == 2
    ends = [_tiny.weights(run.model) for run in (both.one, both.two)]
    for single, mirrored in zip(*ends, strict=True):
        np.testing.assert_allclose(mirrored, single, atol=2e-6)
    assert max(np.abs(a - b).max() for a, b in zip(both.initial, ends[0], strict=True)) > 0.01


def test_a_head_moves_in_the_steps_that_have_its_label_alone(both: Both) -> None:
    """One row in 17 has it: one step in the three of each epoch, on one of the replicas."""
    for steps in both.idle:
        # Not the kernel: its gradient is 0 as well where no feature of that one row is above 0.
        biases = [both.idle_began, *(weights[1] for weights in steps)]
        moved = [not np.array_equal(before, after) for before, after in pairwise(biases)]
        assert (sum(moved[:3]), sum(moved[3:])) == (1, 1), moved


def test_what_two_replicas_trained_can_be_evaluated(both: Both, data: Data) -> None:
    run = both.two
    row = run.history[run.best.epoch - 1]
    evaluation = evaluate(run.model, data, cache_dir=False)
    assert evaluation.value("kind", "accuracy") == pytest.approx(row["val_kind_accuracy"])
    assert evaluation.value("image", "mse") == pytest.approx(row["val_image_mse"], rel=1e-4)


def test_sums_are_over_all_replicas_and_have_no_gradient() -> None:
    strategy = distribute.strategy("mirrored", DEVICES)

    def step(value: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(value)
            total = distribute.sum_over_replicas(value) + 0 * value
        return total, tape.gradient(total, value)

    with strategy.scope():
        values = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant([1.0, 10.0]) * (1 + context.replica_id_in_sync_group)
        )
    totals, gradients = tf.function(lambda: strategy.run(step, args=(values,)))()
    for total, gradient in zip(
        strategy.experimental_local_results(totals), strategy.experimental_local_results(gradients), strict=True
    ):
        np.testing.assert_array_equal(total, [3.0, 30.0])
        np.testing.assert_array_equal(gradient, [0.0, 0.0])
    np.testing.assert_array_equal(distribute.sum_over_replicas(tf.constant([1.0, 10.0])), [1.0, 10.0])


@pytest.mark.parametrize("name", ["none", "mirrored"])
def test_assigning_reaches_every_replica(name: str) -> None:
    strategy = distribute.strategy(name, DEVICES)
    with strategy.scope():
        variable = keras.Variable([1.0, 2.0])

    def step() -> None:
        distribute.assign([variable], [variable.value + 1.0])

    tf.function(lambda: strategy.run(step))()
    for copy in strategy.experimental_local_results(variable.value):
        np.testing.assert_array_equal(copy, [2.0, 3.0])


def test_strategies_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert distribute.strategy("mirrored", DEVICES).num_replicas_in_sync == 2
    # A second MirroredStrategy in one process would number its sums as the first one does, and they would be mixed up.
    assert distribute.strategy("auto", DEVICES) is distribute.strategy("mirrored", DEVICES)
    assert distribute.strategy("none", DEVICES) is tf.distribute.get_strategy()
    assert distribute.strategy("auto", DEVICES[:1]) is tf.distribute.get_strategy(), "one device needs no strategy"
    assert distribute.replicas() == 1
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    assert distribute.strategy() is tf.distribute.get_strategy()
    with pytest.raises(MTLError, match=r"'mirrored' must have at least one GPU. Received: a machine without"):
        distribute.strategy("mirrored")
    with pytest.raises(MTLError, match=r"Unknown strategy: received 'miror'. Did you mean 'mirrored'"):
        distribute.strategy("miror")
    for name in ("multi_worker", "MultiWorkerMirroredStrategy", "parameter_server", "tpu"):
        with pytest.raises(MTLError, match=r"one of auto, none, mirrored, since mtl-keras trains on one machine\. Received: "):
            distribute.strategy(name)
