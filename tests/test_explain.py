"""Grad-CAM: the closed form behind global average pooling, a planted square, every kind of head, and its refusals."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.model import feature_map
from mtl_keras.prediction import predict
from tests import _tiny

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)).astype(np.uint8)
KINDS = mtl.Tasks(
    mtl.Classification("kind", classes=3),
    mtl.Binary("odd"),
    mtl.MultiLabel("tags", classes=2),
    mtl.Ordinal("size", classes=3),
    mtl.Regression("price"),
    mtl.Regression("point", size=2),
    mtl.Classification("half", classes=2, derive_from="kind", mapping=(0, 0, 1)),
)


def linear(tasks: mtl.Tasks = KINDS, **options: Any) -> Any:
    """Linear heads on the mean of four maps."""
    return mtl.build_model(tasks, mtl.Backbone("SmallCNN", **{"filters": (4,), "strides": 1, **options}), image_shape=(8, 8, 1))


def scaled(maps: np.ndarray) -> np.ndarray:
    positive = np.maximum(maps, 0)
    return np.asarray(positive / np.maximum(positive.max(axis=(1, 2), keepdims=True), 1e-12))


@pytest.mark.parametrize(
    ("task", "layer", "number"),
    [
        ("kind", "kind", 1),
        ("tags", "tags", 1),
        ("size", "size", 0),
        ("price", "price_standard", 0),
        ("point", "point_standard", 1),
    ],
)
def test_behind_a_mean_it_is_the_sum_of_the_maps_by_the_weights_of_the_class(task: str, layer: str, number: int) -> None:
    model = linear()
    maps = keras.ops.convert_to_numpy(keras.Model(model.input, feature_map(model.features))(IMAGES))
    kernel = keras.ops.convert_to_numpy(model.get_layer(layer).kernel)
    expected = scaled(maps @ kernel[:, number])
    assert expected.any(), "the case is not empty"
    np.testing.assert_allclose(mtl.explain.grad_cam(model, IMAGES, task, number), expected, atol=1e-5)
    np.testing.assert_allclose(mtl.explain.grad_cam(model, IMAGES, task, [number] * 5, batch_size=2), expected, atol=1e-5)


def test_what_speaks_for_one_of_two_classes_speaks_against_the_other() -> None:
    model = linear()
    maps = keras.ops.convert_to_numpy(keras.Model(model.input, feature_map(model.features))(IMAGES))
    evidence = maps @ keras.ops.convert_to_numpy(model.get_layer("odd").kernel)[:, 0]
    np.testing.assert_allclose(mtl.explain.grad_cam(model, IMAGES, "odd", 1), scaled(evidence), atol=1e-5)
    np.testing.assert_allclose(mtl.explain.grad_cam(model, IMAGES, "odd", 0), scaled(-evidence), atol=1e-5)


@pytest.mark.parametrize("task", ["kind", "odd", "tags", "size", "price", "half"])
def test_by_default_the_prediction_is_explained(task: str) -> None:
    model = linear()
    found = mtl.explain.grad_cam(model, IMAGES, task)
    assert found.shape == (5, 8, 8)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    if task in ("kind", "odd", "half"):
        decoded = KINDS[task].decode(predict(model, IMAGES)[task])
        np.testing.assert_array_equal(found, mtl.explain.grad_cam(model, IMAGES, task, decoded.values))


@pytest.mark.parametrize("freeze", [True, False])
def test_it_lies_where_a_planted_square_is(freeze: bool) -> None:
    rng = np.random.default_rng(0)
    images, there = rng.integers(0, 30, (160, 16, 16, 1)), rng.integers(0, 2, 160)
    places = rng.integers(0, 12, (160, 2))
    for image, (top, left), planted in zip(images, places, there, strict=True):
        if planted:
            image[top : top + 4, left : left + 4] = 250
    tasks = mtl.Tasks(mtl.Binary("square"))
    columns = {"square": there.astype(float)}
    data = mtl.data.from_arrays(
        tasks,
        (images[:120].astype(np.uint8), {"square": columns["square"][:120]}),
        (images[120:].astype(np.uint8), {"square": columns["square"][120:]}),
    )
    backbone = mtl.Backbone("SmallCNN", filters=(8,), strides=1, batch_norm="inference")
    model = mtl.build_model(tasks, backbone, image_shape=(16, 16, 1), freeze=freeze)
    mtl.train(model, data, mtl.Phase(epochs=25, optimizer=keras.optimizers.Adam(0.03)))
    shown = images[120:][there[120:] == 1].astype(np.uint8)
    maps = mtl.explain.grad_cam(model, shown, "square", 1)
    for heat, (top, left) in zip(maps, places[120:][there[120:] == 1], strict=True):
        # A convolution sees a pixel beyond the square.
        near = np.zeros((16, 16), bool)
        near[max(top - 1, 0) : top + 5, max(left - 1, 0) : left + 5] = True
        assert near.flat[heat.argmax()]
        assert heat[near].mean() > 5 * heat[~near].mean()


def test_maps_are_enlarged_to_the_image_and_a_head_may_pool_for_itself() -> None:
    tasks = KINDS.only("kind", "odd")
    strided = linear(tasks, strides=2)
    assert mtl.explain.grad_cam(strided, IMAGES, "kind").shape == (5, 8, 8)
    own = mtl.build_model(
        tasks,
        mtl.Backbone("SmallCNN", filters=(4,), pooling=None),
        image_shape=(8, 8, 1),
        heads={"kind": mtl.Head(pooling="avg"), "odd": mtl.Head(pooling="max")},
    )
    assert mtl.explain.grad_cam(own, IMAGES, "odd").max() <= 1
    trained = mtl.Backbone("SmallCNN", filters=(4,), batch_norm="train")
    domains = mtl.build_model(tasks, trained, image_shape=(8, 8, 1), batch_norm_groups=(("kind",), ("odd",)))
    assert mtl.explain.grad_cam(domains, IMAGES, "odd", 1).shape == (5, 8, 8)


def test_a_network_of_keras_applications_has_a_map() -> None:
    backbone = mtl.Backbone("MobileNetV2", weights=None, alpha=0.35)
    model = mtl.build_model(KINDS.only("kind"), backbone, image_shape=(32, 32, 3))
    found = mtl.explain.grad_cam(model, np.repeat(np.kron(IMAGES, np.ones((1, 4, 4, 1), np.uint8)), 3, axis=3), "kind", 0)
    assert found.shape == (5, 32, 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("colour",), "colour"),
        (("kind", 3), "must be from 0 to 2"),
        (("kind", -1), "must be from 0 to 2"),
        (("kind", [0, 1]), "one for each of the 5 images"),
        (("kind", "1"), "must be the number of a class"),
        (("point",), "which of several numbers"),
    ],
)
def test_what_cannot_be_explained_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(MTLError, match=message):
        mtl.explain.grad_cam(linear(), IMAGES, *arguments)


def test_a_model_without_a_map_and_a_task_without_classes_are_refused() -> None:
    rows = np.zeros((4, 3), np.float32)
    columns = mtl.build_model(KINDS.only("kind"), "MLP", image_shape=(3,))
    with pytest.raises(MTLError, match="must have a feature map") as caught:
        mtl.explain.grad_cam(columns, rows, "kind")
    assert "MLP" in str(caught.value)
    with pytest.raises(MTLError, match="reconstructs its input"):
        mtl.explain.grad_cam(_tiny.model(), IMAGES, "image")
