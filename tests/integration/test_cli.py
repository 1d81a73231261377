"""The command line from end to end on a study that takes seconds."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

import mtl_keras as mtl
from mtl_keras.callbacks import Checkpoint
from mtl_keras.files import read_json_lines
from mtl_keras.runs import Trainer, lock
from mtl_keras.studies import study_summaries
from tests.integration._tiny import command, config_of, refused, table, values
from tests.integration.conftest import Finished

# --- tune -------------------------------------------------------------------------------------------------------------


def test_tune_answers_in_one_line_of_json(tuned: Finished) -> None:
    folder, done = tuned.folder, tuned.done
    # Everything else went to standard error.
    assert done.out.count("\n") == 1
    assert "Searching 2 trials" in done.err
    answer = done.answer
    assert set(answer) == {"study", "output_dir", "best", "trials", "validation", "test"}
    assert (answer["study"], answer["output_dir"]) == ("noise", str(folder))
    assert answer["trials"] == {"completed": 2, "failed": 0}
    log = read_json_lines(folder / "trials.jsonl")
    best = max(log, key=lambda row: row["values"]["skill"])
    assert answer["best"] == {"trial": best["trial"], "hyperparameters": best["hyperparameters"]}
    found = values(folder)
    for split in ("validation", "test"):
        assert set(answer[split]["kind"]) == {"accuracy", "macro_f1"}
        for task, metrics in answer[split].items():
            for metric, mean in metrics.items():
                assert mean == pytest.approx(found["multi-task", "0", "best", split, task, metric])


def test_tune_leaves_a_record(tuned: Finished) -> None:
    folder = tuned.folder
    record = {"README.md", "config.json", "environment.json", "metrics.csv", "history.csv", "trials.jsonl"}
    record |= {"test_evaluations.jsonl", "curves.png", "trials.png", "confusion_kind.png", "confusion_odd.png"}
    model = {"model.keras", "logs", "finals"}
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert record | model <= names
    assert not list(folder.rglob(".*-*")), "temporary files"
    config = config_of(folder)
    assert (config["command"], config["study"], config["settings"]["trials"]) == ("tune", "noise", 2)
    assert set(config["space"]) == {"shared_depth", "shared_width", "loss_ratio_odd", "learning_rate"}
    rows = table(folder / "metrics.csv")
    assert {row["run"] for row in rows} == {"multi-task", "single-task", "trivial"}
    assert {(row["split"], row["epoch_kind"]) for row in rows if row["run"] == "single-task"} == {
        (split, kind) for split in ("validation", "test") for kind in ("best", "last")
    }
    (entry,) = read_json_lines(folder / "test_evaluations.jsonl")
    assert entry["what"]["command"] == "tune"
    assert {row["split"] for row in entry["metrics"]} == {"test"}
    logs = {path.name for path in (folder / "logs").iterdir() if path.is_dir()}
    assert {"trial-000", "trial-001", "final-multi-task-0", "final-single-task-kind-0"} <= logs
    assert mtl.load_model(folder).output_names == ["kind", "odd"]


def test_final_trainings_may_be_longer_than_trials(tuned: Finished) -> None:
    assert max(int(row["epoch"]) for row in table(tuned.folder / "history.csv")) == 2
    assert {trial["values"]["epoch"] for trial in read_json_lines(tuned.folder / "trials.jsonl")} == {1}


def test_a_finished_search_is_shown_again_and_takes_more_trials(tuned: Finished, tmp_path: Path) -> None:
    copy = tuned.copy(tmp_path / "copy")
    changing = {".lock", "model.keras"}
    before = {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file() and path.name not in changing}
    # More runs than TensorBoard selects by default.
    for number in range(40):
        (copy / "logs" / f"more-{number}").mkdir()
    done = command(*tuned.arguments, "--output-dir", copy, "--resume")
    assert done.code == 0, done.err
    assert {name: (copy / name).read_bytes() for name in before} == before
    # Without --json, standard output has the tables.
    for word in ("Trials of noise", "learning_rate", "Best: trial", "single-task", "trivial", "accuracy", "TOGGLE ALL RUNS"):
        assert word in done.out
    assert f"TensorBoard: tensorboard --logdir {copy / 'logs'}" in done.out

    log = read_json_lines(copy / "trials.jsonl")
    done = command(*tuned.arguments, "--output-dir", copy, "--resume", "--trials", 3, "--json")
    assert done.code == 0, done.err
    after = read_json_lines(copy / "trials.jsonl")
    assert (after[:2], len(after), done.answer["trials"]["completed"]) == (log, 3, 3)
    # One test evaluation for each configuration that was ever the best.
    bests = {max(rows, key=lambda row: row["values"]["skill"])["trial"] for rows in (log, after)}
    assert len(read_json_lines(copy / "test_evaluations.jsonl")) == len(bests)


OWN = '''"""Digits."""
import mtl_keras as mtl

STUDY = mtl.Study(
    "mine",
    "A digit and its parity.",
    mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity")),
    "digits",
)
'''


def test_a_first_study_is_tasks_and_data(tmp_path: Path) -> None:
    path, folder = tmp_path / "my_study.py", tmp_path / "run"
    path.write_text(OWN, encoding="utf-8")
    small = {"train_rows": 60, "baselines": False, "backbone_options": {"filters": [2]}}
    sets = [word for name, value in small.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    given = ("--trials", 1, "--epochs", 1, "--n-final-seeds", 1, *sets, "--output-dir", folder)
    done = command("tune", path, *given, "--json")
    assert done.code == 0, done.err
    assert "single-task" not in done.err
    assert {"shared_depth", "digit_depth", "parity_depth", "learning_rate"} <= done.answer["best"]["hyperparameters"].keys()
    assert {row["run"] for row in table(folder / "metrics.csv")} == {"multi-task", "trivial"}
    # In Python as well; the folder has the settings.
    assert mtl.tune(path, output_dir=folder, resume=True).summary() == done.answer


# --- train and evaluate -----------------------------------------------------------------------------------------------


def test_one_configuration_is_trained_and_evaluated(trained: Finished, noise: Path, place: Path, tmp_path: Path) -> None:
    folder, done, cache = trained.copy(tmp_path / "run"), trained.done, ("--cache-dir", place / "cache")
    assert done.out.count("\n") == 1
    assert (done.answer["study"], set(done.answer["validation"])) == ("noise", {"kind", "odd"})
    model = mtl.load_model(folder)
    assert model.recipe.shared.dense == (8,)
    assert "log_variance" in model.weighting_state
    weights = {row["value"] for row in table(folder / "history.csv") if row["metric"] == "loss_weight"}
    assert len(weights) > 2
    assert (folder / "loss_weights.png").exists()
    assert not (folder / "test_evaluations.jsonl").exists()

    again = command("evaluate", folder, "--study", noise, *cache, "--json")
    assert again.answer["values"] == {task: pytest.approx(each) for task, each in done.answer["validation"].items()}
    assert not (folder / "test_evaluations.jsonl").exists()

    # Two processes that log at once would lose a line.
    with lock(folder):
        refused(command("evaluate", folder, "--study", noise, "--split", "test", *cache), "which another process holds")
    assert not (folder / "test_evaluations.jsonl").exists()
    test = command("evaluate", folder, "--study", noise, "--split", "test", *cache, "--json")
    assert test.code == 0, test.err
    (entry,) = read_json_lines(folder / "test_evaluations.jsonl")
    assert (entry["split"], entry["what"]["command"]) == ("test", "evaluate")
    assert {row["value"] for row in entry["metrics"] if row["metric"] == "macro_f1"} == {
        each["macro_f1"] for each in test.answer["values"].values()
    }
    # A search is not continued in the folder of a training.
    refused(command("tune", *trained.arguments[1:2], "--output-dir", folder, "--resume"), "holds train noise")


def test_a_folder_is_data_and_runs_no_code(trained: Finished, noise: Path, tmp_path: Path) -> None:
    folder, ran = trained.copy(tmp_path / "received"), tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w').close()\n" + noise.read_text("utf-8"), encoding="utf-8")
    config = {**config_of(folder), "source": str(folder / "evil.py")}
    config.pop("checksum", None)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    refused(command("evaluate", folder), "no code is run that only a folder names", "evil.py", "--study FILE")
    assert not ran.exists()
    # Named by the user, it must be the one that the run was started with.
    other = tmp_path / "noise.py"
    other.write_text(noise.read_text("utf-8") + "# Another.\n", encoding="utf-8")
    refused(command("evaluate", folder, "--study", other), "noise.py, which has been changed since")
    refused(command("evaluate", folder, "--study", "digits"), "'digits' for", "a run of 'noise'")


def test_the_cache_is_listed_and_cleared(trained: Finished, place: Path, tmp_path: Path) -> None:
    cache = ("--cache-dir", shutil.copytree(place / "cache", tmp_path / "cache"))
    listed = command("cache", "list", *cache, "--json").answer
    assert all(entry["complete"] for entry in listed["entries"])
    assert {36, 54} <= {entry["rows"] for entry in listed["entries"]}
    assert "total" in command("cache", "list", *cache).out
    complete = sum(entry["complete"] for entry in listed["entries"])
    assert command("cache", "verify", *cache, "--json").answer["complete"] == complete
    path = next(Path(cache[1]).glob("*/rows.npy"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    verified = command("cache", "verify", *cache)
    assert f"{path.parent.name} is damaged" in verified.out
    assert f"{complete - 1} of {complete} complete entries in " in verified.out
    cleared = command("cache", "clear", *cache, "--json").answer
    assert cleared["freed_bytes"] == listed["bytes"] > 0
    assert command("cache", "list", *cache, "--json").answer["entries"] == []


def test_an_interrupted_training_is_resumed(trained: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Checkpoint.on_epoch_end

    def interrupt(checkpoint: Checkpoint, epoch: int, logs: Any = None) -> None:
        written(checkpoint, epoch, logs)
        raise KeyboardInterrupt

    folder = tmp_path / "interrupted"
    arguments = (*trained.arguments, "--json", "--output-dir", folder)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_epoch_end", interrupt)
        stopped = command(*arguments)
    assert (stopped.code, stopped.out) == (130, "")
    assert "--resume" in stopped.err
    assert "Traceback" not in stopped.err
    refused(command(*arguments), "new or empty", "--resume")
    refused(command(*arguments, "--resume", "--seed", 1), "settings.seed=1 where")
    done = command(*arguments, "--resume")
    assert done.code == 0, done.err
    assert {**done.answer, "output_dir": None} == {**trained.done.answer, "output_dir": None}
    for name in ("metrics.csv", "history.csv"):
        assert (folder / name).read_bytes() == (trained.folder / name).read_bytes()
    environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    assert len(environment["sessions"]) == 2

    # Once more: there is nothing to do, and nothing is changed.
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert command(*arguments, "--resume").answer == done.answer
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


# --- other verbs ------------------------------------------------------------------------------------------------------


def test_studies_are_listed() -> None:
    done = command("studies", "--json")
    assert done.code == 0
    assert done.out.count("\n") == 1
    assert {entry["name"]: entry["summary"] for entry in done.answer["studies"]} == study_summaries()
    assert "digits" in command("studies").out


def test_records_are_summarized(tmp_path: Path) -> None:
    results = Path(shutil.copytree(Path(__file__).parents[2] / "results", tmp_path / "results"))
    records = sorted(path.parent.relative_to(results).as_posix() for path in results.rglob("metrics.csv"))
    (results / "summary.csv").unlink()
    done = command("report", results, "--json")
    assert done.code == 0, done.err
    written = [str(results / name) for name in ("README.md", "summary.csv", "index.html")]
    where = [str(results / name) for name in records]
    assert done.answer == {"folders": [str(results)], "records": where, "written": written}
    assert (results / "summary.csv").exists()
    index = (results / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{name}/report.html"' in index and (results / name / "report.html").exists() for name in records)


def test_single_records_get_their_page_and_several_an_index(tmp_path: Path) -> None:
    results = Path(__file__).parents[2] / "results"
    one, two = (Path(shutil.copytree(results / "digits" / name, tmp_path / name)) for name in ("2026-11-22", "2026-11-24"))
    for folder in (one, two):
        (folder / "report.html").unlink(missing_ok=True)
    before = {path.name: path.read_bytes() for path in one.iterdir()}
    done = command("report", one, "--json")
    assert done.answer["written"] == [str(one / "report.html")]
    assert {path.name: path.read_bytes() for path in one.iterdir() if path.name != "report.html"} == before
    refused(command("report", one, two), "must have one place for their index", "--html index.html")
    done = command("report", one, two, "--html", tmp_path / "all.html", "--json")
    assert done.answer["written"] == [str(one / "report.html"), str(two / "report.html"), str(tmp_path / "all.html")]
    assert 'href="2026-11-22/report.html"' in (tmp_path / "all.html").read_text(encoding="utf-8")
    (tmp_path / "mine.html").write_text("mine", encoding="utf-8")
    refused(command("report", one, two, "--html", tmp_path / "mine.html"), "must be new, or an index")
    assert (tmp_path / "mine.html").read_text(encoding="utf-8") == "mine"


def test_a_folder_without_records_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_text("mine\n", encoding="utf-8")
    refused(command("report", tmp_path), "summary.csv must be one that write_summary wrote")
    (tmp_path / "summary.csv").rename(tmp_path / "mine.csv")
    refused(command("report", tmp_path), "at least one record", "which holds none")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


def test_a_report_needs_no_tensorflow(tmp_path: Path) -> None:
    results = shutil.copytree(Path(__file__).parents[2] / "results", tmp_path / "results")
    code = f"""
import sys
from mtl_keras.cli import main
assert main(["report", {str(results)!r}]) == 0
assert not {{"keras", "tensorflow"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert "records: wrote " in done.stdout


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    for verb, answer in (("list", {"bytes": 0, "entries": []}), ("clear", {"freed_bytes": 0})):
        done = command("cache", verb, "--cache-dir", tmp_path / "none", "--json")
        assert done.answer == {"cache_dir": str(tmp_path / "none"), **answer}
    assert f"There is no folder {tmp_path / 'none'} yet." in command("cache", "list", "--cache-dir", tmp_path / "none").out
    assert list(tmp_path.iterdir()) == []


def test_a_bug_keeps_its_traceback(noise: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for fault in (ZeroDivisionError(), OSError(errno.ENOENT, "gone")):

        def broken(*arguments: Any, fault: Exception = fault, **options: Any) -> NoReturn:
            raise fault

        monkeypatch.setattr(Trainer, "train", broken)
        with pytest.raises(type(fault)):
            command("tune", noise, "--output-dir", tmp_path / type(fault).__name__)
