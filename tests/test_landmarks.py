"""The landmarks: a tree of photos as a named data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mtl_keras as mtl
from mtl_keras.errors import MTLError

TASKS = mtl.Tasks(mtl.Classification("category", classes=2), mtl.Classification("landmark", classes=3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photos of each of three landmarks; a photo's color encodes the landmark and the number of the photo."""
    for landmark, path in enumerate(("Gothic/Milan", "Gothic/Prague", "Modern/Eiffel")):
        place = tmp_path / "landmarks" / path
        place.mkdir(parents=True)
        for number in range(6):
            Image.fromarray(np.full((8, 8, 3), (80 * landmark, 40 * number, 0), np.uint8)).save(place / f"{number}.png")
    return tmp_path


def test_two_photos_per_landmark_are_validation_and_three_are_test(folder: Path) -> None:
    data = mtl.data.load("landmarks", TASKS, data_dir=folder)
    assert data.test is not None
    assert data.name == "landmarks"
    assert data.class_names == {"category": ("Gothic", "Modern"), "landmark": ("Milan", "Prague", "Eiffel")}
    for split, each in ((data.train, 1), (data.validation, 2), (data.test, 3)):
        assert np.bincount(split.y["landmark"]).tolist() == [each] * 3
        np.testing.assert_array_equal(split.x[:, 0, 0, 0], 80 * split.y["landmark"])
        np.testing.assert_array_equal(split.y["category"], split.y["landmark"] // 2)
    other = mtl.data.load("landmarks", TASKS, data_dir=str(folder), seed=1)
    assert other.test is not None
    assert (other.test.x != data.test.x).any()


def test_photos_are_decoded_once_for_all_seeds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    original = Image.open

    def record(path: Any, **options: Any) -> Any:
        opened.append(path)
        return original(path, **options)

    monkeypatch.setattr(Image, "open", record)
    for seed in range(3):
        mtl.data.load("landmarks", TASKS, data_dir=folder, seed=seed)
    assert len(opened) == 18


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_dir": None}, r"never downloaded. Received: no data_dir. Pass data_dir=DIR .*<category>/<landmark>/\*.jpg"),
        ({"data_dir": "nowhere"}, "`data_dir` must be a folder. Received: 'nowhere', which is none"),
        ({"data_dir": Path(__file__).parent}, "Received: no folder .*tests/landmarks"),
        (
            {"validation_fraction": 0.2},
            "must be None for 'landmarks', which holds out 2 photos per landmark. Received: validation_fraction=0.2",
        ),
        ({"tasks": mtl.Tasks(mtl.Binary("old"))}, "Unknown column: received 'old'"),
    ],
)
def test_invalid_arguments_are_refused(options: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(MTLError, match=message):
        mtl.data.load("landmarks", **{"tasks": TASKS, "data_dir": folder, **options})


@pytest.mark.real_data
def test_the_real_photos(real_data: Path) -> None:
    tasks = mtl.Tasks(mtl.Classification("category", classes=6), mtl.Classification("landmark", classes=30))
    data = mtl.data.load("landmarks", tasks, data_dir=real_data)
    assert data.test is not None
    assert data.image_shape == (256, 256, 3)
    assert (len(data.train), len(data.validation), len(data.test)) == (262, 60, 90)
    assert np.bincount(data.test.y["category"]).tolist() == [15] * 6
    assert np.bincount(data.validation.y["landmark"]).tolist() == [2] * 30
    assert data.class_names["category"] == ("Gothic", "Modern", "Mughal", "NeoClassical", "Pagodas", "Pyramids")
