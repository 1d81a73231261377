"""Regressions that are trained on the logarithm of their labels: everything that users see keeps its unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.errors import MTLError

N = 48
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (N, 6, 6, 1)).astype(np.uint8)
PRICE = np.exp(RNG.normal(3, 2, N))
#: In few steps, batch normalization would leave outputs of which no logarithm is left.
SLOW = mtl.Phase(epochs=2, optimizer={"class_name": "Adam", "config": {"learning_rate": 1e-5}})
FORWARD = {"log": np.log, "log1p": np.log1p}


def load(transform: str, **options: Any) -> mtl.data.Data:
    tasks = mtl.Tasks(mtl.Regression("price", transform=transform, metrics=["rmse"], **options))
    columns = PRICE.copy()
    columns[::6] = np.nan
    return mtl.data.from_arrays(tasks, (IMAGES, {"price": columns}), validation_fraction=0.3)


@pytest.mark.parametrize("transform", FORWARD)
def test_the_loss_is_that_of_logarithms_and_the_rest_is_in_the_unit(transform: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    data = load(transform)
    model = mtl.build_model(data.tasks, image_shape=data.image_shape)
    log = mtl.train(model, data, SLOW, cache_dir=False).history[-1]
    rows = data.validation.weight["price"] > 0
    outputs, labels = mtl.prediction.predict(model, data.validation)["price"][:, 0], data.validation.y["price"]
    known = FORWARD[transform](data.train.y["price"][data.train.weight["price"] > 0])
    away = (FORWARD[transform](outputs[rows]) - FORWARD[transform](labels[rows])) / known.std()
    assert log["val_price_loss"] == pytest.approx(np.square(away).mean(), rel=1e-4)
    mse = np.square(outputs - labels)[rows].mean()
    assert log["val_price_mse"] == pytest.approx(mse, rel=1e-6)
    assert "price_mse" not in log, "a mean of logarithms is no error in the unit of the labels"
    evaluation = mtl.evaluate(model, data, cache_dir=False)
    assert evaluation.value("price", "mse") == pytest.approx(mse, rel=1e-6)
    assert evaluation.value("price", "rmse") == pytest.approx(np.sqrt(mse), rel=1e-6)
    assert log["val_skill"] == pytest.approx(evaluation.skill, rel=1e-5)
    # The network itself, and a file that plain Keras reads, answer in the unit as well.
    np.testing.assert_allclose(model.predict(data.validation.x, verbose=0)["price"][:, 0], outputs, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    plain = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(plain.predict(data.validation.x, verbose=0)["price"][:, 0], outputs, rtol=1e-5)
    loaded = mtl.load_model(tmp_path / "model.keras")
    assert loaded.recipe.tasks == data.tasks
    np.testing.assert_allclose(mtl.prediction.predict(loaded, data.validation)["price"][:, 0], outputs)
    np.testing.assert_allclose(mtl.prediction.decode(loaded, {"price": outputs[:, None]})["price"].values, outputs)


def test_a_model_begins_at_the_geometric_mean_and_fits_arrays() -> None:
    keras.utils.set_random_seed(0)
    task = mtl.Regression("price", transform="log")
    model = mtl.build_model(mtl.Tasks(task), image_shape=(6, 6, 1))
    model.compile(keras.optimizers.Adam(0.0))
    history = model.fit(IMAGES, {"price": PRICE}, verbose=0)
    assert set(history.history) == {"loss", "price_loss", "loss_weight_price"}
    head = model.get_layer("price_log")
    assert float(head.bias[0]) == pytest.approx(np.log(PRICE).mean(), rel=1e-5)
    outputs = np.log(model.predict(IMAGES, verbose=0)["price"][:, 0])
    loss = np.square((outputs - np.log(PRICE)) / np.log(PRICE).std()).mean()
    assert model.evaluate(IMAGES, {"price": PRICE}, verbose=0, return_dict=True)["loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize(("transform", "value", "least"), [("log", 0.0, "0"), ("log", -2.0, "0"), ("log1p", -1.0, "-1")])
def test_labels_without_a_logarithm_are_named_by_row(transform: str, value: float, least: str) -> None:
    column = PRICE.copy()
    column[[3, 9]] = value
    tasks = mtl.Tasks(mtl.Regression("price", transform=transform))
    with pytest.raises(
        MTLError, match=rf"greater than {least} for transform='{transform}'. Received: {value} in rows 3, 9 \(2"
    ):
        mtl.data.from_arrays(tasks, (IMAGES, {"price": column}))


def test_other_transforms_are_refused() -> None:
    with pytest.raises(MTLError, match="Unknown transform of a regression: received 'logg'. Did you mean 'log'"):
        mtl.Regression("price", transform="logg")


def test_a_trivial_predictor_is_exact_for_labels_that_are_all_equal() -> None:
    task = mtl.Regression("price", transform="log", metrics=["r2"])
    stored = np.full(9, 0.1)
    assert task.score(stored, np.tile(task.trivial(stored), (9, 1)))["mse"] == 0
    location, scale = task.statistics(stored)
    assert (location[0], scale) == (pytest.approx(np.log(0.1)), 1.0)
