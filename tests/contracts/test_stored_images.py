"""Images that stay on the disk are trained on like those in memory, to the bit, in every way that data can be used."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mtl_keras as mtl
from mtl_keras.errors import MTLError

SIDE, COUNT = 12, 48
STORE = "mtl_keras.data._image_store"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photos and a table of their labels, some of them missing."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for number in range(COUNT):
        Image.fromarray(draw.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)).save(folder / f"{number}.png")
    kind = [("cat", "dog", "")[number % 3] for number in range(COUNT)]
    columns = {"file": [f"{number}.png" for number in range(COUNT)], "kind": kind, "large": np.arange(COUNT) % 2}
    pd.DataFrame(columns).to_csv(folder / "table.csv", index=False)
    return folder


@pytest.fixture
def pair(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[mtl.data.Data, mtl.data.Data]]:
    """Return a function that loads the photos, in memory and on the disk."""
    monkeypatch.setattr("mtl_keras.data._images.SMALL_COUNT", 0)
    for module in (STORE, "mtl_keras.data._view_store"):
        monkeypatch.setattr(f"{module}.BLOCK_BYTES", 3 * SIDE * SIDE * 3)

    def load(*names: str, **options: Any) -> tuple[mtl.data.Data, mtl.data.Data]:
        kinds = [mtl.Classification("kind"), mtl.Binary("large"), mtl.Reconstruction("picture")]
        tasks = mtl.Tasks(*(each for each in kinds if not names or each.name in names))
        parts = []
        for where in (False, tmp_path / "cache"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(f"{STORE}.MEMORY_SHARE", 0)
                parts.append(
                    mtl.data.from_table(
                        photos / "table.csv",
                        tasks,
                        image="file",
                        splits=mtl.data.Splits(validation=0.25, test=0.25),
                        cache_dir=where,
                        name="_".join(names) or "photos",
                        **options,
                    )
                )
        assert [isinstance(part.train.x, np.ndarray) for part in parts] == [True, False]
        return parts[0], parts[1]

    return load


CHANGES: dict[str, Callable[[mtl.data.Data], mtl.data.Data]] = {
    "plain": lambda data: data,
    "online": lambda data: data.augment(("flip_lr", {"method": "crop", "pad": 2}), mode="online"),
    "views": lambda data: data.augment(("identity", "noise", ("flip_lr", "zoom")), mode="views"),
    "repeat": lambda data: data.augment(("identity", {"method": "crop", "pad": 2}), mode="repeat"),
    "subset": lambda data: data.subset(11),
    "one task": lambda data: data.only("large"),
    "views of a subset": lambda data: data.subset(11).augment(("identity", "noise"), mode="views"),
}


def batches(split: Any) -> list[Any]:
    """Return everything that two epochs of training read."""
    seeded = [*split.batches(8, seed=3, epochs=2), *split.batches(8, at_least=2)]
    return [np.asarray(value) for x, y, weight in seeded for value in (x, *y.values(), *weight.values())]


def assert_same(one: list[Any], other: list[Any]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("change", CHANGES)
def test_batches_and_digests_are_those_of_arrays_in_memory(change: str, pair: Any) -> None:
    held, stored = map(CHANGES[change], pair())
    for name in ("train", "validation", "test"):
        one, other = getattr(held, name), getattr(stored, name)
        assert not isinstance(other.x, np.ndarray)
        assert (other.x.shape, other.x.dtype, len(other)) == (one.x.shape, one.x.dtype, len(one))
        assert_same(batches(one), batches(other))
    assert stored.digests() == held.digests()
    assert stored.digests() == held.digests(), "kept in the cache"


@pytest.mark.parametrize("change", ["plain", "views", "online"])
def test_alternated_data_sets_stay_on_the_disk(change: str, pair: Any) -> None:
    kinds, sizes = pair("kind"), pair("large", "picture")
    together = [mtl.data.alternate(one, other, sampling="round_robin") for one, other in zip(kinds, sizes, strict=True)]
    mixed = mtl.data.alternate(kinds[1], sizes[0], sampling="round_robin")
    held, *others = map(CHANGES[change], [*together, mixed])
    for stored in others:
        assert not isinstance(stored.train.x, np.ndarray)
        assert_same(batches(held.train), batches(stored.train))
        assert_same(batches(held.validation), batches(stored.validation))
        assert stored.digests() == held.digests()
        alone = stored.only("kind")
        assert_same(batches(held.only("kind").train), batches(alone.train))


def test_choosing_rows_reads_none(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, stored = pair("large", "picture")
    _, other = pair("kind")
    monkeypatch.setattr("mtl_keras.data._stored.Stored.read", None)
    stored.subset(9).only("large")
    both = mtl.data.alternate(stored, other)
    assert both.train.take(np.array([5, 3, 40])).x.shape == (3, SIDE, SIDE, 3)


@pytest.mark.parametrize("freeze", [False, True])
def test_a_training_ends_the_same(freeze: bool, pair: Any, tmp_path: Path) -> None:
    results = []
    for number, data in enumerate(pair()):
        keras.utils.set_random_seed(0)
        model = mtl.build_model(data.tasks, "SmallCNN", image_shape=data.image_shape, freeze=freeze, shared=(4,))
        run = mtl.train(model, data, mtl.Phase(epochs=2, batch_size=8), cache_dir=tmp_path / f"features{number}", seed=0)
        evaluation = mtl.evaluate(run.model, data, "test", cache_dir=tmp_path / f"features{number}")
        scores = [score.value for score in evaluation.scores]
        trivial = [score.trivial for score in evaluation.scores]
        results.append(
            (run.history, scores, trivial, [entry.key for entry in mtl.data.cache.entries(tmp_path / f"features{number}")])
        )
    (one, scores, trivial, keys), (other, stored_scores, stored_trivial, stored_keys) = results
    np.testing.assert_allclose(stored_scores, scores, rtol=1e-5)
    assert stored_trivial == trivial
    assert sorted(stored_keys) == sorted(keys), "features are those of the same images"
    assert len(one) == len(other)


def test_a_damaged_block_in_a_training_is_one_clear_error(pair: Any, photos: Path, tmp_path: Path) -> None:
    _, data = pair("large")
    (path,) = (tmp_path / "cache").glob("*/rows.npy")
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    before = (photos / "0.png").stat()
    try:
        (photos / "0.png").touch()
        model = mtl.build_model(data.tasks, "SmallCNN", image_shape=data.image_shape)
        with pytest.raises(MTLError, match=r"^Images must stay as they are .*0\.png, which was changed since") as caught:
            mtl.train(model, data, mtl.Phase(epochs=1, batch_size=8))
        assert "\n" not in str(caught.value)
    finally:
        os.utime(photos / "0.png", ns=(before.st_atime_ns, before.st_mtime_ns))


def test_views_are_continued_where_a_kill_left_them(pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, stored = pair("large")
    steps, calls = ("identity", "noise", "zoom"), iter(range(3))

    class Killed(BaseException):
        """Stands for a kill."""

    compute = "mtl_keras.data._view_store._Computation.__call__"
    real = importlib.import_module("mtl_keras.data._view_store")._Computation.__call__

    def killed(self: Any, start: int, stop: int) -> np.ndarray:
        if next(calls, None) is None:
            raise Killed
        return real(self, start, stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute, killed)
        with pytest.raises(Killed):
            stored.augment(steps, mode="views")
    assert sorted(entry.complete for entry in mtl.data.cache.entries(tmp_path / "cache")) == [False, True]
    views = stored.augment(steps, mode="views")
    np.testing.assert_array_equal(np.asarray(views.train.x), held.augment(steps, mode="views").train.x)


@pytest.mark.parametrize(("options", "match"), [
    ({"channels": 2}, "`channels` must be 3 for RGB or 1 for gray"),
    ({"channels": True}, "`channels` must be"),
    ({"background": 256}, "`background` must be"),
    ({"background": (1, 2)}, "`background` must be one number, or red, green and blue"),
    ({"max_pixels": 0}, "`max_pixels` must be"),
    ({"max_pixels": 143}, r"at most 143 pixels\. Received: .*\.png: 12 x 12 px"),
])  # fmt: skip
def test_options_are_checked(options: dict[str, Any], match: str, photos: Path) -> None:
    with pytest.raises(MTLError, match=match):
        mtl.data.from_table(photos / "table.csv", mtl.Tasks(mtl.Binary("large")), image="file", **options)


def test_gray_images(photos: Path) -> None:
    tasks = mtl.Tasks(mtl.Binary("large"))
    data = mtl.data.from_table(photos / "table.csv", tasks, image="file", channels=1, image_size=6)
    assert data.image_shape == (6, 6, 1)
    expected = np.asarray(Image.open(photos / "0.png").convert("L").resize((6, 6), Image.Resampling.BILINEAR))
    every = np.concatenate([data.train.x, data.validation.x])[..., 0]
    assert (every == expected).all(axis=(1, 2)).sum() == 1


STUDY = """
[table]
path = "table.csv"

[inputs]
image = "file"
image_size = 6
channels = 1
background = [0, 0, 0]
max_pixels = 144

[tasks.large]
kind = "Binary"
"""


def test_a_study_file_says_how_images_are_decoded(photos: Path) -> None:
    (photos / "gray.toml").write_text(STUDY)
    study = mtl.load_study(photos / "gray.toml")
    assert study.load(study.settings).image_shape == (6, 6, 1)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("channels = 1", "channels = 2", r"wrong\.toml, line 8: `channels` must be 3 for RGB or 1 for gray"),
        ("[0, 0, 0]", "[0, 0, 256]", r"wrong\.toml, line 9: `background` must be an integer in \[0, 255\]"),
        ("144", "0", r"wrong\.toml, line 10: `max_pixels` must be an integer in \[1, 178956970\]"),
    ],
)
def test_a_study_file_with_another_option_is_refused_with_its_line(old: str, new: str, match: str, photos: Path) -> None:
    (photos / "wrong.toml").write_text(STUDY.replace(old, new))
    with pytest.raises(MTLError, match=match):
        mtl.load_study(photos / "wrong.toml")


def test_a_check_says_what_training_refuses(photos: Path) -> None:
    (photos / "limit.toml").write_text(STUDY.replace("144", "143"))
    study_file = importlib.import_module("mtl_keras.tables").read_study_file(photos / "limit.toml")
    report = importlib.import_module("mtl_keras.search").inspect_study(study_file)
    assert any("at most 143 pixels" in finding.message for finding in report.findings if finding.severity == "error")
