"""Studies, spaces, proposals and the log of a search, nearly all without any training: skills are made up."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import keras
import keras_tuner as kt
import numpy as np
import pytest
import tensorflow as tf

import mtl_keras as mtl
from mtl_keras.comparison._folder import check_config, choose_folder, lock, saved_config, write_config
from mtl_keras.comparison._seeds import derived_seed
from mtl_keras.errors import MTLError, TrialError
from mtl_keras.files import read_json_lines
from mtl_keras.search import Context, Plan, Reporter, Settings, Study, _trials, dense_stack, load_study, loss_weights
from mtl_keras.search._oracle import Proposals, epochs_of, plain_values
from mtl_keras.search._run import StudyResult
from mtl_keras.search._session import Session, best_values, resolve
from mtl_keras.search._settings import TUNERS
from mtl_keras.search._space import describe
from mtl_keras.search._trials import LOG, best_trial, run_trials

TASKS = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
SHAPE = (8, 8, 1)


def space(hp: Any, context: Context) -> Plan:
    """Has an integer, a conditional float and a float: what each tuner treats in its own way."""
    shared = dense_stack(hp, "shared", depth=(0, 1, 2), width=(4, 8), default_depth=1)
    weights = loss_weights(hp, context, only_if=("shared_depth", [1, 2]))
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log", default=1e-2)
    backbone, freeze = context.settings.new_backbone(), context.settings.freeze
    recipe = mtl.Recipe(context.tasks, backbone, context.image_shape, shared, freeze=freeze)
    adam = {"class_name": "Adam", "config": {"learning_rate": rate}}
    return Plan(recipe, (mtl.Phase(epochs=context.settings.epochs, weighting=weights, optimizer=adam),))


def one_rate(hp: Any, context: Context) -> Plan:
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    recipe = mtl.Recipe(context.tasks, context.settings.new_backbone(), context.image_shape)
    adam = {"class_name": "Adam", "config": {"learning_rate": rate}}
    return Plan(recipe, (mtl.Phase(epochs=context.settings.epochs, optimizer=adam),))


SMALL = Settings(backbone_options={"filters": [2]}, epochs=9)
STUDY = Study("made-up", "A study for tests.", TASKS, "digits", SHAPE, space, SMALL)


def images(n: int = 60) -> mtl.data.Data:
    x = np.random.default_rng(0).integers(0, 256, (n, *SHAPE), np.uint8)
    digit = np.arange(n) % 10
    return mtl.data.from_arrays(TASKS, (x, {"digit": digit, "parity": digit % 2}), validation_fraction=0.5)


# --- settings and studies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, 0) for name in ("trials", "epochs", "batch_size", "seeds_per_trial", "n_final_seeds")),
        ("trials", -1),
        ("trials", 1.5),
        ("trials", "2"),
        ("trials", True),
        ("trials", None),
        ("patience", 0),
        ("train_rows", 0),
        ("seed", -1),
        ("seed", 2**31),
        ("seed", None),
        ("split_seed", 0.5),
        ("tuner", ["random"]),
        ("backbone", 5),
        ("backbone", ["SmallCNN"]),
        ("backbone_options", 5),
        ("backbone_options", {1: 2}),
        ("freeze", None),
        ("freeze", 1),
    ],
)
def test_settings_refuse_what_makes_no_sense(field: str, value: Any) -> None:
    with pytest.raises(MTLError, match=rf"{field}.*[Rr]eceived"):
        Settings(**{field: value})
    with pytest.raises(MTLError, match=field):
        Settings().changed({field: value})


def test_settings_take_none_where_it_means_something() -> None:
    made = Settings(patience=None, train_rows=None, image_size=None, weights=None)
    assert json.loads(json.dumps(made.config()))["train_rows"] is None


def test_an_unknown_tuner_is_told_the_nearest_name() -> None:
    with pytest.raises(MTLError, match="Did you mean 'bayesian'"):
        Settings(tuner="bayes")


def test_a_study_may_have_settings_of_its_own() -> None:
    @dataclass(frozen=True)
    class Own(Settings):
        colors: int = 2

    study = replace(STUDY, settings=Own())
    resolved = resolve(study, {"colors": 3, "epochs": 4})
    assert (resolved.settings.config()["colors"], resolved.settings.epochs) == (3, 4)
    assert resolved.config("tune")["settings"]["colors"] == 3


def test_a_study_cuts_its_data_to_the_rows_asked_for() -> None:
    whole, part = STUDY.load(Settings()), STUDY.load(Settings(train_rows=100))
    assert len(part.train) == 100
    assert len(part.validation) == round(len(whole.validation) * 100 / len(whole.train))


def test_the_data_of_a_study_may_be_a_function() -> None:
    asked: list[Any] = []

    def load(tasks: mtl.Tasks, data_dir: str | None, seed: int) -> mtl.data.Data:
        asked.append((tasks, data_dir, seed))
        return images()

    assert len(replace(STUDY, data=load).load(Settings(split_seed=5), Path("somewhere")).train) == 30
    assert asked == [(TASKS, "somewhere", 5)]


def test_a_plan_without_the_other_tasks_is_the_same_training() -> None:
    plan = resolve(STUDY, {"loss_ratio_parity": 3}).plan
    baseline = plan.only("parity")
    assert list(baseline.recipe.tasks) == ["parity"]
    assert baseline.recipe.shared == plan.recipe.shared
    assert baseline.phases[0].config() == {**plan.phases[0].config(), "weighting": "equal"}


FILE = """
import mtl_keras as mtl

def space(hp, context):
    return mtl.Plan(mtl.Recipe(context.tasks, context.settings.new_backbone(), context.image_shape), (mtl.Phase(epochs=1),))

STUDY = mtl.Study("own", "x", mtl.Tasks(mtl.Binary("parity")), "digits", (8, 8, 1), space)
"""


def test_a_study_is_found_by_its_file_wherever_it_is_called_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "./mine.py", tmp_path / "mine.py"):
        study = load_study(name)
        assert (study.name, study.source) == ("own", str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "STUDY missing"),
        ("STUDY = 3", "STUDY = 3"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("def space(:", "SyntaxError"),
        ("raise SystemExit", "SystemExit"),
        ("import mtl_keras as mtl\nmtl.Phase(epochs=0)", "epochs=0"),
    ],
)
def test_a_file_that_is_no_study_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(MTLError, match="Received") as refused:
        load_study(tmp_path / "mine.py")
    assert said in str(refused.value)


# --- spaces -----------------------------------------------------------------------------------------------------------


def values_of(hp: Any, **values: Any) -> Any:
    """A copy with other values, as an oracle would hand it out: active ones only."""
    made = hp.copy()
    made.values = {k: v for k, v in {**made.values, **values}.items() if v is not None}
    return made


def test_a_dense_stack_asks_for_what_is_not_given() -> None:
    hp = kt.HyperParameters()
    assert dense_stack(hp, "shared", depth=(2,), width=(4,)) == mtl.Head(dense=(4, 4))
    assert hp.space == []
    activation = ("relu", "gelu")
    stack = dense_stack(hp, "shared", depth=(1, 2), width=(4, 8), dropout=(0.0, 0.5), activation=activation, default_width=8)
    assert stack == mtl.Head(dense=(8,))
    assert describe(hp) == {
        "shared_depth": {"values": [1, 2]},
        "shared_width": {"values": [4, 8]},
        "shared_dropout": {"values": [0.0, 0.5]},
        "shared_activation": {"values": ["relu", "gelu"]},
    }


def test_a_dense_stack_of_no_layers_has_no_width() -> None:
    hp = kt.HyperParameters()
    dense_stack(hp, "a", depth=(0, 1, 2), width=(4, 8), dropout=(0.0, 0.5), default_depth=1)
    assert set(plain_values(hp)) == {"a_depth", "a_width", "a_dropout"}
    none = values_of(hp, a_depth=0, a_width=None, a_dropout=None)
    assert set(plain_values(none)) == {"a_depth"}
    assert dense_stack(none, "a", depth=(0, 1, 2), width=(4, 8), dropout=(0.0, 0.5)) == mtl.Head()
    two = values_of(hp, a_depth=2, a_width=8, a_dropout=0.5)
    assert dense_stack(two, "a", depth=(0, 1, 2), width=(4, 8), dropout=(0.0, 0.5)) == mtl.Head(dense=(8, 8), dropout=0.5)


def test_loss_weights_are_ratios_on_a_log_scale_that_sum_to_the_number_of_tasks() -> None:
    hp = kt.HyperParameters()
    tasks = mtl.Tasks(*(mtl.Binary(name) for name in "abc"))
    context = Context(tasks, Settings(), (8, 8, 1))
    assert loss_weights(hp, context, low=0.2, high=5) == {"a": 1.0, "b": 1.0, "c": 1.0}
    ends = {"min": 0.2, "max": 5.0, "sampling": "log"}
    assert describe(hp) == {"loss_ratio_b": ends, "loss_ratio_c": ends}
    weights = loss_weights(values_of(hp, loss_ratio_b=0.2, loss_ratio_c=5.0), context, low=0.2, high=5)
    assert isinstance(weights, dict)
    assert sum(weights.values()) == pytest.approx(3)
    assert weights["b"] / weights["a"] == pytest.approx(0.2)
    assert weights["c"] / weights["a"] == pytest.approx(5.0)


@pytest.mark.parametrize("given", ["uncertainty", {"method": "dwa", "temperature": 1.0}])
def test_a_weighting_takes_the_place_of_searched_loss_weights(given: Any) -> None:
    resolved = resolve(STUDY, {"weighting": given})
    assert not [name for name in describe(resolved.space) if name.startswith("loss_ratio")]
    assert resolved.plan.phases[0].config()["weighting"] == given
    assert resolved.plan.only("digit").phases[0].config()["weighting"] == "equal"
    assert json.loads(json.dumps(resolved.config("tune")))["settings"]["weighting"] == given


def test_loss_weights_are_equal_where_they_are_not_asked_for() -> None:
    resolved = resolve(STUDY, {})
    searched = {**plain_values(resolved.space), "shared_depth": 1, "loss_ratio_parity": 4.0}
    weights = resolved.plan_of(searched).phases[0].config()["weighting"]
    assert weights == {"digit": pytest.approx(0.4), "parity": pytest.approx(1.6)}
    # Over no shared layer a ratio would do nothing: keras-tuner does not hand one out, and none is made up.
    without = {"shared_depth": 0, "learning_rate": 1e-2}
    assert resolved.plan_of(without).phases[0].config()["weighting"] == {"digit": 1.0, "parity": 1.0}


def test_a_loss_ratio_may_be_fixed_to_nothing_but_not_below() -> None:
    assert resolve(STUDY, {"loss_ratio_parity": 0}).plan.phases[0].config()["weighting"] == {"digit": 2.0, "parity": 0.0}
    # -1 would make the sum of the weights 0.
    for ratio in (-1, -3.5, float("nan"), float("inf")):
        with pytest.raises(MTLError, match=r"Loss weights are .*at least 0\. Received"):
            resolve(STUDY, {"loss_ratio_parity": ratio})


def test_changes_are_settings_or_fixed_hyperparameters() -> None:
    resolved = resolve(STUDY, {"trials": 4, "shared_depth": 2, "learning_rate": 1})
    assert resolved.settings.trials == 4
    assert resolved.fixed == {"shared_depth": 2, "learning_rate": 1}
    assert resolved.plan.recipe.shared.dense == (4, 4)
    assert resolved.plan.phases[0].config()["optimizer"]["config"]["learning_rate"] == pytest.approx(1.0)
    described = resolved.config("tune")["space"]
    assert described["shared_depth"] == {"values": [2]}
    assert described["learning_rate"] == {"values": [1.0]}
    assert described["shared_width"] == {"values": [4, 8]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trails": 3}, "Unknown setting or hyperparameter: received 'trails'. Did you mean 'trials'"),
        ({"learning_rat": 3}, "'learning_rate'"),
        ({"learning_rate": "fast"}, "takes a float such as 0.01. Received: 'fast'"),
        ({"learning_rate": True}, "takes a float"),
        ({"shared_depth": 1.5}, "takes a int such as 1. Received: 1.5"),
        ({"shared_depth": "2"}, "takes a int"),
        ({"shared_depth": [1]}, "takes a int"),
        ({"trials": 0}, "trials=0"),
        ({"weighting": "uncertanty"}, "Unknown weighting: received 'uncertanty'. Did you mean 'uncertainty'"),
        ({"weighting": {"method": "dwa", "temperature": -1}}, "temperature=-1"),
        ({"backbone": "SmalCNN"}, "Did you mean 'SmallCNN'"),
        ({"backbone_options": {"filtres": [2]}}, "'filters'"),
        ({"backbone": "MobileNet", "weights": None, "backbone_options": {}, "image_size": 16}, "at least 32 x 32 px"),
    ],
)
def test_changes_that_fit_nothing_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MTLError) as refused:
        resolve(STUDY, changes)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_resumed_search_takes_its_own_settings_where_nothing_else_is_said() -> None:
    saved = json.loads(json.dumps(resolve(STUDY, {"trials": 3, "epochs": 2, "shared_depth": 2}).config("tune")))
    again = resolve(STUDY, {"trials": 5}, saved)
    assert (again.settings.trials, again.settings.epochs, again.fixed) == (5, 2, {"shared_depth": 2})
    assert again.config("tune") == {**saved, "settings": {**saved["settings"], "trials": 5}}


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


@pytest.mark.parametrize("tuner", TUNERS)
def test_proposals_follow_from_the_seed_and_not_from_the_number_of_trials(tuner: str) -> None:
    resolved = resolve(STUDY, {"tuner": tuner})
    skills = [0.1, None, 0.3, 0.2, 0.5, 0.4]
    first = proposals(resolved.settings, resolved.space, skills)
    assert proposals(resolved.settings.changed({"trials": 1000}), resolved.space, skills) == first
    assert len({json.dumps(values) for values in first}) == len(first)
    other = proposals(resolved.settings.changed({"seed": 77}), resolved.space, skills)
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
        {values["learning_rate"] for values in proposals(resolved.settings.changed({"seed": seed}), resolved.space, [0.0] * 9)}
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


def test_a_derived_seed_follows_from_study_trial_and_execution() -> None:
    grid = {derived_seed(seed, trial, execution) for seed in range(4) for trial in range(40) for execution in range(3)}
    assert len(grid) == 4 * 40 * 3
    assert all(0 <= seed < 2**31 for seed in grid)
    # Written down, since a search of last year must go on with the same seeds.
    assert [derived_seed(0, 0, 0), derived_seed(0, 1, 0), derived_seed(7, 12, 1)] == [1484405855, 1982462498, 1428917112]


# --- the search -------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for the end of the process."""


class Trainer:
    """A session whose trainings take no time; a trial's skill follows from its hyperparameters."""

    reporter = Reporter()

    def __init__(self, study: Study, changes: dict[str, Any], *, fails: Callable[[str], bool] = lambda label: False) -> None:
        self.resolved = resolve(study, changes)
        self.fails = fails
        self.trained: list[tuple[str, int, int]] = []
        self.left = math.inf

    def train(self, plan: Plan, seed: int, log_dir: Path, *, keep: bool = False) -> tuple[Any, None]:
        if self.left <= 0:
            raise Killed
        self.left -= 1
        self.trained.append((log_dir.name, seed, plan.phases[0].epochs))
        if self.fails(log_dir.name):
            raise TrialError("Losses stay finite. Received: nan.")
        rate = plan.phases[0].config()["optimizer"]["config"]["learning_rate"]
        skill = 1 - abs(math.log10(rate) + 2) / 4 + len(plan.recipe.shared.dense) / 10 + seed / 2**40
        return SimpleNamespace(values={"skill": skill}, seconds=0.5, best=SimpleNamespace(epoch=1)), None

    def search(self, folder: Path) -> list[dict[str, Any]]:
        return run_trials(cast(Session, self), folder)


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
    undisturbed = Trainer(STUDY, changes, fails=fails)
    rows = undisturbed.search(tmp_path / "undisturbed")
    assert [row["trial"] for row in rows] == list(range(6))
    assert any(row["hyperparameters"].get("tuner/round") for row in rows) == (tuner == "hyperband")
    assert rows == read_json_lines(tmp_path / "undisturbed" / LOG)
    for stop in range(len(rows) + 1):
        folder = tmp_path / str(stop)
        first = Trainer(STUDY, changes, fails=fails)
        first.left = stop
        if stop < len(rows):
            with pytest.raises(Killed):
                first.search(folder)
        else:
            first.search(folder)
        second = Trainer(STUDY, changes, fails=fails)
        assert without_times(second.search(folder)) == without_times(rows)
        assert first.trained + second.trained == undisturbed.trained


def test_a_bayesian_search_goes_on_too(tmp_path: Path) -> None:
    study, changes = replace(STUDY, space=one_rate), {"tuner": "bayesian", "trials": 5}
    fails = {"trial-001"}.__contains__
    rows = Trainer(study, changes, fails=fails).search(tmp_path / "undisturbed")
    first = Trainer(study, changes, fails=fails)
    # The fifth is the first one that depends on the skills of the others.
    first.left = 4
    with pytest.raises(Killed):
        first.search(tmp_path / "killed")
    assert without_times(Trainer(study, changes, fails=fails).search(tmp_path / "killed")) == without_times(rows)


def test_a_search_may_grow(tmp_path: Path) -> None:
    Trainer(STUDY, {"trials": 3}).search(tmp_path / "grown")
    grown = Trainer(STUDY, {"trials": 12})
    rows = grown.search(tmp_path / "grown")
    assert [row["trial"] for row in rows] == list(range(12))
    assert len(grown.trained) == 9
    assert without_times(rows) == without_times(Trainer(STUDY, {"trials": 12}).search(tmp_path / "at-once"))


def test_a_line_of_the_log_says_what_was_done(tmp_path: Path) -> None:
    (row,) = Trainer(STUDY, {"trials": 1, "tuner": "hyperband"}).search(tmp_path)
    assert (row["trial"], row["execution"], row["seed"]) == (0, 0, derived_seed(0, 0, 0))
    assert (row["status"], row["error"], set(row["values"])) == ("completed", None, {"skill"})
    assert row["training_seconds"] == 0.5
    assert {"learning_rate", "tuner/epochs"} <= set(row["hyperparameters"])


def test_hyperband_trains_as_long_as_it_says(tmp_path: Path) -> None:
    trainer = Trainer(STUDY, {"trials": 12, "tuner": "hyperband", "epochs": 9})
    rows = trainer.search(tmp_path)
    assert [epochs for _, _, epochs in trainer.trained] == [row["hyperparameters"]["tuner/epochs"] for row in rows]
    assert len({epochs for _, _, epochs in trainer.trained}) > 1


def test_the_line_is_there_before_the_oracle_hears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(self: Proposals, skills: Sequence[float] | None) -> None:
        raise Killed

    monkeypatch.setattr(Proposals, "tell", tell)
    with pytest.raises(Killed):
        Trainer(STUDY, {"trials": 2}).search(tmp_path)
    assert [row["trial"] for row in read_json_lines(tmp_path / LOG)] == [0]


def test_a_failed_trial_is_logged_and_skipped(tmp_path: Path) -> None:
    trainer = Trainer(STUDY, {"trials": 3}, fails=lambda label: label == "trial-001")
    rows = trainer.search(tmp_path)
    assert [row["status"] for row in rows] == ["completed", "failed", "completed"]
    assert (rows[1]["values"], rows[1]["error"]) == ({}, "Losses stay finite. Received: nan.")
    assert best_trial(rows)["trial"] != 1


def test_a_trial_whose_values_are_refused_fails_alone(tmp_path: Path) -> None:
    def picky(hp: Any, context: Context) -> Plan:
        plan = space(hp, context)
        if not plan.recipe.shared.dense:
            raise MTLError("One layer at least. Received: none. Give one.")
        return plan

    rows = Trainer(replace(STUDY, space=picky), {"trials": 8}).search(tmp_path)
    failed = [row["status"] == "failed" for row in rows]
    assert failed == [row["hyperparameters"]["shared_depth"] == 0 for row in rows]
    assert 0 < sum(failed) < 8


def test_a_search_of_which_nothing_completes_says_so(tmp_path: Path) -> None:
    trainer = Trainer(STUDY, {"trials": 10}, fails=lambda label: True)
    with pytest.raises(MTLError, match="3 of 3 failed, the last with: Losses stay finite"):
        trainer.search(tmp_path)
    # Fewer than three are no reason to stop, nor to call it a success.
    with pytest.raises(MTLError, match="2 of 2 failed"):
        Trainer(STUDY, {"trials": 2}, fails=lambda label: True).search(tmp_path / "two")


def test_an_error_of_ours_stops_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Trainer, *args: Any, **options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Trainer, "train", broken)
    with pytest.raises(ZeroDivisionError):
        Trainer(STUDY, {}).search(tmp_path)
    assert not (tmp_path / LOG).exists()


@pytest.mark.parametrize(("words", "fails"), [("OOM when allocating tensor", True), ("x.v2; No space left on device", False)])
def test_a_full_memory_fails_a_trial_and_a_full_disk_does_not(
    words: str, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Trainer.train

    def full(self: Trainer, plan: Plan, seed: int, log_dir: Path, **options: Any) -> Any:
        if log_dir.name == "trial-001":
            raise tf.errors.ResourceExhaustedError(None, None, words)
        return train(self, plan, seed, log_dir, **options)

    monkeypatch.setattr(Trainer, "train", full)
    if fails:
        with lock(tmp_path):
            rows = Trainer(STUDY, {"trials": 3}).search(tmp_path)
        assert [row["status"] for row in rows] == ["completed", "failed", "completed"]
    else:
        with pytest.raises(MTLError, match="no space left"), lock(tmp_path):
            Trainer(STUDY, {"trials": 3}).search(tmp_path)
        # The trial is not lost: it is trained when there is room.
        assert len(read_json_lines(tmp_path / LOG)) == 1


def test_executions_of_a_trial_are_logged_one_by_one(tmp_path: Path) -> None:
    changes = {"trials": 3, "seeds_per_trial": 2}
    rows = Trainer(STUDY, changes).search(tmp_path / "undisturbed")
    assert [(row["trial"], row["execution"]) for row in rows] == [(t, e) for t in range(3) for e in range(2)]
    assert len({row["seed"] for row in rows}) == 6
    first = Trainer(STUDY, changes)
    first.left = 3
    with pytest.raises(Killed):
        first.search(tmp_path / "killed")
    second = Trainer(STUDY, changes)
    assert without_times(second.search(tmp_path / "killed")) == without_times(rows)
    assert second.trained[0][0] == "trial-001-1"


def test_a_trial_with_one_failed_execution_is_not_tried_again(tmp_path: Path) -> None:
    changes = {"trials": 3, "seeds_per_trial": 3}
    fails = {"trial-001-1"}.__contains__
    rows = Trainer(STUDY, changes, fails=fails).search(tmp_path)
    tried = [(row["trial"], row["execution"]) for row in rows]
    assert tried == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    again = Trainer(STUDY, changes, fails=fails)
    assert again.search(tmp_path) == rows
    assert again.trained == []
    assert best_trial(rows)["trial"] != 1
    result = StudyResult("x", tmp_path, 0, {}, rows, [], None, cast(mtl.Evaluation, None))
    assert result.summary()["trials"] == {"completed": 2, "failed": 1}


def test_a_log_of_another_space_is_refused(tmp_path: Path) -> None:
    Trainer(STUDY, {"trials": 2}).search(tmp_path)
    trainer = Trainer(replace(STUDY, space=one_rate), {"trials": 3})
    with pytest.raises(MTLError, match="space and versions it began with.*trial 0"):
        trainer.search(tmp_path)
    assert trainer.trained == []


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
    values = best_values(cast(mtl.Run, run), data)
    digit = np.bincount(data.train.y["digit"]).argmax()
    trivial = {
        "digit": float(np.mean(data.validation.y["digit"] == digit)),
        "parity": max(float(np.mean(data.validation.y["parity"])), 1 - float(np.mean(data.validation.y["parity"]))),
    }
    wanted = ((0.55 - trivial["digit"]) / (1 - trivial["digit"]) + (0.75 - trivial["parity"]) / (1 - trivial["parity"])) / 2
    assert values["skill"] == pytest.approx(wanted)
    assert values["epoch"] == 2


# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    def opened(study: Study = STUDY, data: mtl.data.Data | None = None, **changes: Any) -> Session:
        return Session.open(
            resolve(study, changes),
            data=data or images(),
            data_dir=None,
            cache_dir=tmp_path,
            strategy_name="none",
            reporter=Reporter(),
        )

    yield opened
    assert list(tmp_path.iterdir()) == []


def test_a_session_refuses_what_training_would_refuse(opened: Callable[..., Session]) -> None:
    def monitored(hp: Any, context: Context) -> Plan:
        plan = space(hp, context)
        return replace(plan, phases=tuple(replace(phase, monitor="val_digit_acuracy") for phase in plan.phases))

    with pytest.raises(MTLError, match="Unknown metric to monitor: .* Did you mean 'val_digit_accuracy'"):
        opened(replace(STUDY, space=monitored))
    with pytest.raises(MTLError, match=r"Received: \(8, 8, 1\) for a study of \(8, 8, 3\)"):
        opened(replace(STUDY, image_shape=(8, 8, 3)))
    with pytest.raises(MTLError, match="Model and data must have the same tasks"):
        opened(data=images().only("digit"))


def test_a_frozen_trunk_of_random_weights_is_the_same_in_every_process(opened: Callable[..., Session]) -> None:
    trunks = []
    for seed, other in ((0, 1), (0, 2), (3, 1)):
        keras.utils.set_random_seed(other)
        session = opened(freeze=True, weights=None, seed=seed)
        trunks.append(session.build(session.resolved.plan).trunk.get_weights()[0])
    assert np.array_equal(trunks[0], trunks[1])
    assert not np.array_equal(trunks[0], trunks[2])


def test_frozen_trunks_are_shared_and_others_are_not(opened: Callable[..., Session]) -> None:
    for freeze in (True, False):
        session = opened(freeze=freeze)
        models = [session.build(session.resolved.plan) for _ in range(2)]
        assert (models[0].get_layer("backbone") is models[1].get_layer("backbone")) == freeze


# --- folders ----------------------------------------------------------------------------------------------------------


CONFIG = resolve(STUDY, {}).config("tune")


def test_a_run_without_a_folder_gets_the_next_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert choose_folder("made-up", None, resume=False) == Path("runs/made-up/1")
    # There is nothing to continue: it starts afresh.
    assert choose_folder("made-up", None, resume=True) == Path("runs/made-up/1")
    for number in (1, 9, 10):
        write_config(Path("runs/made-up", str(number)), CONFIG)
    Path("runs/made-up/notes").mkdir()
    assert choose_folder("made-up", None, resume=False) == Path("runs/made-up/11")
    assert choose_folder("made-up", None, resume=True) == Path("runs/made-up/10")
    # `train` numbers its folders in the same row; a search is not continued in one of those.
    write_config(Path("runs/made-up/11"), resolve(STUDY, {}).config("train"))
    assert choose_folder("made-up", None, resume=True) == Path("runs/made-up/10")
    assert choose_folder("other", None, resume=True) == Path("runs/other/1")


def test_a_named_folder_is_new_empty_or_the_searchs_own(tmp_path: Path) -> None:
    new, empty, used, own, torn, file = (tmp_path / name for name in ("new", "empty", "used", "own", "torn", "file"))
    empty.mkdir()
    used.mkdir()
    (used / "thesis.tex").touch()
    write_config(own, CONFIG)
    # A kill while the configuration was written.
    torn.mkdir()
    (torn / ".abc-config.json").touch()
    (torn / ".lock").touch()
    file.touch()
    for resume in (False, True):
        assert choose_folder("made-up", new, resume) == new
        assert choose_folder("made-up", str(empty), resume) == empty
        with pytest.raises(MTLError, match="which is a file"):
            choose_folder("made-up", file, resume)
    for folder in (used, own):
        with pytest.raises(MTLError, match="new or empty. Received: .*--resume"):
            choose_folder("made-up", folder, resume=False)
    with pytest.raises(MTLError, match=r"holds no config\.json"):
        choose_folder("made-up", used, resume=True)
    assert choose_folder("made-up", own, resume=True) == own
    assert choose_folder("made-up", torn, resume=True) == torn
    assert not new.exists()


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1]", "\xff"])
def test_a_configuration_that_is_something_else_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(MTLError, match=r"Received: .*config\.json"):
        saved_config(tmp_path)


def test_more_trials_are_no_other_search(tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG)
    check_config(tmp_path, CONFIG)
    check_config(tmp_path, {**CONFIG, "settings": {**CONFIG["settings"], "trials": 11}})
    check_config(tmp_path, {**CONFIG, "source": "/moved/elsewhere.py"})
    check_config(tmp_path / "new", {**CONFIG, "tasks": []})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": 9}, "settings.trials=9 where"),
        ({"seed": 1}, "settings.seed=1 where"),
        ({"backbone_options": {"filters": [2, 4]}}, "settings.backbone_options.filters=[2, 4]"),
        ({"backbone_options": {}}, "settings.backbone_options"),
        ({"learning_rate": 0.01}, "fixed"),
    ],
)
def test_any_other_change_is(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG)
    with pytest.raises(MTLError) as refused:
        check_config(tmp_path, resolve(STUDY, changes).config("tune"))
    assert said in str(refused.value)
    assert "only the number of trials may grow" in str(refused.value)


def test_another_space_is_another_search(tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG)
    wider = {**CONFIG["space"], "learning_rate": {"min": 0.001, "max": 0.5, "sampling": "log"}}
    with pytest.raises(MTLError, match=r"space\.learning_rate\.max=0\.5 where .* has 0\.1"):
        check_config(tmp_path, {**CONFIG, "space": wider})


def test_one_process_holds_a_folder(tmp_path: Path) -> None:
    with lock(tmp_path / "run"):
        with pytest.raises(MTLError, match="another one holds"), lock(tmp_path / "run"):
            pass
        with lock(tmp_path / "other"):
            pass
    with lock(tmp_path / "run"):
        pass


def test_a_lock_leaves_other_errors_alone(tmp_path: Path) -> None:
    with pytest.raises(tf.errors.ResourceExhaustedError, match="OOM"), lock(tmp_path):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
    with lock(tmp_path):
        pass
