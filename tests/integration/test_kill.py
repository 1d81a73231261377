"""A command that is killed, at whatever moment, and continued ends with the same results as one that is left alone."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mtl_keras.files import read_json_lines
from tests.integration._struck import CACHE, RUN
from tests.integration._tiny import NOISE, command, study_file
from tests.integration.conftest import Finished

ROOT = Path(__file__).parents[2]


def trials(folder: Path) -> list[tuple[int, int, int, dict[str, Any]]]:
    """What of the log does not depend on how floating-point sums were ordered."""
    rows = read_json_lines(folder / "trials.jsonl")
    assert all(row["status"] == "completed" for row in rows)
    return [(row["trial"], row["execution"], row["seed"], row["hyperparameters"]) for row in rows]


def start(module: str, *arguments: object, log: Path, folder: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a module of this checkout in a process of its own."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with log.open("a") as out:
        return subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
        )


def run_and_kill(arguments: list[str], ripe: Callable[[], bool]) -> bool:
    """Run a search in a process of its own and kill it as soon as `ripe`; return False if it had ended by itself."""
    log = Path(arguments[-1]).with_suffix(".log")
    process = start("mtl_keras", *arguments, log=log)
    try:
        while not ripe():
            if process.poll() is not None:
                assert process.returncode == 0, log.read_text()
                return False
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    return True


def test_a_killed_search_is_resumed_as_if_it_had_not_been(tuned: Finished, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    arguments = [*map(str, tuned.arguments), "--output-dir"]
    assert run_and_kill([*arguments, str(killed)], lambda: len(read_json_lines(killed / "trials.jsonl")) == 1)
    before = (killed / "trials.jsonl").read_bytes()
    assert not (killed / "README.md").exists()
    done = command(*arguments, killed, "--resume", "--json")
    assert done.code == 0, done.err
    assert done.answer["trials"] == {"completed": 2, "failed": 0}
    assert (killed / "trials.jsonl").read_bytes().startswith(before)
    assert len(read_json_lines(killed / "test_evaluations.jsonl")) == 1
    assert trials(killed) == trials(tuned.folder)


# Every moment of every command -----------------------------------------------------------------------------------------

FROZEN = ("--set", "freeze=true", "--set", "shared_depth=1", "--set", "shared_width=8", "--set", "weighting=uncertainty")
SEARCH = ("tune", "noise.py", "--trials", 5, "--epochs", 3, "--n-final-seeds")
COMMANDS: dict[str, tuple[object, ...]] = {
    "train": ("train", "noise.py", "--configuration", "joint", "--epochs", 20),
    "train on features": ("train", "noise.py", "--epochs", 3, *FROZEN),
    "fill the feature cache": ("train", "noise.py", "--epochs", 1, *FROZEN),
    "compare": ("compare", "noise.py", "--approach", "equal", "--approach", "uncertainty", "--seeds", 2, "--epochs", 6),
    "reproduce": ("reproduce", "noise.py", "--epochs", 6),
    "tune random": (*SEARCH, 2, "--tuner", "random"),
    "tune grid": (*SEARCH, 1, "--tuner", "grid"),
    "tune hyperband": (*SEARCH, 1, "--tuner", "hyperband"),
    "tune bayesian": (*SEARCH, 1, "--tuner", "bayesian"),
}
#: More rows than the feature cache has in a block, where it is filled.
MORE_ROWS = [
    ("rng.integers(0, 3, 150), rng.integers(0, 2, 150)", "rng.integers(0, 3, 12000), rng.integers(0, 2, 12000)"),
    ("rng.integers(0, 90, (150, 8, 8, 1))", "rng.integers(0, 90, (12000, 8, 8, 1))"),
    ("(images[:90], {name: column[:90]", "(images[:9700], {name: column[:9700]"),
    ("(images[90:], {name: column[90:]", "(images[9700:], {name: column[9700:]"),
]
#: Bayesian search draws three trials for each hyperparameter before it models anything: one, to get there.
ONE_HYPERPARAMETER = [
    ("depth=(0, 1), width=(4, 8))", "depth=(1,), width=(4,))"),
    ('hp.Float("learning_rate", 1e-3, 1e-2, sampling="log")', "0.01"),
]
CHANGES = {"tune bayesian": ONE_HYPERPARAMETER, "train on features": MORE_ROWS, "fill the feature cache": MORE_ROWS}
#: Where steps are counted, if not everywhere.
FOLDERS = {"fill the feature cache": CACHE}
#: Shares of the steps of a run at which it is struck, and the signal.
MOMENTS = [
    (0.02, signal.SIGKILL),
    (0.1, signal.SIGTERM),
    (0.2, signal.SIGKILL),
    (0.3, signal.SIGINT),
    (0.4, signal.SIGKILL),
    (0.5, signal.SIGKILL),
    (0.6, signal.SIGTERM),
    (0.7, signal.SIGKILL),
    (0.8, signal.SIGINT),
    (0.9, signal.SIGKILL),
    (0.96, signal.SIGKILL),
    (0.99, signal.SIGKILL),
]
#: Files on the processes that worked on a run.
UNEQUAL = {".lock", "environment.json"}
#: Keys of times, places, addresses, and checksums of them.
OWN = {"seconds", "training_seconds", "wall_seconds", "when", "began", "date_saved", "source", "shared_object_id", "checksum"}


@dataclass(frozen=True)
class Place:
    """A folder in which one command runs, again and again."""

    name: str
    folder: Path

    @classmethod
    def make(cls, name: str, folder: Path) -> Place:
        folder.mkdir()
        study_file(folder, *CHANGES.get(name, ()), text=NOISE)
        return cls(name, folder)

    @property
    def log(self) -> Path:
        """What all processes printed."""
        return self.folder / "log"

    def run(self, step: int = 0, number: int = signal.SIGKILL) -> int:
        """Run the command, or resume it, in a process that signals itself at a step; return its exit code."""
        arguments = [*COMMANDS[self.name], "--output-dir", RUN, "--cache-dir", CACHE, "--resume"]
        strike = (FOLDERS.get(self.name, f"{RUN},{CACHE}"), step, int(number))
        process = start("tests.integration._struck", *strike, *arguments, log=self.log, folder=self.folder)
        try:
            return process.wait(300)
        finally:
            process.kill()

    @property
    def steps(self) -> int:
        """How many steps the last process took to its end."""
        return int((self.folder / "steps").read_text())

    def results(self) -> dict[str, Any]:
        """Return everything that the run left, by file and part of the file, without times."""
        found: dict[str, Any] = {}
        for path in sorted(path for top in (RUN, CACHE) for path in (self.folder / top).rglob("*") if path.is_file()):
            # The names of TensorBoard's logs have time and process in them; their curves have a test of their own.
            if path.suffix != ".lock" and path.name not in UNEQUAL and "tfevents" not in path.name:
                parts = read(path.name, path.read_bytes())
                found |= {f"{path.relative_to(self.folder)} {part}": value for part, value in parts.items()}
        return found


def read(name: str, content: bytes) -> dict[str, Any]:
    """Return the parts of a file that must be equal."""
    suffix = Path(name).suffix
    if suffix in (".keras", ".npz"):
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = {each: read(each, file.read(each)) for each in file.namelist()}
        return {f"{member} {part}": value for member, parts in members.items() for part, value in parts.items()}
    if suffix == ".h5":
        values: dict[str, Any] = {}

        def visit(path: str, each: Any) -> None:
            if isinstance(each, h5py.Dataset):
                values[path] = each[()].tobytes()

        with h5py.File(io.BytesIO(content)) as file:
            file.visititems(visit)
        return values
    if name == "about.npy":
        return read("about.json", str(np.load(io.BytesIO(content))).encode())
    if suffix == ".json":
        return {"": lasting(json.loads(content))}
    if suffix == ".jsonl":
        return {"": [lasting(json.loads(line)) for line in content.splitlines()]}
    if suffix == ".md":
        return {"": [line for line in content.decode().splitlines() if "Wall time" not in line]}
    if suffix == ".csv":
        return {"": list(csv.reader(io.StringIO(content.decode())))}
    return {"": content}


def lasting(value: Any) -> Any:
    """Return plain JSON values without what is of one run only."""
    if isinstance(value, dict):
        return {key: lasting(each) for key, each in value.items() if key not in OWN}
    return [lasting(each) for each in value] if isinstance(value, list) else value


def assert_equal(place: Place, undisturbed: Place) -> None:
    """Check for equality to the bit."""
    found, expected = place.results(), undisturbed.results()
    assert found.keys() == expected.keys()
    assert [part for part in expected if found[part] != expected[part]] == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Place]:
    """Return the place of a command that was left alone, and that another one ended as."""
    places: dict[str, Place] = {}

    def get(name: str) -> Place:
        if name not in places:
            pair = [Place.make(name, tmp_path_factory.mktemp("undisturbed") / "place") for _ in range(2)]
            for place in pair:
                assert place.run() == 0, place.log.read_text()
            assert_equal(*pair)
            places[name] = pair[0]
        return places[name]

    return get


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("share", "number"), MOMENTS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_struck_once(
    name: str, share: float, number: int, undisturbed: Callable[[str], Place], tmp_path: Path
) -> None:
    place, expected = Place.make(name, tmp_path / "place"), undisturbed(name)
    code = place.run(max(1, round(share * expected.steps)), number)
    assert code == (-number if number == signal.SIGKILL else 128 + number), f"{code}: it was not struck"
    if number != signal.SIGKILL:
        assert "continue with --resume" in place.log.read_text().splitlines()[-1]
    assert place.run() == 0, place.log.read_text()
    assert_equal(place, expected)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_killed_again_and_again(name: str, undisturbed: Callable[[str], Place], tmp_path: Path) -> None:
    place, expected = Place.make(name, tmp_path / "place"), undisturbed(name)
    # At most half of the way is behind the last process, which therefore has more than a third before it.
    for parts in (4, 4, 3):
        assert place.run(expected.steps // parts) == -signal.SIGKILL, "it was not struck"
    assert place.run() == 0, place.log.read_text()
    assert_equal(place, expected)
