"""Atomic writes, and logs that survive a kill at any byte."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_keras.errors import MTLError
from mtl_keras.files import append_json, atomic, read_json_lines, writable_folder, write_json
from tests._disk import full_after

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(st.dictionaries(st.text(), VALUES, max_size=3), min_size=1, max_size=4)


@given(rows=ROWS, cut=st.floats(0, 1), more=ROWS)
@settings(max_examples=20, deadline=None)
def test_a_log_cut_at_any_byte_keeps_its_complete_lines_and_can_be_continued(
    rows: list[Any], cut: float, more: list[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deep" / "log.jsonl"
        ends = [0]
        for row in rows:
            append_json(path, row)
            ends.append(path.stat().st_size)
        assert read_json_lines(path) == rows
        size = round(cut * ends[-1])
        os.truncate(path, size)
        kept = rows[: sum(end <= size for end in ends) - 1]
        assert read_json_lines(path) == kept
        for row in more:
            append_json(path, row)
        assert read_json_lines(path) == kept + more


def test_a_log_stores_values_that_are_not_finite(tmp_path: Path) -> None:
    append_json(tmp_path / "log.jsonl", {"loss": math.nan, "skill": -math.inf})
    (row,) = read_json_lines(tmp_path / "log.jsonl")
    assert math.isnan(row["loss"])
    assert row["skill"] == -math.inf


def test_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert read_json_lines(tmp_path / "log.jsonl") == []


def test_a_full_disk_leaves_the_log_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    append_json(path, {"trial": 0})
    before = path.read_bytes()
    for room in (0, 1, 50):
        with (
            full_after(len(before) + room),
            pytest.raises(MTLError, match=r"log .*log\.jsonl.*File too large.*--resume") as info,
        ):
            append_json(path, {"trial": 1, "note": "x" * 100})
        assert "\n" not in str(info.value)
        assert path.read_bytes() == before
    append_json(path, {"trial": 1})
    assert read_json_lines(path) == [{"trial": 0}, {"trial": 1}]


def test_a_killed_writer_loses_no_reported_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    program = (
        "import sys; from pathlib import Path; from mtl_keras.files import append_json\n"
        "for i in range(10**9): append_json(Path(sys.argv[1]), {'i': i, 'pad': 'x' * 5000}); print(i, flush=True)"
    )
    for wait in (0.02, 0.05):
        with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(wait)
            process.kill()
            reported = 1 + len(process.stdout.read().split())
        rows = read_json_lines(path)
        assert [row["i"] for row in rows] == list(range(len(rows)))
        # It may have been killed between writing and reporting.
        assert reported <= len(rows) <= reported + 1
        append_json(path, {"i": len(rows)})
        assert len(read_json_lines(path)) == len(rows) + 1
        path.unlink()


def test_an_atomic_write_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    with atomic(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert temporary.name.endswith("file.json"), "Keras chooses the format by the name"
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]
    plain = path.with_name("plain")
    plain.write_text("")
    assert path.stat().st_mode == plain.stat().st_mode, "permissions follow the umask"


@pytest.mark.parametrize("failure", [RuntimeError("ours"), KeyboardInterrupt()])
def test_a_failure_while_writing_leaves_the_old_file(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "file.json"
    path.write_text("old")
    with pytest.raises(type(failure)), atomic(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": [1, math.inf]})
    before = path.read_bytes()
    assert json.loads(before) == {"a": [1, math.inf]}
    with full_after(1000), pytest.raises(MTLError, match=r"must be written completely.*File too large.*file\.json") as info:
        write_json(path, {"a": "x" * 5000})
    assert "\n" not in str(info.value)

    def refused(*paths: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(MTLError, match="No space left on device"):
        write_json(path, {"a": 2})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_writable_is_refused(tmp_path: Path) -> None:
    assert writable_folder(tmp_path / "a" / "b").is_dir()
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(MTLError, match=r"must be writable. Received: .*file.*Not a directory"):
        writable_folder(tmp_path / "file" / "deep")
    with full_after(100), pytest.raises(MTLError, match=r"Received: .*File too large"):
        writable_folder(tmp_path / "full")
