"""What weightings do in training: their variables change, are logged, shared by replicas, resumed and saved."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from keras import ops

import mtl_keras as mtl
from mtl_keras import distribute
from mtl_keras.data import Data
from mtl_keras.errors import MTLError
from mtl_keras.model import MultiTaskModel
from mtl_keras.tasks import Binary, Regression, Tasks
from mtl_keras.training import Phase, Run, train
from mtl_keras.weighting import METHODS, LossWeighting
from tests import _tiny
from tests.test_checkpoint import Kill

EPOCHS = 4


@pytest.fixture(scope="module")
def data() -> Data:
    return _tiny.data()


@pytest.fixture(scope="module")
def partial() -> Data:
    """Half of the labels of `odd` are missing."""
    return _tiny.data(absent={"train": {"odd": slice(0, None, 2)}})


def fresh() -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model()


def trained(data: Data, weighting: Any, **options: Any) -> Run:
    optimizer = options.pop("optimizer", None) or keras.optimizers.Adam(0.02)
    phase = Phase(epochs=EPOCHS, batch_size=16, weighting=weighting, optimizer=optimizer, monitor="val_skill")
    return train(options.pop("model", None) or fresh(), data, phase, seed=4, cache_dir=False, **options)


@functools.cache
def run_of(name: str) -> Run:
    """Return a training with one of the methods, which several tests read."""
    return trained(_tiny.data(), name)


def labels_of(data: Data, n: int | None = None) -> dict[str, np.ndarray]:
    """Return the labels of the training rows, or the first `n`, as `fit` takes them; the images follow from the input."""
    return {task: array[:n] for task, array in data.train.y.items() if task != "image"}


def weights_of(run: Run) -> np.ndarray:
    return np.array([[row[f"loss_weight_{task}"] for task in run.recipe.tasks] for row in run.history])


def losses_of(run: Run) -> np.ndarray:
    return np.array([[row[f"{task}_loss"] for task in run.recipe.tasks] for row in run.history])


@pytest.mark.parametrize("name", METHODS)
def test_weights_are_logged_and_finite(name: str) -> None:
    run = run_of(name)
    assert np.isfinite(weights_of(run)).all()
    assert (weights_of(run) >= 0).all()
    assert run.model.weighting_state.keys() == METHODS[name]().state(tuple(run.recipe.tasks)).keys()
    assert run.history[-1]["loss"] < run.history[0]["loss"]


def test_dwa_changes_between_epochs_by_their_losses() -> None:
    run = run_of("dwa")
    weights, losses = weights_of(run), losses_of(run)
    np.testing.assert_allclose(weights[:2], 1, rtol=1e-6)
    for epoch in (2, 3):
        powers = np.exp(losses[epoch - 1] / losses[epoch - 2] / 2)
        np.testing.assert_allclose(weights[epoch], 3 * powers / powers.sum(), rtol=1e-5)
    assert np.abs(weights[2:] - 1).max() > 1e-3


def test_the_geometric_mean_weights_by_the_inverse_of_a_loss() -> None:
    run = run_of("geometric_mean")
    products = weights_of(run) * losses_of(run)
    np.testing.assert_allclose(products, products[:, :1].repeat(3, axis=1), rtol=1e-5)


def test_uncertainty_is_learned_without_decay(data: Data) -> None:
    """A decay of 50 at a rate of 0.02 erases whatever it acts on in each step; Adam changes it by about the rate a step."""
    run = trained(data, "uncertainty", optimizer=keras.optimizers.AdamW(0.02, weight_decay=50.0))
    # The weights of the last epoch, of 12 steps.
    assert np.abs(np.log(2 * weights_of(run)[-1])).max() > 0.05


def test_uncertainty_is_learned() -> None:
    run = run_of("uncertainty")
    assert (np.abs(run.model.weighting_state["log_variance"]) > 0.01).all()
    np.testing.assert_allclose(
        weights_of(run)[run.best.epoch - 1], np.exp(-run.model.weighting_state["log_variance"]) / 2, rtol=1e-5
    )
    small = list(run.recipe.tasks).index("image")
    # The squared error of pixels is by far the smallest loss: its variance falls fastest.
    assert np.argmin(run.model.weighting_state["log_variance"]) == small
    assert not any("log_variance" in variable.path for variable in run.model.variables), "the network has none of it"


def test_a_task_without_any_label_keeps_its_variance() -> None:
    tasks = Tasks(*_tiny.TASKS.values(), Binary("idle", label="odd"))
    absent = _tiny.data(tasks=tasks)
    for split in (absent.train, absent.validation):
        split.weight["idle"][:] = 0
    keras.utils.set_random_seed(3)
    run = trained(absent, "uncertainty", model=_tiny.model(tasks))
    assert run.model.weighting_state["log_variance"][3] == 0
    assert np.isfinite(weights_of(trained(absent, "geometric_mean", model=_tiny.model(tasks)))[:, :3]).all()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        *((name, "data") for name in ("uncertainty", "dwa", "geometric_mean", "mean", "mgda")),
        *((name, "partial") for name in ("gradvac", "gradnorm")),
    ],
)
def test_two_replicas_learn_the_weights_of_one(name: str, labels: str, request: pytest.FixtureRequest) -> None:
    runs = []
    for strategy in (distribute.strategy("none"), distribute.strategy("mirrored", ["CPU:0", "CPU:1"])):
        with strategy.scope():
            model = fresh()
        # SGD, to which the size of a gradient matters.
        optimizer = keras.optimizers.SGD(0.1, momentum=0.5)
        runs.append(trained(request.getfixturevalue(labels), name, model=model, optimizer=optimizer))
    one, two = runs
    np.testing.assert_allclose(weights_of(two), weights_of(one), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(losses_of(two), losses_of(one), rtol=1e-3)
    # MGDA may give one task all the weight in several epochs.
    assert len({tuple(row) for row in weights_of(one)}) >= (1 if name == "mean" else EPOCHS - (name in ("dwa", "mgda")))


@pytest.mark.parametrize("name", ["uncertainty", "dwa", "gradvac", "gradnorm"])
def test_a_killed_training_resumes_with_its_weights(name: str, data: Data, tmp_path: Path) -> None:
    whole = run_of(name)
    for epoch in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            trained(data, name, output_dir=tmp_path, callbacks=[Kill(epoch)])
    again = trained(data, name, output_dir=tmp_path)
    assert again.history == whole.history
    for variable, value in whole.model.weighting_state.items():
        np.testing.assert_array_equal(again.model.weighting_state[variable], value)


def test_the_last_model_and_a_saved_one_are_whole(data: Data, tmp_path: Path) -> None:
    run = run_of("uncertainty")
    evaluation = mtl.evaluate(run.last_model, data, cache_dir=False)
    assert evaluation.skill == pytest.approx(run.history[-1]["val_skill"], abs=1e-5)
    run.model.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    np.testing.assert_array_equal(loaded.weighting_state["log_variance"], run.model.weighting_state["log_variance"])
    assert mtl.evaluate(loaded, data, cache_dir=False).skill == pytest.approx(run.best.value, abs=1e-5)


# Gradient-based methods


@pytest.mark.parametrize(("name", "labels"), [("mgda", "data"), ("gradvac", "partial")])
def test_compile_and_fit_train_what_train_trains(name: str, labels: str, request: pytest.FixtureRequest) -> None:
    """A batch of all rows, which neither of the two orders in another way."""
    given = request.getfixturevalue(labels)
    split, optimizer = given.train, keras.optimizers.SGD(0.1)
    phase = Phase(epochs=3, batch_size=len(split), weighting=name, optimizer=optimizer)
    run = train(fresh(), given, phase, cache_dir=False)
    model = fresh()
    model.compile(keras.optimizers.SGD(0.1), weighting=name)
    weights = None if labels == "data" else {"odd": split.weight["odd"]}
    history = model.fit(split.x, labels_of(given), batch_size=len(split), epochs=3, sample_weight=weights, verbose=0).history
    for task in run.recipe.tasks:
        for entry in (f"{task}_loss", f"loss_weight_{task}"):
            np.testing.assert_allclose(history[entry], [row[entry] for row in run.history], rtol=1e-3, atol=1e-6)


def test_where_gradients_are_compared_follows_from_the_labels_of_the_phase(
    data: Data, partial: Data, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mtl_keras")
    for given, tasks in ((data, None), (partial, None), (partial, ("kind", "image"))):
        phase = Phase(epochs=1, batch_size=16, weighting="mgda", tasks=tasks)
        train(fresh(), given, phase, phase, cache_dir=False)
    lines = [record.message for record in caplog.records if "compares the gradients" in record.message]
    activations = (
        "Weighting 'mgda' compares the gradients of the tasks by the output of layer 'shared_dense_1', since every training "
        "row has all labels."
    )
    parameters = (
        "Weighting 'mgda' compares the gradients of the tasks by shared_dense_1/kernel, shared_dense_1/bias, since labels may "
        "be missing."
    )
    assert lines == [activations] * 2 + [parameters] * 2 + [activations] * 2, "one line for each phase"


def test_an_idle_head_does_not_move(data: Data) -> None:
    model, split = fresh(), data.train
    model.compile(keras.optimizers.Adam(0.01), weighting="gradvac")
    labels, everything = labels_of(data, 16), {"odd": np.ones(16, np.float32)}
    model.train_on_batch(split.x[:16], labels, everything)
    before = {variable.path: np.array(variable) for variable in model.trainable_variables}
    state = model.weighting_state
    model.train_on_batch(split.x[:16], labels, {"odd": np.zeros(16, np.float32)})
    own = {variable.path for layer in model.head_layers["odd"] for variable in layer.trainable_variables}
    for variable in model.trainable_variables:
        assert np.array_equal(np.array(variable), before[variable.path]) == (variable.path in own), variable.path
    for variable, value in model.weighting_state.items():
        assert np.isfinite(value).all()
        number = list(data.tasks).index("odd")
        np.testing.assert_array_equal(value[number], state[variable][number])


@pytest.mark.parametrize("options", [{"freeze": True, "shared": ()}, {"freeze": True}])
def test_tasks_that_share_no_trained_layer_are_refused(options: dict[str, Any], data: Data) -> None:
    keras.utils.set_random_seed(3)
    model = _tiny.model(**options)
    phase = Phase(epochs=1, weighting="mgda", freeze=None if "shared" in options else ("backbone", "shared"))
    message = r"must have a trained layer that all tasks share. Received: weighting='mgda' .* kind, odd, image. Pass shared="
    with pytest.raises(MTLError, match=message):
        train(model, data, phase, cache_dir=False)
    if "shared" in options:
        with pytest.raises(MTLError, match=message):
            model.compile("adam", weighting="mgda")
        with pytest.raises(MTLError, match=message):
            mtl.compare(model.recipe, data, {"mgda": phase}, seeds=2)
    train(model, data, Phase(epochs=1, weighting="mgda", tasks=("odd",)), cache_dir=False)


@dataclass(frozen=True)
class Bump(Regression):
    """A task whose loss `1 - exp(-d^2)` grows with the distance of two features from a point; it has no weights."""

    center: float = 0.0

    standardized: ClassVar[bool] = False

    def head(self, features: Any, image_shape: Any, source: Any = None) -> Any:
        return keras.layers.Identity(name=self.name)(features)

    def own_loss(self, target: Any, prediction: Any) -> Any:
        return 1.0 - ops.exp(-ops.sum(ops.square(prediction - self.center), axis=-1))


@pytest.mark.parametrize("weighting", ["equal", {"a": 0.4, "b": 0.6}, "mgda"])
def test_mgda_finds_compromises_that_fixed_weights_do_not(weighting: Any) -> None:
    """The Pareto front is concave: every weighted sum is lowest where one of the tasks is all but given up."""
    center = float(np.sqrt(0.5))
    tasks = Tasks(Bump("a", size=2, center=center), Bump("b", size=2, center=-center))
    model = _tiny.model(tasks, shared=mtl.Head(dense=(2,), activation="linear"), heads={}, freeze=True)
    dense = model.get_layer("shared_dense_1")
    dense.set_weights([np.zeros(dense.kernel.shape), np.array([0.5, -0.3])])
    model.compile(keras.optimizers.SGD(0.05), weighting=weighting)
    images, labels = np.zeros((600, *_tiny.SHAPE)), {task: np.zeros((600, 2)) for task in tasks}
    model.fit(images, labels, batch_size=2, verbose=0)
    images, labels = images[:2], {task: label[:2] for task, label in labels.items()}
    losses = [model.evaluate(images, labels, verbose=0, return_dict=True)[f"{task}_loss"] for task in tasks]
    if weighting == "mgda":
        assert max(losses) < 0.75
    else:
        assert max(losses) > 0.9


# The hook after a step


@dataclass(frozen=True)
class Improvement(LossWeighting):
    """Equal weights; its state holds the losses of the last batch before and after the update, and the number of steps."""

    name: ClassVar[str] = "improvement"

    def state(self, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        return {key: np.zeros(len(tasks), np.float32) for key in ("before", "after", "steps")}

    def total(self, losses: Any, present: Any, state: Mapping[str, Any]) -> Any:
        return ops.sum(losses)

    def loss_weights(self, losses: Any, state: Mapping[str, Any]) -> Any:
        return ops.ones_like(losses)

    def after_step(self, losses: Any, losses_after: Any, state: Mapping[str, Any]) -> dict[str, Any]:
        after = {} if losses_after is None else {"after": losses_after}
        return {"before": losses, "steps": state["steps"] + 1, **after}


class ImprovementAfter(Improvement):
    needs_losses_after: ClassVar[bool] = True


@pytest.mark.parametrize(("method", "replicas"), [(Improvement(), 1), (ImprovementAfter(), 2)])
def test_losses_after_a_step_are_of_the_same_batch(method: LossWeighting, replicas: int, data: Data) -> None:
    strategy = distribute.strategy("none") if replicas == 1 else distribute.strategy("mirrored", ["CPU:0", "CPU:1"])
    with strategy.scope():
        model = fresh()
    passes = 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal passes
        passes += 1
        return call(*args, **options)

    model.compile(keras.optimizers.SGD(0.01), weighting=method)
    images, labels = data.train.x[:16], labels_of(data, 16)
    before = model.evaluate(images, labels, batch_size=16, verbose=0, return_dict=True)
    layer = model.get_layer("shared_dense_1")
    call, layer.call = layer.call, counted
    model.fit(images, labels, batch_size=16, epochs=1, verbose=0)
    layer.call = call
    assert passes == replicas * (2 if method.needs_losses_after else 1)
    state = model.weighting_state
    np.testing.assert_array_equal(state["steps"], 1)
    after = model.evaluate(images, labels, batch_size=16, verbose=0, return_dict=True)
    for number, task in enumerate(data.tasks):
        assert state["before"][number] == pytest.approx(before[f"{task}_loss"], rel=1e-4)
        expected = after[f"{task}_loss"] if method.needs_losses_after else 0
        assert state["after"][number] == pytest.approx(expected, rel=1e-4)


def test_loss_scaling_leaves_the_weights_alone(data: Data) -> None:
    found = []
    for optimizer in (keras.optimizers.SGD(0.1), keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))):
        model = fresh()
        model.compile(optimizer, weighting="gradvac")
        history = model.fit(data.train.x, labels_of(data), batch_size=36, epochs=2, verbose=0).history
        found.append([history[f"loss_weight_{task}"] for task in data.tasks] + [history["loss"]])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3)


def test_steps_whose_gradients_overflow_leave_no_trace(data: Data) -> None:
    """An optimizer with loss scaling skips them."""
    model = fresh()
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=float("inf"))
    model.compile(optimizer, weighting="gradnorm")
    model.train_on_batch(data.train.x, labels_of(data))
    np.testing.assert_array_equal(model.weighting_state["first_losses"], 0)
    assert all(np.isfinite(np.array(v)).all() for v in model.trainable_variables)
