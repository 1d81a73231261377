"""The backbone MLP: rows of a table go in as they are encoded, and every way out of Keras agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

import mtl_keras as mtl
from mtl_keras.backbones import Backbone
from mtl_keras.data import from_arrays
from mtl_keras.errors import MTLError
from mtl_keras.model import Recipe
from mtl_keras.tables import Column, TableEncoder

TASKS = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Regression("size"))
KINDS = {"age": "number", "city": "category", "street": "category", "open": "boolean", "day": "date"}
ROWS = 120


def frame() -> pd.DataFrame:
    """A table whose labels follow from its inputs."""
    rng = np.random.default_rng(0)
    made = pd.DataFrame(
        {
            "age": rng.normal(1e6, 40.0, ROWS),
            "city": rng.choice(["Oslo", "Rome", "Lima"], ROWS),
            "street": [f"street {number % 25}" for number in range(ROWS)],
            "open": rng.random(ROWS) > 0.5,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, ROWS), "D"),
        }
    )
    made.loc[::7, "age"] = np.nan
    made.loc[::9, "city"] = None
    return made


FRAME = frame()
ENCODER = TableEncoder.fit(FRAME, KINDS)
X = ENCODER.transform(FRAME)[0]
LABELS = {
    "kind": np.array([{"Oslo": 0, "Rome": 1, "Lima": 2}.get(str(city), 0) for city in FRAME["city"]]),
    "size": (FRAME["day"] - FRAME["day"].min()).dt.days.to_numpy(float),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch": {"norm": "batch", "dropout": 0.1, "depth": 1},
    "layer": {"norm": "layer", "embedding": 3},
    "residual": {"residual": True, "norm": "batch", "dropout": 0.1},
    "no norm": {"residual": True},
}


def model(**options: Any) -> mtl.MultiTaskModel:
    keras.utils.set_random_seed(0)
    backbone = Backbone("MLP", columns=ENCODER.columns, **{"width": 16, **options})
    return mtl.build_model(TASKS, backbone, image_shape=(len(KINDS),), shared=(8,))


def as_arrays(outputs: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(output) for name, output in outputs.items()}


def assert_same(one: Any, other: Any) -> None:
    for name, output in as_arrays(other).items():
        assert np.isfinite(output).all()
        assert output.std() > 1e-4
        np.testing.assert_allclose(np.asarray(one[name]), output, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module", params=OPTIONS)
def trained(request: pytest.FixtureRequest) -> mtl.MultiTaskModel:
    made = model(**OPTIONS[request.param])
    made.compile("adam", weighting="uncertainty")
    losses = made.fit(X, LABELS, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    return made


def test_training_predicting_saving_and_loading_agree(trained: mtl.MultiTaskModel, tmp_path: Path) -> None:
    called = as_arrays(trained(X))
    assert_same(trained.predict(X, verbose=0), called)
    trained.encoder = ENCODER
    trained.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    assert loaded.recipe == trained.recipe
    assert loaded.encoder == ENCODER
    assert_same(loaded.predict(X, verbose=0), called)
    plain = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(plain).__module__.startswith("keras.")
    assert_same(plain(X), called)


@pytest.mark.filterwarnings("ignore:In the future `np.object` will be defined:FutureWarning")
def test_onnx_agrees_and_has_the_declared_input_alone(trained: mtl.MultiTaskModel, tmp_path: Path) -> None:
    import onnxruntime

    trained.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    assert [(each.name, each.type, each.shape[1:]) for each in session.get_inputs()] == [
        ("input", "tensor(float)", [len(KINDS)])
    ]
    names = [output.name for output in session.get_outputs()]
    # One row as well, which lacks values.
    assert np.isnan(X[0]).any()
    for rows in (X, X[:1]):
        outputs = dict(zip(names, session.run(None, {"input": rows}), strict=True))
        for name, output in as_arrays(trained(rows)).items():
            np.testing.assert_allclose(outputs[name], output, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_litert_agrees(trained: mtl.MultiTaskModel, tmp_path: Path) -> None:
    import tensorflow as tf

    if not hasattr(tf, "lite"):
        pytest.skip("this TensorFlow has no interpreter of LiteRT")
    trained.export(str(tmp_path / "model.tflite"), format="litert", verbose=False)
    interpreter = tf.lite.Interpreter(str(tmp_path / "model.tflite"))
    (given,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(given["index"], X.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], X)
    interpreter.invoke()
    found = {each["shape"][1]: interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()}
    for output in as_arrays(trained(X)).values():
        np.testing.assert_allclose(found[output.shape[1]], output, rtol=1e-4, atol=1e-4)


def test_a_missing_value_is_the_mean_and_an_indicator() -> None:
    columns = (
        Column("a", "number", 10, 2, missing=True),
        Column("b", "number", -1, 0.5),
        Column("c", "boolean", 0.25, 0.5, missing=True),
    )
    made = Backbone("MLP", columns=columns, depth=1, width=5)
    inputs = keras.Input((3,))
    network = keras.Model(inputs, made.apply(inputs)).get_layer("backbone")
    features = keras.Model(network.inputs[0], network.get_layer("columns").output)
    x = np.array([[14, 0, np.nan], [np.nan, -1, 1]], np.float32)
    expected = np.array([[2, 2, 0, 0, 1], [0, 0, 1.5, 1, 0]])
    np.testing.assert_allclose(features(x), expected, atol=1e-6)


def test_an_unknown_category_of_few_is_nothing_and_each_of_many_has_its_vector() -> None:
    columns = (Column("few", "category", size=4), Column("many", "category", size=40), Column("one", "category", size=1))
    inputs = keras.Input((3,))
    network = keras.Model(inputs, Backbone("MLP", columns=columns).apply(inputs)).get_layer("backbone")
    vectors = network.get_layer("column1_embedding").get_weights()[0]
    assert vectors.shape == (40, round(1.6 * 40**0.56))
    features = np.asarray(
        keras.Model(network.inputs[0], network.get_layer("columns").output)(np.array([[0, 3, 0], [3, 39, 0]], np.float32))
    )
    np.testing.assert_allclose(features, np.array([[0, 0, 0, *vectors[3], 0], [0, 0, 1, *vectors[39], 0]]))


def test_codes_and_numbers_are_exact_in_mixed_precision() -> None:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        columns = (Column("code", "category", size=5000), Column("number", "number", 1e5, 1.0))
        inputs = keras.Input((2,))
        network = keras.Model(inputs, Backbone("MLP", columns=columns, embedding=2).apply(inputs)).get_layer("backbone")
        features = keras.Model(network.inputs[0], network.get_layer("columns").output)
        found = np.asarray(features(np.array([[4999, 100_001], [2049, 99_999]], np.float32)))
    finally:
        keras.config.set_dtype_policy(policy)
    vectors = network.get_layer("column0_embedding").get_weights()[0]
    np.testing.assert_allclose(found, np.array([[1, *vectors[4999]], [-1, *vectors[2049]]]), atol=1e-2)


def test_the_value_is_hashable_and_json() -> None:
    made = Backbone("MLP", columns=ENCODER.columns, width=np.int64(32), dropout=0.1)
    again = Backbone.from_config(json.loads(json.dumps(made.config())))
    assert again == made
    assert hash(again) == hash(made)
    assert again.columns == ENCODER.columns
    assert made.replace(width=8).columns == ENCODER.columns
    assert made.missing == (True, False, False, False, False)
    recipe = Recipe(TASKS, made, (5,))
    assert Recipe.from_config(json.loads(json.dumps(recipe.config()))) == recipe
    assert "MLP" in mtl.backbones.names()
    assert "MLP" in mtl.backbones.offline_names()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"image_size": 32}, "`image_size` must be left out for the backbone 'MLP', which takes its inputs as they are"),
        ({"preprocessing": False}, "`preprocessing` must be left out"),
        ({"interpolation": "nearest"}, "`interpolation` must be left out"),
        ({"pooling": None}, "`pooling` must be left out for the backbone 'MLP', which returns no feature map"),
        ({"filters": (3,)}, "Unknown option of MLP: received 'filters'"),
        ({"width": 0}, "`width` of MLP must be an integer"),
        ({"depth": 0}, "`depth` of MLP must be an integer"),
        ({"dropout": 1.0}, "`dropout` of MLP must be a number in [0, 1)"),
        ({"norm": "group"}, "`norm` of MLP must be one of None, 'batch', 'layer'"),
        ({"residual": 1}, "`residual` of MLP must be True or False"),
        ({"embedding": 0}, "`embedding` of MLP must be an integer"),
        ({"columns": ["age"]}, "`columns` of MLP must be a sequence, each a Column"),
        ({"columns": "age"}, "`columns` of MLP must be a sequence, each a Column"),
        ({"columns": ENCODER.columns[:1] * 2}, "`columns` of MLP must have different names"),
        ({"weights": "imagenet"}, "`weights` of MLP must be None or a file"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(options: dict[str, Any], text: str) -> None:
    with pytest.raises(MTLError) as error:
        Backbone("MLP", **options).check((5,))
    assert text in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "shape", "text"),
    [
        (
            "MLP",
            (8, 8, 3),
            "`image_shape` must be (numbers,). Received: (8, 8, 3). Pass image_shape=data.image_shape, and 'SmallCNN'",
        ),
        ("MLP", (), "`image_shape` must be (numbers,). Received: ()"),
        ("MLP", 5, "must be (numbers,). Received: 5"),
        ("SmallCNN", (5,), "must be (height, width, channels). Received: (5,). Pass the backbone 'MLP' for rows of numbers."),
    ],
)
def test_a_backbone_of_other_inputs_is_refused(name: str, shape: Any, text: str) -> None:
    with pytest.raises(MTLError) as error:
        Backbone(name).check(shape)
    assert text in str(error.value)


def test_columns_of_other_inputs_are_refused() -> None:
    with pytest.raises(MTLError, match="must be those of the inputs. Received: 5 columns for rows of 4 numbers"):
        Recipe(TASKS, Backbone("MLP", columns=ENCODER.columns), (4,))


def test_plain_vectors_are_taken_as_they_are() -> None:
    made = mtl.build_model(TASKS, "MLP", image_shape=(4,))
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    first = made.get_layer("backbone").get_layer("dense1")
    kernel, bias = first.get_weights()
    hidden = keras.Model(made.get_layer("backbone").inputs[0], made.get_layer("backbone").get_layer("dense1_relu").output)
    np.testing.assert_allclose(hidden(x), np.maximum(x @ kernel + bias, 0), rtol=1e-4, atol=1e-5)


def test_missing_values_are_refused_where_the_columns_do_not_say_so() -> None:
    made = model()
    x = X.copy()
    x[3, 4] = np.nan
    with pytest.raises(MTLError, match=r"Inputs must be finite as float32\. Received: NaN or infinity in row 3 of 120 in x"):
        made.predict(x)
    x[3, 4], x[5, 0] = 0, np.inf
    with pytest.raises(MTLError, match="row 5 of 120"):
        made.predict(x)
    plain = mtl.build_model(TASKS, "MLP", image_shape=(5,))
    with pytest.raises(MTLError, match=r"columns=data\.columns"):
        plain.predict(X)
    with pytest.raises(
        MTLError, match=r"shape that the model was built for, \[5\]. Received: \[4\]. Pass inputs of that shape"
    ):
        plain.predict(np.zeros((2, 4)))


@pytest.fixture
def arrays() -> mtl.data.Data:
    return from_arrays(TASKS, (X, LABELS), test=(X[:20], {name: label[:20] for name, label in LABELS.items()}))


def test_arrays_of_rows_have_columns_by_their_training_rows(arrays: mtl.data.Data, caplog: pytest.LogCaptureFixture) -> None:
    assert arrays.image_shape == (5,)
    assert [column.kind for column in arrays.columns] == ["number"] * 5
    assert [column.missing for column in arrays.columns] == [True, False, False, False, False]
    train = arrays.train.x.astype(np.float64)
    np.testing.assert_allclose([column.mean for column in arrays.columns], np.nanmean(train, axis=0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose([column.scale for column in arrays.columns], np.nanstd(train, axis=0), rtol=1e-6)
    assert not caplog.records, "only images are expected in [0, 255]"
    images = from_arrays(mtl.Tasks(mtl.Binary("a")), (np.zeros((9, 4, 4, 3), "uint8"), {"a": np.arange(9) % 2}))
    assert images.columns == ()


def test_integers_of_other_ranks_stay_integers() -> None:
    tasks, labels = mtl.Tasks(mtl.Binary("a")), {"a": np.arange(9) % 2}
    for x, dtype in (
        (np.arange(27).reshape(9, 3), "int32"),
        (np.arange(27, dtype="uint8").reshape(9, 3), "uint8"),
        (np.arange(27).reshape(9, 3) * 10**9, "float32"),
        (np.arange(144).reshape(9, 4, 4, 1), "float32"),
    ):
        assert from_arrays(tasks, (x, labels)).train.x.dtype == dtype


def test_the_whole_way_from_rows_to_an_evaluation(arrays: mtl.data.Data, tmp_path: Path) -> None:
    made = mtl.build_model(TASKS, Backbone("MLP", columns=arrays.columns, width=16), image_shape=arrays.image_shape)
    run = mtl.train(made, arrays, mtl.Phase(epochs=4, optimizer="adam"), output_dir=tmp_path)
    assert np.isfinite([row["loss"] for row in run.history]).all()
    evaluation = mtl.evaluate(mtl.load_model(tmp_path), arrays, "test")
    assert np.isfinite(evaluation.skill)
    assert mtl.report.plot_network(made).axes[0].texts[0].get_text() == "input"


def test_the_features_of_a_frozen_mlp_are_cached(arrays: mtl.data.Data, tmp_path: Path) -> None:
    made = mtl.build_model(TASKS, Backbone("MLP", columns=arrays.columns, width=16), image_shape=(5,), freeze=True)
    before = made.get_layer("backbone").get_weights()
    mtl.train(made, arrays, mtl.Phase(epochs=1), cache_dir=tmp_path)
    assert len(mtl.data.cache.entries(tmp_path)) == 2
    for one, other in zip(before, made.get_layer("backbone").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_data_with_gaps_needs_columns(arrays: mtl.data.Data) -> None:
    made = mtl.build_model(TASKS, "MLP", image_shape=(5,))
    for use in (lambda: mtl.train(made, arrays, mtl.Phase(epochs=1)), lambda: mtl.evaluate(made, arrays)):
        with pytest.raises(
            MTLError, match="must be finite in columns that lacked no value in training. Received: NaN in 0 of the"
        ):
            use()
