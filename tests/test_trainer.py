"""Trainings in one process: what is built and traced for one seed serves all, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import mtl_keras as mtl
from mtl_keras.runs import Options, Plan, Reporter, Trainer, _trainer

TASKS = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.01}}
HEADS = {"digit": mtl.Head(dense=(16,), dropout=0.3)}


@pytest.fixture(scope="module")
def data() -> mtl.data.Data:
    return mtl.data.load("digits", TASKS).subset(200, seed=0)


def plan(freeze: bool = False, stack: bool = False, weighting: str = "uncertainty") -> Plan:
    recipe = mtl.Recipe(
        TASKS,
        mtl.Backbone("SmallCNN", filters=(4, 8), dropout=0.0 if freeze else 0.2),
        (8, 8, 1),
        mtl.Head(dense=(16,)),
        HEADS,
        freeze=freeze,
        stack={"parity": "digit"} if stack else {},
    )
    if not stack:
        return Plan(recipe, (mtl.Phase(epochs=2, batch_size=64, optimizer=ADAM, weighting=weighting, schedule="cosine"),))
    first = mtl.Phase(epochs=1, batch_size=64, optimizer=ADAM, tasks=("digit",))
    return Plan(recipe, (first, mtl.Phase(epochs=1, batch_size=64, tasks=("parity",), freeze=("backbone", "shared"), folds=2)))


def trainer(path: Path) -> Trainer:
    return Trainer.open(0, Options(cache_dir=path))


def outcome(shared: Trainer, plan: Plan, data: mtl.data.Data, seed: int, output_dir: Path | None = None) -> list[np.ndarray]:
    run, _ = shared.train(plan, data, seed, None, output_dir, keep=True)
    best = run.model.get_weights()
    with run.at_last_epoch() as model:
        last = model.get_weights()
    numbers = [np.array([[*row.values()] for row in run.history], np.float64)]
    return [*best, *last, *numbers, *run.model.weighting_state.values()]


@pytest.fixture(scope="module")
def alone(data: mtl.data.Data, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """The outcome of the plan from seed 2, in a process of its own as it were."""
    return outcome(trainer(tmp_path_factory.mktemp("alone")), plan(), data, 2)


def test_a_seed_gives_the_same_after_another_as_alone_and_traces_nothing_again(
    alone: list[np.ndarray], data: mtl.data.Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced: list[str] = []
    method = type(mtl.weighting.get("uncertainty"))
    total = method.total

    def noted(self: Any, *args: Any) -> Any:
        # The log of an epoch calls it too, outside of any function.
        if tf.inside_function():
            traced.append("total")
        return total(self, *args)

    monkeypatch.setattr(method, "total", noted)
    shared = trainer(tmp_path)
    first = outcome(shared, plan(), data, 1)
    count = len(traced)
    assert count
    for one, other in zip(outcome(shared, plan(), data, 2), alone, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(traced) == count
    assert any((one != other).any() for one, other in zip(first, alone, strict=True))


def test_so_it_does_over_a_frozen_trunk_and_with_a_stack(data: mtl.data.Data, tmp_path: Path) -> None:
    shared = trainer(tmp_path)
    outcome(shared, plan(True, True), data, 1)
    together = outcome(shared, plan(True, True), data, 2)
    alone = outcome(trainer(tmp_path), plan(True, True), data, 2)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_last_epoch_is_given_for_as_long_as_it_is_asked_for(data: mtl.data.Data, tmp_path: Path) -> None:
    worse = {"class_name": "SGD", "config": {"learning_rate": 20.0, "clipnorm": 1.0}}
    spoiled = Plan(plan().recipe, (mtl.Phase(epochs=3, batch_size=64, optimizer=worse),))
    run, _ = trainer(tmp_path).train(spoiled, data, 0, None)
    best = run.model.get_weights()
    copy = run.last_model
    with run.at_last_epoch() as model:
        for one, other in zip(model.get_weights(), copy.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    for one, other in zip(run.model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(one, other)
    assert run.best.epoch == 3 or any((one != other).any() for one, other in zip(best, copy.get_weights(), strict=True))


def test_what_is_kept_is_bounded(data: mtl.data.Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = trainer(tmp_path)
    model = shared.model(plan())
    assert shared.model(plan()) is model
    monkeypatch.setattr(_trainer, "MODELS_KEPT", 1)
    assert shared.model(plan(weighting="equal")) is not model
    assert len(shared._kept) == 1
    monkeypatch.setattr(_trainer, "WEIGHTS_KEPT", 10)
    assert shared.model(plan()) is not model
    assert not shared._kept


def test_a_training_that_is_resumed_in_a_kept_network_ends_as_an_uninterrupted_one(
    alone: list[np.ndarray], data: mtl.data.Data, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    class Kill(Reporter):
        def on_epoch_end(self, *args: object) -> None:
            raise Killed

    shared = trainer(tmp_path)
    outcome(shared, plan(), data, 1)
    shared.reporter = Kill()
    with pytest.raises(Killed):
        outcome(shared, plan(), data, 2, tmp_path / "run")
    shared.reporter = Reporter()
    for one, other in zip(outcome(shared, plan(), data, 2, tmp_path / "run"), alone, strict=True):
        np.testing.assert_array_equal(one, other)
