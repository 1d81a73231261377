"""Studies, settings and search spaces, and what a command checks before it trains."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.runs import Options, read_config
from mtl_keras.search import (
    Configuration,
    Context,
    Prepared,
    Settings,
    Study,
    dense_stack,
    load_study,
    loss_weights,
    prepare,
    resolve,
)
from mtl_keras.search._reproduce import _approaches, _count_seeds
from mtl_keras.search._space import describe_space
from mtl_keras.search._training_data import training_data
from tests._search import SHAPE, STUDY, TASKS, images, space

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
        Settings().change({field: value})


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


def test_the_data_of_a_study_may_be_a_function(tmp_path: Path) -> None:
    asked: list[Any] = []

    def load(tasks: mtl.Tasks, data_dir: str | None, seed: int) -> mtl.data.Data:
        asked.append((tasks, data_dir, seed))
        return images()

    study = replace(STUDY, data=load)
    assert len(study.load(Settings(split_seed=5), tmp_path).train) == 30
    assert asked == [(TASKS, str(tmp_path), 5)]
    with pytest.raises(MTLError, match=r"`data_dir` must be a folder\. Received: 'somewhere', which is none\. Pass another"):
        study.load(Settings(split_seed=5), "somewhere")
    assert len(asked) == 1


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


def active(hp: kt.HyperParameters) -> dict[str, Any]:
    """The values of the hyperparameters whose conditions hold."""
    return {parameter.name: hp.values[parameter.name] for parameter in hp.space if hp.is_active(parameter)}


def test_a_dense_stack_asks_for_what_is_not_given() -> None:
    hp = kt.HyperParameters()
    assert dense_stack(hp, "shared", depth=(2,), width=(4,)) == mtl.Head(dense=(4, 4))
    assert hp.space == []
    activation = ("relu", "gelu")
    stack = dense_stack(hp, "shared", depth=(1, 2), width=(4, 8), dropout=(0.0, 0.5), activation=activation, default_width=8)
    assert stack == mtl.Head(dense=(8,))
    assert describe_space(hp) == {
        "shared_depth": {"values": [1, 2]},
        "shared_width": {"values": [4, 8]},
        "shared_dropout": {"values": [0.0, 0.5]},
        "shared_activation": {"values": ["relu", "gelu"]},
    }


def test_a_dense_stack_of_no_layers_has_no_width() -> None:
    hp = kt.HyperParameters()
    dense_stack(hp, "a", depth=(0, 1, 2), width=(4, 8), dropout=(0.0, 0.5), default_depth=1)
    assert set(active(hp)) == {"a_depth", "a_width", "a_dropout"}
    none = values_of(hp, a_depth=0, a_width=None, a_dropout=None)
    assert set(active(none)) == {"a_depth"}
    assert dense_stack(none, "a", depth=(0, 1, 2), width=(4, 8), dropout=(0.0, 0.5)) == mtl.Head()
    two = values_of(hp, a_depth=2, a_width=8, a_dropout=0.5)
    assert dense_stack(two, "a", depth=(0, 1, 2), width=(4, 8), dropout=(0.0, 0.5)) == mtl.Head(dense=(8, 8), dropout=0.5)


def test_loss_weights_are_ratios_on_a_log_scale_that_sum_to_the_number_of_tasks() -> None:
    hp = kt.HyperParameters()
    tasks = mtl.Tasks(*(mtl.Binary(name) for name in "abc"))
    context = Context(tasks, Settings(), (8, 8, 1))
    assert loss_weights(hp, context, low=0.2, high=5) == {"a": 1.0, "b": 1.0, "c": 1.0}
    ends = {"min": 0.2, "max": 5.0, "sampling": "log"}
    assert describe_space(hp) == {"loss_ratio_b": ends, "loss_ratio_c": ends}
    weights = loss_weights(values_of(hp, loss_ratio_b=0.2, loss_ratio_c=5.0), context, low=0.2, high=5)
    assert isinstance(weights, dict)
    assert sum(weights.values()) == pytest.approx(3)
    assert weights["b"] / weights["a"] == pytest.approx(0.2)
    assert weights["c"] / weights["a"] == pytest.approx(5.0)


@pytest.mark.parametrize("given", ["uncertainty", {"method": "dwa", "temperature": 1.0}])
def test_a_weighting_takes_the_place_of_searched_loss_weights(given: Any) -> None:
    resolved = resolve(STUDY, {"weighting": given})
    assert not [name for name in describe_space(resolved.space) if name.startswith("loss_ratio")]
    assert resolved.plan.phases[0].config()["weighting"] == given
    assert resolved.plan.only("digit").phases[0].config()["weighting"] == "equal"
    assert json.loads(json.dumps(resolved.config("tune")))["settings"]["weighting"] == given


def test_loss_weights_are_equal_where_they_are_not_asked_for() -> None:
    resolved = resolve(STUDY, {})
    searched = {**active(resolved.space), "shared_depth": 1, "loss_ratio_parity": 4.0}
    weights = resolved.plan_of(searched).phases[0].config()["weighting"]
    assert weights == {"digit": pytest.approx(0.4), "parity": pytest.approx(1.6)}
    # Over no shared layer a ratio would do nothing: keras-tuner does not hand one out, and none is made up.
    without = {"shared_depth": 0, "learning_rate": 1e-2}
    assert resolved.plan_of(without).phases[0].config()["weighting"] == {"digit": 1.0, "parity": 1.0}


def test_a_loss_ratio_may_be_fixed_to_nothing_but_not_below() -> None:
    assert resolve(STUDY, {"loss_ratio_parity": 0}).plan.phases[0].config()["weighting"] == {"digit": 2.0, "parity": 0.0}
    # -1 would make the sum of the weights 0.
    for ratio in (-1, -3.5, float("nan"), float("inf")):
        with pytest.raises(MTLError, match=r"Loss weights .*at least 0\. Received|`loss_ratio_parity` must be a finite number"):
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
        ({"learning_rate": "fast"}, "must be of type float, such as 0.01. Received: 'fast'"),
        ({"learning_rate": True}, "of type float"),
        ({"shared_depth": 1.5}, "must be of type int, such as 1. Received: 1.5"),
        ({"shared_depth": "2"}, "of type int"),
        ({"shared_depth": [1]}, "of type int"),
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


# --- what is checked before any training ------------------------------------------------------------------------------


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Callable[..., Prepared]]:
    def prepared(study: Study = STUDY, data: mtl.data.Data | None = None, **changes: Any) -> Prepared:
        options = Options(output_dir=tmp_path / "run", cache_dir=tmp_path, strategy="none")
        return prepare(study, "tune", changes, options, data=data or images())

    yield prepared
    assert list(tmp_path.iterdir()) == []


def test_what_training_would_refuse_is_refused_first(prepared: Callable[..., Prepared]) -> None:
    def monitored(hp: Any, context: Context) -> mtl.Plan:
        plan = space(hp, context)
        return replace(plan, phases=tuple(replace(phase, monitor="val_digit_acuracy") for phase in plan.phases))

    with pytest.raises(MTLError, match="Unknown metric to monitor: .* Did you mean 'val_digit_accuracy'"):
        prepared(replace(STUDY, space=monitored))
    with pytest.raises(MTLError, match=r"Received: \(8, 8, 1\) for a study of \(8, 8, 3\)"):
        prepared(replace(STUDY, image_shape=(8, 8, 3)))
    with pytest.raises(MTLError, match="a model of digit, parity and data of digit"):
        prepared(data=images().only("digit"))


def test_a_frozen_trunk_of_random_weights_is_the_same_in_every_process(prepared: Callable[..., Prepared]) -> None:
    trunks = []
    for seed, other in ((0, 1), (0, 2), (3, 1)):
        keras.utils.set_random_seed(other)
        found = prepared(freeze=True, weights=None, seed=seed)
        trunks.append(found.trainer.build(found.resolved.plan).trunk.get_weights()[0])
    assert np.array_equal(trunks[0], trunks[1])
    assert not np.array_equal(trunks[0], trunks[2])


def test_frozen_trunks_are_shared_and_others_are_not(prepared: Callable[..., Prepared]) -> None:
    for freeze in (True, False):
        found = prepared(freeze=freeze)
        models = [found.trainer.build(found.resolved.plan) for _ in range(2)]
        assert (models[0].get_layer("backbone") is models[1].get_layer("backbone")) == freeze


def test_a_study_without_an_image_shape_has_that_of_its_data(prepared: Callable[..., Prepared]) -> None:
    found = prepared(replace(STUDY, image_shape=None))
    assert found.resolved.plan.recipe.image_shape == SHAPE
    with pytest.raises(MTLError, match="must be known"):
        resolve(replace(STUDY, image_shape=None), {})


@pytest.mark.parametrize(
    ("name", "nearest"), [("outputdir", "output_dir"), ("trails", "trials"), ("learning_rat", "learning_rate")]
)
def test_tune_names_the_nearest_of_options_settings_and_hyperparameters(name: str, nearest: str) -> None:
    with pytest.raises(MTLError, match=f"received '{name}'. Did you mean '{nearest}'"):
        mtl.tune(STUDY, data=images(), changes={name: "x"})


def test_an_option_is_no_setting() -> None:
    with pytest.raises(MTLError, match="Received: output_dir='x'. Pass --output-dir instead"):
        resolve(STUDY, {"output_dir": "x"})


# --- the default space ------------------------------------------------------------------------------------------------


def test_a_study_without_a_space_has_the_default_one() -> None:
    tasks = mtl.Tasks(*TASKS.values(), mtl.Reconstruction("image"))
    study = Study("short", "Tasks and data.", tasks, "digits", SHAPE)
    found = resolve(study, {"shared_depth": 2, "digit_depth": 1, "shared_dropout": 0.2})
    described = found.config("tune")["space"]
    heads = [name for task in tasks for name in (f"{task}_depth",)]
    shared = ["shared_depth", "shared_width", "shared_dropout"]
    assert list(described) == [*shared, *heads, "loss_ratio_parity", "loss_ratio_image", "learning_rate"]
    assert (described["loss_ratio_parity"]["max"], described["loss_ratio_image"]["max"]) == (10.0, 100.0)
    assert found.plan.recipe.shared.dense == (128, 128)
    assert found.plan.recipe.heads["digit"] == mtl.Head(dense=(64,))


def test_the_default_space_searches_loss_weights_over_a_frozen_trunk_only_with_a_shared_layer() -> None:
    for freeze in (True, False):
        found = resolve(Study("short", "Tasks and data.", TASKS, "digits", SHAPE), {"freeze": freeze})
        names = {parameter.name: parameter for parameter in found.space.space}
        assert bool(names["loss_ratio_parity"].conditions) == freeze
        without = {"shared_depth": 0, "digit_depth": 0, "parity_depth": 0, "learning_rate": 1e-3, "loss_ratio_parity": 3.0}
        weights = found.plan_of(without).phases[0].config()["weighting"]
        assert weights == ({"digit": 1.0, "parity": 1.0} if freeze else {"digit": 0.5, "parity": 1.5})


# --- reproductions and old runs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "asked", "trained"), [(None, None, 3), (5, None, 5), (2, None, 2), (None, 4, 4), (2, 4, 2), (5, 4, 4)]
)
def test_a_configuration_says_how_often_it_is_trained(own: int | None, asked: int | None, trained: int) -> None:
    assert _count_seeds(Configuration("One.", {}, seeds=own), Settings(n_final_seeds=3), asked) == trained


@pytest.mark.parametrize(
    "wrong",
    [
        {"seeds": 0},
        {"seeds": True},
        {"published": [{"task": "kind", "metric": "accuracy"}]},
        {"published": [{"task": "kind", "metric": "accuracy", "value": 1, "source": "Table 1"}]},
    ],
)
def test_a_configuration_checks_itself(wrong: dict[str, Any]) -> None:
    with pytest.raises(MTLError, match="Received"):
        Configuration("One.", {}, **wrong)
    assert Configuration("One.", {}, published=[{"task": "kind", "metric": "accuracy", "value": 1}]).seeds is None


@pytest.mark.parametrize("split_per_seed", [False, True])
def test_each_training_may_have_a_split_of_its_own(split_per_seed: bool) -> None:
    asked: list[int] = []

    def load(tasks: mtl.Tasks, data_dir: str | None, seed: int) -> mtl.data.Data:
        asked.append(seed)
        return images()

    configurations = {name: Configuration("One.", {}, {"batch_size": size}) for name, size in (("a", 8), ("b", 16))}
    study = replace(STUDY, data=load, configurations=configurations, split_per_seed=split_per_seed)
    found = {name: resolve(study, {"split_seed": 5}, configuration=name) for name in configurations}
    one, other = _approaches(study, found, dict.fromkeys(configurations, 2), training_data(study, Options()))
    # The batch size does not change the data, so that baselines are the same.
    assert one.data is other.data
    assert (one.data(0) is one.data(1)) == (not split_per_seed)
    assert asked == ([5, 6] if split_per_seed else [5])


def test_each_training_has_a_fold_of_its_own() -> None:
    asked: list[tuple[int, int | None, int]] = []

    def load(tasks: mtl.Tasks, data_dir: str | None, seed: int, folds: int | None = None, fold: int = 0) -> mtl.data.Data:
        asked.append((seed, folds, fold))
        return images()

    study = replace(STUDY, data=load, split_per_seed=True)
    data = training_data(study, Options())(study.settings.change({"split_folds": 3, "split_fold": 1, "split_seed": 5}))
    for number in range(6):
        data(number)
    # Six trainings go through all folds of two divisions.
    assert asked == [(5, 3, 1), (5, 3, 2), (5, 3, 0), (6, 3, 1), (6, 3, 2), (6, 3, 0)]


RECORDS = sorted(path.parent for path in (Path(__file__).parents[1] / "results").rglob("config.json"))


@pytest.mark.parametrize("folder", RECORDS, ids=lambda folder: "/".join(folder.parts[-2:]))
def test_the_configuration_of_every_record_is_read(folder: Path) -> None:
    config = read_config(folder)
    assert config is not None
    study = load_study(config["study"])
    if config["command"] == "tune":
        found = resolve(study, {"weights": None}, config)
        own = found.settings.config()
        assert {name: own[name] for name in config["settings"] if name in own} == {
            **{name: value for name, value in json.loads(json.dumps(config["settings"])).items() if name in own},
            "weights": None,
        }
        # Renamed settings are among them.
        assert {"seeds_per_trial", "n_final_seeds"} <= config["settings"].keys()
    else:
        assert set(config["configurations"]) & set(study.configurations)
        assert "split_per_seed" in config
