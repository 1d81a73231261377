"""Training on alternated data sets: heads that rest, steps that are logged, goings-on, cached features, baselines."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras import distribute
from mtl_keras.callbacks import TensorBoardLog
from mtl_keras.comparison import compare
from mtl_keras.data import Data, alternate, cache
from mtl_keras.errors import TrialError
from mtl_keras.evaluation import evaluate
from mtl_keras.model import MultiTaskModel
from mtl_keras.report import history_rows
from mtl_keras.training import Phase, Run, train
from tests import _pair, _tiny
from tests.test_tensorboard import scalars

OPTIMIZERS = {
    "adam": keras.optimizers.Adam(0.02),
    "adamw": keras.optimizers.AdamW(0.02, weight_decay=0.1),
    "momentum": keras.optimizers.SGD(0.1, momentum=0.9),
}
OWNER = {"kind": "long", "odd": "short"}


def fresh(**options: Any) -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model(_pair.TASKS, **options)


class Heads(keras.callbacks.Callback):
    """Keeps after each step every variable of each head, the optimizer's slots among them."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.layers = {name: [layer.name for layer in layers] for name, layers in model.head_layers.items()}
        self.states: list[dict[str, dict[str, bytes]]] = []

    def state(self) -> dict[str, dict[str, bytes]]:
        found: dict[str, dict[str, bytes]] = {}
        for name, layers in self.layers.items():
            own = [v for layer in layers for v in self.model.get_layer(layer).weights]
            marks = [v.path.replace("/", "_") for v in own]
            slots = [v for v in self.model.optimizer.variables if any(mark in v.path for mark in marks)]
            assert len(slots) in (len(own), 2 * len(own))
            found[name] = {v.path: np.array(v).tobytes() for v in (*own, *slots)}
        return found

    def on_train_begin(self, logs: Any = None) -> None:
        self.states.append(self.state())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.states.append(self.state())


@pytest.mark.parametrize(("optimizer", "replicas"), [("adam", 1), ("adamw", 1), ("momentum", 1), ("adamw", 2)])
def test_a_head_rests_in_the_steps_of_the_other_data_set(optimizer: str, replicas: int) -> None:
    """Bit by bit, weights and slots; momentum and weight decay would move it."""
    data = _pair.both(seed=1)
    strategy = distribute.strategy("none") if replicas == 1 else distribute.strategy("mirrored", ["CPU:0", "CPU:1"])
    with strategy.scope():
        model = fresh()
    heads = Heads(model)
    train(model, data, Phase(epochs=3, batch_size=8, optimizer=OPTIMIZERS[optimizer]), seed=4, callbacks=[heads])
    names = [name for name, _ in _pair.rows_of(data, seed=4, epochs=3)]
    assert len(heads.states) == 1 + len(names) == 16
    assert set(names) == {"long", "short"}
    for step, name in enumerate(names):
        before, after = heads.states[step], heads.states[step + 1]
        for task, owner in OWNER.items():
            moved = [path for path, value in after[task].items() if value != before[task][path]]
            assert bool(moved) == (owner == name), (step, task, moved)


def test_two_replicas_train_as_one_does() -> None:
    runs = []
    for strategy in (distribute.strategy("none"), distribute.strategy("mirrored", ["CPU:0", "CPU:1"])):
        with strategy.scope():
            model = fresh()
        runs.append(train(model, _pair.both(), Phase(epochs=2, batch_size=8, optimizer=OPTIMIZERS["momentum"]), seed=4))
    for one, two in zip(runs[0].history, runs[1].history, strict=True):
        assert one.keys() == two.keys()
        for name, value in one.items():
            assert two[name] == pytest.approx(value, rel=2e-5, abs=1e-6), name


PHASE = Phase(epochs=3, batch_size=8, optimizer=keras.optimizers.Adam(0.02), schedule="cosine", weighting="dwa")


@pytest.fixture(scope="module")
def run() -> Run:
    return train(fresh(), _pair.both(), PHASE, seed=4)


def test_the_log_has_the_steps_of_each_data_set(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    taken = _pair.both().train.steps_per_dataset(8, seed=4, epochs=3)
    assert [{name: row[f"steps_{name}"] for name in ("long", "short")} for row in run.history] == taken
    rows = [row for row in history_rows(run.history, ["kind", "odd"], run="coin", seed=0) if row["metric"] == "steps_short"]
    assert [(row["task"], row["split"], row["value"]) for row in rows] == [("all", "train", t["short"]) for t in taken]
    with caplog.at_level(logging.INFO, logger="mtl_keras"):
        train(fresh(), _pair.both(), PHASE, seed=4, callbacks=[TensorBoardLog(tmp_path, _pair.TASKS)])
    (line,) = [record.message for record in caplog.records if "Alternating" in record.message]
    assert line.startswith(
        "Alternating long and short (coin): 5 steps per epoch; one pass over each data set takes 5 of long and 2 of short"
    )
    assert "continues in the next epoch where it stopped" in line
    assert "reshuffled after its last row" in line
    assert [value for _, value in scalars(tmp_path)["steps/short"]] == [t["short"] for t in taken]


def test_validation_chooses_the_epoch_by_the_mean_over_the_tasks_of_both(run: Run) -> None:
    assert run.best.monitor == "val_skill"
    evaluation = evaluate(run.model, _pair.both(), cache_dir=False)
    assert {score.task: score.n for score in evaluation.scores if score.metric == "accuracy"} == {"kind": 20, "odd": 8}
    assert evaluation.skill == pytest.approx(run.best.value, abs=1e-6)
    alone = evaluate(_alone(run.model), _pair.short(), cache_dir=False)
    assert alone.value("odd", "accuracy") == evaluation.value("odd", "accuracy")


def _alone(model: MultiTaskModel) -> MultiTaskModel:
    made = _tiny.model(_pair.TASKS.only("odd"))
    for layer in made.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return made


class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


def test_a_killed_training_goes_on_as_if_it_had_not_been(run: Run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(fresh(), _pair.both(), PHASE, seed=4, output_dir=tmp_path, callbacks=[Kill()])
    again = train(fresh(), _pair.both(), PHASE, seed=4, output_dir=tmp_path)
    assert again.history == run.history
    for one, other in zip(again.last_model.get_weights(), run.last_model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_sampling_is_another_training(tmp_path: Path) -> None:
    train(fresh(), _pair.both(), PHASE, seed=4, output_dir=tmp_path)
    with pytest.raises(ValueError, match="which differs: data"):
        train(fresh(), _pair.both(sampling="round_robin"), PHASE, seed=4, output_dir=tmp_path)


def test_a_data_set_without_a_step_has_no_figures_of_that_epoch() -> None:
    """And DWA goes on: its ratio is 1 where a loss is not there. Each epoch has one step."""
    data = alternate(_pair.long(8), _pair.short(8), seed=0)
    run = train(fresh(), data, Phase(epochs=8, batch_size=8, weighting="dwa", monitor="val_skill"), seed=0)
    assert {tuple(sorted((row["steps_long"], row["steps_short"]))) for row in run.history} == {(0, 1)}
    assert {row["steps_long"] for row in run.history} == {0, 1}
    for row in run.history:
        for task, owner in OWNER.items():
            assert (f"{task}_loss" in row) == (f"{task}_accuracy" in row) == (row[f"steps_{owner}"] > 0)
            assert f"val_{task}_accuracy" in row
        assert np.isfinite(row["skill"])


def test_a_monitor_of_a_data_set_that_never_had_a_step_is_named() -> None:
    data = alternate(_pair.long(8), _pair.short(8), seed=0)
    (row,) = train(fresh(), data, Phase(epochs=1, batch_size=8), seed=0).history
    idle = next(task for task, owner in OWNER.items() if row[f"steps_{owner}"] == 0)
    with pytest.raises(TrialError, match=rf"Received: monitor='{idle}_loss', of whose data set none of 1 epochs had a step"):
        train(fresh(), data, Phase(epochs=1, batch_size=8, monitor=f"{idle}_loss"), seed=0)


@pytest.mark.parametrize("views", [None, ("identity", "flip_lr")])
def test_features_are_cached_by_data_set(tmp_path: Path, views: Any) -> None:
    """Training on them equals training through the trunk, and a single-task training finds its own there already."""

    def prepared(data: Data) -> Data:
        return data.augment(views, mode="views") if views else data

    phase, data = Phase(epochs=2, batch_size=8), prepared(_pair.both())
    cached = train(fresh(freeze=True), data, phase, seed=4, cache_dir=tmp_path)
    through = train(fresh(freeze=True), data, phase, seed=4, cache_dir=False)
    for one, other in zip(cached.history, through.history, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)
    evaluation = evaluate(cached.model, data, cache_dir=tmp_path)
    keys = {entry.key for entry in cache.entries(tmp_path)}
    assert len(keys) == 4, "train and validation of each"
    for part in (_pair.long(), _pair.short()):
        prepared(part).featurize(cached.model.trunk, cached.model.fingerprint(), tmp_path)
    assert {entry.key for entry in cache.entries(tmp_path)} == keys
    assert evaluation.skill == pytest.approx(cached.best.value, abs=1e-4)


def test_twins_are_trained_on_their_own_data_set_alone(tmp_path: Path) -> None:
    data = alternate(_pair.long(test=_tiny.rows(10, 5)), _pair.short(test=_tiny.rows(6, 6)))
    phase = Phase(epochs=1, batch_size=8)
    report = compare(fresh().recipe, data, {"coin": phase}, seeds=2, output_dir=tmp_path / "run", cache_dir=tmp_path)
    found = {
        (row["run"], row["task"]): row["n"]
        for row in report.metrics
        if row["split"] == "test" and row["metric"] == "accuracy" and row["epoch_kind"] == "best"
    }
    assert found == {("coin", "kind"): 10, ("coin", "odd"): 6, ("single-task", "kind"): 10, ("single-task", "odd"): 6}
    alternated = {row["run"] for row in report.history if row["metric"].startswith("steps_")}
    assert alternated == {"coin"}
    assert (tmp_path / "run" / "steps.png").stat().st_size > 1000
