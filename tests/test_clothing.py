"""The clothing photos: a table of labels and a folder of images as a named data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mtl_keras as mtl
from mtl_keras.data._clothing import load_clothing
from mtl_keras.errors import MTLError

TASKS = mtl.Tasks(mtl.Classification("garment", classes=5), mtl.Binary("kids"))

#: Number of photos of each label; the seventh most frequent is the fifth garment.
KINDS = {"Not sure": 60, "T-Shirt": 50, "Shoes": 40, "Pants": 30, "Skip": 29, "Hat": 20, "Top": 10, "Body": 10, "Other": 9}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos whose color encodes their label and their number."""
    images = tmp_path / "clothing" / "images"
    images.mkdir(parents=True)
    lines = ["image,label,kids"]
    for kind, (label, count) in enumerate(KINDS.items()):
        for number in range(count):
            name = f"{kind:03}{number:03}"
            ending = "jpg" if label == "Skip" else "png"
            Image.fromarray(np.full((40, 40, 3), (20 * kind, number, 0), np.uint8)).save(images / f"{name}.{ending}")
            lines.append(f"{name},{label},{number % 2}")
    (tmp_path / "clothing" / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def splits(data: mtl.data.Data) -> list[mtl.data.Split]:
    assert data.test is not None
    return [data.train, data.validation, data.test]


def test_the_five_most_frequent_garments_in_alphabetical_order(folder: Path) -> None:
    data = mtl.data.load("clothing", TASKS, data_dir=folder)
    assert (data.name, data.image_shape) == ("clothing", (32, 32, 3))
    # Body, as frequent as Top, comes before it in the alphabet.
    assert data.class_names == {"garment": ("Body", "Hat", "Pants", "Shoes", "T-Shirt")}
    for split, counts in zip(splits(data), ([7, 14, 21, 28, 35], [1, 2, 3, 4, 5], [2, 4, 6, 8, 10]), strict=True):
        assert np.bincount(split.y["garment"]).tolist() == counts
        shades = 20 * np.array([list(KINDS).index(name) for name in data.class_names["garment"]])
        np.testing.assert_array_equal(split.x[:, 0, 0, 0], shades[split.y["garment"]])
        np.testing.assert_array_equal(split.x[:, 5, 5, 1] % 2, split.y["kids"])
    everything = np.concatenate([split.x[:, 0, 0] for split in splits(data)])
    assert len(np.unique(everything, axis=0)) == 150


def test_fewer_garments_larger_photos_and_another_fraction(folder: Path) -> None:
    tasks = mtl.Tasks(mtl.Classification("kind", classes=2, label="label"))
    data = load_clothing(tasks, data_dir=folder, garments=2, image_size=36, validation_fraction=0.5)
    assert data.class_names == {"kind": ("Shoes", "T-Shirt")}
    assert [split.x.shape for split in splits(data)] == [(36, 36, 36, 3), (36, 36, 36, 3), (18, 36, 36, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_dir": None}, r"never downloaded. Received: no data_dir. Pass data_dir=DIR .*clothing/labels.csv"),
        ({"data_dir": "nowhere"}, "Received: no file nowhere/clothing/labels.csv"),
        ({"tasks": mtl.Tasks(mtl.Binary("old"))}, "Unknown column: received 'old'"),
        ({"garments": 7}, "must be from 2 to the number of kinds of garment, 6. Received: garments=7"),
        ({"garments": 1}, "Received: garments=1. Pass e.g. garments=5"),
        (
            {"tasks": mtl.Tasks(mtl.Classification("garment", classes=3))},
            "Received: classes=3 for task 'garment', and 5 strings",
        ),
    ],
)
def test_invalid_arguments_are_refused(options: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(MTLError, match=message):
        load_clothing(**{"tasks": TASKS, "data_dir": folder, **options})


def test_a_missing_photo_is_named(folder: Path) -> None:
    (folder / "clothing" / "images" / "001003.png").unlink()
    with pytest.raises(MTLError, match=r"1 of 150 that do not, the first .*images/001003.png, row 3"):
        mtl.data.load("clothing", TASKS, data_dir=folder)


@pytest.mark.real_data
def test_the_real_photos(real_data: Path) -> None:
    data = mtl.data.load("clothing", TASKS, data_dir=real_data)
    assert data.class_names["garment"] == ("Longsleeve", "Pants", "Shirt", "Shoes", "T-Shirt")
    assert [len(split) for split in splits(data)] == [2248, 321, 642]
    assert np.bincount(data.train.y["garment"]).tolist() == [489, 485, 265, 302, 707]
    assert np.bincount(splits(data)[2].y["garment"]).tolist() == [140, 138, 75, 86, 203]
