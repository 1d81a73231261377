"""Proposals and the log of a search, nearly all without any training: a trial's skill follows from its hyperparameters."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import keras
import keras_tuner as kt
import numpy as np
import pytest
import tensorflow as tf

import mtl_keras as mtl
from mtl_keras.errors import MTLError, TrialError
from mtl_keras.files import read_json_lines
from mtl_keras.report import TRIALS, read_trials
from mtl_keras.runs import Plan, Reporter, derived_seed, lock
from mtl_keras.search import Context, Prepared, Settings, Study, StudyResult, _trials, resolve, run_trials
from mtl_keras.search._oracle import Proposals, epochs_of, plain_values
from mtl_keras.search._trials import best_trial, best_values
from mtl_keras.training import Run
from tests._search import SHAPE, STUDY, TASKS, images, one_rate, space

# --- proposals --------------------------------------------------------------------------------------------------------


def proposals(settings: Settings, hp: Any, skills: Sequence[float | None]) -> list[dict[str, Any]]:
    """What an oracle proposes first, and after each of these skills; None stands for a failed trial."""
    made = Proposals(settings, hp)
    try:
        first = made.next()
        assert first is not None
        values = [plain_values(first)]
        for skill in skills:
            made.tell(None if skill is None else [skill])
            following = made.next()
            values.append({} if following is None else plain_values(following))
    finally:
        made.close()
    return values


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband", "grid"])
def test_proposals_follow_from_the_seed_and_not_from_the_number_of_trials(tuner: str) -> None:
    resolved = resolve(STUDY, {"tuner": tuner})
    skills = [0.1, None, 0.3, 0.2, 0.5, 0.4]
    first = proposals(resolved.settings, resolved.space, skills)
    assert proposals(resolved.settings.change({"trials": 1000}), resolved.space, skills) == first
    assert len({json.dumps(values) for values in first}) == len(first)
    other = proposals(resolved.settings.change({"seed": 77}), resolved.space, skills)
    assert (other == first) == (tuner == "grid")


def test_seed_zero_is_a_seed() -> None:
    # What forbids a seed of 0: when this fails, keras-tuner takes 0 for what it is.
    objective = kt.Objective("skill", "max")
    assert len({kt.oracles.RandomSearchOracle(objective=objective, seed=0).seed for _ in range(20)}) > 1
    resolved = resolve(STUDY, {"seed": 0})
    assert proposals(resolved.settings, resolved.space, [0.0] * 3) == proposals(resolved.settings, resolved.space, [0.0] * 3)


def test_neighboring_seeds_propose_other_trials() -> None:
    # keras-tuner counts on from its seed: handed 1 and 2, it proposes nine of ten trials twice.
    resolved = resolve(replace(STUDY, space=one_rate), {})
    rates = [
        {values["learning_rate"] for values in proposals(resolved.settings.change({"seed": seed}), resolved.space, [0.0] * 9)}
        for seed in range(3)
    ]
    assert len(set.union(*rates)) == 30


def test_bayesian_proposals_follow_the_skills() -> None:
    resolved = resolve(replace(STUDY, space=one_rate), {"tuner": "bayesian"})
    # Three completed trials are drawn at random, then a Gaussian process is asked.
    drawn = proposals(resolved.settings, resolved.space, [0.0, None, 0.0])
    rates = [math.log10(values["learning_rate"]) for values in drawn]
    up, down = ([sign * rates[0], None, sign * rates[2], sign * rates[3]] for sign in (1, -1))
    larger = proposals(resolved.settings, resolved.space, up)
    smaller = proposals(resolved.settings, resolved.space, down)
    assert larger[:4] == smaller[:4] == drawn
    assert larger[4]["learning_rate"] > smaller[4]["learning_rate"]


def test_hyperband_promotes_the_best_and_gives_it_more_epochs() -> None:
    resolved = resolve(STUDY, {"tuner": "hyperband", "epochs": 9})
    made = Proposals(resolved.settings, resolved.space)
    seen: list[tuple[int, dict[str, Any]]] = []
    for number in range(12):
        hp = made.next()
        assert hp is not None
        seen.append((epochs_of(hp, 9), plain_values(hp)))
        made.tell([1.0 if number == 3 else 0.0])
    made.close()
    assert {epochs for epochs, _ in seen[:9]} == {1}
    promoted = next(values for epochs, values in seen if epochs == 3 and values["tuner/round"] == 1)
    assert promoted["learning_rate"] == seen[3][1]["learning_rate"]


def test_grid_search_ends_where_the_space_does() -> None:
    resolved = resolve(STUDY, {"tuner": "grid", "shared_depth": 1, "loss_ratio_parity": 1, "learning_rate": 0.01})
    assert [values.get("shared_width") for values in proposals(resolved.settings, resolved.space, [0.1, None])] == [4, 8, None]


def test_proposals_leave_nothing_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    resolved = resolve(STUDY, {})
    proposals(resolved.settings, resolved.space, [0.1])
    assert list(tmp_path.iterdir()) == []


def test_values_are_plain_json() -> None:
    hp = kt.HyperParameters()
    hp.Float("rate", 0.0, 1.0)
    hp.values["rate"] = np.float64(0.25)
    hp.values["no_longer_there"] = 1
    assert plain_values(hp) == {"rate": 0.25}
    assert type(plain_values(hp)["rate"]) is float


# --- the search -------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for the end of the process."""


class FakeTrainer:
    """Trains in no time; a trial's skill follows from its hyperparameters."""

    reporter = Reporter()

    def __init__(self, study: Study, changes: dict[str, Any], *, fails: Callable[[str], bool] = lambda label: False) -> None:
        self.resolved = resolve(study, changes)
        self.fails = fails
        self.trained: list[tuple[str, int, int]] = []
        self.left = math.inf

    def train(self, plan: Plan, data: None, seed: int, log_dir: Path, *, keep: bool = False) -> tuple[Any, None]:
        if self.left <= 0:
            raise Killed
        self.left -= 1
        self.trained.append((log_dir.name, seed, plan.phases[0].epochs))
        if self.fails(log_dir.name):
            raise TrialError("Losses must stay finite. Received: nan.")
        rate = plan.phases[0].config()["optimizer"]["config"]["learning_rate"]
        skill = 1 - abs(math.log10(rate) + 2) / 4 + len(plan.recipe.shared.dense) / 10 + seed / 2**40
        return SimpleNamespace(values={"skill": skill}, seconds=0.5, best=SimpleNamespace(epoch=1)), None

    def search(self, folder: Path) -> list[dict[str, Any]]:
        return run_trials(Prepared(cast(Any, None), self.resolved, cast(Any, None), cast(Any, self)), folder)


@pytest.fixture
def _no_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_trials, "best_values", lambda run, data: run.values)
    # TensorBoard's files are others' business here, and half of the time.
    monkeypatch.setattr(_trials, "write_hparams", lambda *args, **kwargs: None)
    monkeypatch.setattr(_trials, "write_hparams_space", lambda *args: None)


pytestmark = pytest.mark.usefixtures("_no_scores")


def without_times(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in rows]


@pytest.mark.parametrize("tuner", ["random", "hyperband", "grid"])
def test_a_search_stopped_anywhere_goes_on_as_if_it_had_not(tuner: str, tmp_path: Path) -> None:
    changes = {"tuner": tuner, "trials": 6, "epochs": 3}
    fails = {"trial-004"}.__contains__
    undisturbed = FakeTrainer(STUDY, changes, fails=fails)
    rows = undisturbed.search(tmp_path / "undisturbed")
    assert [row["trial"] for row in rows] == list(range(6))
    assert any(row["hyperparameters"].get("tuner/round") for row in rows) == (tuner == "hyperband")
    assert rows == read_json_lines(tmp_path / "undisturbed" / TRIALS)
    for stop in range(len(rows) + 1):
        folder = tmp_path / str(stop)
        first = FakeTrainer(STUDY, changes, fails=fails)
        first.left = stop
        if stop < len(rows):
            with pytest.raises(Killed):
                first.search(folder)
        else:
            first.search(folder)
        second = FakeTrainer(STUDY, changes, fails=fails)
        assert without_times(second.search(folder)) == without_times(rows)
        assert first.trained + second.trained == undisturbed.trained


def test_a_bayesian_search_goes_on_too(tmp_path: Path) -> None:
    study, changes = replace(STUDY, space=one_rate), {"tuner": "bayesian", "trials": 5}
    fails = {"trial-001"}.__contains__
    rows = FakeTrainer(study, changes, fails=fails).search(tmp_path / "undisturbed")
    first = FakeTrainer(study, changes, fails=fails)
    # The fifth is the first one that depends on the skills of the others.
    first.left = 4
    with pytest.raises(Killed):
        first.search(tmp_path / "killed")
    assert without_times(FakeTrainer(study, changes, fails=fails).search(tmp_path / "killed")) == without_times(rows)


def test_a_search_may_grow(tmp_path: Path) -> None:
    FakeTrainer(STUDY, {"trials": 3}).search(tmp_path / "grown")
    grown = FakeTrainer(STUDY, {"trials": 12})
    rows = grown.search(tmp_path / "grown")
    assert [row["trial"] for row in rows] == list(range(12))
    assert len(grown.trained) == 9
    assert without_times(rows) == without_times(FakeTrainer(STUDY, {"trials": 12}).search(tmp_path / "at-once"))


def test_a_line_of_the_log_says_what_was_done(tmp_path: Path) -> None:
    (row,) = FakeTrainer(STUDY, {"trials": 1, "tuner": "hyperband"}).search(tmp_path)
    assert (row["trial"], row["execution"], row["seed"]) == (0, 0, derived_seed(0, 0, 0))
    assert (row["status"], row["error"], set(row["values"])) == ("completed", None, {"skill"})
    assert row["training_seconds"] == 0.5
    assert {"learning_rate", "tuner/epochs"} <= set(row["hyperparameters"])


def test_hyperband_trains_as_long_as_it_says(tmp_path: Path) -> None:
    trainer = FakeTrainer(STUDY, {"trials": 12, "tuner": "hyperband", "epochs": 9})
    rows = trainer.search(tmp_path)
    assert [epochs for _, _, epochs in trainer.trained] == [row["hyperparameters"]["tuner/epochs"] for row in rows]
    assert len({epochs for _, _, epochs in trainer.trained}) > 1


def test_the_line_is_there_before_the_oracle_hears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(self: Proposals, skills: Sequence[float] | None) -> None:
        raise Killed

    monkeypatch.setattr(Proposals, "tell", tell)
    with pytest.raises(Killed):
        FakeTrainer(STUDY, {"trials": 2}).search(tmp_path)
    assert [row["trial"] for row in read_json_lines(tmp_path / TRIALS)] == [0]


def test_a_failed_trial_is_logged_and_skipped(tmp_path: Path) -> None:
    trainer = FakeTrainer(STUDY, {"trials": 3}, fails=lambda label: label == "trial-001")
    rows = trainer.search(tmp_path)
    assert [row["status"] for row in rows] == ["completed", "failed", "completed"]
    assert (rows[1]["values"], rows[1]["error"]) == ({}, "Losses must stay finite. Received: nan.")
    assert best_trial(rows)["trial"] != 1


def test_a_trial_whose_values_are_refused_fails_alone(tmp_path: Path) -> None:
    def picky(hp: Any, context: Context) -> Plan:
        plan = space(hp, context)
        if not plan.recipe.shared.dense:
            raise MTLError("One layer at least. Received: none. Give one.")
        return plan

    rows = FakeTrainer(replace(STUDY, space=picky), {"trials": 8}).search(tmp_path)
    failed = [row["status"] == "failed" for row in rows]
    assert failed == [row["hyperparameters"]["shared_depth"] == 0 for row in rows]
    assert 0 < sum(failed) < 8


def test_a_search_of_which_nothing_completes_says_so(tmp_path: Path) -> None:
    trainer = FakeTrainer(STUDY, {"trials": 10}, fails=lambda label: True)
    with pytest.raises(MTLError, match="3 of 3 failed, the last with: Losses must stay finite"):
        trainer.search(tmp_path)
    # Fewer than three are no reason to stop, nor to call it a success.
    with pytest.raises(MTLError, match="2 of 2 failed"):
        FakeTrainer(STUDY, {"trials": 2}, fails=lambda label: True).search(tmp_path / "two")


def test_an_error_of_ours_stops_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: FakeTrainer, *args: Any, **options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(FakeTrainer, "train", broken)
    with pytest.raises(ZeroDivisionError):
        FakeTrainer(STUDY, {}).search(tmp_path)
    assert not (tmp_path / TRIALS).exists()


@pytest.mark.parametrize(("words", "fails"), [("OOM when allocating tensor", True), ("x.v2; No space left on device", False)])
def test_a_full_memory_fails_a_trial_and_a_full_disk_does_not(
    words: str, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = FakeTrainer.train

    def full(self: FakeTrainer, plan: Plan, data: None, seed: int, log_dir: Path, **options: Any) -> Any:
        if log_dir.name == "trial-001":
            raise tf.errors.ResourceExhaustedError(None, None, words)
        return train(self, plan, data, seed, log_dir, **options)

    monkeypatch.setattr(FakeTrainer, "train", full)
    if fails:
        with lock(tmp_path):
            rows = FakeTrainer(STUDY, {"trials": 3}).search(tmp_path)
        assert [row["status"] for row in rows] == ["completed", "failed", "completed"]
    else:
        with pytest.raises(MTLError, match="no space left"), lock(tmp_path):
            FakeTrainer(STUDY, {"trials": 3}).search(tmp_path)
        # The trial is not lost: it is trained when there is room.
        assert len(read_json_lines(tmp_path / TRIALS)) == 1


def test_executions_of_a_trial_are_logged_one_by_one(tmp_path: Path) -> None:
    changes = {"trials": 3, "seeds_per_trial": 2}
    rows = FakeTrainer(STUDY, changes).search(tmp_path / "undisturbed")
    assert [(row["trial"], row["execution"]) for row in rows] == [(t, e) for t in range(3) for e in range(2)]
    assert len({row["seed"] for row in rows}) == 6
    first = FakeTrainer(STUDY, changes)
    first.left = 3
    with pytest.raises(Killed):
        first.search(tmp_path / "killed")
    second = FakeTrainer(STUDY, changes)
    assert without_times(second.search(tmp_path / "killed")) == without_times(rows)
    assert second.trained[0][0] == "trial-001-1"


def test_a_trial_with_one_failed_execution_is_not_tried_again(tmp_path: Path) -> None:
    changes = {"trials": 3, "seeds_per_trial": 3}
    fails = {"trial-001-1"}.__contains__
    rows = FakeTrainer(STUDY, changes, fails=fails).search(tmp_path)
    tried = [(row["trial"], row["execution"]) for row in rows]
    assert tried == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    again = FakeTrainer(STUDY, changes, fails=fails)
    assert again.search(tmp_path) == rows
    assert again.trained == []
    assert best_trial(rows)["trial"] != 1
    result = StudyResult("x", tmp_path, 0, {}, rows, [], cast(Any, None), cast(Any, None))
    assert result.summary()["trials"] == {"completed": 2, "failed": 1}


def test_a_log_of_another_space_is_refused(tmp_path: Path) -> None:
    FakeTrainer(STUDY, {"trials": 2}).search(tmp_path)
    trainer = FakeTrainer(replace(STUDY, space=one_rate), {"trials": 3})
    with pytest.raises(MTLError, match="space and versions that it started with.*trial 0"):
        trainer.search(tmp_path)
    assert trainer.trained == []


def test_an_edited_or_repeated_line_of_the_log_is_named(tmp_path: Path) -> None:
    FakeTrainer(STUDY, {"trials": 3}).search(tmp_path)
    log = tmp_path / TRIALS
    first, second, third = log.read_bytes().splitlines(keepends=True)
    better = re.sub(rb'"skill": [^,}]*', b'"skill": 1.0', second)
    # As earlier versions wrote it: read, but not with a trial twice.
    old = [re.sub(rb', "checksum": "[0-9a-f]{16}"', b"", line) for line in (first, second)]
    log.write_bytes(b"".join(old))
    assert [row["trial"] for row in read_trials(tmp_path)] == [0, 1]
    for lines, said in (
        ([first, better, third], "line 2: it was changed after it was written"),
        ([first, second, third, first, second, third], "line 4: it was changed after it was written"),
        ([first, third], "line 2: it was changed after it was written"),
        ([*old, old[1].replace(b'"execution": 0', b'"execution":0')], "line 3: trial 1 is there twice"),
        ([old[0], b"{}\n"], "line 2: it has no 'trial'"),
        ([old[0].replace(b'"skill"', b'"skil"')], "line 1: 'skill'"),
    ):
        log.write_bytes(b"".join(lines))
        with pytest.raises(MTLError) as refused:
            FakeTrainer(STUDY, {"trials": 3}).search(tmp_path)
        assert f"Received: {log}, {said}" in str(refused.value)


def test_the_best_trial_is_the_best_in_the_mean_and_the_earliest_on_ties() -> None:
    def row(trial: int, skill: float, status: str = "completed") -> dict[str, Any]:
        return {"trial": trial, "status": status, "values": {"skill": skill} if status == "completed" else {}}

    assert best_trial([row(0, 0.1), row(1, 0.5), row(2, 0.5)])["trial"] == 1
    assert best_trial([row(0, 0.0), row(0, 0.8), row(1, 0.5), row(1, 0.5)])["trial"] == 1
    # What completed of a trial that failed does not count.
    assert best_trial([row(0, 0.1), row(1, 0.9), row(1, 0.0, "failed")])["trial"] == 0


# --- the objective ----------------------------------------------------------------------------------------------------


def test_the_objective_does_not_depend_on_the_loss_weights() -> None:
    """Losses 1,024 times as small under steps 1,024 times as large make the very same network, and the same skill."""
    data, runs = images(), []
    for scale in (1.0, 2.0**-10):
        keras.utils.set_random_seed(1)
        model = mtl.build_model(TASKS, mtl.Backbone("SmallCNN", filters=[2]), image_shape=SHAPE)
        sgd = {"class_name": "SGD", "config": {"learning_rate": 2.0**-6 / scale}}
        phase = mtl.Phase(epochs=1, weighting={"digit": scale, "parity": scale}, optimizer=sgd, batch_size=30)
        runs.append(mtl.train(model, data, phase))
    losses = [run.history[0]["val_loss"] for run in runs]
    assert losses[0] == pytest.approx(1024 * losses[1])
    first, second = (best_values(run, data) for run in runs)
    assert first == second
    assert set(first) == {"skill", "digit_accuracy", "digit_loss", "parity_accuracy", "parity_loss", "epoch"}


def test_skill_is_the_mean_over_tasks_of_the_way_to_perfection() -> None:
    data = images()
    row = {"phase": 0, "epoch": 2, "val_digit_accuracy": 0.55, "val_parity_accuracy": 0.75}
    row |= {"val_digit_loss": 9.0, "val_parity_loss": 8.0}
    run = SimpleNamespace(
        history=[{**row, "epoch": 1, "val_digit_accuracy": 0.0}, row],
        best=SimpleNamespace(phase=0, epoch=2),
        recipe=SimpleNamespace(tasks=TASKS),
    )
    values = best_values(cast(Run, run), data)
    digit = np.bincount(data.train.y["digit"]).argmax()
    trivial = {
        "digit": float(np.mean(data.validation.y["digit"] == digit)),
        "parity": max(float(np.mean(data.validation.y["parity"])), 1 - float(np.mean(data.validation.y["parity"]))),
    }
    wanted = ((0.55 - trivial["digit"]) / (1 - trivial["digit"]) + (0.75 - trivial["parity"]) / (1 - trivial["parity"])) / 2
    assert values["skill"] == pytest.approx(wanted)
    assert values["epoch"] == 2
