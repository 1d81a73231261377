"""Data from images in a tree of folders."""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import mtl_keras as mtl
from mtl_keras.errors import MTLError

TREE = {"cats": ("lion", "tiger"), "dogs": ("husky", "other"), "birds": ("other",)}
TASKS = mtl.Tasks(mtl.Classification("family", classes=3), mtl.Classification("kind", classes=5))
LEVELS = ("family", "kind")


def tree(root: Path, count: int = 6, size: tuple[int, int] = (8, 6)) -> Path:
    """Images whose color encodes their folder and their number."""
    shade = 0
    for family, kinds in TREE.items():
        for kind in kinds:
            folder = root / family / kind
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(np.full((*size, 3), (shade, number, 7), np.uint8)).save(folder / f"{number}.png")
            shade += 40
    return root


def load(root: Path, **options: Any) -> mtl.data.Data:
    given = {"tasks": TASKS, "levels": LEVELS, "validation_per_class": 1, "test_per_class": 2, **options}
    return mtl.data.from_folders(root, **given)


def pixels(split: mtl.data.Split) -> list[tuple[int, ...]]:
    return [tuple(image[0, 0].tolist()) for image in split.x]


def test_levels_are_labels_and_numbers_per_class_are_held_out(tmp_path: Path) -> None:
    data = load(tree(tmp_path))
    assert data.image_shape == (8, 6, 3)
    assert data.class_names == {
        "family": ("birds", "cats", "dogs"),
        "kind": ("birds/other", "lion", "tiger", "husky", "dogs/other"),
    }
    assert data.test is not None
    for split, each in ((data.train, 3), (data.validation, 1), (data.test, 2)):
        assert np.bincount(split.y["kind"]).tolist() == [each] * 5
        assert split.x.dtype == np.uint8
        # The folder's own shade, whatever the order: lion 0, tiger 40, husky 80, dogs/other 120, birds/other 160.
        shades = np.array([160, 0, 40, 80, 120])[split.y["kind"]]
        np.testing.assert_array_equal(split.x[:, 0, 0, 0], shades)
        np.testing.assert_array_equal(split.y["family"], np.array([0, 1, 1, 2, 2])[split.y["kind"]])


def test_splits_are_disjoint_exhaustive_and_a_function_of_the_seed(tmp_path: Path) -> None:
    root = tree(tmp_path)
    first, again, other = (load(root, seed=seed) for seed in (1, 1, 2))
    parts = [pixels(split) for split in (first.train, first.validation, first.test) if split is not None]
    everything = [image for part in parts for image in part]
    assert len(everything) == len(set(everything)) == 30
    assert [pixels(again.train), pixels(again.validation)] == parts[:2]
    assert pixels(other.validation) != parts[1]


def test_without_test_per_class_there_is_no_test_split(tmp_path: Path) -> None:
    data = load(tree(tmp_path), test_per_class=0)
    assert data.test is None
    assert (len(data.train), len(data.validation)) == (25, 5)


@pytest.mark.parametrize(("image_size", "shape"), [(4, (4, 4, 3)), ((5, 10), (5, 10, 3))])
def test_images_are_resized(image_size: Any, shape: tuple[int, ...], tmp_path: Path) -> None:
    root = tree(tmp_path)
    Image.fromarray(np.full((20, 30), 200, np.uint8)).save(root / "cats" / "lion" / "gray.jpg")
    with pytest.raises(MTLError, match=r"Received: .* of 8 x 6 px and cats/lion/gray.jpg of 20 x 30 px. Pass image_size="):
        load(root)
    data = load(root, image_size=image_size)
    assert data.image_shape == shape
    assert len(data.train) == 16


def test_files_that_are_not_images_are_left_out_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tree(tmp_path)
    lion = root / "cats" / "lion"
    (lion / "0.png").write_bytes(b"torn")
    info = PngInfo()
    info.add_text("note", "x" * 3_000_000, zip=True)
    Image.new("RGB", (6, 8)).save(lion / "1.png", pnginfo=info)
    Image.fromarray(np.full((8, 6, 3), 9, np.uint8)).save(lion / "2.tif")
    (lion / "notes.txt").write_text("mine", encoding="utf-8")
    for silent in (lion / ".hidden.png", lion / "Thumbs.db", root / "cats" / ".cache" / "a.png"):
        silent.parent.mkdir(exist_ok=True)
        silent.write_bytes(b"of the system")
    (lion / "deep").mkdir()
    for path in (root / "cats" / "high.png", lion / "deep" / "low.png"):
        path.write_bytes((lion / "3.png").read_bytes())
    with caplog.at_level(logging.WARNING, "mtl_keras"):
        data = load(root)
    # Of lion 4 of 6 and the TIFF are left, of which 3 are held out.
    assert np.bincount(data.train.y["kind"]).tolist() == [3, 2, 3, 3, 3]
    assert [record.getMessage().removeprefix(f"Left out of {root}: ") for record in caplog.records] == [
        "1 file without the ending of an image: cats/lion/notes.txt.",
        "2 files with images at another depth: cats/high.png, cats/lion/deep/low.png.",
        "2 files (of 31) that are not readable images: cats/lion/0.png (its content is of another kind), "
        "cats/lion/1.png (Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK).",
    ]


def test_an_image_with_too_many_pixels_is_an_error(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / "cats" / "lion" / "0.png").write_bytes(
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 13_000, 13_000, 1, 24, 0, 0, 0, 0, 0, 0)
    )
    with pytest.raises(MTLError, match=r"at most 89,478,485 pixels\. Received: .*lion/0\.png: 13000 x 13000 px"):
        load(root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"validation_per_class": 4},
            "Received: 6 of 'birds/other', 6 of 'lion', 6 of 'tiger', 6 of 'husky', 6 of 'dogs/other', of which 4 each go to "
            "validation and 2 to test.",
        ),
        (
            {"validation_per_class": 0},
            "`validation_per_class` must be an integer in [1, 1000000000]. Received: validation_per_class=0",
        ),
        ({"levels": ("family", "race")}, "Unknown column: received 'kind'"),
        ({"levels": ("family", "kind", "age"), "tasks": TASKS}, "must lie 3 folders below the root"),
    ],
)
def test_invalid_arguments_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(MTLError) as refused:
        load(tree(tmp_path), **options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(MTLError, match=r"Received: .*nowhere, which is not a folder"):
        load(tmp_path / "nowhere")


# Folders of splits


def splits(root: Path, names: Sequence[str] = ("train", "val", "test")) -> Path:
    """A tree below each split; the blue channel of an image is the number of its split."""
    for blue, name in enumerate(names):
        for path in tree(root / name).rglob("*.png"):
            pixels = np.array(Image.open(path))
            pixels[..., 2] = blue
            Image.fromarray(pixels).save(path)
    return root


@pytest.mark.parametrize("word", ["val", "validation"])
def test_folders_may_name_the_splits(word: str, tmp_path: Path) -> None:
    data = mtl.data.from_folders(splits(tmp_path, ("train", word, "test")), TASKS, levels=LEVELS)
    assert data.class_names["kind"] == ("birds/other", "lion", "tiger", "husky", "dogs/other")
    assert data.test is not None
    for blue, split in enumerate((data.train, data.validation, data.test)):
        assert split.name == ("train", "validation", "test")[blue]
        assert split.x[:, 0, 0, 2].tolist() == [blue] * 30
        np.testing.assert_array_equal(split.x[:, 0, 0, 0], np.array([160, 0, 40, 80, 120])[split.y["kind"]])
        np.testing.assert_array_equal(split.y["family"], np.array([0, 1, 1, 2, 2])[split.y["kind"]])


def test_a_split_without_a_folder_is_taken_from_the_training_images(tmp_path: Path) -> None:
    data = mtl.data.from_folders(splits(tmp_path, ("train", "test")), TASKS, levels=LEVELS, validation_per_class=2)
    assert data.test is not None
    assert [len(split) for split in (data.train, data.validation, data.test)] == [20, 10, 30]
    assert np.bincount(data.validation.y["kind"]).tolist() == [2] * 5
    assert not {*pixels(data.train)} & {*pixels(data.validation)}
    assert data.test.x[:, 0, 0, 2].all()


def test_without_test_images_there_is_no_test_split(tmp_path: Path) -> None:
    root = splits(tmp_path, ("train", "val"))
    assert mtl.data.from_folders(root, TASKS, levels=LEVELS).test is None
    drawn = mtl.data.from_folders(root, TASKS, levels=LEVELS, test_per_class=1)
    assert drawn.test is not None
    assert [len(split) for split in (drawn.train, drawn.validation, drawn.test)] == [25, 30, 5]


def test_a_level_may_have_the_names_of_splits(tmp_path: Path) -> None:
    tasks = mtl.Tasks(mtl.Classification("part", classes=3))
    data = load(splits(tmp_path), tasks=tasks, levels=("part", *LEVELS))
    assert data.class_names == {"part": ("test", "train", "val")}
    assert np.bincount(data.train.y["part"]).tolist() == [15] * 3


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (
            ("train", "val"),
            {"validation_per_class": 1},
            "if a folder contains the validation images. Received: validation_per_class=1",
        ),
        (("train", "val", "test"), {"test_per_class": 1}, "if a folder contains the test images. Received: test_per_class=1"),
        (("train", "test"), {}, "Received: no validation_per_class, and no folder 'validation' or 'val'"),
        (("val", "test"), {}, "Images must lie 2 folders below the root. Received"),
        (("train", "val", "extra"), {}, "Images must lie 2 folders below the root. Received"),
    ],
)
def test_invalid_folders_of_splits_are_refused(
    names: tuple[str, ...], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(MTLError) as refused:
        mtl.data.from_folders(splits(tmp_path, names), TASKS, levels=LEVELS, **options)
    assert message in str(refused.value)


def test_a_class_that_is_only_held_out_is_refused(tmp_path: Path) -> None:
    root = splits(tmp_path)
    for path in (root / "train" / "cats" / "lion").iterdir():
        path.unlink()
    with pytest.raises(MTLError, match=r"must keep an image to train on. Received: 0 of 'lion'"):
        mtl.data.from_folders(root, TASKS, levels=LEVELS)


def test_a_tree_without_splits_requires_a_number(tmp_path: Path) -> None:
    with pytest.raises(MTLError, match=r"Received: no validation_per_class, and no folder .* Pass e.g. validation_per_class=2"):
        mtl.data.from_folders(tree(tmp_path), TASKS, levels=LEVELS)


@pytest.mark.real_data
def test_landmarks(real_data: Path) -> None:
    tasks = mtl.Tasks(mtl.Classification("category", classes=6), mtl.Classification("landmark", classes=30))
    data = mtl.data.from_folders(
        real_data / "landmarks", tasks, levels=("category", "landmark"), validation_per_class=2, test_per_class=3
    )
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (262, 60, 90)
    assert np.bincount(data.test.y["landmark"]).tolist() == [3] * 30
    assert np.bincount(data.validation.y["category"]).tolist() == [10] * 6
    names: Sequence[str] = data.class_names["category"]
    assert names == ("Gothic", "Modern", "Mughal", "NeoClassical", "Pagodas", "Pyramids")
