"""`compile(weighting=...)` and `fit` train what a phase of `train` trains, from whatever Keras takes as data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.model import MultiTaskModel
from mtl_keras.prediction import predict
from mtl_keras.tasks import Binary, MultiLabel, Reconstruction, Regression, Tasks
from mtl_keras.training import Phase, train
from tests import _tiny

IMAGES, COLUMNS = _tiny.rows(24, 0)
MASKED = {name: np.where(np.arange(24) % (5 + len(name)) == 0, np.nan, column) for name, column in COLUMNS.items()}


def fresh(tasks: Tasks = _tiny.TASKS) -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model(tasks)


# The same as a phase


@pytest.mark.parametrize("weighting", ["dwa", "uncertainty"])
def test_fit_trains_what_a_phase_trains(weighting: str) -> None:
    """With labels that are absent, for a whole batch too, a state that moves at steps or epochs, and validation."""
    absent: Any = {"train": {"odd": slice(None, None, 3), "kind": slice(20)}, "validation": {"odd": slice(5)}}
    data = _tiny.data(absent=absent)
    optimizer = {"class_name": "Adam", "config": {"learning_rate": 0.01}}
    phase = Phase(epochs=3, batch_size=16, weighting=weighting, optimizer=optimizer, monitor="loss")
    by_phase, by_fit = fresh(), fresh()
    run = train(by_phase, data, phase, seed=5)
    assert run.best.epoch == 3, "or the state below would be another one"
    by_fit.compile(keras.optimizers.Adam(0.01), weighting=weighting)
    history = by_fit.fit(
        data.train.batches(16, seed=5, epochs=3),
        epochs=3,
        steps_per_epoch=3,
        validation_data=data.validation.batches(512),
        shuffle=False,
        callbacks=mtl.callbacks.Skill(data),
        verbose=0,
    ).history
    for number, row in enumerate(run.history):
        for name in set(row) - {"phase", "epoch", "learning_rate"}:
            assert history[name][number] == pytest.approx(row[name], rel=1e-5), name
    for one, other in zip(by_fit.get_weights(), by_phase.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for name, value in by_phase.weighting_state.items():
        np.testing.assert_allclose(by_fit.weighting_state[name], value, rtol=1e-5)


@pytest.mark.parametrize(("name", "classes"), [("kind", 3), ("odd", 2)])
def test_one_hot_labels_are_refused_in_one_line(name: str, classes: int) -> None:
    model = fresh()
    model.compile("sgd")
    labels = {**COLUMNS, name: np.eye(classes)[COLUMNS[name].astype(int)]}
    line = rf"Labels of task '{name}' must be class indices \[n\]\. Received: {classes} numbers for each row\. Pass "
    for call in (model.fit, model.evaluate, model.fit):
        with pytest.raises(MTLError, match=line) as refused:
            call(IMAGES, labels, verbose=0)
        assert "\n" not in str(refused.value)
        # Also after a step was traced for a column.
        model.fit(IMAGES, {key: column[:, None] for key, column in COLUMNS.items()}, verbose=0)
        model.fit(IMAGES, COLUMNS, verbose=0)
    with pytest.raises(MTLError, match=line):
        model.fit(tf.data.Dataset.from_tensors((IMAGES, labels)), shuffle=False, verbose=0)


def test_an_idle_head_does_not_move() -> None:
    model = fresh()
    model.compile(keras.optimizers.Adam(0.05), weighting="equal", run_eagerly=True)
    model.fit(IMAGES, COLUMNS, batch_size=12, verbose=0)
    before = _tiny.weights(model)
    model.train_on_batch(IMAGES, {**COLUMNS, "odd": np.full(24, np.nan)})
    own = {weight.path for layer in model.head_layers["odd"] for weight in layer.weights}
    moved = {w.path for w, old in zip(model.weights, before, strict=True) if not np.array_equal(np.array(w), old)}
    assert not moved & own
    assert any("kind" in path for path in moved)


# Data


class Batches(keras.utils.PyDataset):
    def __init__(self, *parts: Any) -> None:
        super().__init__()
        self.parts = parts

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return tf.nest.map_structure(lambda array: array[12 * index : 12 * index + 12], self.parts)


PRESENT = {name: np.isfinite(column).astype(np.float32) for name, column in MASKED.items()}
FILLED = {name: np.nan_to_num(column).astype(np.int32) for name, column in MASKED.items()}
INPUTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "NaN": (IMAGES, {"y": MASKED}),
    "columns": (IMAGES, {"y": {name: column[:, None] for name, column in MASKED.items()}}),
    "targets": (IMAGES, {"y": {**MASKED, "image": IMAGES / 255.0}}),
    "stored images": (IMAGES, {"y": {**MASKED, "image": IMAGES}}),
    "weights": (IMAGES, {"y": FILLED, "sample_weight": {**PRESENT, "image": np.ones(24)}}),
    "some weights": (IMAGES, {"y": {**MASKED, "odd": FILLED["odd"]}, "sample_weight": {"odd": PRESENT["odd"]}}),
    "tf.data": (tf.data.Dataset.from_tensor_slices((IMAGES, MASKED)).batch(12), {}),
    "tf.data, weights": (tf.data.Dataset.from_tensor_slices((IMAGES, FILLED, PRESENT)).batch(12), {}),
    "PyDataset": (Batches(IMAGES, MASKED), {}),
    "PyDataset, weights": (Batches(IMAGES, FILLED, PRESENT), {}),
}


def fitted(x: Any, options: dict[str, Any]) -> tuple[MultiTaskModel, dict[str, Any]]:
    model = fresh()
    model.compile("adam", weighting={"kind": 1, "odd": 2, "image": 3}, run_eagerly=True)
    size = {} if isinstance(x, tf.data.Dataset | keras.utils.PyDataset) else {"batch_size": 12}
    return model, model.fit(x, **options, **size, shuffle=False, verbose=0).history


@pytest.fixture(scope="module")
def expected() -> tuple[MultiTaskModel, dict[str, Any]]:
    return fitted(*INPUTS["NaN"])


@pytest.mark.parametrize("given", [name for name in INPUTS if name != "NaN"])
def test_every_form_of_data_trains_the_same(given: str, expected: tuple[MultiTaskModel, dict[str, Any]]) -> None:
    model, history = fitted(*INPUTS[given])
    assert set(history) == set(expected[1])
    for name, values in expected[1].items():
        assert history[name] == pytest.approx(values, rel=1e-5), name
    for one, other in zip(model.get_weights(), expected[0].get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_losses_are_means_over_the_labels_that_are_there(expected: tuple[MultiTaskModel, dict[str, Any]]) -> None:
    model = expected[0]
    logs = model.evaluate(IMAGES, MASKED, verbose=0, return_dict=True)
    outputs = model.predict(IMAGES, verbose=0)
    here = np.isfinite(MASKED["kind"])
    truth = MASKED["kind"][here].astype(int)
    assert logs["kind_loss"] == pytest.approx(-np.log(outputs["kind"][here][np.arange(len(truth)), truth]).mean(), rel=1e-4)
    assert logs["kind_accuracy"] == pytest.approx((outputs["kind"][here].argmax(-1) == truth).mean())
    assert logs["image_mse"] == pytest.approx(np.square(outputs["image"] - IMAGES / 255).mean(), rel=1e-4)
    total = logs["kind_loss"] + 2 * logs["odd_loss"] + 3 * logs["image_loss"]
    on_batch = model.test_on_batch(IMAGES, MASKED, return_dict=True)
    assert on_batch["loss"] == pytest.approx(total, rel=1e-4)
    as_list = model.evaluate(IMAGES, MASKED, verbose=0)
    assert dict(zip(model.metrics_names, as_list, strict=True)) == pytest.approx(logs)
    weights = {"odd": np.zeros(24)}
    assert model.evaluate(IMAGES, MASKED, sample_weight=weights, verbose=0, return_dict=True)["odd_loss"] == 0


@pytest.mark.parametrize(
    ("changed", "weight", "message"),
    [
        ({"kind": 1.5}, None, r"'kind' must be integers from 0 to 2. Received: 1.5 in row 3 \("),
        ({"kind": -1.0}, None, r"'kind' must be integers from 0 to 2. Received: -1.0 in row 3 \("),
        ({"odd": 2.0}, None, r"'odd' must be .* Received: 2.0 in row 3 \("),
        ({}, -0.5, r"`sample_weight` must be finite and at least 0. Received: -0.5 in row 3 \(of 24\)"),
        ({}, np.nan, r"`sample_weight` must be finite and at least 0. Received: nan in row 3"),
    ],
)
def test_labels_and_weights_out_of_range_are_refused(changed: dict[str, float], weight: float | None, message: str) -> None:
    model = fresh()
    model.compile("adam")
    labels = {name: column.copy() for name, column in COLUMNS.items()}
    for name, value in changed.items():
        labels[name][3] = value
    weights = np.ones(24)
    weights[3] = 1.0 if weight is None else weight
    with pytest.raises(MTLError, match=message):
        model.fit(IMAGES, labels, sample_weight=weights, verbose=0)
    with pytest.raises(MTLError, match=message):
        model.evaluate(IMAGES, labels, sample_weight=weights, verbose=0)
    # In a row that does not count, anything may be stored.
    weights[3] = 0.0
    assert np.isfinite(model.evaluate(IMAGES, labels, sample_weight=weights, verbose=0, return_dict=True)["loss"])


def test_weights_of_a_split_out_of_range_are_refused() -> None:
    data = _tiny.data()
    for value in (-0.5, np.nan, np.inf):
        weight = {name: weights.copy() for name, weights in data.validation.weight.items()}
        weight["odd"][2] = value
        wrong = replace(data, validation=replace(data.validation, weight=weight))
        with pytest.raises(
            MTLError, match=r"`weight\['odd'\]` of the validation split must be finite and at least 0. Received: "
        ):
            train(fresh(), wrong, Phase(epochs=1))


def test_missing_parts_may_be_given_as_they_are_stored() -> None:
    tasks = Tasks(MultiLabel("several", classes=2))
    column = np.array([[0.0, 1.0], [1.0, np.nan], [np.nan, np.nan]] * 8)
    stored, _ = tasks["several"].encode(column)
    assert stored.min() == -1
    model = fresh(tasks)
    model.compile("adam")
    by_nan, by_stored = (model.evaluate(IMAGES, {"several": each}, verbose=0, return_dict=True) for each in (column, stored))
    assert by_stored == by_nan


def test_one_task_takes_its_labels_alone() -> None:
    model = fresh(Tasks(Binary("odd")))
    model.compile("adam", run_eagerly=True)
    by_name = model.test_on_batch(IMAGES, {"odd": COLUMNS["odd"]}, return_dict=True)
    assert model.test_on_batch(IMAGES, COLUMNS["odd"], return_dict=True) == by_name
    assert set(by_name) == {"loss", "odd_loss", "odd_accuracy"}


def test_each_known_number_of_a_row_counts() -> None:
    model = fresh(Tasks(Regression("two", size=2), Reconstruction("image")))
    model.compile("adam", run_eagerly=True)
    labels = np.ones((24, 2))
    labels[:6, 1] = np.nan
    outputs = model.predict(IMAGES, verbose=0)
    logs = model.test_on_batch(IMAGES, {"two": labels}, return_dict=True)
    known = ~np.isnan(labels)
    for entry in ("two_mse", "two_loss"):
        assert logs[entry] == pytest.approx(np.square(outputs["two"] - 1)[known].mean(), rel=1e-4)


# Compiled again, fitted again


def test_the_state_of_a_weighting_continues_until_compile() -> None:
    model = fresh()
    model.compile("adam", weighting="dwa", run_eagerly=True)
    options: dict[str, Any] = {"batch_size": 24, "verbose": 0}
    model.fit(IMAGES, COLUMNS, **options)
    first = model.weighting_state
    assert first["last_losses"].all()
    model.fit(IMAGES, COLUMNS, **options)
    second = model.weighting_state
    assert not np.array_equal(second["weights"], first["weights"])
    logs = model.fit(IMAGES, COLUMNS, **options).history
    assert [logs[f"loss_weight_{task}"][0] for task in _tiny.TASKS] == pytest.approx(second["weights"].tolist())
    model.compile("adam", weighting="dwa", run_eagerly=True)
    assert not model.weighting_state["last_losses"].any()
    model.weighting_state = second
    np.testing.assert_array_equal(model.weighting_state["weights"], second["weights"])
    with pytest.raises(MTLError, match=r"`weighting_state` must have the variables of the weighting .* Received: log_variance"):
        model.weighting_state = {"log_variance": np.zeros(3)}


def test_averaged_weights_are_those_of_the_optimizer() -> None:
    """Keras pairs its moving averages with the trained variables by position, the weighting's among them."""
    model = fresh()
    optimizer = keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.5)
    model.compile(optimizer, weighting="uncertainty", run_eagerly=True)
    model.fit(IMAGES, COLUMNS, batch_size=12, verbose=0)
    averages = {v.path.split("/")[-1]: np.array(v) for v in optimizer.variables if "average" in v.path}
    kernel = model.get_layer("kind").kernel
    average = next(value for path, value in averages.items() if path.startswith(kernel.path.replace("/", "_")))
    np.testing.assert_allclose(kernel, average)
    assert len(model.trainable_weights) == len(optimizer._trainable_variables) - 1


def test_a_training_leaves_what_the_user_compiled(tmp_path: Any) -> None:
    """And a callback of a phase on cached features may predict and evaluate images."""
    data = _tiny.data()
    keras.utils.set_random_seed(3)
    model = _tiny.model(freeze=True)
    optimizer = keras.optimizers.Adam()
    model.compile(optimizer, weighting="mean")
    logs: list[dict[str, Any]] = []

    class Evaluate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, log: Any = None) -> None:
            assert self.model is model
            found = model.evaluate(data.validation.x, data.validation.y, verbose=0, return_dict=True)
            accuracy = (model.predict(data.validation.x, verbose=0)["kind"].argmax(-1) == data.validation.y["kind"]).mean()
            logs.append({**found, "predicted": accuracy, **log})

    phase = Phase(epochs=1, batch_size=16, weighting="dwa")
    train(model, data, phase, cache_dir=tmp_path, callbacks=[Evaluate()])
    (log,) = logs
    assert log["predicted"] == pytest.approx(log["val_kind_accuracy"])
    assert model.optimizer is optimizer
    assert model.objective is not None
    assert model.objective.weighting == mtl.weighting.get("mean")
    assert set(model.weighting_state) == {"weights", "last_losses"}, "that of the training"


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "mse", "weighting": "equal"}, r"must have either `weighting` or Keras losses. Received: loss, weighting"),
        ({"weighting": "equal", "loss_weights": {"kind": 1}}, r"Received: loss_weights, weighting"),
        ({"weighting": "equal", "metrics": ["accuracy"]}, r"Received: metrics, weighting"),
        ({"metrics": ["accuracy"]}, r"Received: metrics without loss. Pass weighting= alone, or loss="),
        ({"weighting": "eqaul"}, r"Did you mean 'equal'"),
        ({"weighting": {"kind": 1}}, r"none for odd, image"),
        ({"optimizer": "adm"}, r"'adm'\. Did you mean 'Adam'"),
        ({"optimizer": "adm", "loss": {"kind": "mse"}}, r"'adm'\. Did you mean 'Adam'"),
        (
            {"optimizer": 3},
            r"`optimizer` must be a name, a Keras configuration or an optimizer\. Received: 3\. Pass",
        ),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MTLError, match=message) as info:
        fresh().compile(**{"optimizer": "adam", **options})
    assert "\n" not in str(info.value)


def test_a_used_optimizer_cannot_train_a_weighting() -> None:
    model, optimizer = fresh(), keras.optimizers.Adam()
    model.compile(optimizer, weighting="equal")
    with pytest.raises(MTLError, match=r"must have a new optimizer. Received: Adam, which was used"):
        model.compile(optimizer, weighting="uncertainty")


@pytest.mark.parametrize(
    ("y", "sample_weight", "message"),
    [
        ({"kind": COLUMNS["kind"]}, None, r"`y` must have labels of every task. Received: none of odd. Pass NaN"),
        ({**COLUMNS, "evn": COLUMNS["odd"]}, None, r"Unknown task in y: received 'evn'"),
        (COLUMNS["kind"], None, r"`y` must be a dict of labels by task. Received: ndarray. Pass {'kind': \.\.\."),
        (COLUMNS, {"odds": COLUMNS["odd"]}, r"Unknown task in sample_weight: received 'odds'. Did you mean 'odd'"),
    ],
)
def test_labels_that_do_not_fit_are_refused(y: Any, sample_weight: Any, message: str) -> None:
    model = fresh()
    model.compile("adam", run_eagerly=True)
    with pytest.raises(MTLError, match=message):
        model.fit(IMAGES, y, sample_weight=sample_weight, verbose=0)


def test_backups_are_refused(tmp_path: Any) -> None:
    model = fresh()
    model.compile("adam")
    with pytest.raises(MTLError, match=r"Received: BackupAndRestore"):
        model.fit(IMAGES, COLUMNS, callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "backup")])


# What arrays hold


def broken(value: float) -> np.ndarray:
    images = IMAGES.astype(np.float32)
    images[3, 2, 2, 0] = value
    return images


#: Everything that takes images in memory.
CALLS: dict[str, Callable[[MultiTaskModel, Any], Any]] = {
    "fit": lambda model, x: model.fit(x, COLUMNS, verbose=0),
    "validation": lambda model, x: model.fit(IMAGES, COLUMNS, validation_data=(x, COLUMNS), verbose=0),
    "evaluate": lambda model, x: model.evaluate(x, COLUMNS, verbose=0),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, COLUMNS),
    "test_on_batch": lambda model, x: model.test_on_batch(x, COLUMNS),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "mtl.predict": predict,
}


@pytest.fixture(scope="module")
def compiled() -> MultiTaskModel:
    model = fresh()
    model.compile("adam", run_eagerly=True)
    return model


@pytest.mark.parametrize("call", [*CALLS])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (broken(np.nan), r"Inputs must be finite as float32\. Received: NaN or infinity in row 3 of 24 in \w+\. Replace"),
        (tf.constant(broken(np.inf)), r"Inputs must be finite as float32\. Received: NaN or infinity in row 3 of 24 in \w+\."),
        (IMAGES.repeat(3, axis=-1), r"shape that the model was built for, \[8, 8, 1\]\. Received: \[8, 8, 3\]\. Resize"),
        (IMAGES.repeat(2, axis=1), r"for, \[8, 8, 1\]\. Received: \[16, 8, 1\]\. Resize the images, or build a model with"),
        (np.moveaxis(IMAGES, -1, 1), r"Received: \[1, 8, 8\]\. The channels come first: pass np\.moveaxis\(x, 1, -1\)"),
        (IMAGES[..., 0], r"Received: \[8, 8\]\. The channels are missing: pass x\[\.\.\., None\]"),
        (IMAGES[0], r"Received: \[8, 1\]\. One image is a batch of one: pass x\[None\]"),
        (IMAGES > 9, r"Inputs must be real numbers \[n, \.\.\.\] in one array\. Received: booleans in \w+\. Pass x\.astype"),
        ([IMAGES[0], IMAGES[1, :4]], r"Received: inputs of several shapes, .* in row 1 in \w+\. Resize"),
        (IMAGES[:0], r"Inputs must have at least one row\. Received: shape \[0, 8, 8, 1\] in \w+\. Pass some rows"),
    ],
)
def test_inputs_are_checked_before_keras_sees_them(compiled: MultiTaskModel, call: str, x: Any, message: str) -> None:
    if call == "mtl.predict" and len(x) == 0:
        pytest.skip("no row gives no output")
    before = _tiny.weights(compiled)
    with pytest.raises(MTLError, match=message) as refused:
        CALLS[call](compiled, x)
    assert "\n" not in str(refused.value)
    assert all(np.array_equal(old, new) for old, new in zip(before, _tiny.weights(compiled), strict=True))


def test_other_forms_of_images_are_taken(compiled: MultiTaskModel) -> None:
    expected = compiled.predict(IMAGES, verbose=0)["kind"]
    for form in (list(IMAGES), [IMAGES], tf.constant(IMAGES), IMAGES.astype(np.int64)):
        np.testing.assert_allclose(compiled.predict(form, verbose=0)["kind"], expected, rtol=1e-5)
        compiled.fit(form, COLUMNS, epochs=0)


@pytest.mark.parametrize(
    ("change", "said"), [(lambda x: x / 255, "Do not divide by 255"), (lambda x: -x, "Do not standardize")]
)
def test_unusual_values_are_said_once_a_model(change: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    x = change(IMAGES.astype(np.float64))
    for call in ("fit", "validation", "predict", "mtl.predict", "train_on_batch"):
        caplog.clear()
        model = fresh()
        model.compile("adam", run_eagerly=True)
        for _ in range(2):
            CALLS[call](model, x)
        assert [said in line for line in caplog.messages if "expected in [0, 255]" in line] == [True]
    caplog.clear()
    predict(fresh(), np.zeros_like(x))
    assert not caplog.messages


def test_weights_that_become_nan_while_the_loss_does_not_are_named() -> None:
    """ReLU turns NaN into 0 on some devices, so that the loss of a network of NaN looks like any other."""
    model = fresh(_tiny.TASKS.only("kind", "odd"))
    model.compile("adam")
    kernel = model.get_layer("kind").kernel
    spoil = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: kernel.assign(np.full(kernel.shape, np.nan)))
    line = r"Weights must stay finite\. Received: NaN or infinity in kind/kernel after epoch 1\. Look for NaN among the inputs"
    with pytest.raises(MTLError, match=line) as refused:
        model.fit(IMAGES, COLUMNS, epochs=3, callbacks=spoil, verbose=0)
    assert "\n" not in str(refused.value)


def test_nan_in_a_dataset_is_seen_in_the_loss_or_in_an_error() -> None:
    model = fresh(_tiny.TASKS.only("kind", "odd"))
    model.compile("adam")
    batches = tf.data.Dataset.from_tensor_slices((broken(np.nan), COLUMNS)).batch(12)
    with contextlib.suppress(MTLError):
        losses = model.fit(batches, epochs=2, shuffle=False, verbose=0).history["loss"]
        assert np.isnan(losses[-1])


@pytest.mark.parametrize("call", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize(
    ("y", "sample_weight", "message"),
    [
        ([*COLUMNS.values()], None, r"`y` must be a dict of labels by task\. Received: list\. Pass {'kind': "),
        (None, None, r"`y` must have labels of every task\. Received: none of kind, odd\."),
        (
            {**COLUMNS, "odd": COLUMNS["odd"][1:]},
            None,
            r"'odd' must have a row for each input\. Received: 23 labels for 24",
        ),
        (
            {**COLUMNS, "odd": [0, 1]},
            None,
            r"'odd' must have a row for each input\. Received: 2 labels for 24 inputs",
        ),
        (
            COLUMNS,
            {"odd": np.ones(25)},
            r"`sample_weight` of task 'odd' must have a number .* Received: 25 weights for 24",
        ),
        (
            COLUMNS,
            np.ones(3),
            r"`sample_weight` must have a number for each input\. Received: 3 weights for 24 inputs",
        ),
    ],
)
def test_labels_and_weights_have_a_row_for_each_input(
    compiled: MultiTaskModel, call: str, y: Any, sample_weight: Any, message: str
) -> None:
    with pytest.raises(MTLError, match=message) as refused:
        getattr(compiled, call)(IMAGES, y, sample_weight=sample_weight)
    assert "\n" not in str(refused.value)


def test_a_dataset_of_other_shapes_is_refused(compiled: MultiTaskModel) -> None:
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, COLUMNS))
    with pytest.raises(MTLError, match=r"must have batches \[n, \.\.\.\] of inputs\. Received: single ones \[8, 8, 1\]"):
        compiled.fit(dataset, verbose=0)
    with pytest.raises(MTLError, match=r"Received: \[1, 8, 8\]\. The channels come first"):
        compiled.fit(dataset.map(lambda x, y: (tf.transpose(x, (2, 0, 1)), y)).batch(8), verbose=0)


# Progress


@pytest.mark.parametrize("verbose", ["auto", 0, 1])
def test_progress_is_a_line_an_epoch(verbose: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from mtl_keras.callbacks import Progress

    logs = {"loss": 0.5, "kind_loss": 1.25, "odd_loss": 0.75, "skill": 0.1, "val_loss": 0.6, "val_skill": 0.25}
    for interactive in (False, True):
        monkeypatch.setattr("sys.stdout.isatty", lambda interactive=interactive: interactive)
        callback = Progress(verbose, 0, 2, _tiny.TASKS.only("kind", "odd"))
        callback.set_params({"epochs": 3})
        callback.on_epoch_begin(1)
        callback.on_epoch_end(1, logs)
        shown = capsys.readouterr().out
        if verbose == 1 or (verbose == "auto" and interactive):
            values = "loss 0.5, kind_loss 1.25, odd_loss 0.75, skill 0.1, val_loss 0.6, val_skill 0.25"
            assert shown.startswith(f"Phase 1/2, epoch 2/3: {values} (")
            assert shown.count("\n") == 1
        else:
            assert shown == ""
    with pytest.raises(MTLError, match='`verbose` must be "auto", 0 or 1. Received: verbose=2'):
        Progress(2, 0, 1, _tiny.TASKS)  # type: ignore[arg-type]
