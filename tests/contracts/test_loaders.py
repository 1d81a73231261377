"""What every loader of `mtl.data.LOADERS` does, on small files of the form that it reads; and the other ways in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mtl_keras as mtl
from mtl_keras.errors import MTLError

KINDS = ("Dress", "Hat", "Pants", "Shoes", "Top")


def write_tfds(root: Path, name: str, labels: dict[str, int]) -> None:
    """Write a TFDS folder of 40 training and 20 test images, whose labels are the row modulo the number of classes."""
    import tensorflow_datasets as tfds

    classes = {column: tfds.features.ClassLabel(num_classes=count) for column, count in labels.items()}
    features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(32, 32, 3)), **classes})

    def examples(start: int, count: int) -> list[tuple[int, dict[str, Any]]]:
        rows = range(start, start + count)
        columns = [{column: row % size for column, size in labels.items()} for row in rows]
        return [(row, {"image": np.full((32, 32, 3), row, np.uint8), **own}) for row, own in zip(rows, columns, strict=True)]

    splits: Any = {"train": examples(0, 40), "test": examples(40, 20)}
    tfds.dataset_builders.store_as_tfds_dataset(name, "3.0.2", features, splits, data_dir=root)


def write_images(folder: Path, first: int, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for row in range(first, first + count):
        Image.fromarray(np.full((8, 8, 3), row, np.uint8)).save(folder / f"{row}.png")


def write_clothing(root: Path) -> None:
    write_images(root / "clothing" / "images", 0, 60)
    lines = [f"{row},{KINDS[row % 5]},{row // 5 % 2}" for row in range(60)]
    (root / "clothing" / "labels.csv").write_text("\n".join(["image,label,kids", *lines]), encoding="utf-8")


def write_landmarks(root: Path) -> None:
    for number, place in enumerate(("Gothic/Milan", "Gothic/Prague", "Modern/Eiffel")):
        write_images(root / "landmarks" / place, 10 * number, 10)


#: By name: what writes its files, its tasks, and the number of rows of each split.
CASES: dict[str, tuple[Callable[[Path], None], mtl.Tasks, tuple[int, int, int]]] = {
    "cifar10": (
        lambda root: write_tfds(root, "cifar10", {"label": 10}),
        mtl.Tasks(mtl.Classification("class", classes=10)),
        (36, 4, 20),
    ),
    "cifar100": (
        lambda root: write_tfds(root, "cifar100", {"label": 100, "coarse_label": 20}),
        mtl.Tasks(mtl.Classification("fine", classes=100), mtl.Classification("coarse", classes=20)),
        (36, 4, 20),
    ),
    "clothing": (write_clothing, mtl.Tasks(mtl.Classification("garment", classes=5), mtl.Binary("kids")), (42, 6, 12)),
    "digits": (
        lambda root: None,
        mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity")),
        (1150, 288, 359),
    ),
    "landmarks": (
        write_landmarks,
        mtl.Tasks(mtl.Classification("category", classes=2), mtl.Classification("landmark", classes=3)),
        (15, 6, 9),
    ),
}


@pytest.fixture(scope="module", params=mtl.data.LOADERS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, mtl.Tasks]:
    root = tmp_path_factory.mktemp(request.param)
    write, tasks, _ = CASES[request.param]
    write(root)
    return request.param, root, tasks


def splits(data: mtl.data.Data) -> list[mtl.data.Split]:
    assert data.test is not None
    return [data.train, data.validation, data.test]


def test_splits_inputs_and_labels(case: tuple[str, Path, mtl.Tasks]) -> None:
    name, root, tasks = case
    data = mtl.data.load(name, tasks, data_dir=root)
    assert (data.name, list(data.tasks), data.features) == (name, list(tasks), None)
    assert tuple(len(split) for split in splits(data)) == CASES[name][2]
    for split, expected in zip(splits(data), ("train", "validation", "test"), strict=True):
        assert split.name == expected
        assert split.x.shape[1:] == data.image_shape
        assert split.x.dtype in (np.uint8, np.float32)
        assert (split.x.min() >= 0, split.x.max() <= 255) == (True, True)
        assert split.complete
        for task in data.tasks.values():
            labels = split.y[task.name]
            classes = task.class_count or 2
            assert (labels.min() >= 0, labels.max() < classes) == (True, True)
            assert len(data.class_names.get(task.name, range(classes))) == classes
    images = [image.tobytes() for split in splits(data) for image in split.x]
    assert len(set(images)) == len(images), "no image is in two splits"


def test_the_seed_decides_the_validation_rows(case: tuple[str, Path, mtl.Tasks]) -> None:
    name, root, tasks = case
    first, again, other = (mtl.data.load(name, tasks, data_dir=str(root), seed=seed).validation.x for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_errors_have_three_parts(case: tuple[str, Path, mtl.Tasks], tmp_path: Path) -> None:
    name, root, _ = case
    with pytest.raises(MTLError, match=r"Unknown column: received 'nothing'.*the columns are"):
        mtl.data.load(name, mtl.Tasks(mtl.Binary("nothing")), data_dir=root)
    if name != "digits":
        with pytest.raises(MTLError, match=r"must be on disk.*Received: .*\. (Pass|Create)") as missing:
            mtl.data.load(name, CASES[name][1], data_dir=tmp_path)
        assert "\n" not in str(missing.value)
        assert not list(tmp_path.iterdir()), "nothing was downloaded"


def test_the_same_rows_are_the_same_data_whatever_way_they_come_in(tmp_path: Path) -> None:
    """By digests of inputs, labels and weights, so that a run may be resumed from another form of its data."""
    import pandas as pd
    import tensorflow as tf

    tasks = mtl.Tasks(mtl.Classification("garment", classes=5), mtl.Binary("kids"))
    write_images(tmp_path, 0, 60)
    row = np.arange(60)
    images = np.broadcast_to(row[:, None, None, None], (60, 8, 8, 3)).astype("uint8")
    columns = {"garment": row % 5, "kids": np.where(row % 7, row % 2, np.nan)}
    side = np.array(["train", "validation", "test"])[np.minimum(row // 20, 2)]
    parts = {each: (images[side == each], {name: c[side == each] for name, c in columns.items()}) for each in np.unique(side)}
    datasets = {each: tf.data.Dataset.from_tensor_slices(part).batch(16) for each, part in parts.items()}
    table = pd.DataFrame({**columns, "file": [f"{number}.png" for number in row], "side": side})
    found = [
        mtl.data.from_arrays(tasks, parts["train"], parts["validation"], parts["test"]),
        mtl.data.from_arrays(tasks, (images, {**columns, "side": side}), splits=mtl.data.Splits("side")),
        mtl.data.from_table(table, tasks, image="file", root=tmp_path, splits="side"),
        mtl.data.from_dataset(datasets["train"], datasets["validation"], datasets["test"], tasks),
    ]
    for data in found:
        assert [split.name for split in splits(data)] == ["train", "validation", "test"]
        assert data.digests() == found[0].digests()
