"""The command line from end to end on a study that takes a second, and every input that it refuses."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

import mtl_keras as mtl
from mtl_keras.callbacks import Checkpoint
from mtl_keras.comparison import _trainer
from mtl_keras.data import Data
from mtl_keras.files import read_json_lines
from mtl_keras.studies import study_summaries
from tests.integration._tiny import TINY, Done, command, study_file


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study_file(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def finished(study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A whole search, and what it said. Copy the folder before you change it."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    return folder, command("tune", study, "--output-dir", folder, "--json")


@pytest.fixture
def copy(finished: tuple[Path, Done], tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished[0], tmp_path / "copy"))


def means(folder: Path, split: str) -> dict[str, dict[str, float]]:
    """The multi-task figures of metrics.csv at the best epoch."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    with (folder / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if (row["run"], row["split"], row["epoch_kind"]) == ("multi-task", split, "best"):
                values[row["task"], row["metric"]].append(float(row["value"]))
    answer: dict[str, dict[str, float]] = defaultdict(dict)
    for (task, metric), each in values.items():
        answer[task][metric] = sum(each) / len(each)
    return dict(answer)


# --- what it does -----------------------------------------------------------------------------------------------------


def test_tune_answers_in_one_line_of_json(finished: tuple[Path, Done]) -> None:
    folder, done = finished
    assert done.code == 0, done.err
    # Everything else went to standard error.
    assert done.out.count("\n") == 1
    assert "Searching 2 trials" in done.err
    answer = done.answer
    assert set(answer) == {"study", "output_dir", "best", "trials", "validation", "test"}
    assert (answer["study"], answer["output_dir"]) == ("tiny", str(folder))
    assert answer["trials"] == {"completed": 2, "failed": 0}
    log = read_json_lines(folder / "trials.jsonl")
    best = max(log, key=lambda row: row["values"]["skill"])
    assert answer["best"] == {"trial": best["trial"], "hyperparameters": best["hyperparameters"]}
    for split in ("validation", "test"):
        assert set(answer[split]["digit"]) == {"accuracy", "macro_f1"}
        assert {task: pytest.approx(values) for task, values in means(folder, split).items()} == answer[split]


def test_tune_leaves_a_record(finished: tuple[Path, Done]) -> None:
    folder, _ = finished
    record = {"README.md", "config.json", "environment.json", "metrics.csv", "history.csv", "trials.jsonl"}
    record |= {"test_evaluations.jsonl", "curves.png", "trials.png", "confusion_digit.png", "confusion_parity.png"}
    model = {"model.keras", "logs", "finals"}
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == record | model
    assert not list(folder.rglob(".*-*")), "temporary files"
    config = json.loads((folder / "config.json").read_text())
    assert (config["command"], config["study"], config["settings"]["trials"]) == ("tune", "tiny", 2)
    assert set(config["space"]) == {"shared_depth", "shared_width", "loss_ratio_parity", "learning_rate"}
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == {"multi-task", "single-task", "trivial"}
    assert {(row["split"], row["epoch_kind"]) for row in rows if row["run"] == "single-task"} == {
        (split, kind) for split in ("validation", "test") for kind in ("best", "last")
    }
    (look,) = read_json_lines(folder / "test_evaluations.jsonl")
    assert look["what"]["command"] == "tune"
    assert {figure["split"] for figure in look["figures"]} == {"test"}
    logs = {path.name for path in (folder / "logs").iterdir() if path.is_dir()}
    assert {"trial-000", "trial-001", "final-multi-task-0", "final-single-task-digit-0"} <= logs
    assert mtl.load_model(folder).output_names == ["digit", "parity"]


def test_a_search_may_end_in_longer_trainings_and_without_baselines(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = command("tune", study, "--output-dir", folder, "--trials", 1, "--set", "final_epochs=3", "--set", "baselines=false")
    assert done.code == 0, done.err
    assert "single-task" not in done.err
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == {"multi-task"}
    assert max(int(row["epoch"]) for row in rows) == 3
    (trial,) = read_json_lines(folder / "trials.jsonl")
    assert trial["values"]["epoch"] == 1


def test_a_finished_search_is_told_again_without_a_second_look(copy: Path, study: Path) -> None:
    kept = (
        "trials.jsonl",
        "test_evaluations.jsonl",
        "metrics.csv",
        "history.csv",
        "config.json",
        "environment.json",
        "README.md",
    )
    before = {name: (copy / name).read_bytes() for name in kept}
    done = command("tune", study, "--output-dir", copy, "--resume")
    assert done.code == 0, done.err
    assert {name: (copy / name).read_bytes() for name in kept} == before
    # Without --json the tables are what standard output is for.
    for word in ("Trials of tiny", "learning_rate", "Best: trial", "single-task", "trivial", "accuracy"):
        assert word in done.out
    assert f"TensorBoard: tensorboard --logdir {copy / 'logs'}" in done.out


def test_more_runs_than_tensorboard_ticks_are_told(copy: Path, study: Path) -> None:
    few = command("tune", study, "--output-dir", copy, "--resume")
    for number in range(40):
        (copy / "logs" / f"more-{number}").mkdir()
    many = command("tune", study, "--output-dir", copy, "--resume")
    assert ("TOGGLE ALL RUNS" in few.out, "TOGGLE ALL RUNS" in many.out) == (False, True)


def test_a_search_takes_more_trials(copy: Path, study: Path) -> None:
    before = read_json_lines(copy / "trials.jsonl")
    done = command("tune", study, "--output-dir", copy, "--resume", "--trials", 3, "--json")
    assert done.code == 0, done.err
    after = read_json_lines(copy / "trials.jsonl")
    assert (after[:2], len(after), done.answer["trials"]["completed"]) == (before, 3, 3)
    # One look for each configuration that was ever the best.
    bests = {max(rows, key=lambda row: row["values"]["skill"])["trial"] for rows in (before, after)}
    assert len(read_json_lines(copy / "test_evaluations.jsonl")) == len(bests)


def test_one_configuration_is_trained_and_scored(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    cache = ("--cache-dir", tmp_path / "cache")
    done = command("train", study, "--set", "freeze=true", "--set", "shared_width=8", "--output-dir", folder, *cache, "--json")
    assert done.code == 0, done.err
    assert done.out.count("\n") == 1
    assert (done.answer["study"], done.answer["best_epoch"]) == ("tiny", 1)
    assert mtl.load_model(folder).recipe.shared.dense == (8,)
    assert not (folder / "test_evaluations.jsonl").exists()

    again = command("evaluate", folder, *cache, "--json")
    assert again.answer["values"] == {task: pytest.approx(values) for task, values in done.answer["validation"].items()}
    assert not (folder / "test_evaluations.jsonl").exists()

    test = command("evaluate", folder, "--split", "test", *cache, "--json")
    assert test.code == 0, test.err
    (look,) = read_json_lines(folder / "test_evaluations.jsonl")
    assert (look["split"], look["what"]["command"]) == ("test", "evaluate")
    assert {figure["value"] for figure in look["figures"] if figure["metric"] == "macro_f1"} == {
        values["macro_f1"] for values in test.answer["values"].values()
    }

    # A search is not continued in the folder of a training.
    assert command("tune", study, "--output-dir", folder, "--resume").code == 2

    listed = command("cache", "list", *cache, "--json").answer
    assert all(entry["complete"] for entry in listed["entries"])
    assert sorted(entry["rows"] for entry in listed["entries"]) == [25, 31, 100]
    cleared = command("cache", "clear", *cache, "--json").answer
    assert cleared["freed_bytes"] == listed["bytes"] > 0
    assert command("cache", "list", *cache, "--json").answer["entries"] == []


def test_a_weighting_takes_the_place_of_searched_weights(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = command("tune", study, "--set", "weighting=uncertainty", "--epochs", 2, "--output-dir", folder, "--json")
    assert done.code == 0, done.err
    assert not any(name.startswith("loss_ratio") for name in done.answer["best"]["hyperparameters"])
    assert (folder / "loss_weights.png").exists()
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        weights = {row["value"] for row in csv.DictReader(file) if (row["run"], row["metric"]) == ("multi-task", "loss_weight")}
    assert len(weights) > 2
    assert "log_variance" in mtl.load_model(folder).weighting_state
    refused(command("tune", study, "--set", "weighting=uncertanty", "--output-dir", tmp_path / "out"), "'uncertainty'")


def test_an_interrupted_training_goes_on(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("train", study, "--epochs", 3, "--json", "--output-dir")
    undisturbed = command(*arguments, tmp_path / "undisturbed")
    assert undisturbed.code == 0, undisturbed.err

    written = Checkpoint.on_epoch_end

    def interrupted(checkpoint: Checkpoint, epoch: int, logs: Any = None) -> None:
        written(checkpoint, epoch, logs)
        raise KeyboardInterrupt

    folder = tmp_path / "interrupted"
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_epoch_end", interrupted)
        for _ in range(2):
            stopped = command(*arguments, folder, "--resume")
            assert (stopped.code, stopped.out) == (130, "")
            assert "--resume" in stopped.err
    refused(command(*arguments, folder), "new or empty", "--resume")
    refused(command(*arguments, folder, "--resume", "--seed", 1), "settings.seed=1 where")
    done = command(*arguments, folder, "--resume")
    assert done.code == 0, done.err
    assert {**done.answer, "output_dir": None} == {**undisturbed.answer, "output_dir": None}
    for name in ("metrics.csv", "history.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
    environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    assert len(environment["sessions"]) == 3

    # Once more: there is nothing to do, and nothing is changed.
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert command(*arguments, folder, "--resume").answer == done.answer
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_studies_are_listed() -> None:
    done = command("studies", "--json")
    assert done.code == 0
    assert done.out.count("\n") == 1
    assert {entry["name"]: entry["summary"] for entry in done.answer["studies"]} == study_summaries()
    assert "digits" in command("studies").out


def test_records_are_gathered(tmp_path: Path) -> None:
    results = Path(shutil.copytree(Path(__file__).parents[2] / "results", tmp_path / "results"))
    records = sorted(path.parent.relative_to(results).as_posix() for path in results.rglob("metrics.csv"))
    (results / "summary.csv").unlink()
    done = command("report", results, "--json")
    assert done.code == 0, done.err
    written = [str(results / "README.md"), str(results / "summary.csv")]
    assert done.answer == {"results_dir": str(results), "records": records, "written": written}
    assert (results / "summary.csv").exists()
    said = command("report", results).out.splitlines()
    assert said == [*records, f"{len(records)} records: wrote {written[0]} and {written[1]}"]


def test_a_report_needs_no_tensorflow(tmp_path: Path) -> None:
    code = f"""
import sys
from mtl_keras.cli import main
assert main(["report", {str(tmp_path)!r}]) == 0
assert not {{"keras", "tensorflow"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("0 records: wrote ")


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    for verb, answer in (("list", {"bytes": 0, "entries": []}), ("clear", {"freed_bytes": 0})):
        done = command("cache", verb, "--cache-dir", tmp_path / "none", "--json")
        assert done.answer == {"cache_dir": str(tmp_path / "none"), **answer}
    assert list(tmp_path.iterdir()) == []


# --- what it refuses --------------------------------------------------------------------------------------------------

STAGES = ("Loading data", "Building the model", "Downloading data from")


@pytest.fixture
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing long is begun."""

    def long_work(*arguments: Any, **options: Any) -> NoReturn:
        pytest.fail("a refused input was worked on")

    monkeypatch.setattr(_trainer, "train_compiled", long_work)
    monkeypatch.setattr(Data, "featurize", long_work)


def refused(done: Done, *said: str) -> None:
    """One line, no traceback, exit code 2."""
    assert done.code == 2
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if not line.startswith(STAGES)]
    assert len(lines) == 1, done.err
    assert lines[0].startswith("mtl-keras: ")
    for words in said:
        assert words in lines[0]


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tune", "digit"], ["Unknown study: received 'digit'. Did you mean 'digits'"]),
        (["tune", "nowhere/mine.py"], ["nowhere/mine.py, which is no file"]),
        (["tune", "{study}", "--set", "backbone=EficientNetLite"], ["Unknown backbone", "'EfficientNetLite0'"]),
        (["tune", "{study}", "--tuner", "baysian"], ["Unknown tuner: received 'baysian'. Did you mean 'bayesian'"]),
        (["tune", "{study}", "--set", 'backbone_options={{"filtres": [4]}}'], ["Unknown option of SmallCNN", "'filters'"]),
        (["tune", "{study}", "--strategy", "miror"], ["Unknown strategy", "'mirrored'"]),
        (["tune", "cifar100", "--data-dir", "{tmp}"], ["{tmp}/tfds/cifar100 or {tmp}/cifar100", "tfds build cifar100"]),
        (["tune", "{study}", "--set", "backbone=MobileNet", "--set", "backbone_options={{}}"], ["at least 32 x 32", "8 x 8"]),
        (["tune", "{study}", "--set", "image_size=0"], ["image_size=0"]),
        (["tune", "{study}", "--set", "weights=missing.weights.h5"], ["weights='missing.weights.h5'"]),
        (["tune", "{study}", "--set", "freeze=conv9"], ["Unknown layer or block to train from", "'conv1'"]),
        (["tune", "{study}", "--trials", "0"], ["trials=0"]),
        (["tune", "{study}", "--epochs", "0"], ["epochs=0"]),
        (["tune", "{study}", "--epochs", "-3"], ["epochs=-3"]),
        (["tune", "{study}", "--final-seeds", "0"], ["n_final_seeds=0"]),
        (["tune", "{study}", "--set", "batch_size=many"], ["batch_size='many'"]),
        (["tune", "{study}", "--set", "loss_ratio_parity=-1"], ["Loss weights are at least 0", "loss_ratio_parity=-1"]),
        (["tune", "{study}", "--set", "learning_rte=1"], ["Unknown setting or hyperparameter", "'learning_rate'"]),
        (["tune", "{study}", "--set", "epoch=1"], ["Unknown setting or hyperparameter", "'epochs'"]),
        (["tune", "{study}", "--set", "learning_rate=fast"], ["takes a float", "'fast'"]),
        (["tune", "{study}", "--set", "learning_rate"], ["--set takes KEY=VALUE. Received: 'learning_rate'"]),
        (["tune", "{study}", "--trials", "3", "--set", "trials=4"], ["--trials 3 and --set trials=4"]),
        (["train", "{study}", "--set", "learning_rte=1"], ["'learning_rate'"]),
        (["train", "digit"], ["'digits'"]),
    ],
    ids=lambda value: " ".join(value).replace("{study}", "tiny") if isinstance(value, list) else None,
)
def test_what_is_refused(arguments: Sequence[str], said: Sequence[str], study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    given = [argument.format(study=study, tmp=tmp_path) for argument in arguments]
    refused(command(*given, "--output-dir", folder), *(words.format(tmp=tmp_path) for words in said))
    assert not folder.exists()


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("STUDY = mtl.Study", "study = mtl.Study", ["defines STUDY", "tiny.py with STUDY missing"]),
        ("import mtl_keras as mtl", "import mtl_kreas as mtl", ["tiny.py: ModuleNotFoundError", "mtl_kreas"]),
        ("def space(hp, context):", "def space(hp, context)", ["tiny.py: SyntaxError"]),
        ("classes=10", "classes=5", ["Labels of task 'digit' must be integers from 0 to 4", "in row "]),
        ('mtl.Binary("parity")', 'mtl.Binary("party")', ["Unknown column: received 'party'. Did you mean 'parity'"]),
        ('"digits", (8, 8, 1)', '"digitz", (8, 8, 1)', ["Unknown data set: received 'digitz'. Did you mean 'digits'"]),
        ('"val_skill"', '"val_digit_acuracy"', ["Unknown metric to monitor", "'val_digit_accuracy'"]),
        ("weighting=weights", 'weighting={"digit": 0, "parity": 0}', ["At least one loss weight is above 0"]),
        ("weighting=weights", 'weighting={"digit": 1, "parity": -1}', ["Loss weights are finite and at least 0"]),
        ("weighting=weights", 'weighting={"digit": 1}', ["Every task needs a loss weight", "parity"]),
        ("weighting=weights", 'weighting="equall"', ["Unknown weighting: received 'equall'. Did you mean 'equal'"]),
        ("(8, 8, 1)", "(8, 8, 3)", ["(8, 8, 1) for a study of (8, 8, 3)"]),
        ("epochs=settings.epochs", "epochs=0", ["epochs=0"]),
    ],
)
def test_what_is_refused_of_a_study_file(old: str, new: str, said: Sequence[str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    refused(command("tune", study_file(tmp_path, (old, new)), "--output-dir", folder), *said)
    assert not folder.exists()


@pytest.mark.usefixtures("_no_training")
def test_weights_that_no_network_brings_are_refused(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*arguments: Any, **options: Any) -> NoReturn:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    # Keras read its home at import.
    monkeypatch.setattr("keras.src.backend.config.keras_home", lambda: str(tmp_path / "keras"))
    vgg = ("--set", "backbone=VGG16", "--set", "backbone_options={}", "--set", "image_size=32")
    done = command("tune", study, *vgg, "--output-dir", tmp_path / "out")
    refused(done, "VGG16", "name resolution", "Without a network use one of CifarEfficientNetB0, EfficientNetLite0")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("_no_training")
def test_a_folder_with_something_in_it_is_refused(study: Path, finished: tuple[Path, Done], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    refused(command("tune", study, "--output-dir", tmp_path), "new or empty", str(tmp_path), "--resume")
    refused(command("train", study, "--output-dir", tmp_path), "new or empty")
    refused(command("tune", study, "--output-dir", finished[0]), "new or empty", "--resume")
    refused(command("tune", study, "--output-dir", tmp_path, "--resume"), "holds no config.json")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (("1e-3, 1e-2", "1e-3, 2e-2"), [], "space.learning_rate.max=0.02 where"),
        (("width=(4, 8)", "width=(4, 16)"), [], "space.shared_width.values=[4, 16] where"),
        (('monitor="val_skill"', 'monitor="val_skill"'), ["--seed", "1"], "settings.seed=1 where"),
        (('monitor="val_skill"', 'monitor="val_skill"'), ["--trials", "1"], "settings.trials=1 where"),
        (('monitor="val_skill"', 'monitor="val_skill"'), ["--set", "learning_rate=0.001"], "fixed"),
        (('mtl.Study("tiny"', 'mtl.Study("other"'), [], "tune other where"),
    ],
)
def test_a_resume_with_another_search_is_refused(
    change: tuple[str, str], options: Sequence[str], said: str, copy: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    done = command("tune", study_file(tmp_path, change), "--resume", "--output-dir", copy, *options)
    refused(done, said, "continued")
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("_no_training")
def test_a_folder_that_cannot_be_made_is_refused(study: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for verb in ("tune", "train"):
        refused(command(verb, study, "--output-dir", tmp_path / "file" / "out"), "can be written", "Not a directory")
        refused(command(verb, study, "--output-dir", tmp_path / "file"), "which is a file")
    assert (tmp_path / "file").stat().st_size == 0


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_disk_that_takes_nothing_is_refused(
    problem: int, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **options: Any) -> NoReturn:
        raise OSError(problem, os.strerror(problem))

    monkeypatch.setattr("tempfile.TemporaryFile", broken)
    refused(command("tune", study, "--output-dir", tmp_path / "out"), os.strerror(problem), "--output-dir")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing_half_written(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    done = command("tune", study, "--output-dir", tmp_path / "out")
    assert done.code == 2
    assert "Traceback" not in done.err
    last = done.err.splitlines()[-1]
    assert last.startswith("mtl-keras: ")
    assert "No space left on device" in last
    assert "--resume" in last
    assert (tmp_path / "out/trials.jsonl").read_bytes() == b""
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {
        "config.json",
        "environment.json",
        "trials.jsonl",
        "logs",
        ".lock",
    }


def test_a_folder_in_use_is_refused(copy: Path, study: Path) -> None:
    from mtl_keras.comparison._folder import lock

    with lock(copy):
        done = command("tune", study, "--output-dir", copy, "--resume")
    refused(done, "which another one holds")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "{tmp}/none"], "/none, which is none. Give e.g. results/"),
        (["evaluate", "{tmp}"], "a folder with model.keras"),
        (["cache", "clear", "0123", "--cache-dir", "{tmp}"], "Unknown cache entry: received '0123'"),
    ],
)
def test_other_verbs_refuse_too(arguments: Sequence[str], said: str, tmp_path: Path) -> None:
    refused(command(*(argument.format(tmp=tmp_path) for argument in arguments)), said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", ["tun", "tune --trails 3", "tune --trials x", "evaluate", "tune a b", "cache clean"])
def test_what_is_no_command_is_explained(arguments: str) -> None:
    done = command(*arguments.split())
    assert (done.code, done.out) == (2, "")
    assert "Usage: mtl-keras" in done.err
    assert "Traceback" not in done.err


def test_an_interruption_says_how_to_go_on(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(_trainer, "train_compiled", interrupted)
    done = command("tune", study, "--output-dir", tmp_path / "out")
    assert done.code == 130
    assert "--resume" in done.err
    assert "Traceback" not in done.err


def test_a_fault_of_ours_keeps_its_traceback(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for fault in (ZeroDivisionError(), OSError(errno.ENOENT, "gone")):

        def broken(*arguments: Any, fault: Exception = fault, **options: Any) -> NoReturn:
            raise fault

        monkeypatch.setattr(_trainer, "train_compiled", broken)
        with pytest.raises(type(fault)):
            command("tune", study, "--output-dir", tmp_path / type(fault).__name__)


def test_the_study_of_these_tests_is_one(tmp_path: Path) -> None:
    assert mtl.load_study(study_file(tmp_path)).name == "tiny"
    assert "STUDY" in TINY
