"""One finished run of each verb, made once through the command line. Copy a folder before changing it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration._tiny import NOISE, Done, command, study_file


@dataclass(frozen=True)
class Finished:
    """A finished command, its folder and its arguments without `--output-dir`."""

    folder: Path
    done: Done
    arguments: tuple[object, ...]

    def copy(self, folder: Path) -> Path:
        """Return a copy of the folder that may be changed."""
        return Path(shutil.copytree(self.folder, folder))


def finish(folder: Path, *arguments: object) -> Finished:
    done = command(*arguments, "--output-dir", folder, "--json")
    assert done.code == 0, done.err
    return Finished(folder, done, arguments)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of these fixtures are; `cache` in it is their feature cache."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of noise."""
    return study_file(tmp_path_factory.mktemp("study"), text=NOISE)


@pytest.fixture(scope="session")
def tuned(noise: Path, place: Path) -> Finished:
    """A search of two trials of one epoch, and one final training of two."""
    return finish(place / "tuned", "tune", noise, "--n-final-seeds", 1)


@pytest.fixture(scope="session")
def trained(noise: Path, place: Path) -> Finished:
    """Two epochs over a frozen trunk, weighted by uncertainty."""
    sets = ("freeze=true", "shared_depth=1", "shared_width=8", "weighting=uncertainty")
    given = [word for each in sets for word in ("--set", each)]
    return finish(place / "trained", "train", noise, "--epochs", 2, *given, "--cache-dir", place / "cache")


@pytest.fixture(scope="session")
def reproduced(noise: Path, place: Path) -> Finished:
    """All configurations."""
    return finish(place / "reproduced", "reproduce", noise)


@pytest.fixture(scope="session")
def compared(noise: Path, tuned: Finished, place: Path) -> Finished:
    """The weights of the search against uncertainty."""
    approaches = ("--approach", "fixed", "--approach", "uncertainty")
    return finish(place / "compared", "compare", noise, "--fixed-from", tuned.folder, *approaches, "--seeds", 2)
