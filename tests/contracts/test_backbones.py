"""Contract 8: the preprocessing is part of the graph, and all ways of calling a backbone agree.

There is one network for each kind of preprocessing, with batch norm statistics other than 0 and 1. The networks of
keras.applications end after their first blocks, which keeps the whole path and makes the exports fast. The marker `soak` runs
all complete networks. `test_mlp.py` and `test_own_network.py` hold networks of other inputs to the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras.backbones import BACKBONES, Backbone, names
from tests._fresh_process import all_are_collected, load_without_mtl_keras
from tests._networks import truncated

pytestmark = pytest.mark.filterwarnings("ignore:In the future `np.object` will be defined:FutureWarning")

#: Name, options, the last layer of the truncated network, and by how much the network reduces height and width.
CASES: dict[str, tuple[str, dict[str, Any], str | None, int]] = {
    "caffe": ("ResNet50", {}, "conv2_block1_out", 4),
    "tf": ("MobileNet", {"alpha": 0.25}, "conv_pw_3_relu", 4),
    "torch": ("DenseNet121", {}, "conv2_block2_concat", 4),
    "inside": ("MobileNetV3Small", {}, "expanded_conv_1_project_bn", 8),
    "lite": ("EfficientNetLite0", {}, "block3a_project_bn", 8),
    "cifar": ("CifarEfficientNetB0", {}, "block3b_add", 4),
    "unit": ("SmallCNN", {"dropout": 0.2}, None, 4),
    "small": ("SmallCNN", {"strides": 1, "pool": (2, 1), "norm": "after", "dropout": 0.2, "dropout_at": "last"}, None, 2),
}
SHAPE = (40, 36, 3)


def randomize_batch_norm(model: keras.Model, variance: tuple[float, float] = (0.7, 1.3)) -> None:
    """Give all batch normalization layers random statistics, scales and offsets."""
    rng = np.random.default_rng(0)
    for layer in model.get_layer("backbone").layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            scale, (offset, mean, var) = layer.get_weights()[:-3], layer.get_weights()[-3:]
            values = [rng.uniform(0.7, 1.3, w.shape) for w in scale] + [rng.normal(0, 0.1, w.shape) for w in (offset, mean)]
            layer.set_weights([*values, rng.uniform(*variance, var.shape)])


@dataclass
class Built:
    case: str
    backbone: Backbone
    model: keras.Model
    images: np.ndarray
    features: np.ndarray
    other: keras.Model
    stride: int


@pytest.fixture(scope="module", params=CASES)
def built(request: pytest.FixtureRequest) -> Built:
    name, options, last, stride = CASES[request.param]
    backbone = Backbone(name, weights=None, batch_norm="inference", image_size=64, **options)
    with truncated(name, last):
        keras.utils.set_random_seed(1)
        inputs = keras.Input(SHAPE, name="image")
        model = keras.Model(inputs, backbone.apply(inputs))
        larger = keras.Input((96, 128, 3))
        other = keras.Model(larger, backbone.replace(image_size=None, pooling=None).apply(larger))
    randomize_batch_norm(model)
    images = np.random.default_rng(2).integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    return Built(request.param, backbone, model, images, np.asarray(model(images.astype(np.float32))), other, stride)


def assert_same(ours: Any, theirs: np.ndarray) -> None:
    assert np.asarray(ours).std() > 1e-3, "constant features would make the test meaningless"
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def test_predict_agrees_with_a_call(built: Built) -> None:
    assert_same(built.model.predict(built.images, verbose=0), built.features)


def test_uint8_agrees_with_float(built: Built) -> None:
    assert_same(built.model(built.images), built.features)


def test_training_mode_changes_nothing_under_inference(built: Built) -> None:
    before = [np.asarray(v) for v in built.model.non_trainable_variables]
    assert_same(built.model(built.images, training=True), built.features)
    for value, variable in zip(before, built.model.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(value, np.asarray(variable))


def test_saved_model_agrees(built: Built, tmp_path: Path) -> None:
    import tensorflow as tf

    built.model.export(str(tmp_path / "saved"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    assert_same(loaded.serve(built.images.astype(np.float32)), built.features)


def test_onnx_agrees(built: Built, tmp_path: Path) -> None:
    import onnxruntime

    path = str(tmp_path / "backbone.onnx")
    built.model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    assert [i.name for i in session.get_inputs()] == ["image"]
    assert_same(session.run(None, {"image": built.images.astype(np.float32)})[0], built.features)


def test_names_are_unique_and_the_same_every_time(built: Built) -> None:
    network = built.model.get_layer("backbone")
    inner = [operation.name for operation in network.operations]
    outer = [operation.name for operation in built.model.operations]
    assert len(set(inner)) == len(inner)
    assert [operation.name for operation in built.other.get_layer("backbone").operations] == inner
    assert outer[0] == "image"
    assert outer[-2:] == ["backbone", "backbone_pool"]
    assert all(name.startswith("backbone_") for name in outer[1:-2])


def test_shapes_at_two_sizes(built: Built) -> None:
    channels = built.features.shape[-1]
    assert built.features.shape == (3, channels)
    assert built.other.output_shape == (None, 96 // built.stride, 128 // built.stride, channels)


CHECK = """
for training in (None, True):
    np.testing.assert_allclose(model(data["images"], training=training), data["features"], rtol=1e-5, atol=1e-6)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folder")


def test_saves(built: Built, folder: Path) -> None:
    built.model.save(folder / f"{built.case}.keras")
    np.savez(folder / f"{built.case}.npz", images=built.images.astype(np.float32), features=built.features)


def test_loads_in_a_fresh_process_without_mtl_keras(folder: Path, request: pytest.FixtureRequest) -> None:
    # One process for all cases, since importing TensorFlow takes seconds.
    if not all_are_collected(request.session, test_saves, CASES):
        pytest.skip("needs test_saves of every case")
    assert load_without_mtl_keras(folder, CHECK) == sorted(CASES)


@pytest.mark.soak
@pytest.mark.parametrize("name", names())
def test_every_backbone_whole(name: str, tmp_path: Path) -> None:
    keras.utils.clear_session()
    size = max(BACKBONES[name].min_size, 8)
    shape = (size, size, 3) if BACKBONES[name].rank == 3 else (size,)
    inputs = keras.Input(shape, name="image")
    model = keras.Model(inputs, Backbone(name, weights=None, batch_norm="inference").apply(inputs))
    # With variances around 1, a hundred layers amplify a change of 1e-9 in the input to 70 % in the features.
    randomize_batch_norm(model, variance=(2.0, 3.0))
    inner = [operation.name for operation in model.get_layer("backbone").operations]
    assert len(set(inner)) == len(inner)
    images = np.random.default_rng(2).uniform(0, 255, (2, *shape)).astype(np.float32)
    features = np.asarray(model(images))
    assert np.isfinite(features).all()
    assert features.std() > 0
    close = 1e-5 * np.abs(features).max()
    np.testing.assert_allclose(model(images, training=True), features, rtol=1e-4, atol=close)
    np.testing.assert_allclose(model.predict(images, verbose=0), features, rtol=1e-4, atol=close)
    model.save(tmp_path / f"{name}.keras")
    np.savez(tmp_path / f"{name}.npz", images=images, features=features)
    assert load_without_mtl_keras(tmp_path, CHECK) == [name]
