"""Outputs of a model for many rows, and their decoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.model import MultiTaskModel
from mtl_keras.prediction import decode, predict
from mtl_keras.tasks import Decoded
from tests import _tiny


@pytest.fixture(scope="module")
def model() -> MultiTaskModel:
    return _tiny.model(freeze=True)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return _tiny.rows(11, 0)[0]


def test_outputs_are_those_of_the_model(model: MultiTaskModel, images: np.ndarray, tmp_path: Path) -> None:
    expected = {name: np.asarray(output) for name, output in model(images, training=False).items()}
    found = predict(model, images, batch_size=4)
    assert list(found) == list(_tiny.TASKS)
    features = np.asarray(model.trunk(images, training=False))
    split = mtl.data.from_arrays(_tiny.TASKS, _tiny.rows(11, 0), _tiny.rows(4, 1)).train
    for other in (
        found,
        predict(model, features, features=True),
        predict(model, images, cache_dir=tmp_path),
        predict(model, split, batch_size=3),
    ):
        for name, output in other.items():
            np.testing.assert_allclose(output, expected[name], rtol=1e-5)
    assert list(tmp_path.iterdir())


def test_tasks_can_be_selected(model: MultiTaskModel, images: np.ndarray) -> None:
    assert list(predict(model, images, tasks=["odd"])) == ["odd"]


def test_a_split_with_views_gives_its_first_views(model: MultiTaskModel, images: np.ndarray) -> None:
    data = _tiny.data(8).augment(("identity", "flip_lr"), mode="views")
    np.testing.assert_array_equal(predict(model, data.train)["kind"], predict(model, data.train.first_view().x)["kind"])


def test_outputs_are_decoded(model: MultiTaskModel, images: np.ndarray) -> None:
    outputs = predict(model, images)
    decoded = decode(model, outputs, {"kind": ("a", "b", "c")})
    assert decoded["kind"].names == [("a", "b", "c")[row.argmax()] for row in outputs["kind"]]
    assert decoded["odd"].names is None
    np.testing.assert_array_equal(decoded["odd"].values, outputs["odd"][:, 0] > 0.5)
    np.testing.assert_allclose(decoded["image"].values, 255 * outputs["image"])


def test_class_names_are_those_of_training_or_of_a_label_source(tmp_path: Path) -> None:
    trained = _tiny.model()
    trained.class_names = {"kind": ("a", "b", "c")}
    trained.save(tmp_path / "model.keras")
    assert decode(mtl.load_model(tmp_path), {"kind": np.eye(3)})["kind"].names == ["a", "b", "c"]
    label = mtl.ClassMap("digit", {"small": [0], "large": [1]})
    assert mtl.Binary("large", label=label).decode(np.array([[0.9], [0.1]])).names == ["large", "small"]


def test_no_row_gives_no_output(model: MultiTaskModel, images: np.ndarray) -> None:
    assert predict(model, images[:0])["kind"].shape == (0, 3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((9, 8, 1), r"\[8, 8, 1\]\. Received: \[9, 8, 1\]\. Resize the images, or build a model with image_shape="),
        ((1, 8, 8), r"Received: \[1, 8, 8\]\. The channels come first: pass np.moveaxis\(x, 1, -1\)"),
        ((8, 8), r"Received: \[8, 8\]\. The channels are missing: pass x\[..., None\]"),
        ((8, 8, 1, 1), r"Received: \[8, 8, 1, 1\]\. Resize"),
        ((64,), r"Received: \[64\]\. Resize"),
    ],
)
def test_inputs_of_another_shape_are_refused(model: MultiTaskModel, shape: tuple[int, ...], message: str) -> None:
    x = np.zeros((2, *shape), np.uint8)
    with pytest.raises(MTLError, match=message):
        predict(model, x)
    columns = {"kind": np.arange(2), "odd": np.arange(2)}
    data = mtl.data.from_arrays(model.recipe.tasks, (x, columns), (x, columns))
    for run in (lambda: mtl.train(model, data, mtl.Phase(epochs=1), cache_dir=False), lambda: mtl.evaluate(model, data)):
        with pytest.raises(MTLError, match=message):
            run()


def test_label_sets_are_named() -> None:
    decoded = Decoded(np.array([[1, 0], [1, 1], [0, 0]]), np.zeros((3, 2)), ("red", "round"))
    assert decoded.names == [("red",), ("red", "round"), ()]


def test_there_is_one_name_per_class() -> None:
    with pytest.raises(MTLError, match="one name per class. Received: 2 names for 3 classes"):
        mtl.Classification("kind", classes=3).decode(np.eye(3), ("a", "b"))
