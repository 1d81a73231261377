"""Regression labels are standardized in float64: whatever their unit, a training is that of standardized labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import mtl_keras as mtl
from mtl_keras.callbacks import assign_values, get_values
from mtl_keras.data import Data, from_arrays
from mtl_keras.errors import MTLError
from mtl_keras.model import MultiTaskModel
from mtl_keras.prediction import decode, predict
from mtl_keras.tasks import Binary, Regression, Tasks
from mtl_keras.training import CompiledPhases, Phase, Run, train, train_compiled
from tests import _tiny

TASKS = Tasks(Regression("light"), Binary("odd"))
PHASE = Phase(epochs=6, batch_size=8, optimizer={"class_name": "Adam", "config": {"learning_rate": 0.02}})
#: Location and spread of labels that float32 cannot tell apart, or cannot square.
UNITS = [(1.7e9, 100.0), (1e7, 1.0), (101_325.0, 0.05), (0.0, 2e30), (0.0, 1.6e-20)]


def rows(n: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Images, and how bright they are in units of about 1."""
    images, columns = _tiny.rows(n, seed)
    noise = np.random.default_rng(seed).normal(0, 0.1, n)
    return images, {"light": images.mean(axis=(1, 2, 3)) / 50 - 2 + noise, "odd": columns["odd"]}


def data(location: float = 0.0, spread: float = 1.0) -> Data:
    parts = [rows(64, 0), rows(40, 1)]
    for _, columns in parts:
        columns["light"] = location + spread * columns["light"]
        columns["light"][3] = np.nan
    return from_arrays(TASKS, *parts)


def fresh(tasks: Tasks = TASKS) -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model(tasks)


@pytest.fixture(scope="module")
def compiled() -> CompiledPhases:
    return CompiledPhases(fresh())


def trained(compiled: CompiledPhases, of: Data, **options: Any) -> Run:
    assign_values(get_values(fresh().variables), compiled.model.variables)
    return train_compiled(compiled, of, PHASE, seed=1, **options)


@pytest.fixture(scope="module")
def plain(compiled: CompiledPhases) -> list[dict[str, Any]]:
    """The history of a training on labels that were standardized beforehand by hand."""
    of = data()
    kept = of.train.weight["light"] > 0
    mean, deviation = of.train.y["light"][kept].mean(), of.train.y["light"][kept].std()
    standard = of.map_splits(lambda split: replace(split, y={**split.y, "light": (split.y["light"] - mean) / deviation}))
    return trained(compiled, standard).history


@pytest.mark.parametrize(("location", "spread"), UNITS)
def test_a_training_is_that_of_standardized_labels(
    compiled: CompiledPhases, plain: list[dict[str, Any]], location: float, spread: float
) -> None:
    of = data(location, spread)
    assert len(np.unique(of.train.y["light"])) == 64
    run = trained(compiled, of)
    kept = of.train.weight["light"] > 0
    deviation = of.train.y["light"][kept].std()
    for row, expected in zip(run.history, plain, strict=True):
        for entry in ("loss", "val_loss", "val_light_loss", "skill", "val_skill"):
            assert row[entry] == pytest.approx(expected[entry], rel=2e-3), entry
        assert row["val_light_mse"] == pytest.approx(row["val_light_loss"] * deviation**2, rel=1e-5)
    evaluation = mtl.evaluate(run.model, of, cache_dir=False)
    answers = decode(run.model, predict(run.model, of.validation))["light"].values
    known = of.validation.weight["light"] > 0
    error = (answers - of.validation.y["light"])[known]
    assert evaluation.value("light", "mse") == pytest.approx(np.square(error).mean(), rel=1e-12)
    assert evaluation.value("light", "mse") == pytest.approx(run.history[run.best.epoch - 1]["val_light_mse"], rel=1e-4)
    (own,) = (score for score in evaluation.scores if (score.task, score.metric) == ("light", "mse"))
    naive = np.square((of.train.y["light"][kept].mean() - of.validation.y["light"])[known]).mean()
    assert own.skill == pytest.approx(1 - np.square(error).mean() / naive, rel=1e-9)
    assert own.skill is not None
    assert 0.2 < own.skill < 1
    # The network itself answers in the same unit, as exactly as float32 can.
    np.testing.assert_allclose(
        run.model.predict(of.validation.x, verbose=0)["light"][:, 0], answers, rtol=2e-7, atol=spread * 1e-5
    )


def test_the_unit_is_kept_saved_and_never_trained(compiled: CompiledPhases, tmp_path: Path) -> None:
    first, other = data(1e7), data(-5.0, 1000.0)
    model = trained(compiled, first).model
    before = [float(weight.item()) for weight in model.get_layer("light").get_weights()]
    labels = first.train.y["light"][first.train.weight["light"] > 0]
    assert before == [np.float32(labels.std()), np.float32(labels.mean())]
    train(model, other, replace(PHASE, epochs=1, freeze=()))
    assert not model.get_layer("light").trainable
    assert [weight.item() for weight in model.get_layer("light").get_weights()] == before
    model.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    np.testing.assert_array_equal(predict(loaded, first.validation)["light"], predict(model, first.validation)["light"])
    assert predict(loaded, first.validation)["light"].dtype == np.float64
    assert loaded.recipe.tasks == TASKS


def test_an_interrupted_training_and_the_last_epoch_have_the_unit(compiled: CompiledPhases, tmp_path: Path) -> None:
    of = data(1.7e9, 100.0)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    whole = trained(compiled, of)
    best = _tiny.weights(whole.model)
    last = whole.last_model
    evaluated = mtl.evaluate(last, of, cache_dir=False)
    assert evaluated.value("light", "mse") == pytest.approx(whole.history[-1]["val_light_mse"], rel=1e-4)
    with pytest.raises(KeyboardInterrupt):
        trained(compiled, of, output_dir=tmp_path, callbacks=[Stop()])
    resumed = trained(compiled, of, output_dir=tmp_path)
    assert resumed.history == whole.history
    for ours, theirs in zip(_tiny.weights(resumed.model), best, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("form", ["arrays", "dataset"])
def test_fit_standardizes_what_the_user_hands_to_it(form: str) -> None:
    location, spread = 1.7e9, 100.0
    images, columns = rows(64, 0)
    labels = {"light": location + spread * columns["light"], "odd": columns["odd"]}
    deviation = labels["light"].std()
    model = fresh()
    model.compile(keras.optimizers.SGD(0.0))
    options: dict[str, Any] = {"verbose": 0, "shuffle": False, "validation_data": (images, labels)}
    if form == "arrays":
        logs = model.fit(images, labels, batch_size=64, **options).history
    else:
        batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(32)
        logs = model.fit(batches, **options).history
    mine = predict(model, images)["light"][:, 0]
    expected = np.square(mine - labels["light"]).mean()
    for prefix in ("", "val_"):
        assert logs[f"{prefix}light_mse"][0] == pytest.approx(expected, rel=1e-4)
        assert logs[f"{prefix}light_loss"][0] == pytest.approx(expected / deviation**2, rel=1e-4)
    assert model.evaluate(images, labels, verbose=0, return_dict=True)["light_mse"] == pytest.approx(expected, rel=1e-4)


def test_every_form_of_labels_is_measured_alike_one_after_the_other() -> None:
    """One traced function serves them all, though their ranks differ."""
    images, columns = rows(32, 0)
    labels: dict[str, Any] = {"light": np.round(1e5 + 10 * columns["light"]), "odd": columns["odd"].astype(np.float32)}
    model = fresh()
    model.compile("adam")
    model.fit(images, labels, verbose=0)
    expected = np.square(predict(model, images)["light"][:, 0] - labels["light"]).mean()

    def batches(given: dict[str, Any]) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices((images, given)).batch(16)

    short = {**labels, "light": labels["light"].astype(np.float32)}
    forms: list[tuple[Any, Any]] = [
        (images, labels),
        (images, short),
        (images, {name: column[:, None] for name, column in labels.items()}),
        (images, {**labels, "light": labels["light"].astype(np.int64)}),
        (images, {name: column.tolist() for name, column in labels.items()}),
        (batches(labels), None),
        (batches(short), None),
        (batches({name: column[:, None] for name, column in short.items()}), None),
    ]
    for x, y in [*forms, *reversed(forms)]:
        logs = model.evaluate(x, y, verbose=0, return_dict=True)
        assert logs["light_mse"] == pytest.approx(expected, rel=1e-4)


def test_the_first_batch_gives_the_unit_of_training_on_batches() -> None:
    images, columns = rows(16, 0)
    labels = {"light": 1.7e9 + 100 * columns["light"], "odd": columns["odd"]}
    model = fresh()
    model.compile(keras.optimizers.SGD(0.0))
    logs = model.train_on_batch(images, labels, return_dict=True)
    expected = np.square(predict(model, images)["light"][:, 0] - labels["light"]).mean()
    assert logs["light_mse"] == pytest.approx(expected, rel=1e-4)
    assert logs["light_loss"] == pytest.approx(expected / labels["light"].var(), rel=1e-4)


class Endless(keras.utils.PyDataset):
    """Batches of the same rows."""

    def __init__(self, batches: int | None) -> None:
        super().__init__()
        self.batches = batches
        self.rows = rows(8, 0)

    @property
    def num_batches(self) -> int | None:
        return self.batches

    def __getitem__(self, index: int) -> Any:
        assert self.batches is None or index < self.batches
        return self.rows


def test_units_are_read_from_one_epoch_of_batches() -> None:
    deviation = np.float32(rows(8, 0)[1]["light"].std())
    endless = tf.data.Dataset.from_tensor_slices(rows(8, 0)).batch(8).repeat()
    for batches in (Endless(2), Endless(None), endless):
        model = fresh()
        model.compile("adam")
        if batches is not endless:
            with pytest.warns(UserWarning, match=r"ran out of data|infinite PyDataset"):
                model.fit(batches, steps_per_epoch=3, verbose=0)
        else:
            model.fit(batches, steps_per_epoch=3, verbose=0, shuffle=False)
        assert model.get_layer("light").get_weights()[0].item() == pytest.approx(deviation, rel=1e-6)
        if getattr(batches, "batches", None) is None:
            model = fresh()
            model.compile("adam")
            with pytest.raises(MTLError, match="`steps_per_epoch` must be given for batches without an end"):
                model.fit(batches, verbose=0)


def test_a_unit_that_cannot_be_found_or_held_is_refused() -> None:
    model = fresh(TASKS.only("light"))
    model.compile("adam")
    images, columns = rows(8, 0)
    with pytest.raises(MTLError, match=r"batches that can be read twice. Received: generator. .* location= and scale="):
        model.fit((batch for batch in [(images, columns)]), verbose=0)
    with pytest.raises(MTLError, match=r"'light' must have a mean and a standard deviation that float32 can hold. Received: "):
        model.fit(images, columns["light"] * 1e40, verbose=0)
    with pytest.raises(MTLError, match=r"'light' must be finite. Received: inf in row 0"):
        model.fit(images, np.where(np.arange(8) == 0, np.inf, columns["light"]), verbose=0)


def test_coarse_outputs_of_the_network_are_announced_once(compiled: CompiledPhases, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        trained(compiled, data(3e6))
    lines = [record.message for record in caplog.records if "float32" in record.message]
    assert len(lines) == 1
    assert "'light' are about 3e+06" in lines[0]
    assert "in steps of 0.25" in lines[0]


def test_a_unit_that_is_given_stays() -> None:
    model = fresh(Tasks(Regression("light", location=-1.0, scale=2.0), Binary("odd")))
    of = data()
    of = replace(of, **{name: replace(getattr(of, name), tasks=model.recipe.tasks) for name in ("train", "validation")})
    row = train(model, of, replace(PHASE, epochs=1)).history[0]
    assert [weight.item() for weight in model.get_layer("light").get_weights()] == [2.0, -1.0]
    assert row["val_light_mse"] == pytest.approx(4 * row["val_light_loss"], rel=1e-6)


@pytest.mark.parametrize("value", [0.1, 1e6 + 0.1, 1.7e9 + 0.3])
def test_equal_labels_have_no_skill(value: float) -> None:
    """The mean of 100 times 0.1 is another number, whose error would be the unit of the skill."""
    task, labels = Regression("light"), np.full(100, value)
    assert task.score(labels, np.tile(task.trivial(labels), (100, 1))) == {"mse": 0.0, "mae": 0.0}
    pairs = Regression("place", size=2)
    partly = np.stack([labels, np.where(np.arange(100) % 3, np.nan, value)], axis=1)
    assert pairs.trivial(partly).tolist() == [value, value]
    of = from_arrays(Tasks(task), (rows(20, 0)[0], {"light": labels[:20]}), (rows(9, 1)[0], {"light": labels[:9]}))
    row = train(fresh(of.tasks), of, replace(PHASE, epochs=1)).history[0]
    assert row["val_light_mse"] > 0
    assert row["skill"] == row["val_skill"] == 0


@pytest.mark.parametrize("given", [{"location": 4e5}, {"scale": 50.0}, {"scale": 1.0}, {"location": 0.0}])
def test_what_a_task_leaves_out_of_its_unit_is_taken_from_training_rows(given: dict[str, Any]) -> None:
    tasks = Tasks(Regression("light", **given), Binary("odd"))
    images, columns = rows(64, 0)
    labels = {"light": 5e5 + 1e3 * columns["light"], "odd": columns["odd"]}
    of = from_arrays(tasks, (images, labels), (images, labels))
    expected = [given.get("scale", labels["light"].std()), given.get("location", labels["light"].mean())]
    by_train, by_fit = fresh(tasks), fresh(tasks)
    by_fit.compile("adam")
    for _ in range(2):
        train(by_train, of, replace(PHASE, epochs=1))
        by_fit.fit(images, labels, verbose=0)
        for model in (by_train, by_fit):
            found = [weight.item() for weight in model.get_layer("light").get_weights()]
            assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("location", "spread", "far"), [(3.0, 2.0, False), (500.0, 1.0, True), (0.0, 100.0, True)])
def test_later_labels_far_from_the_unit_are_said(
    location: float, spread: float, far: bool, compiled: CompiledPhases, caplog: pytest.LogCaptureFixture
) -> None:
    trained(compiled, data())
    caplog.clear()
    train_compiled(compiled, data(location, spread), PHASE, seed=1)
    assert ("the model keeps the unit of its first training" in caplog.text) == far
