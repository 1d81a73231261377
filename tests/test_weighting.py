"""What weightings do in training: their variables move, are logged, shared by replicas, resumed and saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras import distribute
from mtl_keras.data import Data
from mtl_keras.model import MultiTaskModel
from mtl_keras.tasks import Binary, Tasks
from mtl_keras.training import Phase, Run, train
from mtl_keras.weighting import METHODS
from tests import _tiny
from tests.test_checkpoint import Kill

EPOCHS = 4


@pytest.fixture(scope="module")
def data() -> Data:
    return _tiny.data()


def fresh() -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model()


def trained(data: Data, weighting: Any, **options: Any) -> Run:
    optimizer = options.pop("optimizer", None) or keras.optimizers.Adam(0.02)
    phase = Phase(epochs=EPOCHS, batch_size=16, weighting=weighting, optimizer=optimizer, monitor="val_skill")
    return train(options.pop("model", None) or fresh(), data, phase, seed=4, cache_dir=False, **options)


def weights_of(run: Run) -> np.ndarray:
    return np.array([[row[f"loss_weight_{task}"] for task in run.recipe.tasks] for row in run.history])


def losses_of(run: Run) -> np.ndarray:
    return np.array([[row[f"{task}_loss"] for task in run.recipe.tasks] for row in run.history])


@pytest.mark.parametrize("word", METHODS)
def test_weights_are_logged_and_finite(word: str, data: Data) -> None:
    run = trained(data, word)
    assert np.isfinite(weights_of(run)).all()
    assert (weights_of(run) > 0).all()
    assert run.model.weighting_state.keys() == METHODS[word]().state(tuple(run.recipe.tasks)).keys()
    assert run.history[-1]["loss"] < run.history[0]["loss"]


def test_dwa_moves_between_epochs_by_their_losses(data: Data) -> None:
    run = trained(data, "dwa")
    weights, losses = weights_of(run), losses_of(run)
    np.testing.assert_allclose(weights[:2], 1, rtol=1e-6)
    for epoch in (2, 3):
        powers = np.exp(losses[epoch - 1] / losses[epoch - 2] / 2)
        np.testing.assert_allclose(weights[epoch], 3 * powers / powers.sum(), rtol=1e-5)
    assert np.abs(weights[2:] - 1).max() > 1e-3


def test_the_geometric_mean_weighs_by_the_inverse_of_a_loss(data: Data) -> None:
    run = trained(data, "geometric_mean")
    products = weights_of(run) * losses_of(run)
    np.testing.assert_allclose(products, products[:, :1].repeat(3, axis=1), rtol=1e-5)


def test_uncertainty_is_learned_without_decay(data: Data) -> None:
    """A decay of 50 at a rate of 0.02 wipes out whatever it acts on in each step; Adam moves by about the rate a step."""
    run = trained(data, "uncertainty", optimizer=keras.optimizers.AdamW(0.02, weight_decay=50.0))
    # The weights of the last epoch, of 12 steps.
    assert np.abs(np.log(2 * weights_of(run)[-1])).max() > 0.05


def test_uncertainty_is_learned(data: Data) -> None:
    run = trained(data, "uncertainty")
    assert (np.abs(run.model.weighting_state["log_variance"]) > 0.01).all()
    np.testing.assert_allclose(
        weights_of(run)[run.best.epoch - 1], np.exp(-run.model.weighting_state["log_variance"]) / 2, rtol=1e-5
    )
    small = list(run.recipe.tasks).index("image")
    # The squared error of pixels is the smallest loss by far: its variance falls fastest.
    assert np.argmin(run.model.weighting_state["log_variance"]) == small
    objective_weights = {variable.path for variable in run.model.variables}
    assert not any("log_variance" in path for path in objective_weights), "the delivered network has none of it"


def test_a_task_without_any_label_keeps_its_variance(data: Data) -> None:
    tasks = Tasks(*_tiny.TASKS.values(), Binary("idle", label="odd"))
    absent = _tiny.data(tasks=tasks)
    for split in (absent.train, absent.validation):
        split.weight["idle"][:] = 0
    keras.utils.set_random_seed(3)
    run = trained(absent, "uncertainty", model=_tiny.model(tasks))
    assert run.model.weighting_state["log_variance"][3] == 0
    assert np.isfinite(weights_of(trained(absent, "geometric_mean", model=_tiny.model(tasks)))[:, :3]).all()


@pytest.mark.parametrize("word", ["uncertainty", "dwa", "geometric_mean", "mean"])
def test_two_replicas_learn_the_weights_of_one(word: str, data: Data) -> None:
    runs = []
    for strategy in (distribute.strategy("none"), distribute.strategy("mirrored", ["CPU:0", "CPU:1"])):
        with strategy.scope():
            model = fresh()
        # SGD, which sees the size of a gradient; Adam would not.
        runs.append(trained(data, word, model=model, optimizer=keras.optimizers.SGD(0.1, momentum=0.5)))
    one, two = runs
    np.testing.assert_allclose(weights_of(two), weights_of(one), rtol=1e-4)
    np.testing.assert_allclose(losses_of(two), losses_of(one), rtol=1e-3)
    assert len({tuple(row) for row in weights_of(one)}) == (1 if word == "mean" else EPOCHS - (word == "dwa"))


@pytest.mark.parametrize("word", ["uncertainty", "dwa"])
def test_a_killed_training_goes_on_with_its_weights(word: str, data: Data, tmp_path: Path) -> None:
    whole = trained(data, word)
    for epoch in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            trained(data, word, output_dir=tmp_path, callbacks=[Kill(epoch)])
    again = trained(data, word, output_dir=tmp_path)
    assert again.history == whole.history
    for name, value in whole.model.weighting_state.items():
        np.testing.assert_array_equal(again.model.weighting_state[name], value)


def test_the_last_model_and_a_saved_one_are_whole(data: Data, tmp_path: Path) -> None:
    run = trained(data, "uncertainty")
    evaluation = mtl.evaluate(run.last_model, data, cache_dir=False)
    assert evaluation.skill == pytest.approx(run.history[-1]["val_skill"], abs=1e-5)
    run.model.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    np.testing.assert_array_equal(loaded.weighting_state["log_variance"], run.model.weighting_state["log_variance"])
    assert mtl.evaluate(loaded, data, cache_dir=False).skill == pytest.approx(run.best.value, abs=1e-5)
