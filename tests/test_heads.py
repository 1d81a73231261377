"""Heads that start from the feature map, and the decoder: shapes, parameters by hand, training, saving, baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.backbones import Backbone
from mtl_keras.errors import MTLError
from mtl_keras.heads import Decoder, Head
from mtl_keras.model import MultiTaskModel, Recipe, build_model
from mtl_keras.tasks import Binary, Classification, Reconstruction, Tasks
from mtl_keras.training import Phase, train
from tests import _tiny

MAP = _tiny.BACKBONE.replace(pooling=None)
HEADS: dict[str, Head | Decoder] = {
    "odd": Head(dense=(3,), pooling="flatten"),
    "image": Decoder(latent=5, filters=(4, 3), strides=(2, 2), dropout=0.1, batch_norm=True),
}


def pooled(**options: Any) -> MultiTaskModel:
    """`kind` on the shared stack; `odd` and `image` pool the feature map themselves."""
    return _tiny.model(backbone=MAP, shared=Head(dense=(6,), pooling="max"), heads=HEADS, **options)


def adam(**options: Any) -> Phase:
    return Phase(**{"epochs": 2, "batch_size": 12, "optimizer": keras.optimizers.Adam(0.01), **options})


# What is built


def test_parameters_of_a_known_network() -> None:
    """Two convolutions with pooling, then a stack of dense layers for each task on the flattened map."""
    backbone = Backbone("SmallCNN", filters=(32, 64), strides=1, pool=2, padding="valid", norm=None, pooling="flatten")
    tasks = Tasks(Classification("fine", classes=100), Classification("coarse", classes=20))
    heads = {"fine": Head(dense=(512, 256)), "coarse": Head(dense=(256, 100))}
    flat = build_model(tasks, backbone, image_shape=(32, 32, 3), heads=heads)
    assert flat.features.shape == (None, 2304)
    assert flat.count_params() == 1_974_380
    own_heads = {name: Head(dense=head.dense, pooling="flatten") for name, head in heads.items()}
    own = build_model(tasks, backbone.replace(pooling=None), image_shape=(32, 32, 3), heads=own_heads)
    assert own.features.shape == (None, 6, 6, 64)
    assert own.count_params() == 1_974_380


def test_parameters_of_a_decoder_by_hand() -> None:
    task = Tasks(Reconstruction("image"))
    backbone = Backbone("SmallCNN", filters=(8, 16, 32), norm="after", pooling=None)
    model = build_model(task, backbone, image_shape=(32, 32, 3), heads={"image": Decoder()})
    counts = {layer.name: layer.count_params() for layer in model.head_layers["image"] if layer.weights}
    assert counts == {
        "image_latent": 4 * 4 * 32 * 32 + 32,
        "image_start": 32 * 4 * 4 * 32 + 4 * 4 * 32,
        "image_decode_1": 9 * 32 * 32 + 32,
        "image_decode_2": 9 * 32 * 16 + 16,
        "image_decode_3": 9 * 16 * 8 + 8,
        "image": 9 * 8 * 3 + 3,
    }
    assert model.get_layer("image_latent").activation is keras.activations.linear
    assert model.get_layer("image_start").activation is keras.activations.linear
    assert model.get_layer("image_decode_1").activation is keras.activations.relu
    assert model.output["image"].shape == (None, 32, 32, 3)


def test_layers_belong_to_the_part_that_uses_them() -> None:
    model = pooled()
    assert model.features.shape == (None, 4, 4, 4)
    assert [layer.name for layer in model.layers_by_name("shared")] == ["shared_pool", "shared_dense_1"]
    assert {name: [layer.name for layer in layers] for name, layers in model.head_layers.items()} == {
        "kind": ["kind"],
        "odd": ["odd_pool", "odd_dense_1", "odd"],
        "image": [
            *("image_pool", "image_latent", "image_start", "image_map"),
            *("image_decode_1", "image_dropout_1", "image_bn_1", "image_decode_2", "image_dropout_2", "image_bn_2", "image"),
        ],
    }
    found = [layer.name for layer in model._flatten_layers()]
    assert len(found) == len(set(found))
    assert [layer.name for layer in build_model(model.recipe)._flatten_layers()] == found


@pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
def test_a_head_pools_the_map(pooling: Any) -> None:
    model = build_model(Tasks(Binary("odd")), MAP, image_shape=_tiny.SHAPE, heads={"odd": Head(pooling=pooling)})
    images = _tiny.rows(3, 0)[0]
    features = np.asarray(model.trunk(images))
    kernel, bias = model.get_layer("odd").get_weights()
    row = {"avg": features.mean((1, 2)), "max": features.max((1, 2)), "flatten": features.reshape(3, -1)}[pooling]
    np.testing.assert_allclose(model(images)["odd"], 1 / (1 + np.exp(-(row @ kernel + bias))), rtol=1e-4)


def test_a_shared_stack_that_no_head_takes_is_not_in_the_model() -> None:
    baseline = build_model(pooled().recipe.only("odd"))
    assert baseline.layers_by_name("shared") == []
    assert not any(layer.name.startswith("shared") for layer in baseline.layers)


def test_a_decoder_may_take_pooled_and_shared_features() -> None:
    model = _tiny.model(shared=(6,), heads={"image": Decoder(filters=(4,), pooling=None)})
    assert model.get_layer("image_latent").kernel.shape == (6, 32)
    assert model.get_layer("image_start").units == 4 * 4 * 4
    assert model.output["image"].shape == (None, *_tiny.SHAPE)


# What is refused


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Head(pooling="mean"), "Unknown pooling: received 'mean'"),  # type: ignore[arg-type]
        (lambda: Decoder(pooling="mean"), "Unknown pooling: received 'mean'"),  # type: ignore[arg-type]
        (lambda: Decoder(latent=0), "latent=0"),
        (lambda: Decoder(filters=()), r"filters=()"),
        (lambda: Decoder(strides=(2, 2)), r"one for each of `filters`. Received: strides=(2, 2) for filters=(32, 16, 8)"),
        (lambda: Decoder(kernel_size=0), "kernel_size=0"),
        (lambda: Decoder(dropout=1.0), "`dropout` must be a number in [0, 1). Received: dropout=1.0"),
        (lambda: Decoder(activation="rleu"), "Did you mean 'relu'"),
        (lambda: pooled().recipe.from_config({**pooled().recipe.config(), "shared": {"kind": "Haed"}}), "Did you mean 'Head'"),
        (
            lambda: Recipe(_tiny.TASKS, MAP, _tiny.SHAPE),
            "Heads must receive pooled features. Received: pooling=None for task 'kind'",
        ),
        (
            lambda: Recipe(_tiny.TASKS, MAP, _tiny.SHAPE, heads={"kind": Head(pooling="avg"), "odd": Head(pooling="avg")}),
            "pooling=None for task 'image'",
        ),
        (
            lambda: Recipe(_tiny.TASKS, _tiny.BACKBONE, _tiny.SHAPE, heads={"odd": Head(pooling="max")}),
            "pooling='max' for task 'odd' and a backbone with pooling='avg'. Give the backbone pooling=None",
        ),
        (
            lambda: Recipe(_tiny.TASKS, _tiny.BACKBONE, _tiny.SHAPE, heads={"image": Decoder()}),
            "pooling='flatten' for task 'image' and a backbone with pooling='avg'",
        ),
        (
            lambda: Recipe(_tiny.TASKS, _tiny.BACKBONE, _tiny.SHAPE, shared=Head(pooling="avg")),
            "`pooling` of the shared stack must be None if the backbone pools",
        ),
        (
            lambda: Recipe(_tiny.TASKS, MAP, _tiny.SHAPE, shared=Head(pooling="avg"), heads={"odd": Decoder()}),
            "Received: a Decoder for task 'odd', which does not",
        ),
        (
            lambda: Recipe(_tiny.TASKS, MAP, (12, 8, 1), shared=Head(pooling="avg"), heads={"image": Decoder()}),
            "an image of 12 x 8 px and strides whose product is 8",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_built(made: Any, message: str) -> None:
    with pytest.raises(MTLError) as refused:
        made()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


# Values


def test_configs_are_json_and_those_of_earlier_versions_are_read() -> None:
    recipe = pooled().recipe
    config = json.loads(json.dumps(recipe.config()))
    assert config["heads"]["image"]["kind"] == "Decoder"
    assert Recipe.from_config(config) == recipe
    old = _tiny.model().recipe
    before = old.config()
    for head in (before["shared"], *before["heads"].values()):
        for entry in ("kind", "method", "pooling"):
            head.pop(entry, None)
    assert Recipe.from_config(before) == old


# Training, evaluation, saving


def moved(model: MultiTaskModel, before: dict[str, list[np.ndarray]]) -> set[str]:
    """Return the layers whose weights are others than before."""
    after = {layer.name: _tiny.weights(layer) for layer in model.layers}
    return {name for name in before if any((a != b).any() for a, b in zip(before[name], after[name], strict=True))}


def test_it_trains_on_a_cached_map_is_scored_and_loads_back(tmp_path: Path) -> None:
    data, histories, models = _tiny.data(48), [], []
    for cache_dir in (tmp_path / "cache", False):
        keras.utils.set_random_seed(0)
        heads = {**HEADS, "image": Decoder(latent=5, filters=(4, 3))}
        model = _tiny.model(backbone=MAP, shared=Head(dense=(6,), pooling="max"), heads=heads, freeze=True)
        before = {layer.name: _tiny.weights(layer) for layer in model.layers}
        run = train(model, data, adam(epochs=3), cache_dir=cache_dir)
        assert moved(model, before) == {name for name, old in before.items() if old} - {"backbone"}
        histories.append(run.history)
        models.append(run.model)
    assert histories[0][-1]["loss"] < histories[0][0]["loss"]
    for cached, through in zip(*histories, strict=True):
        assert cached == pytest.approx(through, rel=1e-4)
    scores = [mtl.evaluate(models[0], data, cache_dir=where).values() for where in (tmp_path / "cache", False)]
    for task, values in scores[0].items():
        assert values == pytest.approx(scores[1][task], rel=1e-4)
    models[0].save(tmp_path / "model.keras")
    plain = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    loaded = mtl.load_model(tmp_path)
    assert loaded.recipe == models[0].recipe
    for other in (plain, loaded):
        for name, value in other(data.validation.x).items():
            np.testing.assert_array_equal(value, models[0](data.validation.x)[name])


def test_parts_are_frozen_by_name() -> None:
    model = pooled()
    before = {layer.name: _tiny.weights(layer) for layer in model.layers}
    phase = adam(epochs=1, tasks=("kind", "odd"), freeze=("backbone", "shared", "odd_dense_1"))
    train(model, _tiny.data(), phase, cache_dir=False)
    assert moved(model, before) == {"kind", "odd"}


def test_a_single_task_baseline_trains() -> None:
    recipe = pooled().recipe
    assert [build_model(recipe.only(task)).output_names for task in recipe.tasks] == [["kind"], ["odd"], ["image"]]
    train(build_model(recipe.only("image")), _tiny.data().only("image"), adam(epochs=1), cache_dir=False)


def test_a_head_may_skip_the_shared_stack() -> None:
    heads = {"odd": Head(dense=(3,), pooling="features")}
    model = _tiny.model(shared=Head(dense=(6,)), heads=heads)
    assert [layer.name for layer in model.head_layers["odd"]] == ["odd_dense_1", "odd"]
    # Four channels of the pooled map, where the shared stack would have given six.
    assert model.get_layer("odd_dense_1").kernel.shape == (4, 3)
    assert model.get_layer("kind").kernel.shape[0] == 6
    before = {layer.name: _tiny.weights(layer) for layer in model.layers}
    train(model, _tiny.data(), adam(epochs=1, tasks=("odd",), freeze=("backbone", "shared")), cache_dir=False)
    assert moved(model, before) == {"odd_dense_1", "odd"}
    with pytest.raises(MTLError, match=r"such a head for task 'odd' and a backbone with pooling=None"):
        _tiny.model(backbone=MAP, shared=Head(dense=(6,), pooling="max"), heads=heads)
