"""Rows on disk: after a kill, truncation, changed bits or a full disk, and with several processes at once."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_keras.data import _store, cache
from mtl_keras.errors import MTLError

KEY = "0123456789abcdef" * 2
SHAPE = (22, 3)
ROWS = np.arange(66, dtype=np.float32).reshape(SHAPE)
BLOCKS = [0, 5, 10, 15, 20]

#: Program of the subprocesses: it loads distinct rows and appends the start of each computed block to a log.
PROGRAM = """
import sys, time
from pathlib import Path
import numpy as np
from mtl_keras.data import _store
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
_store.BLOCK_ROWS = 5
folder, log, seconds, stop_at = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
def compute(start, stop):
    with log.open("a") as file:
        file.write(f"{start}\\n")
    if start == stop_at:
        print("stopped", flush=True)
        time.sleep(600)
    time.sleep(seconds)
    return np.arange(66, dtype=np.float32).reshape(22, 3)[start:stop]
rows = _store.load_rows(folder, {"identity": {"made": "here"}}, (22, 3), compute)
print(rows.sum(), flush=True)
"""


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_store, "BLOCK_ROWS", 5)


class Compute:
    """Computes rows and records the requested blocks."""

    def __init__(self) -> None:
        self.blocks: list[int] = []

    def __call__(self, start: int, stop: int) -> np.ndarray:
        self.blocks.append(start)
        return ROWS[start:stop]


def fill(folder: Path, **options: Any) -> tuple[np.ndarray, list[int]]:
    """Return the rows, and the blocks that were computed."""
    compute = Compute()
    rows = _store.load_rows(folder, {"identity": {"made": "here"}}, SHAPE, compute, **options)
    return rows, compute.blocks


def start(folder: Path, log: Path, seconds: float = 0, stop_at: int = -1) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PROGRAM, str(folder), str(log), str(seconds), str(stop_at)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)


# The store -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_memory", [True, False])
def test_rows_are_computed_once(tmp_path: Path, in_memory: bool) -> None:
    folder, seen = tmp_path / KEY, []
    rows, blocks = fill(folder, in_memory=in_memory, progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_array_equal(rows, ROWS)
    assert blocks == BLOCKS
    assert seen == [(0, 22), (5, 22), (10, 22), (15, 22), (20, 22), (22, 22)]
    again, blocks = fill(folder, in_memory=in_memory)
    np.testing.assert_array_equal(again, ROWS)
    assert blocks == []
    assert isinstance(again, np.memmap) is not in_memory
    assert sorted(path.name for path in folder.iterdir()) == ["journal.jsonl", "rows.npy"]
    np.testing.assert_array_equal(np.load(folder / "rows.npy"), ROWS)


def test_entries_of_earlier_versions_stay_valid(tmp_path: Path) -> None:
    fill(tmp_path / KEY)
    first = (tmp_path / KEY / "journal.jsonl").read_text().splitlines()[0]
    layout = '"shape": [22, 3], "dtype": "float32", "block_rows": 5'
    assert first == f'{{"format": 1, "identity": {{"made": "here"}}, {layout}}}'
    head = (tmp_path / KEY / "rows.npy").read_bytes()[:128]
    assert head.rstrip() == b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (22, 3), }"


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_the_type_is_part_of_the_identity(dtype: str, in_memory: bool, tmp_path: Path) -> None:
    fill(tmp_path / KEY)
    rows = ROWS.astype(dtype)
    for count in (5, 0) if dtype != "float32" else (0,):
        blocks = list[int]()

        def compute(start: int, stop: int, blocks: list[int] = blocks) -> np.ndarray:
            blocks.append(start)
            return rows[start:stop]

        header = {"identity": {"made": "here"}}
        found = _store.load_rows(tmp_path / KEY, header, SHAPE, compute, dtype=dtype, in_memory=in_memory)
        assert (found.dtype.name, len(blocks)) == (dtype, count)
        np.testing.assert_array_equal(found, rows)


def test_blocks_are_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_store, "BLOCK_BYTES", 25)
    assert fill(tmp_path / KEY)[1] == list(range(0, 22, 2))


def truncated(folder: Path) -> None:
    os.truncate(folder / "rows.npy", (folder / "rows.npy").stat().st_size - 1)


def emptied(folder: Path) -> None:
    os.truncate(folder / "rows.npy", 0)


def lengthened(folder: Path) -> None:
    with (folder / "rows.npy").open("ab") as file:
        file.write(b"\0")


def flipped(position: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = bytearray((folder / "rows.npy").read_bytes())
        content[position] ^= 1
        (folder / "rows.npy").write_bytes(content)

    return change


def journal(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "journal.jsonl"
        path.write_text("".join(change(path.read_text().splitlines(keepends=True))))

    return edit


DAMAGES: dict[str, tuple[Callable[[Path], None], list[int]]] = {
    "truncated by a byte": (truncated, [20]),
    "emptied": (emptied, BLOCKS),
    "lengthened": (lengthened, []),
    "first byte flipped": (flipped(0), BLOCKS),
    "shape flipped": (flipped(60), BLOCKS),
    "first number flipped": (flipped(128), [0]),
    "number of the third block flipped": (flipped(128 + 12 * 12), [10]),
    "last byte flipped": (flipped(-1), [20]),
    "journal of something else": (journal(lambda lines: [lines[0].replace("here", "there"), *lines[1:]]), BLOCKS),
    "journal without its first line": (journal(lambda lines: lines[1:]), BLOCKS),
    "journal without a block": (journal(lambda lines: lines[:2] + lines[3:]), [5]),
    "journal with another checksum": (
        journal(lambda lines: [*lines[:-1], lines[-1].replace('blake2b": "', 'blake2b": "x')]),
        [20],
    ),
    "journal torn": (journal(lambda lines: [*lines[:-1], lines[-1][:9]]), [20]),
    "journal no JSON": (journal(lambda lines: ["\0\0", "[1]\n"]), BLOCKS),
    "journal of other types": (journal(lambda lines: [lines[0], "[1]\n", "3\n", '{"start": [1]}\n', '{"start": 5}\n']), BLOCKS),
    "journal gone": (lambda folder: (folder / "journal.jsonl").unlink(), BLOCKS),
    "rows gone": (lambda folder: (folder / "rows.npy").unlink(), BLOCKS),
}


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_repaired(damage: str, in_memory: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / KEY
    fill(folder)
    change, expected = DAMAGES[damage]
    change(folder)
    rows, blocks = fill(folder, in_memory=in_memory)
    np.testing.assert_array_equal(rows, ROWS)
    assert blocks == expected
    assert [record.message.count("altered") for record in caplog.records] == [1] * (damage != "rows gone")
    assert fill(folder)[1] == []


def test_a_killed_process_is_continued_where_it_stopped(tmp_path: Path) -> None:
    folder, log = tmp_path / KEY, tmp_path / "log"
    process = start(folder, log, stop_at=15)
    assert process.stdout is not None
    assert process.stdout.readline() == "stopped\n"
    process.kill()
    process.communicate()
    assert log.read_text().split() == ["0", "5", "10", "15"]
    assert not (folder / "rows.npy").exists()
    (entry,) = cache.entries(tmp_path)
    assert (entry.complete, entry.rows) == (False, 22)
    rows, blocks = fill(folder)
    np.testing.assert_array_equal(rows, ROWS)
    assert blocks == [15, 20]


def test_an_incomplete_file_is_verified_before_it_is_continued(tmp_path: Path) -> None:
    folder = tmp_path / KEY

    def failing(start: int, stop: int) -> np.ndarray:
        if start == 15:
            raise KeyboardInterrupt
        return ROWS[start:stop]

    with pytest.raises(KeyboardInterrupt):
        _store.load_rows(folder, {"identity": {"made": "here"}}, SHAPE, failing)
    content = bytearray((folder / "rows.partial").read_bytes())
    content[128 + 5 * 12] ^= 1
    (folder / "rows.partial").write_bytes(content)
    rows, blocks = fill(folder)
    np.testing.assert_array_equal(rows, ROWS)
    assert blocks == [5, 15, 20]


def test_several_processes_compute_each_block_once(tmp_path: Path) -> None:
    folder = tmp_path / KEY
    processes = [start(folder, tmp_path / "log", seconds=0.1) for _ in range(3)]
    sums = [process.communicate(timeout=60)[0] for process in processes]
    assert sums == [f"{ROWS.sum()}\n"] * 3
    assert [process.returncode for process in processes] == [0] * 3
    assert (tmp_path / "log").read_text().split() == [str(block) for block in BLOCKS], "each block was computed once"


def test_a_second_process_reports_that_it_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, started, proceed = tmp_path / KEY, threading.Event(), threading.Event()

    def slow(start: int, stop: int) -> np.ndarray:
        started.set()
        assert proceed.wait(30)
        return ROWS[start:stop]

    thread = threading.Thread(target=_store.load_rows, args=(folder, {"identity": {"made": "here"}}, SHAPE, slow))
    thread.start()
    assert started.wait(30)
    with pytest.raises(MTLError, match=f"must not be in use when it is removed. Received: {KEY}"):
        cache.clear(tmp_path)
    with caplog.at_level(logging.INFO, "mtl_keras"):
        threading.Timer(0.2, proceed.set).start()
        assert fill(folder)[1] == []
    assert "waiting for it" in caplog.text
    thread.join()


# Disks -----------------------------------------------------------------------------------------------------------------


def test_a_disk_that_is_too_small_is_reported_before_any_computation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 22 * 12 - 1}))
    compute = Compute()
    with pytest.raises(MTLError, match=r"must have enough space on the disk\. Received: No space left on device"):
        _store.load_rows(tmp_path / KEY, {}, SHAPE, compute)
    assert compute.blocks == []
    assert not (tmp_path / KEY).exists()


@pytest.mark.parametrize("allowed", range(8))
def test_a_disk_that_fills_up_leaves_nothing(allowed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = _store._write, iter(range(99))

    def write(file: Any, data: Any) -> None:
        if next(calls) >= allowed:
            file.write(memoryview(data).cast("B")[:7])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, data)

    monkeypatch.setattr(_store, "_write", write)
    with pytest.raises(MTLError, match="mtl-keras cache clear") as caught:
        fill(tmp_path / KEY)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / KEY).exists()
    monkeypatch.setattr(_store, "_write", real)
    np.testing.assert_array_equal(fill(tmp_path / KEY)[0], ROWS)


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self, path: Path) -> None:
            self.file = path.open("wb", buffering=0)
            self.fileno = self.file.fileno

        def write(self, part: memoryview) -> int:
            return self.file.write(part[:7])

    slow: Any = Slow(tmp_path / "file")
    _store._write(slow, ROWS.data)
    slow.file.close()
    assert (tmp_path / "file").read_bytes() == ROWS.tobytes()


@pytest.mark.parametrize("below", ["file", "file/folder"])
def test_a_folder_that_is_not_writable_is_reported(below: str, tmp_path: Path) -> None:
    """A file in the place of the folder: unlike permissions, it also stops root."""
    (tmp_path / "file").write_text("")
    with pytest.raises(
        MTLError, match=f"must be readable and writable. Received: .* at {tmp_path / below}. .*MTL_KERAS_CACHE_DIR"
    ):
        fill(tmp_path / below / KEY)


def test_a_file_that_is_not_readable_is_reported_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / KEY)

    def refused(entry: _store.Entry, path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(_store.Entry, "_head", refused)
    with pytest.raises(MTLError, match="Received: Permission denied"):
        fill(tmp_path / KEY)
    monkeypatch.undo()
    assert cache.entries(tmp_path)[0].complete


def test_an_error_of_the_computation_is_not_translated(tmp_path: Path) -> None:
    def failing(start: int, stop: int) -> np.ndarray:
        raise OSError("not the disk of the cache")

    with pytest.raises(OSError, match="not the disk"):
        _store.load_rows(tmp_path / KEY, {}, SHAPE, failing)


# Listing and clearing --------------------------------------------------------------------------------------------------


def test_entries_and_clear(tmp_path: Path) -> None:
    assert cache.entries(tmp_path / "none") == []
    assert cache.clear(tmp_path / "none") == 0
    keys = [KEY, KEY[::-1]]
    for key in keys:
        fill(tmp_path / key)
    os.utime(tmp_path / keys[0] / "rows.npy", (2e9, 2e9))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "rows.npy").write_text("mine")
    (tmp_path / keys[1] / "notes.txt").write_text("mine")
    first, second = cache.entries(tmp_path)
    assert (first.key, first.path, first.rows, first.complete, first.fingerprint) == (
        keys[0],
        tmp_path / keys[0],
        22,
        True,
        {"made": "here"},
    )
    assert first.modified == 2e9
    assert first.bytes == sum(path.stat().st_size for path in first.path.iterdir())
    with pytest.raises(MTLError, match="Unknown cache entry: received 'ffff'"):
        cache.clear(tmp_path, ["ffff"])
    assert cache.clear(tmp_path, [keys[0]]) == first.bytes
    assert [entry.key for entry in cache.entries(tmp_path)] == [keys[1]]
    (tmp_path / keys[1] / "notes.txt").unlink()
    assert cache.clear(tmp_path) == second.bytes
    assert cache.entries(tmp_path) == []
    assert (tmp_path / "notes" / "rows.npy").read_text() == "mine", "nothing but the cache's own files is removed"


def test_a_damaged_entry_can_be_listed_and_cleared(tmp_path: Path) -> None:
    fill(tmp_path / KEY)
    (tmp_path / KEY / "journal.jsonl").write_text('{"shape": "no"}')
    (entry,) = cache.entries(tmp_path)
    assert (entry.rows, entry.fingerprint) == (0, {})
    assert cache.clear(tmp_path) > 0
