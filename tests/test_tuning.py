"""What every study in tuning/ answers, so that a new one is a file and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import mtl_keras as mtl
from mtl_keras.search import Resolved, Settings, Study, load_study, resolve
from mtl_keras.studies import studies_folder, study_summaries
from tests._yeast import write_yeast

NAMES = sorted(study_summaries())
#: Studies of data that comes with what is installed; that of the others is read where there is a folder of real data.
AT_HAND = {"digits"}
#: Studies whose table is written for the test.
WRITTEN = {"yeast": write_yeast}

every_study = pytest.mark.parametrize("name", NAMES)


def resolved(study: Study, **changes: Any) -> Resolved:
    """The study without pretrained weights, which may not be there."""
    return resolve(study, {"weights": None, **changes})


def test_the_studies_are_the_files() -> None:
    assert set(NAMES) == {path.stem for path in studies_folder().glob("[!_]*.py")}
    assert "digits" in NAMES


@every_study
def test_a_study_is_called_as_its_file_is(name: str) -> None:
    study = load_study(name)
    assert (study.name, study.source) == (name, name)
    assert study.summary
    assert "\n" not in study.summary


@every_study
def test_the_first_lines_say_command_time_and_score(name: str) -> None:
    text = (studies_folder() / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
    assert re.search(rf"mtl-keras tune {name}\b", text), "no command"
    assert not load_study(name).configurations or re.search(rf"mtl-keras reproduce {name}\b", text), "no command"
    assert re.search(r"\d+ (second|minute|hour)s?\b", text), "no expected time"
    assert re.search(r"(?<!\d)0?\.\d\d", text), "no expected score"
    assert study_summaries()[name] == text.partition("\n")[0] != ""


@every_study
def test_the_defaults_are_a_plan(name: str) -> None:
    study = load_study(name)
    plan = resolved(study).plan
    # A control may be left out of the search, and one task be derived from another.
    assert set(plan.recipe.tasks) <= set(study.tasks)
    for name, task in plan.recipe.tasks.items():
        assert (type(task), task.label) == (type(study.tasks[name]), study.tasks[name].label)
    assert plan.recipe.image_shape == study.image_shape
    assert plan.phases[0].epochs <= study.settings.epochs
    for name in plan.recipe.tasks:
        assert list(plan.only(name).recipe.tasks) == [name]


@every_study
def test_the_quick_version_is_smaller(name: str) -> None:
    study = load_study(name)
    quick = resolved(study, **study.quick).settings
    assert quick.trials * quick.epochs < study.settings.trials * study.settings.epochs
    assert quick.trials > 1
    assert quick.n_final_seeds > 1


@every_study
def test_the_whole_space_can_be_searched(name: str) -> None:
    found = resolved(load_study(name))
    seen: set[str] = set()
    for seed in range(30):
        values = sample(found, seed)
        plan = found.plan_of(values)
        # As the log holds them.
        assert found.plan_of(json.loads(json.dumps(values))).recipe == plan.recipe
        weights = plan.phases[0].config()["weighting"]
        assert weights == "equal" or sum(weights.values()) == pytest.approx(len(plan.recipe.tasks))
        seen |= values.keys()
    assert seen == set(found.config("tune")["space"])


def sample(found: Resolved, seed: int) -> dict[str, Any]:
    """Random values of the hyperparameters whose conditions hold, in the order of the space."""
    hp = found.space.copy()
    hp.values = {}
    for number, parameter in enumerate(hp.space):
        if hp.is_active(parameter):
            value = parameter.random_sample(100 * seed + number)
            hp.values[parameter.name] = value.item() if hasattr(value, "item") else value
    return dict(hp.values)


@every_study
def test_the_space_is_described_as_json(name: str) -> None:
    config = resolved(load_study(name)).config("tune")
    assert json.loads(json.dumps(config))["space"] == config["space"]
    for about in config["space"].values():
        if "values" in about:
            # TensorBoard's table takes one type a column.
            assert len({type(value) for value in about["values"]}) == 1
        else:
            assert about["min"] < about["max"]
    ratios = [about for key, about in config["space"].items() if key.startswith("loss_ratio_")]
    assert all(ratio["sampling"] == "log" for ratio in ratios)


CONFIGURATIONS = [(name, each) for name in NAMES for each in load_study(name).configurations]


@pytest.mark.parametrize(("name", "configuration"), CONFIGURATIONS)
def test_a_configuration_is_a_plan_with_published_figures_of_its_tasks(name: str, configuration: str) -> None:
    study = load_study(name)
    made = resolve(study, {"weights": None}, configuration=configuration)
    named = study.configuration(configuration)
    tasks = made.plan.recipe.tasks
    assert named.summary.endswith(".")
    assert set(tasks) <= set(study.tasks)
    assert made.plan.recipe.image_shape == study.image_shape
    for phase in made.plan.phases:
        assert set(phase.active(tasks)) <= set(tasks)
    for row in named.published:
        assert row["metric"] in {metric.name for metric in tasks[row["task"]].all_metrics}
        assert isinstance(row["value"], float)
    # With the quick changes no configuration trains longer than the search does.
    quick = resolve(study, {"weights": None, **study.quick}, configuration=configuration)
    assert quick.plan.epochs <= sum(phase.epochs for phase in made.plan.phases)
    assert quick.settings.train_rows == study.quick.get("train_rows", made.settings.train_rows)


@pytest.mark.parametrize("name", [name for name in NAMES if load_study(name).claims])
def test_claims_are_compared_with_the_rows_of_a_record(name: str) -> None:
    study = load_study(name)
    about = {"phase": 0, "n": 10, "unit": "", "direction": "max", "split": "test"}
    rows: list[Any] = [
        {
            **about,
            "run": run,
            "seed": seed,
            "epoch_kind": kind,
            "task": task.name,
            "metric": metric.name,
            "value": 0.5 + seed / 9,
            "role": "single_task" if run == "single-task" else "approach",
        }
        for run in (*study.configurations, "single-task")
        for seed in range(3)
        for kind in ("best", "last")
        for task in study.tasks.values()
        for metric in task.all_metrics
    ]
    assert study.claims is not None
    record = study.complete(mtl.report.Record("Title", "Question?", "command", {}, {}, rows))
    assert record.claims
    for row in record.claims:
        assert set(row) == {"claim", "verdict"}
        assert "nan" not in row["verdict"]
    assert "nan" not in record.finding


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in {*AT_HAND, *WRITTEN} else pytest.mark.real_data) for name in NAMES]
)
def test_the_data_is_what_the_study_says(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    study = load_study(name)
    root: Path | None = None
    if name in WRITTEN:
        root = WRITTEN[name](tmp_path)
    elif name not in AT_HAND:
        root = request.getfixturevalue("real_data")
    data = study.load(Settings(train_rows=study.quick.get("train_rows")), root)
    assert data.image_shape == study.image_shape
    assert set(data.tasks) == set(study.tasks)
    assert data.test is not None
    assert len(data.test) > 0
    assert {name: len(names) for name, names in data.class_names.items()} == {
        name: task.classes if isinstance(task, mtl.Classification) else 2
        for name, task in study.tasks.items()
        if isinstance(task, mtl.Classification | mtl.Binary) and task.column is not None
    }
