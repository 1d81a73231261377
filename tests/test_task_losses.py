"""Losses of Keras for the rows of a task, and gradients that are means over the labels that are known."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.tasks import from_config

RNG = np.random.default_rng(0)
P = RNG.dirichlet(np.ones(4), 6).astype(np.float32)
CLASS = np.array([0, 1, 2, 3, 0, 1])
ONE_HOT = np.eye(4, dtype=np.float32)[CLASS]
YES, Q = np.array([0, 1, 1, 0, 1, 0]), RNG.uniform(0.1, 0.9, (6, 1)).astype(np.float32)
SETS, QS = RNG.integers(0, 2, (6, 3)), RNG.uniform(0.1, 0.9, (6, 3)).astype(np.float32)
NUMBER, GUESS = RNG.normal(size=(6, 2)).astype(np.float32), (2 * RNG.normal(size=(6, 2))).astype(np.float32)


@keras.saving.register_keras_serializable("test_task_losses")
class Cubed(keras.losses.Loss):
    """A loss of a user."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** 3, axis=-1)


@keras.saving.register_keras_serializable("test_task_losses")
def halved(y_true: Any, y_pred: Any) -> Any:
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1) / 2


def huber(delta: float) -> np.ndarray:
    away = np.abs(NUMBER - GUESS)
    return np.where(away < delta, away**2 / 2, delta * (away - delta / 2)).mean(axis=1)


@pytest.mark.parametrize(
    ("make", "target", "output", "expected"),
    [
        (lambda loss: mtl.Regression("t", size=2, loss=loss), NUMBER, GUESS, {"huber": huber(1.0)}),
        (lambda loss: mtl.Regression("t", size=2, loss=loss), NUMBER, GUESS, {keras.losses.Huber(0.5): huber(0.5)}),
        (
            lambda loss: mtl.Regression("t", size=2, loss=loss),
            *(NUMBER, GUESS),
            {Cubed(): (np.abs(NUMBER - GUESS) ** 3).mean(axis=1), halved: np.abs(NUMBER - GUESS).mean(axis=1) / 2},
        ),
        (
            lambda loss: mtl.Classification("t", classes=4, loss=loss),
            *(CLASS, P),
            {
                "sparse_categorical_crossentropy": -np.log(P[range(6), CLASS]),
                "categorical_crossentropy": -np.log(P[range(6), CLASS]),
                keras.losses.CategoricalCrossentropy(label_smoothing=0.2): -((0.8 * ONE_HOT + 0.05) * np.log(P)).sum(axis=1),
                keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=2.0): -(ONE_HOT * (1 - P) ** 2 * np.log(P)).sum(
                    axis=1
                ),
                "mse": np.square(ONE_HOT - P).mean(axis=1),
            },
        ),
        (
            lambda loss: mtl.Binary("t", loss=loss),
            *(YES, Q),
            {
                keras.losses.BinaryFocalCrossentropy(gamma=2.0): np.where(
                    YES, -((1 - Q[:, 0]) ** 2) * np.log(Q[:, 0]), -(Q[:, 0] ** 2) * np.log(1 - Q[:, 0])
                ),
                "hinge": np.maximum(1 - (2 * YES - 1) * Q[:, 0], 0),
            },
        ),
        (
            lambda loss: mtl.MultiLabel("t", classes=3, loss=loss),
            *(SETS, QS),
            {"binary_crossentropy": -np.where(SETS, np.log(QS), np.log(1 - QS)).mean(axis=1), "mae": np.abs(SETS - QS).mean(1)},
        ),
        (
            lambda loss: mtl.Ordinal("t", classes=4, loss=loss),
            CLASS,
            P,
            {"categorical_crossentropy": -np.log(P[range(6), CLASS])},
        ),
        (
            lambda loss: mtl.Reconstruction("t", loss=loss),
            *(RNG.uniform(size=(6, 2, 2, 1)).astype(np.float32), np.full((6, 2, 2, 1), 0.5, np.float32)),
            {"mae": None},
        ),
    ],
)
def test_losses_of_keras_are_those_of_rows(make: Any, target: np.ndarray, output: np.ndarray, expected: dict[Any, Any]) -> None:
    for loss, values in expected.items():
        task = make(loss)
        if values is None:
            values = np.abs(target - output).reshape(len(target), -1).mean(axis=1)
        found = np.asarray(task.row_loss(tf.constant(target), tf.constant(output)))
        np.testing.assert_allclose(found, values, rtol=1e-4, err_msg=str(loss))
        restored = from_config(json.loads(json.dumps(mtl.Tasks(task).config())))["t"]
        assert restored == task
        assert hash(restored) == hash(task)
        np.testing.assert_array_equal(np.asarray(restored.row_loss(tf.constant(target), tf.constant(output))), found)


def test_parts_that_are_missing_count_in_no_loss() -> None:
    numbers = NUMBER.copy()
    numbers[::2, 0] = np.nan
    found = np.asarray(mtl.Regression("t", size=2, loss="mae").row_loss(tf.constant(numbers), tf.constant(GUESS)))
    np.testing.assert_allclose(found, np.nanmean(np.abs(numbers - GUESS), axis=1), rtol=1e-5)
    sets = SETS.copy()
    sets[1:, 1] = -1
    focal = keras.losses.BinaryFocalCrossentropy(gamma=0.0)
    found = np.asarray(mtl.MultiLabel("t", classes=3, loss=focal).row_loss(tf.constant(sets), tf.constant(QS)))
    each = np.where(sets < 0, np.nan, -np.where(sets == 1, np.log(QS), np.log(1 - QS)))
    np.testing.assert_allclose(found, np.nanmean(each, axis=1), rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mtl.Binary("t", loss="hubar"), r"The loss of task 't' must be one that Keras knows. Received: 'hubar'"),
        (lambda: mtl.Binary("t", loss=lambda a, b: a), r"Register it with @keras.saving.register_keras_serializable"),
        (lambda: mtl.Binary("t", loss="dice"), r"one number for each row that depends on no other row. Received: loss='dice'"),
        (lambda: mtl.Binary("t", loss=keras.losses.Tversky()), r"no other row. Received: loss='tversky'"),
        (lambda: mtl.Regression("t", size=2, loss="cosine_similarity"), r"the mean over the parts of each row"),
        (lambda: mtl.Classification("t", classes=4, loss="mse", label_smoothing=0.1), r"`label_smoothing` must be left out"),
        (lambda: mtl.Binary("t", loss={"class_name": "Hubert"}), r"'Hubert' is no class that Keras knows"),
        (lambda: mtl.Binary("t", loss=keras.losses.Loss), r"must be one that Keras knows. Received: the class Loss"),
    ],
)
def test_losses_that_cannot_be_are_refused(make: Any, message: str) -> None:
    with pytest.raises(MTLError, match=message) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_a_file_names_no_other_code() -> None:
    for value in (
        {"class_name": "LossFunctionWrapper", "config": {"fn": {"module": "os", "class_name": "function", "config": "system"}}},
        {"module": "os", "class_name": "system", "config": {}},
    ):
        config = [{"kind": "Binary", "name": "t", "label": None, "loss": value}]
        with pytest.raises(MTLError, match="must be one that Keras knows"):
            from_config(config)


def test_a_saved_model_keeps_loss_metrics_and_skill(tmp_path: Any) -> None:
    tasks = mtl.Tasks(
        mtl.Classification(
            "kind",
            classes=["a", "b"],
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
            metrics=["auc", "Precision"],
        ),
        mtl.Binary("new", skill="auc", class_weight={"0": 2.0}),
    )
    model = mtl.build_model(tasks, image_shape=(8, 8, 1))
    model.save(tmp_path / "model.keras")
    assert mtl.load_model(tmp_path / "model.keras").recipe.tasks == tasks


def test_what_is_left_out_is_in_no_config() -> None:
    """Runs and models of earlier versions have the same configuration."""
    tasks = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Binary("new"), mtl.MultiLabel("marks", classes=2))
    assert tasks.config() == [
        {
            "kind": "Classification",
            "name": "kind",
            "label": None,
            "classes": 3,
            "label_smoothing": 0.0,
            "derive_from": None,
            "mapping": None,
            "derive": "sum",
        },
        {"kind": "Binary", "name": "new", "label": None},
        {"kind": "MultiLabel", "name": "marks", "label": None, "classes": 2},
    ]


TASKS = mtl.Tasks(
    mtl.Classification("kind", classes=3),
    mtl.Binary("new"),
    mtl.MultiLabel("marks", classes=2),
    mtl.Regression("price", loss="huber", location=0.0, scale=1.0),
    mtl.Regression("pair", size=2, location=0.0, scale=1.0),
)
ROWS = 8


def random_labels(rng: np.random.Generator, present: float) -> dict[str, np.ndarray]:
    """Labels of which each part is there with a probability, NaN elsewhere."""
    full = {
        "kind": rng.integers(0, 3, ROWS).astype(float),
        "new": rng.integers(0, 2, ROWS).astype(float),
        "marks": rng.integers(0, 2, (ROWS, 2)).astype(float),
        "price": rng.normal(size=ROWS),
        "pair": rng.normal(size=(ROWS, 2)),
    }
    return {name: np.where(rng.uniform(size=label.shape) < present, label, np.nan) for name, label in full.items()}


def known_mean(name: str, label: np.ndarray, output: Any) -> Any:
    """The mean loss over all labels of a task that are known, in plain TensorFlow; 0 without any."""
    known = ~np.isnan(label)
    if not known.any():
        return tf.constant(0.0)
    filled = np.where(known, label, 0)
    if name == "kind":
        each = -tf.math.log(tf.gather(output, filled.astype(int), axis=1, batch_dims=1))
    elif name in ("new", "marks"):
        parts = tf.reshape(output, label.shape)
        each = -tf.math.log(tf.where(filled == 1, parts, 1 - parts))
    else:
        away = tf.abs(tf.reshape(output, label.shape) - filled.astype(np.float32))
        each = tf.square(away) if name == "pair" else tf.where(away < 1, tf.square(away) / 2, away - 0.5)
    return tf.reduce_mean(tf.boolean_mask(each, known))


@pytest.fixture(scope="module")
def model() -> mtl.MultiTaskModel:
    keras.utils.set_random_seed(0)
    return mtl.build_model(TASKS, "SmallCNN", image_shape=(6, 6, 1), shared=(5,))


@given(seed=st.integers(0, 10_000), present=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), cut=st.integers(0, ROWS - 1))
@settings(max_examples=12, deadline=None)
def test_the_gradient_is_that_of_the_mean_over_known_labels(
    model: mtl.MultiTaskModel, seed: int, present: float, cut: int
) -> None:
    """Of any mask; of several batches in one update, the mean of that of each."""
    rng = np.random.default_rng(seed)
    images, labels = rng.uniform(0, 255, (ROWS, 6, 6, 1)).astype(np.float32), random_labels(rng, present)
    parts = [slice(0, cut), slice(cut, ROWS)] if cut else [slice(0, ROWS)]
    variables, before = model.trainable_variables, model.get_weights()
    expected = [np.zeros(variable.shape) for variable in variables]
    for rows in parts:
        with tf.GradientTape() as tape:
            outputs = model(images[rows], training=True)
            total = sum(known_mean(name, label[rows], outputs[name]) for name, label in labels.items())
        found = tape.gradient(total, [variable.value for variable in variables])
        shares = [0.0 if gradient is None else gradient.numpy() / len(parts) for gradient in found]
        expected = [sums + share for sums, share in zip(expected, shares, strict=True)]
    model.set_weights(before)
    steps = {"gradient_accumulation_steps": 2} if cut else {}
    model.compile(keras.optimizers.SGD(1.0, **steps), run_eagerly=True)
    for rows in parts:
        model.train_on_batch(images[rows], {name: label[rows] for name, label in labels.items()})
    starts = dict(zip((variable.path for variable in model.weights), before, strict=True))
    for variable, gradient in zip(variables, expected, strict=True):
        moved = starts[variable.path] - variable.numpy()
        np.testing.assert_allclose(moved, gradient, rtol=3e-6, atol=1e-6, err_msg=variable.path)
    model.set_weights(before)
