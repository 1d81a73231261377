"""The feature cache: right after a kill, a cut, a flip, a full disk, and with two processes at once."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras import data
from mtl_keras.data import _store, cache
from mtl_keras.errors import MTLError
from mtl_keras.tasks import Binary, Reconstruction, Tasks

KEY = "0123456789abcdef" * 2
SHAPE = (22, 3)
ROWS = np.arange(66, dtype=np.float32).reshape(SHAPE)
BLOCKS = [0, 5, 10, 15, 20]

#: What the subprocesses run: rows that can be told apart, four steps a block, each call told in a file of its own.
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
rows = _store.stored(folder, {"made": "here"}, (22, 3), compute)
print(rows.sum(), flush=True)
"""


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_store, "BLOCK_ROWS", 5)


class Compute:
    """Gives the rows and remembers which blocks it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, start: int, stop: int) -> np.ndarray:
        self.asked.append(start)
        return ROWS[start:stop]


def fill(folder: Path, **options: Any) -> tuple[np.ndarray, list[int]]:
    """The rows, and which blocks had to be computed."""
    compute = Compute()
    rows = _store.stored(folder, {"made": "here"}, SHAPE, compute, **options)
    return rows, compute.asked


def start(folder: Path, log: Path, seconds: float = 0, stop_at: int = -1) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PROGRAM, str(folder), str(log), str(seconds), str(stop_at)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)


# The store -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_memory", [True, False])
def test_rows_are_computed_once(tmp_path: Path, in_memory: bool) -> None:
    folder, seen = tmp_path / KEY, []
    rows, asked = fill(folder, in_memory=in_memory, progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_array_equal(rows, ROWS)
    assert asked == BLOCKS
    assert seen == [(0, 22), (5, 22), (10, 22), (15, 22), (20, 22), (22, 22)]
    again, asked = fill(folder, in_memory=in_memory)
    np.testing.assert_array_equal(again, ROWS)
    assert asked == []
    assert isinstance(again, np.memmap) is not in_memory
    assert sorted(path.name for path in folder.iterdir()) == ["journal.jsonl", "rows.npy"]
    np.testing.assert_array_equal(np.load(folder / "rows.npy"), ROWS)


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
def test_damage_is_found_and_mended(damage: str, in_memory: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / KEY
    fill(folder)
    change, expected = DAMAGES[damage]
    change(folder)
    rows, asked = fill(folder, in_memory=in_memory)
    np.testing.assert_array_equal(rows, ROWS)
    assert asked == expected
    assert [record.message.count("altered") for record in caplog.records] == [1] * (damage != "rows gone")
    assert fill(folder)[1] == []


def test_a_killed_filling_goes_on_where_it_stopped(tmp_path: Path) -> None:
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
    rows, asked = fill(folder)
    np.testing.assert_array_equal(rows, ROWS)
    assert asked == [15, 20]


def test_an_unfinished_file_is_checked_before_it_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / KEY

    def failing(start: int, stop: int) -> np.ndarray:
        if start == 15:
            raise KeyboardInterrupt
        return ROWS[start:stop]

    with pytest.raises(KeyboardInterrupt):
        _store.stored(folder, {"made": "here"}, SHAPE, failing)
    content = bytearray((folder / "rows.partial").read_bytes())
    content[128 + 5 * 12] ^= 1
    (folder / "rows.partial").write_bytes(content)
    rows, asked = fill(folder)
    np.testing.assert_array_equal(rows, ROWS)
    assert asked == [5, 15, 20]


def test_two_processes_fill_one_entry_together(tmp_path: Path) -> None:
    folder = tmp_path / KEY
    processes = [start(folder, tmp_path / "log", seconds=0.1) for _ in range(3)]
    sums = [process.communicate(timeout=60)[0] for process in processes]
    assert sums == [f"{ROWS.sum()}\n"] * 3
    assert [process.returncode for process in processes] == [0] * 3
    assert (tmp_path / "log").read_text().split() == [str(block) for block in BLOCKS], "each block was computed once"


def test_a_second_reader_says_that_it_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, started, go_on = tmp_path / KEY, threading.Event(), threading.Event()

    def slow(start: int, stop: int) -> np.ndarray:
        started.set()
        assert go_on.wait(30)
        return ROWS[start:stop]

    thread = threading.Thread(target=_store.stored, args=(folder, {"made": "here"}, SHAPE, slow))
    thread.start()
    assert started.wait(30)
    with pytest.raises(MTLError, match=f"in use cannot be removed. Received: {KEY}"):
        cache.clear(tmp_path)
    with caplog.at_level(logging.INFO, "mtl_keras"):
        threading.Timer(0.2, go_on.set).start()
        assert fill(folder)[1] == []
    assert "waiting for it" in caplog.text
    thread.join()


# Disks -----------------------------------------------------------------------------------------------------------------


def test_a_disk_known_to_be_too_small_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 22 * 12 - 1}))
    compute = Compute()
    with pytest.raises(MTLError, match=r"needs more room on the disk\. Received: No space left on device"):
        _store.stored(tmp_path / KEY, {}, SHAPE, compute)
    assert compute.asked == []
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


def test_a_write_cut_short_by_the_system_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_folder_that_cannot_be_written_is_told(below: str, tmp_path: Path) -> None:
    """A file stands where the folder should be: unlike a mode bit, that stops root too."""
    (tmp_path / "file").write_text("")
    with pytest.raises(
        MTLError, match=f"must be readable and writable. Received: .* at {tmp_path / below}. .*MTL_KERAS_CACHE_DIR"
    ):
        fill(tmp_path / below / KEY)


def test_a_file_that_cannot_be_read_is_told_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / KEY)

    def refused(entry: _store._Entry, path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(_store._Entry, "_head", refused)
    with pytest.raises(MTLError, match="Received: Permission denied"):
        fill(tmp_path / KEY)
    monkeypatch.undo()
    assert cache.entries(tmp_path)[0].complete


def test_an_error_of_the_trunk_stays_what_it_is(tmp_path: Path) -> None:
    def failing(start: int, stop: int) -> np.ndarray:
        raise OSError("not the disk of the cache")

    with pytest.raises(OSError, match="not the disk"):
        _store.stored(tmp_path / KEY, {}, SHAPE, failing)


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
    assert (first.key, first.path, first.rows, first.complete, first.identity) == (
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
    assert (entry.rows, entry.identity) == (0, {})
    assert cache.clear(tmp_path) > 0


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MTL_KERAS_CACHE_DIR", str(tmp_path / "own"))
    assert cache.default_cache_dir() == tmp_path / "own"
    monkeypatch.delenv("MTL_KERAS_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.default_cache_dir() == tmp_path / "mtl-keras"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.default_cache_dir() == tmp_path / ".cache" / "mtl-keras"


# Features --------------------------------------------------------------------------------------------------------------


def trunk() -> keras.Model:
    """A small trunk with batch normalization and dropout, which inference mode must leave still."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer=keras.initializers.GlorotUniform(1))(image)
    x = keras.layers.BatchNormalization(moving_mean_initializer=keras.initializers.RandomUniform(-1, 1, seed=2))(x)
    x = keras.layers.Dropout(0.5, seed=0)(keras.layers.ReLU()(x))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


IMAGES = np.random.default_rng(0).integers(0, 256, (22, 8, 8, 3)).astype(np.uint8)
IDENTITY = {"backbone": "small", "image_size": 8}


def digest(folder: Path) -> set[str]:
    return {entry.key for entry in cache.entries(folder)}


def test_features_are_what_the_trunk_predicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trunk()
    before = [keras.ops.convert_to_numpy(weight) for weight in model.weights]
    features = cache.features(model, IMAGES, IDENTITY, tmp_path, batch_size=3)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, model.predict(IMAGES, verbose=0), rtol=1e-5, atol=1e-5)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)

    def forward(*arguments: Any) -> Callable[[int, int], np.ndarray]:
        return lambda start, stop: pytest.fail("computed again")

    monkeypatch.setattr(cache, "_forward", forward)
    # Another process numbers Keras' layers differently, which must not matter.
    np.testing.assert_array_equal(cache.features(trunk(), IMAGES, IDENTITY, tmp_path), features)
    monkeypatch.setattr(cache, "MEMORY_SHARE", 0)
    mapped = cache.features(model, IMAGES, IDENTITY, tmp_path)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, features)


def test_whatever_fixes_the_features_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trunk()
    known: set[str] = set()

    def is_new() -> bool:
        nonlocal known
        before, known = known, digest(tmp_path)
        return len(known) == len(before) + 1

    cache.features(model, IMAGES, IDENTITY, tmp_path)
    assert is_new()
    cache.features(model, IMAGES, {**IDENTITY, "image_size": 9}, tmp_path)
    assert is_new()
    other = IMAGES.copy()
    other[-1, -1, -1, -1] ^= 1
    cache.features(model, other, IDENTITY, tmp_path)
    assert is_new()
    cache.features(model, IMAGES.astype(np.float32), IDENTITY, tmp_path)
    assert is_new()
    kernel = model.weights[0]
    kernel.assign(kernel + 1e-6)
    cache.features(model, IMAGES, IDENTITY, tmp_path)
    assert is_new()
    monkeypatch.setattr(keras, "__version__", "0")
    cache.features(model, IMAGES, IDENTITY, tmp_path)
    assert is_new()
    cache.features(model, IMAGES, dict(reversed(IDENTITY.items())), tmp_path)
    assert not is_new(), "the order of the identity is no difference"


def test_a_digest_knows_type_and_shape() -> None:
    same_bytes = [
        np.zeros((2, 6), np.float32),
        np.zeros((2, 6), np.int32),
        np.zeros((3, 4), np.float32),
        np.zeros(12, np.float32),
    ]
    assert len({cache._array_digest(array) for array in same_bytes}) == 4


def test_a_feature_map_of_open_size(tmp_path: Path) -> None:
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, strides=2)(image))
    features = cache.features(model, IMAGES, {}, tmp_path)
    np.testing.assert_allclose(features, model.predict(IMAGES, verbose=0), rtol=1e-4, atol=1e-3)


def test_featurize_replaces_inputs_and_keeps_targets(tmp_path: Path) -> None:
    tasks = Tasks(Binary("odd"), Reconstruction("image"))
    columns = {"odd": np.arange(22) % 2}
    made = data.from_arrays(tasks, (IMAGES, columns), test=(IMAGES[:5], {"odd": columns["odd"][:5]}), validation_fraction=0.2)
    model, seen = trunk(), []
    featured = made.featurize(model, IDENTITY, tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert made.test is not None
    for name in ("train", "validation"):
        images, features = getattr(made, name), getattr(featured, name)
        np.testing.assert_allclose(features.x, model.predict(images.x, verbose=0), rtol=1e-5, atol=1e-5)
        assert features.y["image"] is images.x
        assert features.y["odd"] is images.y["odd"]
    assert featured.test is made.test, "not asked for"
    assert (featured.image_shape, made.features) == ((8, 8, 3), None)
    assert featured.features == cache.trunk_digest(model, IDENTITY) != cache.trunk_digest(model, {})
    assert seen == sorted(seen)
    assert seen[-1] == (22, 22)
    x, y, _ = next(iter(featured.train.batches(4, seed=0)))
    assert (x.shape, y["image"].shape) == ((4, 4), (4, 8, 8, 3))
    tested = made.featurize(model, IDENTITY, tmp_path, splits=("test",)).test
    assert tested is not None
    assert tested.x.shape == (5, 4)
    with pytest.raises(MTLError, match="Unknown split: received 'valid'"):
        made.featurize(model, IDENTITY, tmp_path, splits=("valid",))
    with pytest.raises(MTLError, match="Received: data that holds the features of trunk"):
        featured.featurize(model, IDENTITY, tmp_path)


def test_the_journal_says_what_the_rows_are(tmp_path: Path) -> None:
    cache.features(trunk(), IMAGES, IDENTITY, tmp_path)
    (entry,) = cache.entries(tmp_path)
    assert entry.identity == IDENTITY
    assert json.loads((entry.path / "journal.jsonl").read_text().splitlines()[0])["shape"] == [22, 4]
