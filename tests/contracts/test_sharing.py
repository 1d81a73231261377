"""Every sharing method through the same tests; a new method adds one row to `CASES`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.sharing import SHARINGS, DenseStack, Sharing, from_config, get
from tests import _tiny

CASES: dict[str, Sharing] = {
    "nothing but the trunk": DenseStack(),
    "dense stack": DenseStack((6, 5), dropout=0.2, activation="gelu"),
    "pooled map": DenseStack((6,), pooling="max"),
}
#: Cases that start from the feature map of a backbone with `pooling=None`.
MAPS = {"pooled map"}
TASKS = ("kind", "odd", "image")


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def start(name: str) -> keras.KerasTensor:
    return keras.Input((4, 4, 3) if name in MAPS else (3,))


def build(name: str) -> mtl.Recipe:
    backbone = _tiny.BACKBONE.replace(pooling=None if name in MAPS else "avg")
    return mtl.Recipe(_tiny.TASKS, backbone, _tiny.SHAPE, CASES[name])


def test_every_method_has_a_case() -> None:
    assert {type(case) for case in CASES.values()} == set(SHARINGS.values())
    assert all(method.name == name for name, method in SHARINGS.items())


@pytest.mark.parametrize("tasks", [TASKS, TASKS[:1]])
def test_every_task_gets_features(name: str, tasks: tuple[str, ...]) -> None:
    features = start(name)
    shared = CASES[name].apply(features, tasks)
    assert list(shared) == list(tasks)
    assert all(len(output.shape) == 2 and output.shape[1] is not None for output in shared.values())
    rows = np.random.default_rng(0).normal(size=(5, *features.shape[1:]))
    for output in keras.Model(features, shared)(rows).values():
        assert np.isfinite(np.asarray(output)).all()


def test_layers_have_unique_names_that_start_with_shared(name: str) -> None:
    features = start(name)
    names = [layer.name for layer in keras.Model(features, CASES[name].apply(features, TASKS)).layers[1:]]
    assert len(names) == len(set(names))
    assert all(layer.startswith("shared_") for layer in names)


def test_the_representation_is_on_the_path_of_every_task(name: str) -> None:
    features, case = start(name), CASES[name]
    for output in case.apply(features, TASKS).values():
        path = [layer.name for layer in keras.Model(features, output).layers]
        assert case.representation is None or case.representation in path


def test_no_head_may_take_the_output(name: str) -> None:
    assert CASES[name].apply(start(name), ()) == {}


def test_config_is_json_and_rebuilds_the_value(name: str) -> None:
    config = json.loads(json.dumps(CASES[name].config()))
    assert from_config(config) == get(config) == CASES[name]
    assert hash(from_config(config)) == hash(CASES[name])
    recipe = build(name)
    assert recipe.shared == CASES[name]
    assert mtl.Recipe.from_config(json.loads(json.dumps(recipe.config()))) == recipe
    assert recipe.only("odd").shared == CASES[name]


def test_a_model_is_built_saved_and_loaded(name: str, tmp_path: Path) -> None:
    model = mtl.build_model(build(name))
    model.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    assert loaded.recipe == model.recipe
    images = _tiny.rows(3, 0)[0]
    for task, output in model(images).items():
        np.testing.assert_array_equal(loaded(images)[task], output)
    names = [layer.name for layer in model.layers]
    assert len(names) == len(set(names))


# Forms of `shared=`


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ((), DenseStack()),
        ([8, 4], DenseStack((8, 4))),
        ("dense_stack", DenseStack()),
        ({"method": "dense_stack", "dense": [8], "dropout": 0.1}, DenseStack((8,), dropout=0.1)),
        (mtl.Head((8,), dropout=0.1, activation="gelu", pooling="features"), DenseStack((8,), 0.1, "gelu", "features")),
        (DenseStack((8,)), DenseStack((8,))),
    ],
)
def test_a_recipe_takes_short_forms(spec: Any, expected: Sharing) -> None:
    assert mtl.Recipe(_tiny.TASKS, "SmallCNN", _tiny.SHAPE, spec).shared == expected
    assert _tiny.model(shared=spec).recipe.shared == expected


@pytest.mark.parametrize(
    "config",
    [
        {"dense": [8], "dropout": 0.1, "activation": "relu"},
        {"kind": "Head", "dense": [8], "dropout": 0.1, "activation": "relu", "tap": None},
        {"kind": "Head", "dense": [8], "dropout": 0.1, "activation": "relu", "pooling": None},
    ],
)
def test_configs_of_earlier_versions_are_read(config: dict[str, Any]) -> None:
    assert from_config(config) == DenseStack((8,), dropout=0.1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("dense_stak", "Did you mean 'dense_stack'?"),
        ({"method": "dense_stack", "units": 3}, "received 'units'"),
        (8, "The sharing method must be a name"),
        ((0,), "`dense` of the shared stack must be an integer in [1, 1000000]. Received: dense=0"),
        ({"method": "dense_stack", "dropout": 1.0}, "`dropout` must be a number in [0, 1). Received: dropout=1.0"),
        ({"method": "dense_stack", "activation": "rleu"}, "Did you mean 'relu'"),
        ({"method": "dense_stack", "pooling": "mean"}, "Unknown pooling: received 'mean'"),
    ],
)
def test_what_is_no_sharing_method_is_refused(spec: Any, message: str) -> None:
    with pytest.raises(MTLError) as refused:
        mtl.Recipe(_tiny.TASKS, _tiny.BACKBONE, _tiny.SHAPE, spec)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
