"""Contract 8: the preprocessing is in the graph, and every way of calling a backbone agrees.

One network for each kind of preprocessing, with batch norm statistics that are not 0 and 1. The networks of
keras.applications are cut after their first blocks, which keeps the whole path and makes the exports quick; uncut they run
under `soak`, all 42 names of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras.backbones import BACKBONES, Backbone, names
from mtl_keras.backbones import Family

pytestmark = pytest.mark.filterwarnings("ignore:In the future `np.object` will be defined:FutureWarning")

#: Name, options, the layer after which the network is cut, and how many px of the image one of the map stands for.
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


def cut(family: Family, last: str) -> Any:
    """The family's `network`, ending in the layer `last`."""
    build = type(family).network

    def network(self: Family, *args: Any, **kwargs: Any) -> keras.Model:
        whole = build(self, *args, **kwargs)
        return keras.Model(whole.inputs, whole.get_layer(last).output, name="backbone")

    return network


def shake(model: keras.Model, variance: tuple[float, float] = (0.7, 1.3)) -> None:
    """Give every batch normalization statistics, scales and offsets that are not 0 and 1."""
    rng = np.random.default_rng(0)
    for layer in model.get_layer("backbone").layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            scale, (offset, mean, var) = layer.get_weights()[:-3], layer.get_weights()[-3:]
            drawn = [rng.uniform(0.7, 1.3, w.shape) for w in scale] + [rng.normal(0, 0.1, w.shape) for w in (offset, mean)]
            layer.set_weights([*drawn, rng.uniform(*variance, var.shape)])


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
    with pytest.MonkeyPatch.context() as patch:
        if last:
            patch.setattr(type(BACKBONES[name]), "network", cut(BACKBONES[name], last))
        keras.utils.set_random_seed(1)
        inputs = keras.Input(SHAPE, name="image")
        model = keras.Model(inputs, backbone.apply(inputs))
        larger = keras.Input((96, 128, 3))
        other = keras.Model(larger, backbone.replace(image_size=None, pooling=None).apply(larger))
    shake(model)
    images = np.random.default_rng(2).integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    return Built(request.param, backbone, model, images, np.asarray(model(images.astype(np.float32))), other, stride)


def assert_same(ours: Any, theirs: np.ndarray) -> None:
    assert np.asarray(ours).std() > 1e-3, "constant features prove nothing"
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


LOAD = """
import sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "mtl_keras":
            raise ImportError("mtl_keras is not installed here")

sys.meta_path.insert(0, Absent())
import keras, numpy as np
for path in sorted(Path(sys.argv[1]).glob("*.keras")):
    model = keras.models.load_model(path, safe_mode=True)
    data = np.load(path.with_suffix(".npz"))
    for training in (None, True):
        np.testing.assert_allclose(model(data["images"], training=training), data["features"], rtol=1e-5, atol=1e-6)
    print(path.stem)
assert "mtl_keras" not in sys.modules
"""


def load_elsewhere(folder: Path) -> list[str]:
    """Load every model in a process that has no mtl_keras, compare with what is beside it, and return their names."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    command = [sys.executable, "-I", "-c", LOAD, str(folder)]
    done = subprocess.run(command, cwd=folder, env=keep, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


def test_saves(built: Built, shelf: Path) -> None:
    built.model.save(shelf / f"{built.case}.keras")
    np.savez(shelf / f"{built.case}.npz", images=built.images.astype(np.float32), features=built.features)


def test_loads_in_a_fresh_process_without_mtl_keras(shelf: Path) -> None:
    # After test_saves has run for every case: one process for all of them, since importing TensorFlow takes seconds.
    saved = sorted(path.stem for path in shelf.glob("*.keras"))
    if len(saved) < len(CASES):
        pytest.skip("needs test_saves of every case")
    assert load_elsewhere(shelf) == saved


@pytest.mark.soak
@pytest.mark.parametrize("name", names())
def test_every_backbone_whole(name: str, tmp_path: Path) -> None:
    keras.utils.clear_session()
    size = max(BACKBONES[name].min_size, 8)
    inputs = keras.Input((size, size, 3), name="image")
    model = keras.Model(inputs, Backbone(name, weights=None, batch_norm="inference").apply(inputs))
    # Variances around 1 let a hundred layers blow up: a change of 1e-9 in the input is then one of 70 % in the features.
    shake(model, variance=(2.0, 3.0))
    inner = [operation.name for operation in model.get_layer("backbone").operations]
    assert len(set(inner)) == len(inner)
    images = np.random.default_rng(2).uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    features = np.asarray(model(images))
    assert np.isfinite(features).all()
    assert features.std() > 0
    close = 1e-5 * np.abs(features).max()
    np.testing.assert_allclose(model(images, training=True), features, rtol=1e-4, atol=close)
    np.testing.assert_allclose(model.predict(images, verbose=0), features, rtol=1e-4, atol=close)
    model.save(tmp_path / f"{name}.keras")
    np.savez(tmp_path / f"{name}.npz", images=images, features=features)
    assert load_elsewhere(tmp_path) == [name]
