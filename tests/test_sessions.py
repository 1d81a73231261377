"""A run that several processes worked on says how long all of them took."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from mtl_keras.search._sessions import work_log


def about(command: str) -> dict[str, Any]:
    return {"command": command, "commit": "abc", "cores": 2}


def written(folder: Path) -> dict[str, Any]:
    environment: dict[str, Any] = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    return environment


def session(folder: Path, command: str, seconds: float) -> None:
    with work_log(folder, about(command), time.perf_counter() - seconds) as log:
        log.save()


def test_the_seconds_of_all_sessions_add_up(tmp_path: Path) -> None:
    session(tmp_path, "mtl-keras tune", 100)
    assert written(tmp_path)["wall_seconds"] == pytest.approx(100, abs=5)
    session(tmp_path, "mtl-keras tune --resume", 30)
    environment = written(tmp_path)
    assert environment["wall_seconds"] == pytest.approx(130, abs=10)
    assert environment["command"] == "mtl-keras tune", "the first session's"
    assert [each["command"] for each in environment["sessions"]] == ["mtl-keras tune", "mtl-keras tune --resume"]
    assert [set(each) for each in environment["sessions"]] == [{"command", "commit", "began", "wall_seconds"}] * 2
    assert environment["cores"] == 2


def test_a_killed_session_leaves_the_whole_unknown(tmp_path: Path) -> None:
    # Entered and never left: what stands on the disk then is all that a killed process says.
    killed = work_log(tmp_path, about("mtl-keras tune"), time.perf_counter())
    killed.__enter__()
    assert written(tmp_path)["wall_seconds"] is None
    session(tmp_path, "mtl-keras tune --resume", 30)
    environment = written(tmp_path)
    assert environment["wall_seconds"] is None
    assert [each["wall_seconds"] is None for each in environment["sessions"]] == [True, False]


def test_an_interrupted_session_says_how_long_it_took(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), work_log(tmp_path, about("mtl-keras tune"), time.perf_counter() - 40):
        raise KeyboardInterrupt
    assert written(tmp_path)["wall_seconds"] == pytest.approx(40, abs=5)


def test_a_session_with_nothing_to_do_is_forgotten(tmp_path: Path) -> None:
    session(tmp_path, "mtl-keras tune", 100)
    before = (tmp_path / "environment.json").read_bytes()
    with work_log(tmp_path, about("mtl-keras tune --resume"), time.perf_counter()) as log:
        assert len(written(tmp_path)["sessions"]) == 2
        log.forget()
    assert (tmp_path / "environment.json").read_bytes() == before
