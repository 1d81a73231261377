"""The loss of an evaluation depends on the rows and their labels, neither on their order nor on how they are batched."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras.model import MultiTaskModel
from mtl_keras.training import Phase, train
from tests import _tiny

IMAGES, COLUMNS = _tiny.rows(24, 0)
#: The labels of one task are all in the last batch, and those of the other one leave out whole batches.
KIND = np.where(np.arange(24) < 20, np.nan, COLUMNS["kind"])
ODD = np.where(np.arange(24) < 10, COLUMNS["odd"], np.nan)
NONE = np.full(24, np.nan)

#: By weighting, its total of the losses of the tasks that have labels.
TOTALS: dict[str, tuple[Any, Callable[[list[float]], float]]] = {
    "sum": ("equal", sum),
    "mean": ("mean", lambda losses: sum(losses) / 3),
    "geometric mean": ("geometric_mean", lambda losses: math.prod(losses) ** (1 / len(losses))),
    "uncertainty": ({"method": "uncertainty", "initial": 0.5}, lambda ls: sum(0.5 * (math.exp(-0.5) * x + 0.5) for x in ls)),
    "gradients": ("mgda", sum),
}


@pytest.fixture(scope="module")
def model() -> MultiTaskModel:
    keras.utils.set_random_seed(0)
    model = _tiny.model()
    model.get_layer("kind").kernel.regularizer = keras.regularizers.L2(0.5)
    return model


def mean_losses(model: MultiTaskModel, labels: dict[str, np.ndarray]) -> list[float]:
    """By definition, from predictions for all rows, of each task with labels."""
    outputs = {name: np.asarray(values, np.float64) for name, values in model.predict(IMAGES, verbose=0).items()}
    found = [float(np.square(outputs["image"] - IMAGES / 255).mean())]
    for name in ("kind", "odd"):
        here = np.isfinite(labels[name])
        truth = labels[name][here].astype(int)
        p = outputs[name] if name == "kind" else np.concatenate([1 - outputs[name], outputs[name]], axis=-1)
        if here.any():
            found.append(float(-np.log(p[here][np.arange(len(truth)), truth]).mean()))
    return found


@pytest.mark.parametrize("weighting", TOTALS)
@pytest.mark.parametrize("odd", [ODD, NONE], ids=["some", "none"])
def test_the_loss_of_an_evaluation_is_the_total_of_the_losses_over_all_rows(
    weighting: str, odd: np.ndarray, model: MultiTaskModel
) -> None:
    spec, total = TOTALS[weighting]
    labels = {"kind": KIND, "odd": odd}
    model.compile("sgd", weighting=spec, run_eagerly=True)
    expected = total(mean_losses(model, labels)) + 0.5 * float(np.square(model.get_layer("kind").kernel).sum())
    for order in (np.arange(24), np.random.default_rng(0).permutation(24)):
        shuffled = {name: column[order] for name, column in labels.items()}
        for size in (24, 7):
            logs = model.evaluate(IMAGES[order], shuffled, batch_size=size, verbose=0, return_dict=True)
            assert logs["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_best_epoch_does_not_depend_on_the_order_of_the_rows() -> None:
    """Batches of validation rows have 512 rows: the labels of a task that are in the last batch alone count in full."""
    images, columns = _tiny.rows(520, 1)
    absent = {"kind": slice(512), "odd": slice(4, None)}
    data = _tiny.data(24, 520, absent={"validation": absent})
    keras.utils.set_random_seed(0)
    model = _tiny.model(shared=())
    phase = Phase(epochs=2, batch_size=24, optimizer=keras.optimizers.SGD(0.3), monitor="val_loss")
    run = train(model, data, phase, cache_dir=False)
    for row in run.history:
        parts = [row[f"val_{name}_loss"] for name in _tiny.TASKS]
        assert row["val_loss"] == pytest.approx(sum(parts), rel=1e-5)
    probabilities = run.model.predict(images[512:], verbose=0)["kind"]
    truth = columns["kind"][512:].astype(int)
    by_hand = -np.log(probabilities[np.arange(8), truth]).mean()
    assert run.history[run.best.epoch - 1]["val_kind_loss"] == pytest.approx(by_hand, rel=1e-4)


def test_the_loss_of_training_is_the_mean_of_the_totals_of_its_steps(model: MultiTaskModel) -> None:
    """Each row counts once; without an update, all steps have the same weights."""
    model.compile(keras.optimizers.SGD(0.0), weighting="equal", run_eagerly=True)
    labels = {"kind": KIND, "odd": ODD}
    steps = [slice(0, 16), slice(16, 24)]
    totals = [
        model.test_on_batch(IMAGES[rows], {name: column[rows] for name, column in labels.items()}, return_dict=True)["loss"]
        for rows in steps
        if model.reset_metrics() is None
    ]
    history = model.fit(IMAGES, labels, batch_size=16, shuffle=False, verbose=0).history
    assert history["loss"] == pytest.approx([(16 * totals[0] + 8 * totals[1]) / 24], rel=1e-5)
