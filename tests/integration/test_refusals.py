"""Every input that the command line refuses: one line that names the offender, exit code 2, and nothing trained or written."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

import mtl_keras as mtl
from mtl_keras.data import Data
from mtl_keras.errors import TrialError
from mtl_keras.runs import Trainer, lock
from tests.integration._tiny import NOISE, TINY, command, refused, study_file
from tests.integration.conftest import Finished


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study_file(tmp_path_factory.mktemp("study"))


@pytest.fixture
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where anything long is started."""

    def long_work(*arguments: Any, **options: Any) -> NoReturn:
        pytest.fail("a refused input was worked on")

    monkeypatch.setattr(Trainer, "train", long_work)
    monkeypatch.setattr(Data, "featurize", long_work)


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
        (["tune", "{study}", "--n-final-seeds", "0"], ["n_final_seeds=0"]),
        (["tune", "{study}", "--set", "batch_size=many"], ["batch_size='many'"]),
        (["tune", "{study}", "--set", "loss_ratio_parity=-1"], ["Loss weights must be at least 0", "loss_ratio_parity=-1"]),
        (["tune", "{study}", "--set", "learning_rte=1"], ["Unknown setting or hyperparameter", "'learning_rate'"]),
        (["tune", "{study}", "--set", "epoch=1"], ["Unknown setting or hyperparameter", "'epochs'"]),
        (["tune", "{study}", "--set", "learning_rate=fast"], ["of type float", "'fast'"]),
        (["tune", "{study}", "--set", "learning_rate"], ["--set must be KEY=VALUE. Received: 'learning_rate'"]),
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
        ("STUDY = mtl.Study", "study = mtl.Study", ["must define STUDY", "tiny.py with STUDY missing"]),
        ("import mtl_keras as mtl", "import mtl_kreas as mtl", ["tiny.py: ModuleNotFoundError", "mtl_kreas"]),
        ("def space(hp, context):", "def space(hp, context)", ["tiny.py: SyntaxError"]),
        ("classes=10", "classes=5", ["Labels of task 'digit' must be integers from 0 to 4", "in row "]),
        ('mtl.Binary("parity")', 'mtl.Binary("party")', ["Unknown column: received 'party'. Did you mean 'parity'"]),
        ('"digits", (8, 8, 1)', '"digitz", (8, 8, 1)', ["Unknown data set: received 'digitz'. Did you mean 'digits'"]),
        ('"val_skill"', '"val_digit_acuracy"', ["Unknown metric to monitor", "'val_digit_accuracy'"]),
        ("weighting=weights", 'weighting={"digit": 0, "parity": 0}', ["At least one loss weight must be above 0"]),
        ("weighting=weights", 'weighting={"digit": 1, "parity": -1}', ["`weights['parity']` must be a number in [0, 1e+09]"]),
        ("weighting=weights", 'weighting={"digit": 1}', ["Loss weights must name every task", "parity"]),
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
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            "compare {study} --approach equal --approach equal",
            "`approach` must be given once for each name. Received: 'equal' 2",
        ),
        ("compare {study} --approach eqal", "Unknown approach: received 'eqal'. Did you mean 'equal'"),
        ("compare {study} --seeds 1", "`seeds` of a comparison, which estimates a spread, must be an integer in [2"),
        ("compare {study} --set weighting=dwa", "`weighting` must be left out of a comparison of weightings"),
        ("tune {study} --set weighting=eqal", "Unknown weighting: received 'eqal'. Did you mean 'equal'"),
        ('train {study} --set weighting={{"digit":1}}', "Loss weights must name every task"),
        ("reproduce {noise} --configuration joint --configuration joint", "`configuration` must be given once for each name."),
        ("reproduce {noise} --configuration jiont", "Unknown configuration of 'noise': received 'jiont'. Did you mean 'joint'"),
        ("train {study} --configuration nope", "'nope'. There is none. 'tiny' names no configurations: leave it out."),
    ],
)
def test_names_and_counts_are_refused_before_the_data_is_loaded(arguments: str, said: str, tmp_path: Path) -> None:
    """Also where the study has no image shape, so that the data is loaded first."""
    study = study_file(tmp_path, ("(8, 8, 1), space", "None, space"))
    noise = study_file(tmp_path, ("    (8, 8, 1),\n", "    None,\n"), text=NOISE)
    given = [word.format(study=study, noise=noise) for word in arguments.split()]
    done = command(*given, "--output-dir", tmp_path / "out")
    refused(done, said)
    assert "Loading data" not in done.err


@pytest.mark.usefixtures("_no_training")
def test_a_data_folder_that_does_not_exist_is_refused(study: Path, tmp_path: Path) -> None:
    for verb in ("tune", "train", "compare"):
        done = command(verb, study, "--data-dir", tmp_path / "nope", "--output-dir", tmp_path / "out")
        refused(done, f"`data_dir` must be a folder. Received: '{tmp_path / 'nope'}', which is none. Pass another --data-dir.")
        assert "Building" not in done.err


@pytest.mark.usefixtures("_no_training")
def test_an_import_of_a_neighbor_has_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "clothes.py").write_text("COLORS = 3\n", encoding="utf-8")
    study = study_file(tmp_path, ("import mtl_keras as mtl", "import mtl_keras as mtl\nfrom clothes import COLORS"))
    said = "tiny.py: ModuleNotFoundError: No module named 'clothes'. A module next to it is imported relatively: from .clothes"
    refused(command("train", study), said)
    assert mtl.load_study(
        study_file(tmp_path, ("import mtl_keras as mtl", "import mtl_keras as mtl\nfrom .clothes import COLORS"))
    )


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
    refused(done, "VGG16", "name resolution", "Without a network connection use one of CifarEfficientNetB0, EfficientNetLite0")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("_no_training")
def test_a_folder_with_something_in_it_is_refused(study: Path, tuned: Finished, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    refused(command("tune", study, "--output-dir", tmp_path), "new or empty", str(tmp_path), "--resume")
    refused(command("train", study, "--output-dir", tmp_path), "new or empty")
    refused(command("tune", study, "--output-dir", tuned.folder), "new or empty", "--resume")
    refused(command("tune", study, "--output-dir", tmp_path, "--resume"), "holds no config.json")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


SAME = ("batch_size=32", "batch_size=32")


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (("1e-3, 1e-2", "1e-3, 2e-2"), [], "space.learning_rate.max=0.02 where"),
        (("width=(4, 8)", "width=(4, 16)"), [], "space.shared_width.values=[4, 16] where"),
        (SAME, ["--seed", "1"], "settings.seed=1 where"),
        (SAME, ["--trials", "1"], "settings.trials=1 where"),
        (SAME, ["--set", "learning_rate=0.001"], "fixed"),
        (("test = (images[90:]", "test = (255 - images[90:]"), [], "other inputs in the test split than"),
        (('    "noise",\n    "What', '    "other",\n    "What'), [], "tune other where"),
    ],
)
def test_a_resume_with_another_search_is_refused(
    change: tuple[str, str], options: Sequence[str], said: str, tuned: Finished, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in tuned.folder.rglob("*") if path.is_file()}
    study = study_file(tmp_path, change, text=NOISE)
    done = command("tune", study, "--n-final-seeds", 1, "--resume", "--output-dir", tuned.folder, *options)
    refused(done, said, "must")
    assert {path: path.read_bytes() for path in tuned.folder.rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (
            "config.json",
            lambda text: text.replace(b'"epochs": 1', b'"epochs": 2', 1),
            "config.json: it was changed after it was",
        ),
        ("environment.json", lambda text: text[:-20], "environment.json, line "),
        ("trials.jsonl", lambda text: text + text, "trials.jsonl, line 3: it was changed after it was written"),
        ("trials.jsonl", lambda text: b"\xff\n" + text, "trials.jsonl, line 1: it is not UTF-8"),
        (
            "test_evaluations.jsonl",
            lambda text: text.replace(b'"value": 0.', b'"value": 0.9', 1),
            "test_evaluations.jsonl, line 1",
        ),
        (
            "finals/*/multi-task-0/summary.json",
            lambda text: text.replace(b'"value": 0.', b'"value": 0.9', 1),
            "summary.json: it was changed after it was written",
        ),
    ],
)
def test_a_folder_that_was_changed_is_not_continued(
    file: str, change: Callable[[bytes], bytes], said: str, tuned: Finished, tmp_path: Path
) -> None:
    folder = tuned.copy(tmp_path / "run")
    (path,) = folder.glob(file)
    assert change(path.read_bytes()) != path.read_bytes()
    path.write_bytes(change(path.read_bytes()))
    done = command(*tuned.arguments, "--resume", "--output-dir", folder)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert said in done.err.splitlines()[-1]


@pytest.mark.usefixtures("_no_training")
def test_a_folder_that_cannot_be_made_is_refused(study: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for verb in ("tune", "train"):
        refused(command(verb, study, "--output-dir", tmp_path / "file" / "out"), "must be writable", "Not a directory")
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

    def fail(*arguments: Any, **options: Any) -> NoReturn:
        raise TrialError("A failed trial is logged too.")

    monkeypatch.setattr(Trainer, "train", fail)

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


@pytest.mark.usefixtures("_no_training")
def test_a_folder_in_use_is_refused(study: Path, tmp_path: Path) -> None:
    with lock(tmp_path):
        done = command("tune", study, "--output-dir", tmp_path, "--resume")
    refused(done, "which another process holds")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "{tmp}/none"], "/none, which is none. Pass e.g. results/"),
        (["evaluate", "{tmp}"], "a folder with model.keras"),
        (["cache", "clear", "0123", "--cache-dir", "{tmp}"], "Unknown cache entry: received '0123'. There is none. The cache"),
        (["cache", "list", "--cache-dir", __file__], "`cache_dir` must be a folder. Received: "),
    ],
)
def test_other_verbs_refuse_too(arguments: Sequence[str], said: str, tmp_path: Path) -> None:
    refused(command(*(argument.format(tmp=tmp_path) for argument in arguments)), said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("tun", "Unknown command of mtl-keras: received 'tun'. Did you mean 'tune'"),
        ("zzz", "Unknown command of mtl-keras: received 'zzz'. Expected one of 'cache', "),
        ("cache clean", "Unknown command of mtl-keras cache: received 'clean'. Did you mean 'clear'"),
        ("tune --trails 3", "Unknown option of mtl-keras tune: received '--trails'. Did you mean '--trials'"),
        ("tune --trials two", "--trials must be an integer. Received: 'two'. Pass e.g. --trials 3."),
        ("tune --trials", "--trials must have a value. Received: none. Pass --trials VALUE"),
        ("tune --quick=3", "--quick must have no value. Received: one. Pass --quick alone."),
        (
            "evaluate",
            "mtl-keras evaluate must have the argument FOLDER. Received: none. Add it, see mtl-keras evaluate --help.",
        ),
        ("evaluate runs/1 --split tset", "Unknown value of --split: received 'tset'. Did you mean 'test'"),
        ("tune a b", "mtl-keras tune must have no more arguments than --help shows. Received: also b. Drop it"),
        ("tune --trials 3 --trials 4", "--trials must be given once. Received: several values. Drop all but one of them."),
        ("train a --configuration b --configuration c", "--configuration must be given once. Received: several values."),
    ],
)
def test_wrong_usage_is_refused_in_one_line(arguments: str, said: str) -> None:
    refused(command(*arguments.split()), f"mtl-keras: {said}")


def test_no_command_shows_the_help() -> None:
    for arguments in ((), ("cache",)):
        done = command(*arguments)
        assert done.code == 2
        assert done.err.startswith("Usage: mtl-keras")
    assert command("cache", "--help").code == 0


def test_the_version_is_told() -> None:
    done = command("--version")
    assert (done.code, done.out, done.err) == (0, f"mtl-keras {mtl.__version__}\n", "")


def test_the_study_of_these_tests_is_one(tmp_path: Path) -> None:
    assert mtl.load_study(study_file(tmp_path)).name == "tiny"
    assert "STUDY" in TINY
