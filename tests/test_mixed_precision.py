"""Under Keras' policies of mixed precision the trunk computes in half precision, outputs and losses in float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.data import from_arrays
from mtl_keras.errors import MTLError
from mtl_keras.model import Decoder, Head, MultiTaskModel
from mtl_keras.tasks import Binary, Classification, MultiLabel, Ordinal, Reconstruction, Regression, Tasks
from mtl_keras.training import Phase, train
from tests import _tiny

TASKS = Tasks(
    Classification("kind", classes=3),
    Classification("coarse", classes=2, derive_from="kind", mapping=(0, 1, 1), derive="mixture"),
    Binary("odd"),
    Ordinal("rank", label="kind", classes=3),
    MultiLabel("several", classes=2),
    Regression("far", label="kind", location=1e6, scale=1e5),
    Reconstruction("image"),
)
HEADS: dict[str, Head | Decoder] = {"odd": Head(dense=(3,)), "image": Decoder(latent=4, filters=(4,), pooling=None)}


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def policy(request: pytest.FixtureRequest) -> Iterator[str]:
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


def data() -> mtl.data.Data:
    parts = []
    for n, seed in ((24, 0), (12, 1)):
        images, columns = _tiny.rows(n, seed)
        columns["coarse"] = np.minimum(columns["kind"], 1)
        columns["several"] = np.stack([columns["odd"], columns["coarse"]], axis=1)
        columns["odd"][:8] = np.nan
        parts.append((images, columns))
    return from_arrays(TASKS, *parts)


def build() -> MultiTaskModel:
    keras.utils.set_random_seed(0)
    return mtl.build_model(
        TASKS, "SmallCNN", image_shape=_tiny.SHAPE, shared=(6,), heads=HEADS, stack={"odd": "rank"}, freeze=False
    )


@pytest.mark.parametrize("weighting", ["uncertainty", "mgda"])
def test_all_kinds_of_tasks_train_in_mixed_precision(policy: str, weighting: str, tmp_path: Path) -> None:
    model = build()
    assert {str(output.dtype) for output in model.output.values()} == {"float32"}
    assert model.features.dtype == policy.removeprefix("mixed_")
    given = data()
    run = train(model, given, Phase(epochs=1, batch_size=12, weighting=weighting), cache_dir=False)
    assert all(np.isfinite(value) for value in run.history[0].values())
    evaluation = mtl.evaluate(run.model, given, cache_dir=False)
    assert evaluation is not None
    predicted = run.model.predict(given.validation.x, verbose=0)["far"]
    assert 5e5 < predicted.mean() < 2e6, "beyond the range of float16"
    run.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(given.validation.x, verbose=0)["far"], predicted)


def test_losses_are_those_of_full_precision(policy: str) -> None:
    half = build()
    keras.config.set_dtype_policy("float32")
    full = build()
    full.set_weights(half.get_weights())
    given = data()
    logs = []
    for model in (half, full):
        model.compile("adam", run_eagerly=True)
        logs.append(model.evaluate(given.validation.x, given.validation.y, verbose=0, return_dict=True))
    for name, value in logs[1].items():
        if name.endswith("loss"):
            assert logs[0][name] == pytest.approx(value, rel=0.02), name


def test_features_of_half_precision_have_entries_of_their_own(policy: str) -> None:
    half = build().fingerprint()
    keras.config.set_dtype_policy("float32")
    assert half != build().fingerprint()
    assert set(build().fingerprint()) == {"backbone", "image_shape"}, "as in caches of earlier versions"


def test_a_training_is_not_resumed_in_another_precision(tmp_path: Path) -> None:
    of = _tiny.data()
    phase = Phase(epochs=1, optimizer="sgd")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        train(_tiny.model(), of, phase, output_dir=tmp_path)
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(MTLError, match=r"compute_dtypes is None and was \['bfloat16'\]"):
        train(_tiny.model(), of, phase, output_dir=tmp_path)


def test_a_phase_takes_an_optimizer_that_scales_losses() -> None:
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.25))
    phase = Phase(epochs=2, batch_size=12, optimizer=optimizer, schedule="cosine")
    assert phase == Phase(epochs=2, batch_size=12, optimizer=phase.optimizer, schedule="cosine")
    run = train(_tiny.model(), _tiny.data(24), phase, cache_dir=False)
    assert run.history[0]["learning_rate"] == pytest.approx(0.125), "half of a cosine's steps"
    many = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(keras.optimizers.SGD()))
    with pytest.raises(MTLError, match="must have one learning rate. Received: MultiOptimizer") as info:
        Phase(epochs=1, optimizer=many)
    assert "\n" not in str(info.value)


def test_policies_that_lose_updates_are_refused() -> None:
    keras.config.set_dtype_policy("float16")
    try:
        with pytest.raises(MTLError, match="must keep variables in float32. Received: 'float16'") as info:
            build()
    finally:
        keras.config.set_dtype_policy("float32")
    assert "\n" not in str(info.value)
