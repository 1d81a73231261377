"""Trainings in one process: what is built and traced for one seed serves all, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtl_keras.model._objective import ObjectiveModel

import mtl_keras as mtl
from mtl_keras.comparison import _trainer
from mtl_keras.comparison._plan import Plan
from mtl_keras.comparison._reporter import Reporter
from mtl_keras.comparison._trainer import Trainer

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
        return Plan(recipe, (mtl.Phase(epochs=3, batch_size=64, optimizer=ADAM, weighting=weighting, schedule="cosine"),))
    first = mtl.Phase(epochs=2, batch_size=64, optimizer=ADAM, tasks=("digit",))
    return Plan(recipe, (first, mtl.Phase(epochs=2, batch_size=64, tasks=("parity",), freeze=("backbone", "shared"), folds=2)))


def trainer(path: Path) -> Trainer:
    return Trainer.open(0, cache_dir=path, strategy_name="auto", reporter=Reporter())


def outcome(shop: Trainer, plan: Plan, data: mtl.data.Data, seed: int, output_dir: Path | None = None) -> list[np.ndarray]:
    run, _ = shop.train(plan, data, seed, None, output_dir, keep=True)
    best = run.model.get_weights()
    with run.at_last_epoch() as model:
        last = model.get_weights()
    numbers = [np.array([[*row.values()] for row in run.history], np.float64)]
    return [*best, *last, *numbers, *run.model.weighting_state.values()]


@pytest.mark.parametrize(("freeze", "stack"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_seed_gives_the_same_after_another_as_alone(freeze: bool, stack: bool, data: mtl.data.Data, tmp_path: Path) -> None:
    shared = trainer(tmp_path)
    together = [outcome(shared, plan(freeze, stack), data, seed) for seed in (1, 2, 1)]
    alone = outcome(trainer(tmp_path), plan(freeze, stack), data, 2)
    for one, other in zip(together[1], alone, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(together[0], together[2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(together[0], together[1], strict=True))


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


def test_a_step_is_traced_once_for_all_seeds_of_a_plan(
    data: mtl.data.Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced = []
    step = ObjectiveModel.compute_loss

    def noted(self: ObjectiveModel, *args: Any, **kwargs: Any) -> Any:
        traced.append(self)
        return step(self, *args, **kwargs)

    monkeypatch.setattr(ObjectiveModel, "compute_loss", noted)
    shop = trainer(tmp_path)
    outcome(shop, plan(), data, 1)
    first = len(traced)
    outcome(shop, plan(), data, 2)
    assert first
    assert len(traced) == first
    outcome(shop, plan(weighting="equal"), data, 2)
    assert len(traced) > first


def test_what_is_kept_is_bounded(data: mtl.data.Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = trainer(tmp_path)
    model = shop.model(plan())
    assert shop.model(plan()) is model
    monkeypatch.setattr(_trainer, "MODELS_KEPT", 1)
    assert shop.model(plan(weighting="equal")) is not model
    assert len(shop._kept) == 1
    monkeypatch.setattr(_trainer, "WEIGHTS_KEPT", 10)
    assert shop.model(plan()) is not model
    assert not shop._kept


def test_a_training_that_is_resumed_with_kept_objectives_ends_as_an_uninterrupted_one(
    data: mtl.data.Data, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    class Kill(Reporter):
        def epoch_ends(self, *args: object) -> None:
            raise Killed

    whole = outcome(trainer(tmp_path), plan(), data, 2)
    shop = trainer(tmp_path)
    outcome(shop, plan(), data, 1)
    shop.reporter = Kill()
    with pytest.raises(Killed):
        outcome(shop, plan(), data, 2, tmp_path / "run")
    shop.reporter = Reporter()
    for one, other in zip(outcome(shop, plan(), data, 2, tmp_path / "run"), whole, strict=True):
        np.testing.assert_array_equal(one, other)
