"""Named configurations from the command line: `reproduce`, `compare` and `train --configuration`, on a study of noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mtl_keras as mtl
from mtl_keras.files import read_json_lines
from mtl_keras.runs import Trainer
from mtl_keras.search import load_study
from tests.integration._tiny import command, config_of, refused, table, values
from tests.integration.conftest import Finished

# --- reproduce --------------------------------------------------------------------------------------------------------


def test_all_configurations_are_one_record(reproduced: Finished) -> None:
    folder, done = reproduced.folder, reproduced.done
    assert done.out.count("\n") == 1
    assert (done.answer["study"], done.answer["split"], done.answer["best"] in ("joint", "values")) == ("noise", "test", True)
    rows = table(folder / "metrics.csv")
    seeds: dict[str, set[str]] = {}
    for row in rows:
        seeds.setdefault(row["run"], set()).add(row["seed"])
    # The baselines are those of one configuration: the others are not compared with them.
    assert seeds == {
        "joint": {"0", "1"},
        "values": {"0", "1"},
        "alone": {"0"},
        "joint single-task": {"0", "1"},
        "trivial": {""},
    }
    assert {row["task"] for row in rows if row["run"] == "alone"} == {"kind", "all"}
    assert {row["run"] for row in rows if row["metric"] == "delta_m"} == {"joint"}
    for run, tasks in done.answer["means"].items():
        for task, metrics in tasks.items():
            for metric, mean in metrics.items():
                own = [
                    value
                    for (r, _, kind, split, *about), value in values(folder, run).items()
                    if (kind != "last", split, about) == (True, "test", [task, metric])
                ]
                assert mean == pytest.approx(sum(own) / len(own))
    (entry,) = read_json_lines(folder / "test_evaluations.jsonl")
    assert (entry["what"]["command"], len(entry["what"]["runs"])) == ("reproduce", 2 + 2 + 1 + 4)
    assert mtl.load_model(folder).output_names == ["kind", "odd"]


def test_published_values_are_shown_next_to_the_results(reproduced: Finished) -> None:
    folder = reproduced.folder
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
    own = config_of(folder)
    assert (own["command"], own["study"], set(own["configurations"])) == ("reproduce", "noise", {"joint", "values", "alone"})
    assert {name: each["seeds"] for name, each in own["configurations"].items()} == {"joint": 2, "values": 2, "alone": 1}
    assert own["configurations"]["values"]["settings"]["batch_size"] == 16
    assert own["configurations"]["values"]["recipe"]["shared"]["dense"] == [4]


def test_an_interrupted_reproduction_is_resumed(
    reproduced: Finished, noise: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    arguments = ("reproduce", noise, "--configuration", "values", "--configuration", "alone", "--output-dir", folder)
    train, begun = Trainer.train, []

    def noted(self: Trainer, *given: Any, **options: Any) -> Any:
        begun.append(options["output_dir"].name)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return train(self, *given, **options)

    monkeypatch.setattr(Trainer, "train", noted)
    assert command(*arguments).code == 130
    assert not (folder / "README.md").exists()
    refused(command(*arguments), "new or empty")
    done = command(*arguments, "--resume", "--json")
    assert done.code == 0, done.err
    assert begun == ["values-0", "alone-0", "alone-0", "values-1"]
    # A training is the same whatever is trained next to it.
    both = ("values", "alone")
    assert values(folder, *both) == pytest.approx(values(reproduced.folder, *both), abs=1e-6)
    # Claims are about all configurations.
    assert "Seen among" not in (folder / "README.md").read_text(encoding="utf-8")
    refused(command(*arguments, "--resume", "--epochs", 2), "must have the configuration that it started with")
    before = (folder / "README.md").read_bytes()
    again = command(*arguments, "--resume", "--json")
    assert (again.answer, len(begun)) == (done.answer, 4)
    assert (folder / "README.md").read_bytes() == before
    assert len(read_json_lines(folder / "test_evaluations.jsonl")) == 1


def test_reproduce_in_python_takes_options_and_settings(noise: Path, tmp_path: Path) -> None:
    result = mtl.reproduce(noise, configurations=["alone"], output_dir=tmp_path / "run", quick=True, batch_size=64)
    assert (result.output_dir, result.best, result.split) == (tmp_path / "run", "alone", "test")
    assert {row["run"] for row in result.metrics} == {"alone", "trivial"}
    settings = config_of(tmp_path / "run")["configurations"]["alone"]["settings"]
    assert (settings["batch_size"], settings["n_final_seeds"]) == (64, 1)
    assert list(result.published) == []
    assert mtl.load_model(tmp_path / "run").output_names == ["kind"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "1"], ["an integer in [2, 1000000]", "seeds=1"]),
        (["--configuration", "jiont"], ["Unknown configuration of 'noise': received 'jiont'. Did you mean 'joint'"]),
        (["--set", "learning_rate=0.1"], ["a configuration with a plan of its own", "learning_rate"]),
        (["--set", "epoch=1"], ["'epochs'"]),
        (["--configuration", "values", "--set", "views=flip"], ["must be a sequence of views", "flip"]),
    ],
)
def test_what_cannot_be_reproduced_is_refused(arguments: list[str], said: list[str], noise: Path, tmp_path: Path) -> None:
    refused(command("reproduce", noise, *arguments, "--output-dir", tmp_path / "run"), *said)
    assert not (tmp_path / "run").exists()


def test_a_study_without_configurations_has_nothing_to_reproduce(tmp_path: Path) -> None:
    refused(command("reproduce", "digits", "--output-dir", tmp_path / "run"), "'digits', which names none")


# --- compare ----------------------------------------------------------------------------------------------------------


def test_weightings_are_compared_with_the_weights_of_a_search(compared: Finished, tuned: Finished) -> None:
    folder, done = compared.folder, compared.done
    assert set(done.answer["means"]) == {"fixed", "uncertainty", "single-task", "trivial"}
    log = read_json_lines(tuned.folder / "trials.jsonl")
    best = max(log, key=lambda row: row["values"]["skill"])["hyperparameters"]
    ratio = best["loss_ratio_odd"]
    # They sum to the number of tasks.
    weights = {"kind": pytest.approx(2 / (1 + ratio), rel=1e-5), "odd": pytest.approx(2 * ratio / (1 + ratio), rel=1e-5)}
    own = config_of(folder)["approaches"]
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
    again = command(*compared.arguments, "--output-dir", folder, "--resume", "--json")
    assert again.answer == done.answer
    assert len(read_json_lines(folder / "test_evaluations.jsonl")) == 1
    refused(command("evaluate", folder), "one of compare")


def test_configurations_are_compared(noise: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("--approach", "alone", "--seeds", 2, "--json")
    done = command("compare", noise, *given)
    assert done.code == 0, done.err
    assert done.answer["output_dir"] == "runs/noise/1"
    assert set(done.answer["means"]) == {"alone", "trivial"}
    assert command("compare", noise, *given, "--resume").answer == done.answer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--approach", "uncertanty"], ["Unknown approach: received 'uncertanty'. Did you mean 'uncertainty'"]),
        (["--approach", "fixed"], ["Unknown approach: received 'fixed'", "--fixed-from"]),
        (["--seeds", "1"], ["an integer in [2, 1000000]", "seeds=1"]),
        (["--fixed-from", "{tmp}"], ["which holds no completed trial of 'noise'"]),
        (["--approach", "joint", "--approach", "values"], ["must have the same data", "views=[]", "['identity'] of 'values'"]),
        (["--approach", "alone", "--set", "learning_rate=0.1"], ["learning_rate for 'alone'"]),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments: list[str], said: list[str], noise: Path, tmp_path: Path) -> None:
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    refused(command("compare", noise, *given, "--output-dir", tmp_path / "run"), *said)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_study_are_refused(tuned: Finished, reproduced: Finished, noise: Path, tmp_path: Path) -> None:
    refused(command("compare", "digits", "--fixed-from", tuned.folder, "--output-dir", tmp_path / "run"), "trial of 'digits'")
    refused(command("compare", noise, "--fixed-from", reproduced.folder, "--output-dir", tmp_path / "run"), "trial of 'noise'")
    assert not (tmp_path / "run").exists()


# --- train ------------------------------------------------------------------------------------------------------------


def test_a_configuration_is_trained_by_name(noise: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = command("train", noise, "--configuration", "alone", "--output-dir", folder, "--json")
    assert done.code == 0, done.err
    own = config_of(folder)
    assert (own["configuration"], own["settings"]["batch_size"]) == ("alone", 128)
    assert "# noise: alone" in (folder / "README.md").read_text(encoding="utf-8")
    assert set(done.answer["validation"]) == {"kind"}
    # The folder remembers which one it is.
    assert command("train", noise, "--output-dir", folder, "--resume", "--json").answer == done.answer
    refused(
        command("train", noise, "--configuration", "joint", "--output-dir", folder, "--resume"),
        f"configuration='joint' where {folder} has 'alone'",
    )
    again = command("evaluate", folder, "--study", noise, "--json")
    assert again.code == 0, again.err
    assert again.answer["values"] == {task: pytest.approx(each) for task, each in done.answer["validation"].items()}


def test_an_unknown_configuration_is_refused(noise: Path, tmp_path: Path) -> None:
    refused(
        command("train", noise, "--configuration", "value", "--output-dir", tmp_path / "run"),
        "Unknown configuration of 'noise': received 'value'. Did you mean 'values'",
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "value", "shape"),
    [
        ("views", ["identity", ["flip_lr", {"method": "crop", "pad": 1}]], (54, 2, 8, 8, 1)),
        ("repeat", ["identity", "flip_lr", "stretch"], (162, 8, 8, 1)),
        ("online", ["flip_lr"], (54, 8, 8, 1)),
    ],
)
def test_images_are_changed_by_a_setting(setting: str, value: Any, shape: tuple[int, ...], noise: Path) -> None:
    study = load_study(noise)
    assert {setting, "train_rows", "split_seed"} <= set(study.data_settings)
    settings = study.settings.change({setting: value})
    data = study.load(settings)
    assert data.train.x.shape == shape
    assert (data.train.online is not None) == (setting == "online")
    assert data.validation.x.shape == (36, 8, 8, 1)
    assert json.loads(json.dumps(settings.config()))[setting] == value
