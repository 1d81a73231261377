"""The feature cache: features of a frozen trunk, their keys, and data with features."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras import data
from mtl_keras.data import cache
from mtl_keras.errors import MTLError
from mtl_keras.tasks import Binary, Reconstruction, Tasks


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MTL_KERAS_CACHE_DIR", str(tmp_path / "own"))
    assert cache.default_cache_dir() == tmp_path / "own"
    monkeypatch.delenv("MTL_KERAS_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.default_cache_dir() == tmp_path / "mtl-keras"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.default_cache_dir() == tmp_path / ".cache" / "mtl-keras"


def trunk() -> keras.Model:
    """A small trunk with batch normalization and dropout, which must run in inference mode."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer=keras.initializers.GlorotUniform(1))(image)
    x = keras.layers.BatchNormalization(moving_mean_initializer=keras.initializers.RandomUniform(-1, 1, seed=2))(x)
    x = keras.layers.Dropout(0.5, seed=0)(keras.layers.ReLU()(x))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


IMAGES = np.random.default_rng(0).integers(0, 256, (22, 8, 8, 3)).astype(np.uint8)
FINGERPRINT = {"backbone": "small", "image_size": 8}


def digest(folder: Path) -> set[str]:
    return {entry.key for entry in cache.entries(folder)}


def test_features_are_what_the_trunk_predicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trunk()
    before = [keras.ops.convert_to_numpy(weight) for weight in model.weights]
    features = cache.features(model, IMAGES, FINGERPRINT, tmp_path, batch_size=3)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, model.predict(IMAGES, verbose=0), rtol=1e-5, atol=1e-5)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)

    def forward(*arguments: Any) -> Callable[[int, int], np.ndarray]:
        return lambda start, stop: pytest.fail("computed again")

    monkeypatch.setattr(cache, "_forward", forward)
    # Another process numbers Keras' layers differently, which must not matter.
    np.testing.assert_array_equal(cache.features(trunk(), IMAGES, FINGERPRINT, tmp_path), features)
    monkeypatch.setattr(cache, "MEMORY_SHARE", 0)
    mapped = cache.features(model, IMAGES, FINGERPRINT, tmp_path)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, features)


def test_everything_that_determines_the_features_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trunk()
    known: set[str] = set()

    def is_new() -> bool:
        nonlocal known
        before, known = known, digest(tmp_path)
        return len(known) == len(before) + 1

    cache.features(model, IMAGES, FINGERPRINT, tmp_path)
    assert is_new()
    cache.features(model, IMAGES, {**FINGERPRINT, "image_size": 9}, tmp_path)
    assert is_new()
    other = IMAGES.copy()
    other[-1, -1, -1, -1] ^= 1
    cache.features(model, other, FINGERPRINT, tmp_path)
    assert is_new()
    cache.features(model, IMAGES.astype(np.float32), FINGERPRINT, tmp_path)
    assert is_new()
    kernel = model.weights[0]
    kernel.assign(kernel + 1e-6)
    cache.features(model, IMAGES, FINGERPRINT, tmp_path)
    assert is_new()
    monkeypatch.setattr(keras, "__version__", "0")
    cache.features(model, IMAGES, FINGERPRINT, tmp_path)
    assert is_new()
    cache.features(model, IMAGES, dict(reversed(FINGERPRINT.items())), tmp_path)
    assert not is_new(), "the order of the fingerprint has no influence"


def test_a_feature_map_of_unknown_size(tmp_path: Path) -> None:
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, strides=2)(image))
    features = cache.features(model, IMAGES, {}, tmp_path)
    np.testing.assert_allclose(features, model.predict(IMAGES, verbose=0), rtol=1e-4, atol=1e-3)


def test_featurize_replaces_inputs_and_keeps_targets(tmp_path: Path) -> None:
    tasks = Tasks(Binary("odd"), Reconstruction("image"))
    columns = {"odd": np.arange(22) % 2}
    made = data.from_arrays(tasks, (IMAGES, columns), test=(IMAGES[:5], {"odd": columns["odd"][:5]}), validation_fraction=0.2)
    model, seen = trunk(), []
    featured = made.featurize(model, FINGERPRINT, tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert made.test is not None
    for name in ("train", "validation"):
        images, features = getattr(made, name), getattr(featured, name)
        np.testing.assert_allclose(features.x, model.predict(images.x, verbose=0), rtol=1e-5, atol=1e-5)
        assert features.y["image"] is images.x
        assert features.y["odd"] is images.y["odd"]
    assert featured.test is made.test, "not asked for"
    assert (featured.image_shape, made.features) == ((8, 8, 3), None)
    assert featured.features == cache.digest_trunk(model, FINGERPRINT) != cache.digest_trunk(model, {})
    assert seen == sorted(seen)
    assert seen[-1] == (22, 22)
    x, y, _ = next(iter(featured.train.batches(4, seed=0)))
    assert (x.shape, y["image"].shape) == ((4, 4), (4, 8, 8, 3))
    tested = made.featurize(model, FINGERPRINT, tmp_path, splits=("test",)).test
    assert tested is not None
    assert tested.x.shape == (5, 4)
    with pytest.raises(MTLError, match="Unknown split: received 'valid'"):
        made.featurize(model, FINGERPRINT, tmp_path, splits=("valid",))
    with pytest.raises(MTLError, match="Received: data with the features of trunk"):
        featured.featurize(model, FINGERPRINT, tmp_path)


def test_the_journal_has_fingerprint_and_shape(tmp_path: Path) -> None:
    cache.features(trunk(), IMAGES, FINGERPRINT, tmp_path)
    (entry,) = cache.entries(tmp_path)
    assert entry.fingerprint == FINGERPRINT
    assert json.loads((entry.path / "journal.jsonl").read_text().splitlines()[0])["shape"] == [22, 4]
