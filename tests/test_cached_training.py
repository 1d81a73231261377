"""Contract 10: training on cached features is training through the frozen trunk, with a real pretrained network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras.backbones import Backbone
from mtl_keras.data import Data, cache, from_arrays
from mtl_keras.evaluation import evaluate
from mtl_keras.model import Head, build_model
from mtl_keras.tasks import Binary, Classification, Reconstruction, Tasks
from mtl_keras.training import Phase, Run, train
from mtl_keras.training._compiled import _steps_per_call
from tests import _tiny
from tests._networks import truncated

TASKS = Tasks(Classification("kind", classes=3), Binary("odd"), Reconstruction("image"))
ROWS, SIDE = 64, 32


def crops() -> np.ndarray:
    """Pieces of the two photographs that come with scikit-learn."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    photographs = load_sample_images().images
    corners = [(i % 2, *rng.integers(0, (427 - SIDE, 640 - SIDE))) for i in range(ROWS)]
    return np.stack([photographs[i][y : y + SIDE, x : x + SIDE] for i, y, x in corners])


def cifar(folder: Path) -> np.ndarray:
    import tensorflow_datasets as tfds

    builder = tfds.builder("cifar100", data_dir=folder / "tfds")
    return np.stack([row["image"] for row in tfds.as_numpy(builder.as_dataset(split=f"train[:{ROWS}]"))])


@pytest.fixture(scope="module", params=["crops", pytest.param("cifar100", marks=pytest.mark.real_data)])
def data(request: pytest.FixtureRequest) -> Data:
    images = crops() if request.param == "crops" else cifar(request.getfixturevalue("real_data"))
    rng = np.random.default_rng(0)
    columns = {"kind": rng.integers(0, 3, ROWS).astype(float), "odd": (images.mean((1, 2, 3)) > 110).astype(float)}
    columns["kind"][::5] = np.nan
    return from_arrays(TASKS, (images, columns), validation_fraction=0.25)


class Input(keras.callbacks.Callback):
    shape: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        self.shape = tuple(self.model.objective.network.input.shape)


def test_training_on_cached_features_equals_training_through_the_trunk(data: Data, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    backbone = Backbone("EfficientNetLite0")
    assert backbone.resolve().batch_norm == "inference"
    options: dict[str, Any] = {"shared": (16,), "heads": {"odd": Head(dense=(8,))}}
    with truncated("EfficientNetLite0", "block3a_project_bn"):
        through = build_model(TASKS, backbone, image_shape=(SIDE, SIDE, 3), freeze=True, **options)
    cached = build_model(through.recipe, trunk=through.trunk)
    cached.set_weights(through.get_weights())
    trunk_before = _tiny.weights(through.trunk)

    features = cache.features(through.trunk, data.train.x, through.fingerprint(), tmp_path)
    np.testing.assert_allclose(features, through.trunk(data.train.x, training=False), atol=1e-4)
    assert features.std() > 0.01, "a trunk with real weights tells images apart"

    phase = Phase(
        epochs=2, batch_size=16, optimizer=keras.optimizers.Adam(0.003), weighting={"kind": 1, "odd": 0.5, "image": 4}
    )
    inputs = Input(), Input()
    slow: Run = train(through, data, phase, cache_dir=False, callbacks=[inputs[0]])
    fast: Run = train(cached, data, phase, cache_dir=tmp_path, callbacks=[inputs[1]])
    assert [seen.shape for seen in inputs] == [(None, SIDE, SIDE, 3), (None, 40)]
    assert [entry.rows for entry in cache.entries(tmp_path)].count(len(data.train)) == 1, "filled once, then read"

    for ours, theirs in zip(fast.history, slow.history, strict=True):
        for name, value in theirs.items():
            assert ours[name] == pytest.approx(value, rel=1e-4, abs=1e-4), name
    assert fast.best.epoch == slow.best.epoch
    for ours, theirs in zip(cached.get_weights(), through.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    for old, new in zip(trunk_before, _tiny.weights(through.trunk), strict=True):
        np.testing.assert_array_equal(new, old, err_msg="frozen, its batch norm statistics included")

    scores = [evaluate(cached, data, cache_dir=where).scores for where in (tmp_path, False)]
    for on_features, on_images in zip(*scores, strict=True):
        assert on_features.value == pytest.approx(on_images.value, rel=1e-4, abs=1e-5)


class Batches(keras.callbacks.Callback):
    seen = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen += 1


class Epochs(keras.callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        pass


def test_many_steps_per_call_are_those_same_steps(tmp_path: Path) -> None:
    """A callback that looks at batches sees each one, and changes nothing of what is trained."""
    runs = []
    batches = Batches()
    for callback in (batches, Epochs()):
        keras.utils.set_random_seed(0)
        model = _tiny.model(freeze=True)
        # 36 rows in batches of 8 are 5 steps an epoch, the last one of 4 rows.
        phase = Phase(epochs=3, batch_size=8, optimizer=keras.optimizers.Adam(0.01))
        runs.append(train(model, _tiny.data(), phase, cache_dir=tmp_path, callbacks=[callback]))
    assert batches.seen == 15
    for one, many in zip(runs[0].history, runs[1].history, strict=True):
        assert many == pytest.approx(one, rel=1e-5)
    for one, many in zip(*(_tiny.weights(run.model) for run in runs), strict=True):
        np.testing.assert_allclose(many, one, atol=1e-6)


@pytest.mark.parametrize(("steps", "count"), [(1, 1), (5, 5), (32, 32), (36, 18), (88, 22), (89, 1)])
def test_steps_per_call_end_with_the_epoch(steps: int, count: int) -> None:
    assert _steps_per_call(steps, []) == _steps_per_call(steps, [Epochs()]) == count
    assert _steps_per_call(steps, [Epochs(), Batches()]) == 1
