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
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mtl_keras.errors import MTLError
from mtl_keras.files import (
    append_json,
    atomic,
    check_hdf5,
    check_name,
    read_json,
    read_json_lines,
    remove_leftovers,
    seal,
    writable_folder,
    write_json,
)
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


@given(rows=ROWS, more=ROWS, at=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=30, deadline=None)
def test_a_byte_that_was_changed_is_noticed(rows: list[Any], more: list[Any], at: float, byte: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        for row in [*rows, *more]:
            append_json(path, row)
        content = bytearray(path.read_bytes())
        place = int(at * len(content))
        if content[place] == ord("\n"):
            place -= 1
        assume(byte not in (content[place], ord("\n")))
        content[place] = byte
        path.write_bytes(content)
        with pytest.raises(MTLError, match=r"log\.jsonl, line "):
            read_json_lines(path)


def test_lines_that_are_not_those_that_were_written_are_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for number in range(3):
        append_json(path, {"trial": number})
    first, second, third = path.read_bytes().splitlines(keepends=True)
    old = [b'{"trial": 0}\n', b'{"trial": 1}\n']
    for lines, said in (
        ([first, third], "line 2: it was changed after it was written"),
        ([first, second, first, second], "line 3: it was changed after it was written"),
        ([second, first], "line 1: it was changed after it was written"),
        ([first, old[1]], "line 2: it has no checksum, unlike the line before"),
        ([*old, old[0]], "line 3: it is there twice"),
        ([old[0], b'{"trial": \n'], "line 2: Expecting value"),
        ([old[0], b'{"trial": "\xff"}\n'], "line 2: it is not UTF-8"),
        ([b"[1]\n"], "line 1: it is a list, not an object"),
        ([b"{}\n"], "line 1: it has no 'trial'"),
    ):
        path.write_bytes(b"".join(lines))
        with pytest.raises(MTLError) as refused:
            read_json_lines(path, ("trial",))
        assert f"must be as mtl-keras wrote it. Received: {path}, {said}" in str(refused.value)
        assert "Restore it from a copy, or start again" in str(refused.value)
    # Logs of earlier versions are read and continued.
    path.write_bytes(b"".join(old))
    append_json(path, {"trial": 2})
    assert read_json_lines(path, ("trial",)) == [{"trial": number} for number in range(3)]


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    value = {"settings": {"epochs": 5, "views": []}, "skill": math.inf}
    write_json(path, seal(value))
    assert read_json(path, ("settings",)) == value
    sealed = path.read_bytes()
    for content, said in (
        (sealed.replace(b"5", b"50", 1), "it was changed after it was written"),
        (sealed[:20], ", line 3: "),
        (b"\n\xff", ", line 2: it is not UTF-8"),
        (b"[]", "it is a list, not an object"),
        (b"{}", "it has no 'settings'"),
        (b"[" * 10**5, "recursion"),
    ):
        path.write_bytes(content)
        with pytest.raises(MTLError) as refused:
            read_json(path, ("settings",))
        assert f"Received: {path}" in str(refused.value)
        assert said in str(refused.value)


def test_weights_from_another_file_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["value"] = [1.0, 2.0]
    check_hdf5(secret)

    def external(file: Any) -> None:
        file["layer/value"] = h5py.ExternalLink(str(secret), "/value")

    def soft(file: Any) -> None:
        file["layer/value"] = h5py.SoftLink("/elsewhere")

    def virtual(file: Any) -> None:
        layout = h5py.VirtualLayout((2,), "f8")
        layout[:] = h5py.VirtualSource(str(secret), "value", (2,))
        file.create_virtual_dataset("layer/value", layout)

    def stored_elsewhere(file: Any) -> None:
        file.create_dataset("layer/value", (2,), "f8", external=[(str(tmp_path / "raw"), 0, 16)])

    for number, write in enumerate((external, soft, virtual, stored_elsewhere)):
        path = tmp_path / f"{number}.weights.h5"
        with h5py.File(path, "w") as file:
            write(file)
        with pytest.raises(MTLError, match=rf"{path}: /layer/value is "):
            check_hdf5(path)
    secret.write_bytes(b"no HDF5")
    with pytest.raises(MTLError, match=r"secret\.h5: "):
        check_hdf5(secret)


@pytest.mark.parametrize(
    "name", ["", " ", "../../evil", "a/b", "a\\b", ".hidden", "a\nb", "x" * 101, "ä" * 51, "\ud800", None, 3]
)
def test_a_name_that_is_no_files_is_refused(name: Any) -> None:
    with pytest.raises(MTLError, match=r"The name of a study must be a text of 1 to 100 bytes") as refused:
        check_name("a study", name)
    assert len(str(refused.value)) < 300


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


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    """Also while it is written: a file that only its owner can read has no copy that others can."""
    path = tmp_path / "file.json"
    for mode in (0o600, 0o664, 0o444):
        path.write_text("old")
        path.chmod(mode)
        with atomic(path) as temporary:
            assert temporary.stat().st_mode & 0o077 & ~mode == 0
            temporary.write_text("new")
        assert path.stat().st_mode & 0o777 == mode
        path.unlink()


def test_a_link_is_replaced(tmp_path: Path) -> None:
    """A folder from elsewhere may link to any file."""
    other, link = tmp_path / "other.json", tmp_path / "link.json"
    other.write_text("{}")
    link.symlink_to(other)
    write_json(link, {"a": 1})
    assert other.read_text() == "{}"
    assert read_json(link) == {"a": 1}
    assert not link.is_symlink()


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    for name in ("n" * 250 + ".json", "é" * 125 + ".json"):
        write_json(tmp_path / name, {"a": 1})
        assert read_json(tmp_path / name) == {"a": 1}


def test_a_place_where_nothing_can_be_written_is_named_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    places = {"n" * 256: "File name too long", "folder": "Is a directory", "file/deep": "", "loop": "Too many levels"}
    for name, said in places.items():
        path = tmp_path / name
        with pytest.raises(MTLError, match=rf"written completely. Received: {said}.* at {path}. Pass another path.$"):  # noqa: SIM117
            with atomic(path):
                pytest.fail("the work was done")
        with pytest.raises(MTLError, match=rf"must be writable. Received: {said}.*\. Pass another path.$"):
            append_json(path, {})
        if name != "file/deep":
            with pytest.raises(MTLError, match=rf"must be as mtl-keras wrote it. Received: {path}: {said}"):
                read_json_lines(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "loop"]


def test_what_a_killed_writer_leaves_is_removed(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from mtl_keras.files import atomic\n"
        "with atomic(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    kept = [tmp_path / name for name in (".lock", ".0123456789abcdef", "0123456789abcdef-file.json", ".notes-file.json")]
    for path in kept:
        path.write_text("")
    for path in (tmp_path / "file.json", tmp_path / "job" / "best.weights.h5"):
        subprocess.run([sys.executable, "-c", program, str(path)], check=False)
        assert [each.read_text() for each in path.parent.iterdir() if each not in kept and each.is_file()] == ["half"]
    remove_leftovers(tmp_path)
    assert sorted(path for path in tmp_path.iterdir() if path.is_file()) == sorted(kept)
    assert len([*(tmp_path / "job").iterdir()]) == 1, "which another process may be writing"
    remove_leftovers(tmp_path, below=True)
    assert [*(tmp_path / "job").iterdir()] == []


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
