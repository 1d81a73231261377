"""Recipes are checked values, and what they build is named, frozen and wired as they say."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras.backbones import Backbone
from mtl_keras.errors import MTLError
from mtl_keras.model import Head, MultiTaskModel, Recipe, build_model
from mtl_keras.tasks import Binary, Classification, Reconstruction, Tasks
from tests import _tiny

TASKS = Tasks(Classification("fine", classes=5), Classification("coarse", classes=2))
DEEP = Backbone("SmallCNN", filters=(3, 4, 5))


@pytest.fixture(scope="module")
def model() -> MultiTaskModel:
    heads = {"fine": Head(dense=(7, 6), dropout=0.1), "coarse": Head(dense=(2,))}
    return build_model(TASKS, DEEP, image_shape=_tiny.SHAPE, shared=Head(dense=(9, 8), dropout=0.2), heads=heads)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dense": (0,)}, r"`dense` of a head must be an integer in \[1, 1000000\]. Received: dense=0"),
        ({"dense": (8, 2.5)}, r"Received: dense=2.5"),
        ({"dropout": 1.0}, r"`dropout` must be a number in \[0, 1\). Received: dropout=1.0"),
        ({"dropout": -0.1}, r"Received: dropout=-0.1"),
        ({"activation": "rleu"}, r"Unknown activation: received 'rleu'. Did you mean 'relu'"),
        ({"activation": "deserialize"}, r"Unknown activation: received 'deserialize'"),
    ],
)
def test_a_head_checks_its_values(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MTLError, match=message):
        Head(**options)


def test_a_recipe_checks_its_values() -> None:
    with pytest.raises(MTLError, match=r"Unknown task in heads: received 'fien'. Did you mean 'fine'"):
        Recipe(TASKS, DEEP, _tiny.SHAPE, heads={"fien": Head()})
    with pytest.raises(
        MTLError, match=r"`image_shape` must be fully specified. Received: \(None, None, 3\). Pass image_shape="
    ):
        Recipe(Tasks(Reconstruction("image")), DEEP)
    for shape in (None, (None, None, 3)):
        with pytest.raises(MTLError, match=r"`image_shape` must be fully specified. Received: .*Pass image_shape="):
            build_model(TASKS, DEEP, image_shape=shape)  # type: ignore[arg-type]
    with pytest.raises(MTLError, match=r"`image_shape` must be \(height, width, channels\). Received: \(8, 8\)"):
        Recipe(TASKS, DEEP, (8, 8))
    with pytest.raises(MTLError, match=r"Unknown backbone: received 'SmalCNN'. Did you mean 'SmallCNN'"):
        build_model(TASKS, "SmalCNN", image_shape=_tiny.SHAPE)
    with pytest.raises(MTLError, match=r"Unknown layer or block to train from: received 'conv9'. Did you mean 'conv"):
        build_model(TASKS, DEEP, image_shape=_tiny.SHAPE, freeze="conv9")
    with pytest.raises(MTLError, match=r"pooled features.*pooling='avg'"):
        build_model(TASKS, DEEP.replace(pooling=None), image_shape=_tiny.SHAPE)


def test_a_recipe_gives_every_task_a_head() -> None:
    recipe = Recipe(TASKS, DEEP, [8, 8, 1], heads={"coarse": Head(dense=[3])})  # type: ignore[arg-type]
    assert recipe.heads == {"fine": Head(), "coarse": Head(dense=(3,))}
    assert recipe.image_shape == (8, 8, 1)


def test_only_makes_the_single_task_twin(model: MultiTaskModel) -> None:
    baseline = model.recipe.only("coarse")
    assert list(baseline.tasks) == ["coarse"]
    assert baseline.heads == {"coarse": Head(dense=(2,))}
    assert (baseline.backbone, baseline.shared, baseline.freeze) == (
        model.recipe.backbone,
        model.recipe.shared,
        model.recipe.freeze,
    )
    assert build_model(baseline).output_names == ["coarse"]
    with pytest.raises(MTLError, match="Did you mean 'coarse'"):
        model.recipe.only("corse")


@pytest.mark.parametrize("freeze", [True, False, "conv2"])
def test_config_is_json_and_gives_the_recipe_back(freeze: bool | str) -> None:
    recipe = Recipe(TASKS, DEEP, _tiny.SHAPE, Head(dense=(9,), dropout=0.2), {"fine": Head(activation="gelu")}, freeze)
    assert Recipe.from_config(json.loads(json.dumps(recipe.config()))) == recipe


def test_arguments_and_recipe_build_the_same() -> None:
    made = build_model(
        TASKS, "SmallCNN", image_shape=_tiny.SHAPE, shared=(9,), heads={"fine": Head(dense=(7,))}, freeze="conv2"
    )
    assert made.recipe == Recipe(
        TASKS, Backbone("SmallCNN"), _tiny.SHAPE, Head(dense=(9,)), {"fine": Head(dense=(7,))}, "conv2"
    )
    again = build_model(made.recipe)
    assert [w.shape for w in again.weights] == [w.shape for w in made.weights]
    assert build_model(TASKS, "SmallCNN", image_shape=_tiny.SHAPE, weights=None).recipe.backbone == Backbone(
        "SmallCNN", weights=None
    )


def names(network: keras.Model) -> list[str]:
    return [layer.name for layer in network._flatten_layers()]


def test_every_layer_is_named_once_and_by_us(model: MultiTaskModel) -> None:
    found = names(model)
    assert len(found) == len(set(found))
    assert names(build_model(model.recipe)) == found, "a name that Keras makes up is another one in the next model"
    assert [layer.name for layer in model.layers_by_name("shared")] == [
        "shared_dense_1",
        "shared_dropout_1",
        "shared_dense_2",
        "shared_dropout_2",
    ]
    own = {task: [layer.name for layer in layers] for task, layers in model.head_layers.items()}
    assert own == {
        "fine": ["fine_dense_1", "fine_dropout_1", "fine_dense_2", "fine_dropout_2", "fine"],
        "coarse": ["coarse_dense_1", "coarse"],
    }
    assert sorted(model.output_names) == ["coarse", "fine"]


@pytest.mark.parametrize("batch_norm", ["train", "inference"])
@pytest.mark.parametrize(
    ("freeze", "trained"),
    [
        (True, []),
        (False, ["conv1", "conv1_bn", "conv2", "conv2_bn", "conv3", "conv3_bn"]),
        ("conv2", ["conv2", "conv2_bn", "conv3", "conv3_bn"]),
        ("conv2_bn", ["conv2_bn", "conv3", "conv3_bn"]),
        ("conv3_relu", []),
    ],
)
def test_freeze_leaves_these_layers_to_be_trained(freeze: bool | str, trained: list[str], batch_norm: Any) -> None:
    made = build_model(TASKS, DEEP.replace(batch_norm=batch_norm), image_shape=_tiny.SHAPE, shared=(4,), freeze=freeze)
    found = [layer.name for layer in made.get_layer("backbone").layers if layer.trainable_variables]
    if batch_norm == "inference":
        # Held: a batch normalization that is trained is in training mode as well.
        trained = [name for name in trained if not name.endswith("_bn")]
    assert found == trained
    assert made.get_layer("shared_dense_1").trainable_variables
    assert all(layer.trainable for layers in made.head_layers.values() for layer in layers)


@pytest.mark.parametrize(
    ("freeze", "options", "frozen"),
    [
        (True, {}, True),
        (True, {"batch_norm": "inference"}, True),
        (True, {"dropout": 0.5}, False),
        (True, {"dropout": 0.5, "batch_norm": "inference"}, True),
        ("conv3_relu", {}, True),
        ("conv3", {}, False),
        (False, {}, False),
        (False, {"batch_norm": "inference"}, False),
    ],
)
def test_a_frozen_trunk_is_one_that_training_cannot_change(freeze: bool | str, options: dict[str, Any], frozen: bool) -> None:
    made = build_model(TASKS, DEEP.replace(**options), image_shape=_tiny.SHAPE, freeze=freeze)
    assert made.frozen_trunk == frozen
    backbone, images = made.get_layer("backbone"), _tiny.rows(5, 0)[0]
    once, again, inferred = (np.asarray(made.trunk(images, training=training)) for training in (True, True, False))
    fixed = not backbone.trainable_variables and np.array_equal(once, again) and np.array_equal(once, inferred)
    assert fixed == frozen


def test_parts_by_name(model: MultiTaskModel) -> None:
    for name in ("backbone", "conv2_bn", "shared_dense_2", "fine_dense_1", "backbone_pool"):
        (layer,) = model.layers_by_name(name)
        assert layer.name == name
    assert model.layers_by_name("fine") == model.head_layers["fine"]
    assert build_model(TASKS, DEEP, image_shape=_tiny.SHAPE).layers_by_name("shared") == []
    for wrong, near in (("backbnoe", "backbone"), ("conv2_b", "conv2_bn"), ("coars", "coarse"), ("share", "shared")):
        with pytest.raises(MTLError, match=rf"Unknown layer: received '{wrong}'. Did you mean .*'{near}'"):
            model.layers_by_name(wrong)


def test_a_task_whose_name_begins_like_the_shared_stack_is_no_part_of_it() -> None:
    made = build_model(Tasks(Binary("shared_mood"), Binary("other")), DEEP, image_shape=_tiny.SHAPE, shared=(4,))
    assert [layer.name for layer in made.layers_by_name("shared")] == ["shared_dense_1"]


def test_a_task_called_like_a_layer_of_another_one_is_refused() -> None:
    tasks = Tasks(Binary("mood"), Binary("mood_dense_1"))
    with pytest.raises(MTLError, match=r"must not be called like a layer of the model. Received: mood_dense_1, a task and"):
        build_model(tasks, DEEP, image_shape=_tiny.SHAPE, heads={"mood": (3,)})
    assert build_model(tasks, DEEP, image_shape=_tiny.SHAPE).output_names == ["mood", "mood_dense_1"]


def test_the_trunk_shares_its_layers_and_can_be_used_again(model: MultiTaskModel) -> None:
    images = _tiny.rows(3, 0)[0]
    features = np.asarray(model.trunk(images))
    assert features.shape == (3, 5) == (3, *model.features.shape[1:])
    baseline = build_model(model.recipe.only("fine"), trunk=model.trunk)
    assert build_model(TASKS, DEEP, trunk=model.trunk).recipe.image_shape == _tiny.SHAPE
    assert baseline.get_layer("backbone") is model.get_layer("backbone")
    np.testing.assert_array_equal(baseline.trunk(images), features)
    assert json.loads(json.dumps(model.fingerprint())) == model.fingerprint()
    assert model.fingerprint()["backbone"]["weights"] is None


def test_plain_is_keras_own_class_and_the_same_network(model: MultiTaskModel) -> None:
    images = _tiny.rows(3, 0)[0]
    plain = model.plain()
    assert type(plain).__module__.startswith("keras.")
    assert plain.get_layer("fine") is model.get_layer("fine")
    for task, output in plain(images).items():
        np.testing.assert_array_equal(output, model(images)[task])
