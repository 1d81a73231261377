"""Every backbone as one of two inputs: built, called, frozen, cached, saved and loaded as any other model.

Networks of keras.applications end after their first blocks, see `test_backbones.py`.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.backbones import BACKBONES, Backbone, Family
from mtl_keras.data import Data, cache, from_arrays
from mtl_keras.errors import MTLError
from mtl_keras.model import MultiTaskModel
from mtl_keras.prediction import predict
from tests._networks import truncated

pytestmark = pytest.mark.filterwarnings("ignore:In the future `np.object` will be defined:FutureWarning")

TASKS = mtl.Tasks(mtl.Binary("odd"), mtl.Regression("size"))
N, COLUMNS = 24, 3
#: Backbones by case: one of each kind, with the last layer of the truncated network.
CASES: dict[str, tuple[Any, str | None]] = {
    "small": (Backbone("SmallCNN", filters=(4,)), None),
    "cifar": (Backbone("CifarEfficientNetB0"), "block2a_project_bn"),
    "lite": (Backbone("EfficientNetLite0", weights=None), "block2a_project_bn"),
    "caffe": (Backbone("ResNet50", weights=None), "conv2_block1_out"),
    "tf": (Backbone("MobileNet", weights=None, alpha=0.25), "conv_pw_3_relu"),
    "torch": (Backbone("DenseNet121", weights=None), "conv2_block2_concat"),
    "inside": (Backbone("MobileNetV3Small", weights=None), "expanded_conv_1_project_bn"),
    "rows": (Backbone("MLP", width=8), None),
    "own": (Backbone(keras.Sequential([keras.Input((COLUMNS,)), keras.layers.Dense(5)])), None),
}


def arrays(image: bool, n: int = N, size: int = 32) -> dict[str, np.ndarray]:
    """Inputs of which the second, `row`, says the size."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8) if image else rng.normal(size=(n, COLUMNS))
    return {"first": first if image else first.astype(np.float32), "row": rng.normal(size=(n, COLUMNS)).astype(np.float32)}


def labels(x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"odd": np.arange(len(x["row"])) % 2, "size": 3 * x["row"][:, 0] + 1}


def data(image: bool = True, n: int = N, tasks: mtl.Tasks = TASKS, size: int = 8) -> Data:
    x = arrays(image, n, size)
    return from_arrays(tasks, (x, labels(x)))


def model(given: Data, first: Any = "SmallCNN", **options: Any) -> MultiTaskModel:
    backbone = {"first": first, "row": Backbone("MLP", columns=given.columns["row"], width=8)}
    keras.utils.set_random_seed(0)
    return mtl.build_model(given.tasks, backbone, image_shape=given.image_shape, shared=(6,), **options)


def test_a_case_for_each_family() -> None:
    families: set[type[Family]] = {type(backbone.family) for backbone, _ in CASES.values()}
    assert families >= {type(family) for family in BACKBONES.values()}


@pytest.mark.parametrize("case", CASES)
def test_a_backbone_is_one_of_two_inputs(case: str, tmp_path: Path) -> None:
    backbone, last = CASES[case]
    image = backbone.family.rank == 3
    given = data(image, size=32)
    with contextlib.nullcontext() if last is None else truncated(backbone.name, last):
        built = model(given, backbone, freeze={"first": True})
    assert not built.backbones["first"].trainable_variables
    assert built.backbones["row"].trainable_variables
    x = arrays(image, 5, 32)
    called = {name: np.asarray(out) for name, out in built({n: a.astype(np.float32) for n, a in x.items()}).items()}
    ours = built.predict(x, verbose=0)
    built.save(tmp_path / "model.keras")
    again, plain = mtl.load_model(tmp_path), keras.models.load_model(tmp_path / "model.keras")
    assert again.recipe.config() == built.recipe.config()
    for other in (called, again.predict(x, verbose=0), plain.predict(x, verbose=0), predict(again, x)):
        for name in TASKS:
            np.testing.assert_allclose(np.reshape(other[name], -1), np.reshape(ours[name], -1), rtol=1e-4, atol=1e-5)


def test_two_images_have_layers_of_the_same_names() -> None:
    x = {"left": arrays(True, size=8)["first"], "right": arrays(True, size=8)["first"][::-1].copy()}
    given = from_arrays(TASKS, (x, labels(arrays(False))))
    built = mtl.build_model(given.tasks, {"left": "SmallCNN", "right": "SmallCNN"}, image_shape=given.image_shape)
    names = [[layer.name for layer in network.layers] for network in built.backbones.values()]
    assert names[0] == names[1]
    assert built.predict(x, verbose=0)["odd"].shape == (N, 1)
    with pytest.raises(MTLError, match="must have images in exactly one of them to be augmented"):
        given.augment("flip_lr", mode="online")


def test_the_features_of_a_frozen_input_are_computed_once_and_change_nothing(tmp_path: Path) -> None:
    given, weights, scores = data(n=40), [], []
    for where in (False, tmp_path):
        built = model(given, freeze={"first": True})
        frozen = [np.array(weight) for weight in built.backbones["first"].get_weights()]
        row = [np.array(weight) for weight in built.backbones["row"].get_weights()]
        mtl.train(built, given, mtl.Phase(epochs=2, batch_size=8), cache_dir=where, verbose=0)
        for before, after in zip(frozen, built.backbones["first"].get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)
        assert any((before != after).any() for before, after in zip(row, built.backbones["row"].get_weights(), strict=True))
        weights.append(built.get_weights())
        scores += [mtl.evaluate(built, given, cache_dir=each).skill for each in (False, where)]
    for plain, cached in zip(*weights, strict=True):
        np.testing.assert_allclose(plain, cached, rtol=1e-4, atol=1e-5)
    assert scores == pytest.approx([scores[0]] * 4, abs=1e-4)
    entries = cache.entries(tmp_path)
    assert sorted(entry.rows for entry in entries) == [len(given.validation), len(given.train)]
    # Those of a model of the image alone, so that it finds them.
    alone = from_arrays(TASKS, ({"first": arrays(True, 40, 8)["first"]}, labels(arrays(True, 40, 8))))
    single = mtl.build_model(TASKS, "SmallCNN", image_shape=alone.image_shape, freeze=True)
    assert [entry.fingerprint for entry in entries] == [single.fingerprint()] * 2
    modified = [entry.modified for entry in entries]
    mtl.train(model(given, freeze={"first": True}), given, mtl.Phase(epochs=1), cache_dir=tmp_path, verbose=0)
    assert [entry.modified for entry in cache.entries(tmp_path)] == modified


def test_the_second_input_is_learned() -> None:
    given = data(n=400, tasks=mtl.Tasks(mtl.Regression("size")))
    built = model(given, freeze={"first": True})
    phase = mtl.Phase(epochs=15, batch_size=32, optimizer={"class_name": "Adam", "config": {"learning_rate": 0.01}})
    mtl.train(built, given, phase, cache_dir=False, verbose=0)
    assert mtl.evaluate(built, given, cache_dir=False).skill > 0.8


def test_a_phase_freezes_an_input_by_its_name() -> None:
    given = data()
    built = model(given)
    before = [np.array(weight) for weight in built.backbones["row"].get_weights()]
    mtl.train(built, given, mtl.Phase(epochs=1, freeze=("row",)), cache_dir=False, verbose=0)
    for old, new in zip(before, built.backbones["row"].get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_views_and_online_augmentation_change_the_images_alone() -> None:
    given = data()
    viewed = given.augment(("identity", "flip_lr"), mode="views")
    x, _, _ = next(iter(viewed.train.batches(4, seed=0)))
    assert (x["first"].shape, x["row"].shape) == ((4, 8, 8, 3), (4, COLUMNS))
    repeated = given.augment(("identity", "flip_lr"), mode="repeat").train
    np.testing.assert_array_equal(repeated.x["first"][1], repeated.x["first"][0][:, ::-1])
    np.testing.assert_array_equal(repeated.x["row"][1], repeated.x["row"][0])
    online = given.augment("crop", mode="online")
    x, _, _ = next(iter(online.train.batches(len(online.train), seed=0)))
    ordered = {tuple(row) for row in x["row"].numpy()}
    assert ordered == {tuple(row) for row in given.train.x["row"]}
    for made in (viewed, online):
        mtl.train(model(given), made, mtl.Phase(epochs=1), cache_dir=False, verbose=0)


def test_a_reconstruction_is_that_of_the_images() -> None:
    tasks = mtl.Tasks(mtl.Binary("odd"), mtl.Reconstruction("picture"))
    given = data(tasks=tasks)
    built = model(given)
    assert built.output["picture"].shape == (None, 8, 8, 3)
    built.compile("adam", weighting="equal")
    x = arrays(True, 8, 8)
    assert np.isfinite(built.fit(x, {"odd": np.arange(8) % 2}, verbose=0).history["loss"]).all()


def test_stacked_tasks_take_all_inputs() -> None:
    given = data(n=40)
    built = model(given, stack={"size": "odd"})
    mtl.train(
        built,
        given,
        mtl.Phase(epochs=1, tasks=("odd",)),
        mtl.Phase(epochs=1, tasks=("size",), freeze=("backbone", "shared"), folds=2),
        cache_dir=False,
        verbose=0,
    )
    assert set(built.predict(arrays(True, 3, 8), verbose=0)) == {"odd", "size"}


def test_a_training_is_resumed_and_other_rows_of_an_input_are_refused(tmp_path: Path) -> None:
    given = data()
    phase = mtl.Phase(epochs=1)
    mtl.train(model(given), given, phase, output_dir=tmp_path, cache_dir=False, verbose=0)
    mtl.train(model(given), given, phase, output_dir=tmp_path, cache_dir=False, verbose=0)
    assert "inputs of input 'row'" in given.digests()["train"]
    changed = given.map_splits(lambda split: split.with_x({**split.x, "row": split.x["row"] + 1}))
    with pytest.raises(MTLError, match="other inputs of input 'row' in the training split"):
        mtl.train(model(given), changed, phase, output_dir=tmp_path, cache_dir=False, verbose=0)


def test_approaches_over_several_inputs_are_compared(tmp_path: Path) -> None:
    given = from_arrays(TASKS, *[(arrays(True, n, 8), labels(arrays(True, n, 8))) for n in (24, 12, 12)])
    recipe = model(given, freeze={"first": True}).recipe
    report = mtl.compare(
        recipe,
        given,
        {"equal": mtl.Phase(epochs=1), "uncertainty": mtl.Phase(epochs=1, weighting="uncertainty")},
        seeds=2,
        output_dir=tmp_path / "out",
        cache_dir=tmp_path / "cache",
    )
    assert {row["run"] for row in report.metrics} >= {"equal", "uncertainty"}
    assert {row["task"] for row in report.metrics if row["role"] == "single_task"} >= set(TASKS)
    assert {entry.rows for entry in cache.entries(tmp_path / "cache")} == {24, 12}


def test_one_entry_is_a_model_of_one_input() -> None:
    x = arrays(True, size=8)["first"]
    given = from_arrays(TASKS, ({"first": x}, labels(arrays(True, size=8))))
    assert given.image_shape == (8, 8, 3)
    assert given.train.x.shape[1:] == (8, 8, 3)
    built = mtl.build_model(given.tasks, {"first": "SmallCNN"}, image_shape={"first": (8, 8, 3)}, freeze={"first": True})
    assert built.recipe == mtl.Recipe(given.tasks, "SmallCNN", (8, 8, 3), freeze=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: {"first": x["first"]}, "A model must get all of its inputs. Received: none for row"),
        (lambda x: {**x, "rwo": x["row"]}, "Unknown input: received 'rwo'"),
        (lambda x: x["first"], "A model of several inputs must get a dict of arrays. Received: one input"),
        (lambda x: {**x, "row": x["row"][:2]}, "same number of rows. Received: 4 of 'first', 2 of 'row' in x"),
        (lambda x: {**x, "row": x["row"][:, :2]}, r"Inputs 'row' must have the shape .* \[3\]. Received: \[2\]"),
        (lambda x: {**x, "first": x["first"] * np.nan}, "NaN or infinity"),
    ],
)
def test_what_a_model_gets_is_checked(change: Any, message: str) -> None:
    built, x = model(data()), arrays(True, 4, 8)
    for call in (lambda bad: built.predict(bad, verbose=0), lambda bad: predict(built, bad)):
        with pytest.raises(MTLError, match=message) as caught:
            call(change(x))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "SmallCNN"}, "must have a backbone for each. Received: SmallCNN for the inputs first, row"),
        (
            {"backbone": {"first": "SmallCNN", "other": "MLP"}},
            "Received: inputs first, row for a backbone of first, other",
        ),
        ({"backbone": {"first": "SmallCNN", "odd": "MLP"}}, "same names"),
        ({"backbone": {"first": "MLP", "row": "MLP"}}, "Input 'first': `image_shape` must be"),
        ({"backbone": {"first": "SmallCNN", "row": Backbone("SmallCNN", image_size=8)}}, "Input 'row': `image_shape` must be"),
        ({"backbone": {"first": Backbone("SmallCNN", pooling=None), "row": "MLP"}}, "must give a vector of features"),
        ({"backbone": {"first": "SmallCNN", "my row": "MLP"}}, "An input's name must consist of letters"),
        ({"backbone": {}}, "at least two of them. Received"),
        ({"freeze": {"frist": True}}, "Unknown input in freeze: received 'frist'"),
        ({"freeze": "block1"}, "`freeze` of several inputs must be True, False, or a mapping"),
        ({"weights": None}, "`weights` must be those of one backbone"),
        ({"batch_norm_groups": [["odd"], ["size"]]}, "`batch_norm_groups` must be used with one input"),
    ],
)
def test_recipes_of_several_inputs_are_checked(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"backbone": {"first": "SmallCNN", "row": "MLP"}, **change}
    with pytest.raises(MTLError, match=message) as caught:
        mtl.build_model(TASKS, image_shape={"first": (8, 8, 3), "row": (3,)}, **given)
    assert "\n" not in str(caught.value)


def test_an_input_is_not_called_like_a_task() -> None:
    with pytest.raises(MTLError, match="An input must not be called like a task. Received: 'odd' as both"):
        mtl.build_model(TASKS, {"odd": "SmallCNN", "row": "MLP"}, image_shape={"odd": (8, 8, 3), "row": (3,)})


def test_data_of_several_inputs_is_checked() -> None:
    x = arrays(True, size=8)
    with pytest.raises(MTLError, match="same number of rows. Received: 24 of 'first', 3 of 'row' in train"):
        from_arrays(TASKS, ({**x, "row": x["row"][:3]}, labels(x)))
    with pytest.raises(MTLError, match="All splits must have inputs of one shape"):
        from_arrays(TASKS, (x, labels(x)), (arrays(True, size=9), labels(x)))
    with pytest.raises(MTLError, match="An input's name must"):
        from_arrays(TASKS, ({**x, "val_x": x["row"]}, labels(x)))
    given = data()
    with pytest.raises(MTLError, match="`train_from` must be used with one input"):
        mtl.train(model(given), given, mtl.Phase(epochs=1, train_from="conv"), verbose=0)
