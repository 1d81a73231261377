"""Named configurations from the command line: `reproduce`, `compare` and `train --configuration`, on a study of noise."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import mtl_keras as mtl
from mtl_keras.cli._progress import ConsoleReporter
from mtl_keras.data import Data
from mtl_keras.errors import MTLError
from mtl_keras.files import read_json_lines
from mtl_keras.search import Configuration, Study, load_study
from mtl_keras.search._reproduce import _seeds
from tests.integration._tiny import Done, command, study_file

#: Two tasks of noise; a configuration that is a function, one that is values, one of a single task and a single seed.
NOISE = '''"""Noise of which two things can be learned."""
from pathlib import Path

import numpy as np

import mtl_keras as mtl

TASKS = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Binary("odd"))
ASKED = Path(__file__).with_name("split_seeds.txt")


def noise(tasks, data_dir, split_seed):
    with ASKED.open("a") as file:
        file.write(f"{split_seed}\\n")
    rng = np.random.default_rng(0)
    kind, odd = rng.integers(0, 3, 150), rng.integers(0, 2, 150)
    images = (rng.integers(0, 90, (150, 8, 8, 1)) + 60 * kind[:, None, None, None]).astype("uint8")
    images[:, :, :4] += (30 * odd[:, None, None, None]).astype("uint8")
    columns = {"kind": kind, "odd": odd}
    rows = (images[:90], {name: column[:90] for name, column in columns.items()})
    test = (images[90:], {name: column[90:] for name, column in columns.items()})
    return mtl.data.from_arrays(
        tasks, rows, test=test, validation_fraction=0.4, seed=split_seed, name="noise", class_names={"kind": ("a", "b", "c")}
    )


def plan_of(context, tasks, shared, rate, weights):
    recipe = mtl.Recipe(tasks, context.settings.new_backbone(), context.image_shape, shared, freeze=context.settings.freeze)
    adam = {"class_name": "Adam", "config": {"learning_rate": rate}}
    phase = mtl.Phase(epochs=context.settings.epochs, weighting=weights, optimizer=adam, batch_size=32)
    return mtl.Plan(recipe, (phase,))


def space(hp, context):
    shared = mtl.search.dense_stack(hp, "shared", depth=(0, 1), width=(4, 8))
    weights = mtl.search.loss_weights(hp, context)
    return plan_of(context, context.tasks, shared, hp.Float("learning_rate", 1e-3, 1e-2, sampling="log"), weights)


def joint(context):
    return plan_of(context, context.tasks, mtl.Head(dense=(4,)), 0.01, "uncertainty")


def alone(context):
    return plan_of(context, context.tasks.only("kind"), mtl.Head(), 0.01, "equal")


def claims(record):
    runs = {row["run"] for row in record.metrics}
    return [{"claim": "Sharing helps.", "verdict": f"Seen among {', '.join(sorted(runs))}."}]


TABLE = {"task": "kind", "metric": "accuracy", "value": 0.875, "note": "A. Author 2020, Table 1"}
ALONE = {"run": "single-task", "task": "kind", "metric": "accuracy", "value": 0.625}
STUDY = mtl.Study(
    "noise",
    "What is learned of noise?",
    TASKS,
    noise,
    (8, 8, 1),
    space,
    mtl.search.Settings(
        backbone_options={"filters": [2], "kernel_size": 1}, trials=2, epochs=1, n_final_seeds=2, split_seed=5
    ),
    quick={"n_final_seeds": 1},
    configurations={
        "joint": mtl.search.Configuration("Both at once.", joint, baselines=True, published=[TABLE, ALONE]),
        "values": mtl.search.Configuration("Named values.", {"shared_depth": 1}, {"batch_size": 16, "views": ["identity"]}),
        "alone": mtl.search.Configuration("One of them.", alone, seeds=1),
    },
    split_per_seed=False,
    claims=claims,
)
'''


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study_file(tmp_path_factory.mktemp("study"), text=NOISE)


@pytest.fixture(scope="module")
def reproduced(study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, command("reproduce", study, "--output-dir", folder, "--json")


@pytest.fixture(scope="module")
def tuned(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    done = command("tune", study, "--final-seeds", 1, "--output-dir", folder)
    assert done.code == 0, done.err
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def figures(folder: Path, *runs: str) -> dict[tuple[str, ...], float]:
    keys = ("run", "seed", "epoch_kind", "split", "task", "metric")
    return {
        tuple(row[key] for key in keys): float(row["value"])
        for row in table(folder / "metrics.csv")
        if not runs or row["run"] in runs
    }


def config(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return read


def refused(done: Done, *said: str) -> None:
    assert done.code == 2, done.err
    assert done.out == ""
    last = done.err.splitlines()[-1]
    assert last.startswith("mtl-keras: ")
    assert "Traceback" not in done.err
    for words in said:
        assert words in last


# --- reproduce --------------------------------------------------------------------------------------------------------


def test_all_configurations_are_one_record(reproduced: tuple[Path, Done]) -> None:
    folder, done = reproduced
    assert done.code == 0, done.err
    assert done.out.count("\n") == 1
    assert (done.answer["study"], done.answer["split"], done.answer["best"] in ("joint", "values")) == ("noise", "test", True)
    seeds: dict[str, set[str]] = {}
    for row in table(folder / "metrics.csv"):
        seeds.setdefault(row["run"], set()).add(row["seed"])
    # The baselines are those of one configuration: the others are not measured on them.
    assert seeds == {
        "joint": {"0", "1"},
        "values": {"0", "1"},
        "alone": {"0"},
        "joint single-task": {"0", "1"},
        "trivial": {""},
    }
    assert {row["task"] for row in table(folder / "metrics.csv") if row["run"] == "alone"} == {"kind", "all"}
    assert {row["run"] for row in table(folder / "metrics.csv") if row["metric"] == "delta_m"} == {"joint"}
    for run, tasks in done.answer["means"].items():
        for task, metrics in tasks.items():
            for metric, mean in metrics.items():
                own = [
                    value
                    for (r, _, kind, split, *figure), value in figures(folder, run).items()
                    if (kind != "last", split, figure) == (True, "test", [task, metric])
                ]
                assert mean == pytest.approx(sum(own) / len(own))
    (look,) = read_json_lines(folder / "test_evaluations.jsonl")
    assert (look["what"]["command"], len(look["what"]["runs"])) == ("reproduce", 2 + 2 + 1 + 4)
    assert mtl.load_model(folder).output_names == ["kind", "odd"]


def test_what_was_published_stands_beside(reproduced: tuple[Path, Done]) -> None:
    folder, _ = reproduced
    published, alone = table(folder / "published.csv")
    assert (alone["run"], alone["value"]) == ("single-task", "0.625")
    assert published == {
        "run": "joint",
        "task": "kind",
        "metric": "accuracy",
        "value": "0.875",
        "note": "A. Author 2020, Table 1",
    }
    page = (folder / "README.md").read_text(encoding="utf-8")
    for words in ("0.875", "Table 1", "Sharing helps. **Seen among alone, joint, ", "`values`: Named values."):
        assert words in page
    assert page.count("Seen among") == 1
    own = config(folder)
    assert (own["command"], own["study"], set(own["configurations"])) == ("reproduce", "noise", {"joint", "values", "alone"})
    assert {name: each["seeds"] for name, each in own["configurations"].items()} == {"joint": 2, "values": 2, "alone": 1}
    assert own["configurations"]["values"]["settings"]["batch_size"] == 16
    assert own["configurations"]["values"]["recipe"]["shared"]["dense"] == [4]


def test_an_interrupted_reproduction_goes_on(
    reproduced: tuple[Path, Done], study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("reproduce", study, "--configuration", "values", "--configuration", "alone", "--output-dir", tmp_path / "run")
    ends = 0

    def interrupted(*_: Any) -> None:
        nonlocal ends
        ends += 1
        if ends == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ConsoleReporter, "epoch_ends", interrupted)
        assert command(*arguments).code == 130
    assert not (tmp_path / "run" / "README.md").exists()
    refused(command(*arguments), "new or empty")
    begun: list[str] = []
    monkeypatch.setattr(ConsoleReporter, "training_begins", lambda self, label, *_: begun.append(label))
    done = command(*arguments, "--resume", "--json")
    assert done.code == 0, done.err
    assert begun == ["alone-0", "values-1"]
    # A training is the same whatever stands beside it.
    both = ("values", "alone")
    assert figures(tmp_path / "run", *both) == pytest.approx(figures(reproduced[0], *both), abs=1e-6)
    refused(command(*arguments, "--resume", "--epochs", 2), "A run is continued as it was begun")
    before = (tmp_path / "run" / "README.md").read_bytes()
    again = command(*arguments, "--resume", "--json")
    assert (again.answer, len(begun)) == (done.answer, 2)
    assert (tmp_path / "run" / "README.md").read_bytes() == before
    assert len(read_json_lines(tmp_path / "run" / "test_evaluations.jsonl")) == 1


def test_each_training_may_have_a_split_of_its_own(tmp_path: Path) -> None:
    study = study_file(tmp_path, ("split_per_seed=False", "split_per_seed=True"), text=NOISE)
    done = command("reproduce", study, "--configuration", "values", "--output-dir", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert set((tmp_path / "split_seeds.txt").read_text().split()) == {"5", "6"}
    found = figures(tmp_path / "run", "values")
    assert {key[1] for key in found} == {"0", "1"}
    assert config(tmp_path / "run")["split_per_seed"] is True


def test_a_quick_reproduction_judges_nothing(study: Path, tmp_path: Path) -> None:
    done = command("reproduce", study, "--configuration", "alone", "--quick", "--output-dir", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert (done.answer["best"], set(done.answer["means"])) == ("alone", {"alone", "trivial"})
    assert "Seen among" not in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert mtl.load_model(tmp_path / "run").output_names == ["kind"]


def test_it_is_a_call_as_well(study: Path, tmp_path: Path) -> None:
    result = mtl.reproduce(study, configurations=["alone"], output_dir=tmp_path / "run", batch_size=64)
    assert (result.output_dir, result.best, result.split) == (tmp_path / "run", "alone", "test")
    assert config(tmp_path / "run")["configurations"]["alone"]["settings"]["batch_size"] == 64
    assert list(result.published) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "1"], ["at least 2 seeds. Received: seeds=1"]),
        (["--configuration", "jiont"], ["Unknown configuration of 'noise': received 'jiont'. Did you mean 'joint'"]),
        (["--set", "learning_rate=0.1"], ["A configuration with a plan of its own has no hyperparameters", "learning_rate"]),
        (["--set", "epoch=1"], ["'epochs'"]),
        (["--configuration", "values", "--set", "views=flip"], ["Views come as a sequence"]),
    ],
)
def test_what_cannot_be_reproduced_is_refused(arguments: list[str], said: list[str], study: Path, tmp_path: Path) -> None:
    refused(command("reproduce", study, *arguments, "--output-dir", tmp_path / "run"), *said)
    assert not (tmp_path / "run").exists()


def test_a_study_without_configurations_has_nothing_to_reproduce(tmp_path: Path) -> None:
    refused(command("reproduce", "digits", "--output-dir", tmp_path / "run"), "'digits', which names none")


@pytest.mark.parametrize(
    ("own", "asked", "trained"), [(None, None, 3), (5, None, 5), (2, None, 2), (None, 4, 4), (2, 4, 2), (5, 4, 4)]
)
def test_a_configuration_says_how_often_it_is_trained(own: int | None, asked: int | None, trained: int) -> None:
    assert _seeds(Configuration("", {}, seeds=own), mtl.search.Settings(n_final_seeds=3), asked) == trained


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
        Configuration("", {}, **wrong)
    assert Configuration("", {}, published=[{"task": "kind", "metric": "accuracy", "value": 1}]).seeds is None


# --- compare ----------------------------------------------------------------------------------------------------------


def test_weightings_are_compared_with_the_weights_of_a_search(study: Path, tuned: Path, tmp_path: Path) -> None:
    arguments = ("--fixed-from", tuned, "--approach", "fixed", "--approach", "uncertainty", "--seeds", 2)
    folder = tmp_path / "run"
    done = command("compare", study, *arguments, "--output-dir", folder, "--json")
    assert done.code == 0, done.err
    assert set(done.answer["means"]) == {"fixed", "uncertainty", "single-task", "trivial"}
    log = read_json_lines(tuned / "trials.jsonl")
    best = max(log, key=lambda row: row["values"]["skill"])["hyperparameters"]
    ratio = best["loss_ratio_odd"]
    # They sum to the number of tasks.
    weights = {"kind": pytest.approx(2 / (1 + ratio), rel=1e-5), "odd": pytest.approx(2 * ratio / (1 + ratio), rel=1e-5)}
    own = config(folder)["approaches"]
    assert own["fixed"]["phases"][0]["weighting"] == weights
    assert own["uncertainty"]["phases"][0]["weighting"] == "uncertainty"
    for each in own.values():
        assert len(each["recipe"]["shared"]["dense"]) == best["shared_depth"]
        assert each["phases"][0]["optimizer"]["config"]["learning_rate"] == pytest.approx(best["learning_rate"])
    seen = {
        row["task"]: float(row["value"])
        for row in table(folder / "history.csv")
        if (row["run"], row["metric"]) == ("fixed", "loss_weight")
    }
    assert seen == weights
    again = command("compare", study, *arguments, "--output-dir", folder, "--resume", "--json")
    assert again.answer == done.answer
    assert len(read_json_lines(folder / "test_evaluations.jsonl")) == 1
    refused(command("evaluate", folder), "one of compare")


def test_configurations_are_compared(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("--approach", "joint", "--approach", "alone", "--seeds", 2, "--json")
    done = command("compare", study, *given)
    assert done.code == 0, done.err
    assert done.answer["output_dir"] == "runs/noise/1"
    assert set(done.answer["means"]) == {"joint", "alone", "joint single-task", "trivial"}
    assert command("compare", study, *given, "--resume").answer == done.answer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--approach", "uncertanty"], ["Unknown approach: received 'uncertanty'. Did you mean 'uncertainty'"]),
        (["--approach", "fixed"], ["Unknown approach: received 'fixed'", "--fixed-from"]),
        (["--seeds", "1"], ["at least 2 seeds. Received: seeds=1"]),
        (["--fixed-from", "{tmp}"], ["which holds no completed trial of 'noise'"]),
        (["--approach", "joint", "--approach", "values"], ["one data set", "views=()", "['identity'] of 'values'"]),
        (["--approach", "alone", "--set", "learning_rate=0.1"], ["has no hyperparameters", "learning_rate for 'alone'"]),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments: list[str], said: list[str], study: Path, tmp_path: Path) -> None:
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    refused(command("compare", study, *given, "--output-dir", tmp_path / "run"), *said)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_study_are_refused(tuned: Path, reproduced: tuple[Path, Done], study: Path, tmp_path: Path) -> None:
    refused(command("compare", "digits", "--fixed-from", tuned, "--output-dir", tmp_path / "run"), "trial of 'digits'")
    refused(command("compare", study, "--fixed-from", reproduced[0], "--output-dir", tmp_path / "run"), "trial of 'noise'")
    assert not (tmp_path / "run").exists()


# --- train ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["values", "alone"])
def test_a_configuration_is_trained_by_name(name: str, study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = command("train", study, "--configuration", name, "--output-dir", folder, "--json")
    assert done.code == 0, done.err
    own = config(folder)
    assert (own["configuration"], own["settings"]["batch_size"]) == (name, {"values": 16, "alone": 128}[name])
    assert f"# noise: {name}" in (folder / "README.md").read_text(encoding="utf-8")
    assert set(done.answer["validation"]) == {"values": {"kind", "odd"}, "alone": {"kind"}}[name]
    # The folder remembers which one it is.
    assert command("train", study, "--output-dir", folder, "--resume", "--json").answer == done.answer
    refused(
        command("train", study, "--configuration", "joint", "--output-dir", folder, "--resume"),
        f"configuration='joint' where {folder} has {name!r}",
    )
    again = command("evaluate", folder, "--json")
    assert again.code == 0, again.err
    assert again.answer["values"] == {task: pytest.approx(values) for task, values in done.answer["validation"].items()}


def test_an_unknown_configuration_is_told_the_nearest(study: Path, tmp_path: Path) -> None:
    refused(
        command("train", study, "--configuration", "value", "--output-dir", tmp_path / "run"),
        "Unknown configuration of 'noise': received 'value'. Did you mean 'values'",
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "shape", "online"),
    [
        ('views=["identity",["flip_lr",{"method":"crop","pad":1}]]', (54, 2, 8, 8, 1), None),
        ('repeat=["identity","flip_lr","stretch"]', (162, 8, 8, 1), None),
        ('online=["flip_lr"]', (54, 8, 8, 1), [{"method": "flip_lr"}]),
    ],
)
def test_images_are_changed_by_a_setting(
    setting: str, shape: tuple[int, ...], online: Any, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Data] = []
    load = Study.load

    def remembered(*arguments: Any) -> Data:
        loaded.append(load(*arguments))
        return loaded[-1]

    monkeypatch.setattr(Study, "load", remembered)
    done = command("train", study, "--set", setting, "--output-dir", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    (data,) = loaded
    assert data.train.x.shape == shape
    assert (data.train.online and data.train.online.config()["steps"]) == online
    assert data.validation.x.shape == (36, 8, 8, 1)
    key, _, value = setting.partition("=")
    assert config(tmp_path / "run")["settings"][key] == json.loads(value)


def test_what_the_data_depends_on(study: Path) -> None:
    assert {"views", "repeat", "online", "train_rows", "split_seed"} <= set(load_study(study).data_settings)
