"""All kinds of task in one network: learned from real digits, logged, evaluated, drawn, saved."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras import report
from mtl_keras.training import Run

TASKS = mtl.Tasks(
    mtl.Classification("digit", classes=10),
    mtl.Binary("parity"),
    mtl.MultiLabel("bits", classes=4),
    mtl.Ordinal("rank", label="digit", classes=10),
    mtl.Regression("ink"),
    mtl.Regression("middle", size=2, location=3.5, scale=0.4),
    mtl.Reconstruction("image"),
    mtl.Binary("control", label=mtl.RandomLabels()),
)


@pytest.fixture(scope="module")
def data() -> mtl.data.Data:
    """Handwritten digits; how much ink there is and where it lies; a third of some labels are absent."""
    from sklearn.datasets import load_digits

    pixels, digit = load_digits(return_X_y=True)
    images = pixels.reshape(-1, 8, 8, 1) * (255 / 16)
    ink = images.mean((1, 2, 3))
    places = [(images[..., 0].sum(2 - axis) * np.arange(8)).sum(1) / images.sum((1, 2, 3)) for axis in (0, 1)]
    columns = {
        "digit": digit,
        "parity": digit % 2,
        "bits": (digit[:, None] >> np.arange(4)) & 1,
        "ink": ink,
        "middle": np.stack(places, 1),
    }
    columns = {name: column.astype(np.float64) for name, column in columns.items()}
    columns["bits"][::3] = np.nan
    columns["bits"][1::3, 2] = np.nan
    columns["ink"][1::3] = np.nan
    parts = [
        (images[rows], {name: column[rows] for name, column in columns.items()})
        for rows in (slice(0, 800), slice(800, 1100), slice(1500, None))
    ]
    return mtl.data.from_arrays(TASKS, *parts)


@pytest.fixture(scope="module")
def run(data: mtl.data.Data) -> Run:
    keras.utils.set_random_seed(0)
    backbone = mtl.Backbone("SmallCNN", filters=(8, 16))
    model = mtl.build_model(TASKS, backbone, image_shape=data.image_shape, shared=(64,))
    weights = {"image": 20.0, **dict.fromkeys(set(TASKS) - {"image"}, 1.0)}
    optimizer = keras.optimizers.Adam(5e-3)
    return mtl.train(model, data, mtl.Phase(epochs=6, batch_size=64, weighting=weights, optimizer=optimizer))


def test_every_kind_is_learned_and_random_labels_are_not(run: Run, data: mtl.data.Data) -> None:
    evaluation = mtl.evaluate(run.model, data, "test")
    skills = {score.task: score.skill for score in evaluation.scores if score.skill is not None}
    assert set(skills) == set(TASKS)
    # 297 random labels: four standard deviations of their accuracy are 0.116.
    assert abs(evaluation.value("control", "accuracy") - 0.5) < 0.116
    assert min(skill for name, skill in skills.items() if name != "control") > 0.4, skills


def test_what_training_logs_is_what_is_evaluated(run: Run, data: mtl.data.Data) -> None:
    evaluation, row = mtl.evaluate(run.model, data), run.history[run.best.epoch - 1]
    for name, task in TASKS.items():
        assert evaluation.value(name, task.metric.name) == pytest.approx(row[f"val_{name}_{task.metric.name}"], rel=1e-3)
    assert evaluation.skill == pytest.approx(row["val_skill"], abs=1e-4)
    counts = {score.task: score.n for score in evaluation.scores}
    assert (counts["digit"], counts["bits"], counts["ink"]) == (300, 200, 200)


def test_every_kind_is_reported(run: Run, data: mtl.data.Data) -> None:
    evaluation = mtl.evaluate(run.model, data)
    rows = [
        *report.metrics_rows(evaluation, run="multi-task", seed=0, phase=0, epoch_kind="best"),
        *report.trivial_rows(evaluation),
    ]
    table = report.scores_table(rows, "validation")
    assert set(table["task"]) == {*TASKS, "all"}
    assert set(evaluation.confusion) == {"digit", "parity", "rank", "control"}
    figure = report.plot_history(report.history_rows(run.history, list(TASKS), run="multi-task", seed=0))
    assert [title for axes in figure.axes if (title := axes.get_title())][: len(TASKS)] == list(TASKS)


def test_every_kind_is_saved_and_loaded(run: Run, data: mtl.data.Data, tmp_path: Path) -> None:
    run.model.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    assert loaded.recipe.tasks == TASKS
    images = data.validation.x[:8]
    ours, theirs = run.model.predict(images, verbose=0), loaded.predict(images, verbose=0)
    for name in TASKS:
        np.testing.assert_array_equal(theirs[name], ours[name])
