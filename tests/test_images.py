"""Image files decoded once into the cache: the same pixels, read by number, verified, repaired, resumed after a kill."""

from __future__ import annotations

import copy
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtl_keras.data import ImageOptions, UnreadableImage, _image_store, _images, _stored, cache, loading
from mtl_keras.errors import MTLError

COUNT, SIDE = 30, 8
#: Program of the subprocesses: it reads all images, and appends the name of each file that is decoded to a log.
PROGRAM = """
import sys
from pathlib import Path
from mtl_keras.data import ImageOptions, UnreadableImage, _image_store, _images
from tests.integration._struck import Strike
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
_images.SMALL_COUNT, _image_store.BLOCK_BYTES, _image_store.MEMORY_SHARE = 0, 4 * 8 * 8 * 3, float(sys.argv[3])
folder, step = Path(sys.argv[1]), int(sys.argv[2])
decode = ImageOptions.decode
def logged(options, path):
    with (folder / "log").open("a") as file:
        file.write(f"{Path(path).stem}\\n")
    return decode(options, path)
ImageOptions.decode = logged
strike = Strike([str(folder / "cache")], step, 9)
strike.folders = (str(folder / "cache"),)
import os
sync = os.fsync
os.fsync = lambda fd: (strike.sync(fd if isinstance(fd, int) else fd.fileno()), sync(fd))
sys.addaudithook(strike.hear)
files = [Path(f"{number}.png") for number in range(30)]
images, unreadable = _images.ImageReader(folder, ImageOptions(8), folder / "cache").read(files)
import numpy as np
assert not unreadable
np.save(folder / "read.npy", np.asarray(images))
(folder / "steps").write_text(str(strike.done))
"""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four images a block, which are stored however few they are, and stay on the disk."""
    monkeypatch.setattr(_images, "SMALL_COUNT", 0)
    monkeypatch.setattr(_image_store, "BLOCK_BYTES", 4 * SIDE * SIDE * 3)
    monkeypatch.setattr(_image_store, "MEMORY_SHARE", 0)


def make(folder: Path, count: int = COUNT) -> list[Path]:
    """Write photos of 12 px and return their names."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, 12, 12, 3)).astype(np.uint8)
    for number in range(count):
        Image.fromarray(pixels[number]).save(folder / f"{number}.png")
    return [Path(f"{number}.png") for number in range(count)]


def read(folder: Path, files: list[Path], where: Any = None, **options: Any) -> tuple[np.ndarray, dict[int, str]]:
    return _images.ImageReader(folder, ImageOptions(SIDE, **options), folder / "cache" if where is None else where).read(files)


def flip(folder: Path, position: int) -> None:
    """Change one bit of the stored rows."""
    (path,) = (folder / "cache").glob("*/rows.npy")
    with path.open("r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("share", [0, 0.25])
@pytest.mark.parametrize("options", [{}, {"channels": 1}])
def test_stored_images_are_those_of_the_files(
    share: float, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make(tmp_path)
    monkeypatch.setattr(_image_store, "MEMORY_SHARE", share)
    expected, _ = read(tmp_path, files, False, **options)
    assert type(expected) is np.ndarray
    for _ in range(2):
        images, unreadable = read(tmp_path, files, **options)
        assert (images.shape, images.dtype.name) == (expected.shape, "uint8")
        assert not unreadable
        assert isinstance(images, np.ndarray) == bool(share)
        np.testing.assert_array_equal(np.asarray(images), expected)


def test_files_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, decoded = make(tmp_path), list[str]()
    decode = ImageOptions.decode

    def count(options: ImageOptions, path: Any) -> np.ndarray:
        decoded.append(Path(path).name)
        return decode(options, path)

    monkeypatch.setattr(ImageOptions, "decode", count)
    read(tmp_path, files)
    assert sorted(decoded) == sorted(map(str, files))
    read(tmp_path, files)
    read(tmp_path, [*files, files[0]])
    assert len(decoded) == COUNT, "a file that is listed twice is decoded once"
    for changed in ({"channels": 1}, {"background": 0}, {"max_pixels": 1000}):
        decoded.clear()
        read(tmp_path, files, **changed)
        assert len(decoded) == COUNT, changed
    decoded.clear()
    os.utime(tmp_path / "3.png", (0, 0))
    read(tmp_path, files)
    assert len(decoded) == COUNT, "another file"


def test_what_is_decoded_is_announced(tmp_path: Path) -> None:
    files, lines, seen = make(tmp_path), list[str](), list[tuple[int, int]]()
    for _ in range(2):
        with loading(tmp_path / "cache", stage=lines.append, progress=lambda *done: seen.append(done)):
            _images.ImageReader(tmp_path, ImageOptions(SIDE)).read(files)
    assert len(lines) == 1
    assert lines[0].startswith("Decoding 30 images once: 0 MB at ")
    assert seen[0] == (0, COUNT)
    assert seen[-1] == (COUNT, COUNT)


def test_rows_are_chosen_without_reading_them(tmp_path: Path) -> None:
    files = make(tmp_path)
    expected, _ = read(tmp_path, files, False)
    images, _ = read(tmp_path, files)
    rows = np.array([7, 3, 3, 29])
    np.testing.assert_array_equal(np.asarray(images[rows]), expected[rows])
    np.testing.assert_array_equal(np.asarray(images[rows][1:3]), expected[[3, 3]])
    np.testing.assert_array_equal(images[5], expected[5])
    for part in (images[rows], images[::2]):
        assert isinstance(part, _stored.StoredRows)


def test_unreadable_files_are_named_and_left_out_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make(tmp_path)
    for number in (0, 13):
        (tmp_path / f"{number}.png").write_text("no image")
    good = [number for number in range(COUNT) if number not in (0, 13)]
    expected, reasons = read(tmp_path, files, False)
    for share in (0, 0.25, 0):
        monkeypatch.setattr(_image_store, "MEMORY_SHARE", share)
        images, unreadable = read(tmp_path, files)
        assert unreadable == reasons == dict.fromkeys((0, 13), "its content is of another kind")
        np.testing.assert_array_equal(np.asarray(images), expected)
    reader = _images.ImageReader(tmp_path, ImageOptions(SIDE), tmp_path / "cache")
    reader.read(files)
    monkeypatch.setattr(ImageOptions, "decode", None)
    images, unreadable = reader.read([files[number] for number in good])
    assert not unreadable
    np.testing.assert_array_equal(np.asarray(images), expected)


def test_a_file_that_could_not_be_read_for_a_moment_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, decode = make(tmp_path), ImageOptions.decode

    def away(options: ImageOptions, path: Any) -> np.ndarray:
        if Path(path).stem == "13":
            raise UnreadableImage("An image must be readable.", "Input/output error")
        return decode(options, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageOptions, "decode", away)
        for _ in range(2):
            assert read(tmp_path, files)[1] == {13: "Input/output error"}
    images, unreadable = read(tmp_path, files)
    assert not unreadable
    np.testing.assert_array_equal(np.asarray(images), read(tmp_path, files, False)[0])


def test_data_that_is_copied_reads_the_same_rows(tmp_path: Path) -> None:
    images, _ = read(tmp_path, make(tmp_path))
    np.testing.assert_array_equal(np.asarray(copy.deepcopy(images)[3:5]), np.asarray(images[3:5]))


@pytest.mark.parametrize("where", [True, 3, "a\0b"])
def test_the_folder_of_the_cache_is_checked(where: Any, tmp_path: Path) -> None:
    with pytest.raises(MTLError, match="`cache_dir` must be a path"):
        read(tmp_path, make(tmp_path), where)


def test_images_of_several_sizes_leave_nothing(tmp_path: Path) -> None:
    files = make(tmp_path)
    Image.new("RGB", (9, 12)).save(tmp_path / "21.png")
    for where in (tmp_path / "cache", False):
        reader = _images.ImageReader(tmp_path, ImageOptions(), where)
        with pytest.raises(
            MTLError, match=r"one size\. Received: 0\.png of 12 x 12 px and 21\.png of 12 x 9 px\. Pass image_size"
        ):
            reader.read(files)
    assert cache.entries(tmp_path / "cache") == []


# Damage ----------------------------------------------------------------------------------------------------------------


def test_a_damaged_block_is_decoded_again_when_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make(tmp_path)
    expected, _ = read(tmp_path, files, False)
    read(tmp_path, files)
    flip(tmp_path, 128 + 9 * SIDE * SIDE * 3)
    images, _ = read(tmp_path, files)
    decoded, decode = list[str](), ImageOptions.decode

    def count(options: ImageOptions, path: Any) -> np.ndarray:
        decoded.append(Path(path).stem)
        return decode(options, path)

    monkeypatch.setattr(ImageOptions, "decode", count)
    np.testing.assert_array_equal(np.asarray(images[:8]), expected[:8])
    assert decoded == [], "other blocks are not concerned"
    np.testing.assert_array_equal(np.asarray(images[[9]]), expected[[9]])
    assert decoded == ["8", "9", "10", "11"]
    decoded.clear()
    np.testing.assert_array_equal(np.asarray(read(tmp_path, files)[0]), expected)
    assert decoded == [], "it was repaired on the disk"


def test_a_damaged_block_of_files_that_changed_is_one_clear_error(tmp_path: Path) -> None:
    files = make(tmp_path)
    read(tmp_path, files)
    images, _ = read(tmp_path, files)
    flip(tmp_path, 128 + 9 * SIDE * SIDE * 3)
    (tmp_path / "10.png").write_bytes((tmp_path / "11.png").read_bytes())
    with pytest.raises(
        MTLError, match=r"must stay as they are .* Received: a damaged block .*10\.png, .* Load the data again\."
    ):
        np.asarray(images[9:10])


def test_verify_finds_damage(tmp_path: Path) -> None:
    files = make(tmp_path)
    expected, _ = read(tmp_path, files, False)
    read(tmp_path, files)
    assert cache.verify(tmp_path / "cache") == []
    flip(tmp_path, -1 + 128 + COUNT * SIDE * SIDE * 3)
    (damaged,) = cache.verify(tmp_path / "cache")
    assert damaged.rows == COUNT
    assert [entry.complete for entry in cache.entries(tmp_path / "cache")] == [False]
    np.testing.assert_array_equal(np.asarray(read(tmp_path, files)[0]), expected)
    assert cache.verify(tmp_path / "cache") == []


# Disks and kills -------------------------------------------------------------------------------------------------------


def test_without_room_for_the_cache_images_are_decoded_to_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = make(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(MTLError, match="The cache must be readable and writable"):
        read(tmp_path, files, tmp_path / "file" / "below")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_image_store, "MEMORY_SHARE", 0.25)
        images, _ = read(tmp_path, files, tmp_path / "file" / "below")
    np.testing.assert_array_equal(images, read(tmp_path, files, False)[0])
    assert "images are decoded to memory, each time" in caplog.text


def test_few_small_files_are_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_images, "SMALL_COUNT", 4000)
    images, _ = read(tmp_path, make(tmp_path))
    assert isinstance(images, np.ndarray)
    assert not (tmp_path / "cache").exists()


def run(folder: Path, step: int = 0, share: float = 0) -> int:
    """Read the images in a process that kills itself at a step."""
    arguments = [sys.executable, "-c", PROGRAM, str(folder), str(step), str(share)]
    return subprocess.run(arguments, cwd=Path(__file__).parent.parent, check=False, timeout=100).returncode


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many changes of files there are until all images are stored."""
    folder = tmp_path_factory.mktemp("undisturbed")
    make(folder)
    assert run(folder) == 0
    return int((folder / "steps").read_text())


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12))])
def test_a_kill_loses_nothing_but_a_block(seed: int, steps: int, tmp_path: Path) -> None:
    files = make(tmp_path)
    draw = random.Random(seed)
    assert run(tmp_path, draw.randrange(1, steps + 1), draw.choice([0, 0.25])) == -signal.SIGKILL
    before = (tmp_path / "log").read_text().split() if (tmp_path / "log").exists() else []
    kept = len(list((tmp_path / "cache").glob("*/journal.jsonl"))) and sum(
        text.count("blake2b") for text in [path.read_text() for path in (tmp_path / "cache").glob("*/journal.jsonl")]
    )
    (tmp_path / "log").unlink(missing_ok=True)
    assert run(tmp_path) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "read.npy"), read(tmp_path, files, False)[0])
    again = (tmp_path / "log").read_text().split() if (tmp_path / "log").exists() else []
    assert len(again) == max(COUNT - 4 * kept, 0), "what the journal has is not decoded again"
    # Blocks in flight, and the one that was written.
    assert len(before) - 4 * kept <= 4 * (2 + _image_store.AHEAD)
