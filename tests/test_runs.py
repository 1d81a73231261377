"""Folders of runs, their configuration, lock and work log, and the seeds of trainings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from mtl_keras.errors import MTLError
from mtl_keras.files import append_json, read_json_lines
from mtl_keras.runs import (
    TEST_EVALUATIONS,
    Options,
    Reporter,
    RunFolder,
    derived_seed,
    find_test_evaluation,
    lock,
    log_test_evaluation,
    read_config,
)
from mtl_keras.search import resolve
from tests._search import STUDY


def folder(path: Path) -> RunFolder:
    return RunFolder("made-up", "tune", Options(output_dir=path, resume=True))


def chosen(output_dir: str | Path | None, resume: bool, name: str = "made-up") -> Path:
    return RunFolder(name, "tune", Options(output_dir=output_dir, resume=resume)).path


def write_config(path: Path, config: dict[str, Any]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")


CONFIG = resolve(STUDY, {}).config("tune")


def test_a_run_without_a_folder_gets_the_next_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert chosen(None, False, "made-up") == Path("runs/made-up/1")
    # There is nothing to continue: it starts afresh.
    assert chosen(None, True, "made-up") == Path("runs/made-up/1")
    for number in (1, 9, 10):
        write_config(Path("runs/made-up", str(number)), CONFIG)
    Path("runs/made-up/notes").mkdir()
    assert chosen(None, False, "made-up") == Path("runs/made-up/11")
    assert chosen(None, True, "made-up") == Path("runs/made-up/10")
    # `train` numbers its folders in the same row; a search is not continued in one of those.
    write_config(Path("runs/made-up/11"), resolve(STUDY, {}).config("train"))
    assert chosen(None, True, "made-up") == Path("runs/made-up/10")
    assert chosen(None, True, "other") == Path("runs/other/1")


def test_two_runs_at_the_same_moment_have_two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = (RunFolder("made-up", "tune", Options()) for _ in range(2))
    assert one.path == other.path == Path("runs/made-up/1")
    with one.open(CONFIG, "mtl.tune(...)") as first, other.open(CONFIG, "mtl.tune(...)") as second:
        assert [first.path, second.path] == [Path("runs/made-up/1"), Path("runs/made-up/2")]
    assert one.path != other.path
    assert all(read_config(path) for path in (one.path, other.path))


@pytest.mark.parametrize("name", ["../../evil", "", "a/b", "x" * 300])
def test_a_study_is_called_what_its_folder_can_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(MTLError, match="The name of a study must be a text of 1 to 100 bytes"):
        replace(STUDY, name=name)
    with pytest.raises(MTLError, match=r"`output_dir` must be a path whose parts have at most 255 bytes\."):
        chosen(tmp_path / ("x" * 300), False)


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
        assert chosen(new, resume) == new
        assert chosen(str(empty), resume) == empty
        with pytest.raises(MTLError, match="which is a file"):
            chosen(file, resume)
    for folder in (used, own):
        with pytest.raises(MTLError, match="new or empty[.] Received: .*--resume"):
            chosen(folder, False)
    with pytest.raises(MTLError, match=r"holds no config\.json"):
        chosen(used, True)
    assert chosen(own, True) == own
    assert chosen(torn, True) == torn
    assert not new.exists()


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1]", "\xff"])
def test_a_configuration_that_is_something_else_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(MTLError, match=r"Received: .*config\.json"):
        read_config(tmp_path)


def test_more_trials_are_no_other_search(tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG)
    folder(tmp_path).check(CONFIG)
    folder(tmp_path).check({**CONFIG, "settings": {**CONFIG["settings"], "trials": 11}})
    folder(tmp_path).check({**CONFIG, "source": "/moved/elsewhere.py"})
    folder(tmp_path / "new").check({**CONFIG, "tasks": []})


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
        folder(tmp_path).check(resolve(STUDY, changes).config("tune"))
    assert said in str(refused.value)
    assert "only the number of trials may grow" in str(refused.value)


def test_an_edited_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), folder(tmp_path).open(CONFIG, "mtl.tune(...)"):
        raise KeyboardInterrupt
    assert read_config(tmp_path) == json.loads(json.dumps(CONFIG))
    text = (tmp_path / "config.json").read_text(encoding="utf-8")
    assert '"epochs": 9' in text
    (tmp_path / "config.json").write_text(text.replace('"epochs": 9', '"epochs": 90'), encoding="utf-8")
    with pytest.raises(MTLError, match=r"config\.json: it was changed after it was written"):
        folder(tmp_path)


@pytest.mark.parametrize("lost", ["settings", "fixed", "command"])
def test_a_configuration_without_a_part_is_refused(lost: str, tmp_path: Path) -> None:
    write_config(tmp_path, {key: value for key, value in CONFIG.items() if key != lost})
    with pytest.raises(MTLError, match=rf"config\.json.* '{lost}'"):
        read_config(tmp_path)


def test_another_study_file_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_config(tmp_path, {**CONFIG, "source": "mine.py", "source_digest": "12"})
    for digest in ("12", "34"):
        assert not caplog.text
        config = {**CONFIG, "source": "mine.py", "source_digest": digest}
        folder(tmp_path).check(config)
        with folder(tmp_path).open(config, "mtl.tune(...)"):
            pass
    assert "goes on with another study file, which may change results: mine.py" in caplog.text


def test_another_space_is_another_search(tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG)
    wider = {**CONFIG["space"], "learning_rate": {"min": 0.001, "max": 0.5, "sampling": "log"}}
    with pytest.raises(MTLError, match=r"space\.learning_rate\.max=0\.5 where .* has 0\.1"):
        folder(tmp_path).check({**CONFIG, "space": wider})


def test_one_process_holds_a_folder(tmp_path: Path) -> None:
    with lock(tmp_path / "run"):
        with pytest.raises(MTLError, match="another process holds"), lock(tmp_path / "run"):
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


def test_old_names_of_settings_are_read(tmp_path: Path) -> None:
    config = {**CONFIG, "settings": {**CONFIG["settings"], "domain_batch_norm": True}}
    settings = dict(config["settings"])
    old = {"executions": "seeds_per_trial", "final_seeds": "n_final_seeds", "twins": "baselines", "enlarge": "repeat"}
    old["own_statistics"] = "domain_batch_norm"
    for before, now in old.items():
        settings[before] = settings.pop(now)
    write_config(tmp_path, {**config, "settings": settings})
    read = read_config(tmp_path)
    assert read is not None
    assert read["settings"].keys() == config["settings"].keys()
    folder(tmp_path).check(config)
    reproduction = {"command": "reproduce", "study": "x", "by_split": True, "configurations": {"a": {"settings": settings}}}
    write_config(tmp_path / "other", reproduction)
    read = read_config(tmp_path / "other")
    assert read is not None
    assert read["split_per_seed"] is True
    assert read["configurations"]["a"]["settings"].keys() == config["settings"].keys()


# --- open runs --------------------------------------------------------------------------------------------------------


def test_a_run_that_delivers_nothing_is_not_logged(tmp_path: Path) -> None:
    chosen = folder(tmp_path / "run")
    assert not chosen.path.exists()
    with pytest.raises(KeyboardInterrupt), chosen.open(CONFIG, "mtl.tune(...)"):
        raise KeyboardInterrupt
    # The configuration and the first session are there for whoever resumes.
    assert read_config(chosen.path) == json.loads(json.dumps(CONFIG))
    before = (chosen.path / "environment.json").read_bytes()
    with folder(tmp_path / "run").open(CONFIG, "mtl.tune(...)"):
        pass
    assert (chosen.path / "environment.json").read_bytes() == before


def test_what_a_killed_process_had_half_written_is_removed(tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG)
    left = [tmp_path / ".0123456789abcdef-curves.png", tmp_path / "jobs" / "equal-0" / ".0123456789abcdef-best.weights.h5"]
    left[1].parent.mkdir(parents=True)
    for path in left:
        path.write_text("half")
    with folder(tmp_path).open(CONFIG, "mtl.tune(...)"):
        assert not any(path.exists() for path in left)


def test_options_are_split_from_other_arguments() -> None:
    options, rest = Options.split({"output_dir": "x", "trials": 3, "reporter": None})
    assert (options.output_dir, options.resume, rest) == ("x", False, {"trials": 3})
    assert type(options.reporter) is Reporter


# --- seeds and test evaluations ---------------------------------------------------------------------------------------


def test_a_derived_seed_follows_from_study_trial_and_execution() -> None:
    grid = {derived_seed(seed, trial, execution) for seed in range(4) for trial in range(40) for execution in range(3)}
    assert len(grid) == 4 * 40 * 3
    assert all(0 <= seed < 2**31 for seed in grid)
    # Fixed: a search of last year must be resumed with the same seeds.
    assert [derived_seed(0, 0, 0), derived_seed(0, 1, 0), derived_seed(7, 12, 1)] == [1484405855, 1982462498, 1428917112]


def test_a_test_evaluation_is_found_by_what_it_is_of(tmp_path: Path) -> None:
    what = {"command": "tune", "runs": ["a-0"]}
    assert find_test_evaluation(tmp_path, what) is None
    log_test_evaluation(tmp_path, what, [{"value": 0.5}])
    assert find_test_evaluation(tmp_path, what) == [{"value": 0.5}]
    assert find_test_evaluation(tmp_path, {**what, "runs": ["a-1"]}) is None
    (entry,) = read_json_lines(tmp_path / TEST_EVALUATIONS)
    assert (entry["split"], entry["what"]) == ("test", what)
    # As logs were written before.
    append_json(tmp_path / TEST_EVALUATIONS, {"what": {"command": "old"}, "figures": [{"value": 0.25}]})
    assert find_test_evaluation(tmp_path, {"command": "old"}) == [{"value": 0.25}]
