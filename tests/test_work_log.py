"""A run that several processes worked on says how long all of them took."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mtl_keras import versions
from mtl_keras.errors import MTLError
from mtl_keras.runs._work_log import work_log


def written(folder: Path) -> dict[str, Any]:
    environment: dict[str, Any] = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    return environment


def session(folder: Path, seconds: float, call: str = "mtl.tune('digits')") -> None:
    with work_log(folder, call, time.perf_counter() - seconds) as log:
        log.save()


def test_the_seconds_of_all_sessions_add_up(tmp_path: Path) -> None:
    session(tmp_path, 100)
    assert written(tmp_path)["wall_seconds"] == pytest.approx(100, abs=5)
    session(tmp_path, 30, "mtl.tune('digits', resume=True)")
    environment = written(tmp_path)
    assert environment["wall_seconds"] == pytest.approx(130, abs=10)
    assert environment["command"] == "mtl.tune('digits')", "the first session's"
    assert [each["command"] for each in environment["sessions"]] == ["mtl.tune('digits')", "mtl.tune('digits', resume=True)"]
    assert [set(each) for each in environment["sessions"]] == [{"command", "commit", "packages", "began", "wall_seconds"}] * 2
    assert environment["cores"] >= 1


def test_other_versions_are_warned_of_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(versions, "_version", lambda package: "1.2.3")
        session(tmp_path, 1)
    assert not caplog.text
    session(tmp_path, 1)
    now = versions.package_versions()["keras"]
    assert f"{tmp_path} goes on with other versions, which may change results:" in caplog.text
    assert f"keras 1.2.3 -> {now}" in caplog.text
    assert [each["packages"]["keras"] for each in written(tmp_path)["sessions"]] == ["1.2.3", now]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1: Expecting property name"),
        ("[]", "it is a list"),
        ('{"commit": null}', "it has no 'packages'"),
        ('{"commit": null, "packages": {}, "sessions": [3]}', "its sessions are not a list of objects"),
        ('{"commit": null, "packages": 3}', "its packages are no object"),
    ],
)
def test_a_damaged_log_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "environment.json").write_text(text, encoding="utf-8")
    with pytest.raises(MTLError) as refused:
        session(tmp_path, 1)
    assert f"{tmp_path}/environment.json" in str(refused.value)
    assert said in str(refused.value)


def test_a_typed_command_is_kept_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/mtl-keras", "tune", "digits", "--trials", "3"])
    session(tmp_path, 1)
    assert written(tmp_path)["command"] == "mtl-keras tune digits --trials 3"


def test_a_killed_session_leaves_the_whole_unknown(tmp_path: Path) -> None:
    # Entered and never left: what stands on the disk then is all that a killed process says.
    killed = work_log(tmp_path, "mtl.tune('digits')", time.perf_counter())
    killed.__enter__()
    assert written(tmp_path)["wall_seconds"] is None
    session(tmp_path, 30)
    environment = written(tmp_path)
    assert environment["wall_seconds"] is None
    assert [each["wall_seconds"] is None for each in environment["sessions"]] == [True, False]


def test_an_interrupted_session_says_how_long_it_took(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), work_log(tmp_path, "mtl.tune('digits')", time.perf_counter() - 40):
        raise KeyboardInterrupt
    assert written(tmp_path)["wall_seconds"] == pytest.approx(40, abs=5)


def test_a_session_with_nothing_to_do_is_forgotten(tmp_path: Path) -> None:
    session(tmp_path, 100)
    before = (tmp_path / "environment.json").read_bytes()
    with work_log(tmp_path, "mtl.tune('digits')", time.perf_counter()) as log:
        assert len(written(tmp_path)["sessions"]) == 2
        log.forget()
    assert (tmp_path / "environment.json").read_bytes() == before
