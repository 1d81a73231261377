"""Training: phases as values, the loss against plain Keras and NumPy, what moves and what does not, and which epoch stays."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.callbacks import assign_values, get_values
from mtl_keras.data import Data, from_arrays
from mtl_keras.errors import MTLError, TrialError
from mtl_keras.evaluation import evaluate
from mtl_keras.model import MultiTaskModel
from mtl_keras.training import CompiledPhases, Phase, Run, train, train_compiled
from mtl_keras.weighting import Fixed
from tests import _tiny

PHASE = Phase(epochs=3, batch_size=16, optimizer={"class_name": "Adam", "config": {"learning_rate": 0.02}})


def fresh(**options: Any) -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model(**options)


@pytest.fixture(scope="module")
def data() -> Data:
    return _tiny.data()


@pytest.fixture(scope="module")
def compiled() -> CompiledPhases:
    return CompiledPhases(fresh())


@pytest.fixture(scope="module")
def run(compiled: CompiledPhases, data: Data) -> Run:
    return train_compiled(compiled, data, replace(PHASE, weighting={"kind": 0.5, "odd": 2, "image": 1}), seed=5)


class Watch(keras.callbacks.Callback):
    """Keeps what only exists while a phase runs."""

    def __init__(self) -> None:
        super().__init__()
        self.iterations: list[int] = []
        self.rates: list[float] = []
        self.slots: list[dict[str, np.ndarray]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.iterations.append(int(self.model.optimizer.iterations))
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_train_end(self, logs: Any = None) -> None:
        self.slots.append({variable.path: np.array(variable) for variable in self.model.optimizer.variables})


# What comes back


def test_history_has_a_row_an_epoch(run: Run) -> None:
    assert [(row["phase"], row["epoch"]) for row in run.history] == [(0, 1), (0, 2), (0, 3)]
    logged = {"loss", "skill", *(f"{task}_loss" for task in _tiny.TASKS), "kind_accuracy", "odd_accuracy", "image_mse"}
    for row in run.history:
        assert set(row) == {"phase", "epoch", "learning_rate"} | logged | {f"val_{name}" for name in logged} | {
            f"loss_weight_{task}" for task in _tiny.TASKS
        }
        assert all(isinstance(value, int | float) for value in row.values())
        assert [row[f"loss_weight_{task}"] for task in _tiny.TASKS] == [0.5, 2, 1]
        assert row["learning_rate"] == pytest.approx(0.02)
    assert run.seconds > 0
    assert (run.seed, len(run.phases), run.recipe) == (5, 1, run.model.recipe)
    assert run.model.weighting_state["weights"].tolist() == [0.5, 2, 1]


def test_the_model_is_that_of_the_best_epoch_and_the_last_one_is_kept(run: Run, data: Data) -> None:
    values = [row["val_skill"] for row in run.history]
    assert run.best.value == pytest.approx(max(values))
    assert (run.best.monitor, run.best.phase, run.best.epoch) == ("val_skill", 0, 1 + values.index(max(values)))
    for model, row in ((run.model, run.history[run.best.epoch - 1]), (run.last_model, run.history[-1])):
        evaluation = evaluate(model, data, cache_dir=False)
        assert evaluation.skill == pytest.approx(row["val_skill"], abs=1e-5)
        for task in _tiny.TASKS.values():
            assert evaluation.value(task.name, task.metric.name) == pytest.approx(
                row[f"val_{task.name}_{task.metric.name}"], rel=1e-4
            )


def test_ties_go_to_the_earliest_epoch_and_patience_ends_the_phase(data: Data) -> None:
    still = keras.optimizers.SGD(1e-30)
    tied = train(fresh(), data, Phase(epochs=5, batch_size=16, optimizer=still, monitor="val_kind_loss", patience=2))
    assert len({row["val_kind_loss"] for row in tied.history}) == 1
    assert (tied.best.epoch, len(tied.history)) == (1, 3)


@pytest.fixture(scope="module")
def one_class() -> Data:
    """Validation rows that all have the most frequent class of the training rows."""
    images, columns = _tiny.rows(150, 1)
    kind = columns["kind"]
    parts = [np.concatenate([np.flatnonzero(kind == 0)[:8], np.flatnonzero(kind == 2)[:32]]), np.flatnonzero(kind == 2)[32:]]
    return from_arrays(_tiny.TASKS.only("kind"), *((images[rows], {"kind": kind[rows]}) for rows in parts))


def test_equal_monitors_are_told_apart_by_the_loss_and_one_that_is_always_equal_is_announced(
    one_class: Data, caplog: pytest.LogCaptureFixture
) -> None:
    keras.utils.set_random_seed(3)
    model = _tiny.model(one_class.tasks)
    # It begins with another class.
    model.get_layer("kind").bias.assign([2.0, 0.0, 0.0])
    run = train(model, one_class, Phase(epochs=6, batch_size=16, optimizer=keras.optimizers.Adam(0.02), patience=3))
    losses = [row["val_loss"] for row in run.history]
    assert {row["val_skill"] for row in run.history} == {0.0}
    assert run.best.epoch == 1 + int(np.argmin(losses)) > 1
    assert run.history[0]["val_kind_accuracy"] < evaluate(run.model, one_class, cache_dir=False).value("kind", "accuracy") == 1
    lines = [record.message for record in caplog.records if "cannot tell epochs apart" in record.message]
    assert len(lines) == 1
    assert "'val_skill' cannot tell epochs apart by kind" in lines[0]
    assert "lowest val_loss is chosen" in lines[0]


@pytest.mark.parametrize(
    ("split", "line"),
    [
        ("train", "No label of kind, odd is in the 35 train rows: what has none is not trained, and left out of the skill"),
        ("validation", "No label of kind, odd is in the 19 validation rows: what has none is left out of the skill"),
    ],
)
def test_a_task_without_labels_is_named(split: str, line: str, caplog: pytest.LogCaptureFixture) -> None:
    absent = {split: {"odd": slice(None), "kind": slice(None)}}
    train(fresh(), _tiny.data(35, 19, absent=absent), Phase(epochs=1, batch_size=16), Phase(epochs=1, batch_size=16))
    assert [record.message.startswith(line) for record in caplog.records if "No label" in record.message] == [True]
    caplog.clear()
    train(fresh(), _tiny.data(34, 19, absent=absent), Phase(epochs=1, batch_size=16, tasks=("image",)))
    assert not any("No label" in record.message for record in caplog.records)


def test_a_finished_training_leaves_a_model_that_is_loaded_with_its_class_names(data: Data, tmp_path: Path) -> None:
    named = replace(data, class_names={"kind": ("a", "b", "c")})
    run = train(fresh(), named, replace(PHASE, epochs=1), output_dir=tmp_path)
    loaded = mtl.load_model(tmp_path)
    for ours, theirs in zip(_tiny.weights(run.model), _tiny.weights(loaded), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for model in (loaded, run.last_model):
        assert model.class_names == {"kind": ("a", "b", "c")}


def test_a_worse_last_epoch_is_not_delivered(data: Data) -> None:
    """One good epoch, and then a step that spoils the weights."""

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                for variable in self.model.trainable_variables:
                    variable.assign(variable + 3.0)

    spoiled = train(fresh(), data, replace(PHASE, epochs=2, optimizer="sgd"), callbacks=[Spoil()])
    assert spoiled.best.epoch == 1
    assert spoiled.history[1]["val_skill"] < spoiled.best.value
    assert evaluate(spoiled.model, data, cache_dir=False).skill == pytest.approx(spoiled.best.value, abs=1e-5)
    assert evaluate(spoiled.last_model, data, cache_dir=False).skill == pytest.approx(spoiled.history[1]["val_skill"], rel=1e-4)


def test_the_order_is_a_function_of_seed_and_epoch(run: Run, compiled: CompiledPhases, data: Data) -> None:
    """Also: what is compiled for one training serves another one, which starts with an optimizer and a weighting anew."""
    best, initial = _tiny.weights(run.model), get_values(fresh().variables)
    for seed in (6, 5):
        assign_values(initial, compiled.model.variables)
        again = train_compiled(compiled, data, *run.phases, seed=seed)
        assert (again.history == run.history) == (seed == 5)
    for ours, theirs in zip(_tiny.weights(again.model), best, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# The loss


def test_with_every_label_the_loss_is_that_of_plain_keras(data: Data) -> None:
    """Same net, same rows in the same order, one epoch of SGD."""
    weights = {"kind": 0.7, "odd": 0.3, "image": 5.0}
    phase = Phase(epochs=1, batch_size=8, weighting=weights, optimizer=keras.optimizers.SGD(0.1))
    ours = fresh()
    row = train(ours, data, phase, seed=2).history[0]
    plain = fresh()
    plain.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss={"kind": "sparse_categorical_crossentropy", "odd": "binary_crossentropy", "image": "mse"},
        loss_weights=weights,
        metrics={"kind": ["accuracy"], "odd": ["accuracy"], "image": ["mse"]},
        jit_compile=False,
    )
    assert len(data.train) % 8, "a partial last batch is part of it"
    # Without the weights, all 1, which Keras' own losses cannot lay on images.
    train_rows, validation_rows = (
        split.batches(size, seed=seed).map(lambda x, y, weight: (x, y))
        # One batch of validation: Keras' mean of an output's loss counts a partial batch like a whole one.
        for split, size, seed in ((data.train, 8, 2), (data.validation, 512, None))
    )
    logs = plain.fit(train_rows, validation_data=validation_rows, shuffle=False, verbose=0).history
    for name in ("loss", "val_loss", "val_kind_loss", "val_odd_loss", "val_image_loss", "kind_accuracy", "odd_accuracy"):
        assert row[name] == pytest.approx(logs[name][0], rel=1e-5), name
    for mine, theirs in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_dummy_labels_do_nothing(data: Data) -> None:
    """NaN or a class that does not exist trains, under weight 0, as any other does; the loss is a mean over labels."""
    rng = np.random.default_rng(0)
    weight = {task: rng.choice([0, 0, 0.5, 1, 2], len(data.train)).astype(np.float32) for task in _tiny.TASKS}
    runs = []
    for dummies in ((-1, -1, np.nan), (0, 0, 0)):
        y = {"kind": data.train.y["kind"].copy(), "odd": data.train.y["odd"].copy(), "image": data.train.x.astype(np.float32)}
        for (task, labels), dummy in zip(y.items(), dummies, strict=True):
            labels[weight[task] == 0] = dummy
        model = fresh()
        began = model.predict(data.train.x, verbose=0)
        masked = replace(data, train=replace(data.train, y=y, weight=weight))
        phase = Phase(epochs=1, batch_size=len(data.train), weighting={"kind": 1, "odd": 2, "image": 4}, monitor="loss")
        runs.append((model, train(model, masked, phase).history[0]))
    for mine, theirs in zip(*(model.get_weights() for model, _ in runs), strict=True):
        assert np.isfinite(mine).all()
        np.testing.assert_array_equal(mine, theirs)
    row, total = runs[0][1], 0.0
    for task, factor in (("kind", 1), ("odd", 2), ("image", 4)):
        truth, w = data.train.y[task], weight[task]
        if task == "kind":
            losses, hits = -np.log(began[task][np.arange(len(truth)), truth]), began[task].argmax(-1) == truth
        elif task == "odd":
            p = began[task][:, 0]
            losses, hits = -np.log(np.where(truth == 1, p, 1 - p)), (p > 0.5) == truth
        else:
            losses = hits = np.square(truth / 255 - began[task]).mean((1, 2, 3))
        mean = np.sum(w * losses) / np.sum(w)
        assert row[f"{task}_loss"] == pytest.approx(mean, rel=1e-5)
        total += factor * mean
        # Rows count or do not: a metric knows no fractions.
        metric = f"{task}_{_tiny.TASKS[task].metric.name}"
        assert row[metric] == pytest.approx(hits[w > 0].mean(), rel=1e-5)
    assert row["loss"] == pytest.approx(total, rel=1e-5)


# What does not move


def layers_of(model: MultiTaskModel, *names: str) -> list[np.ndarray]:
    return [np.array(w) for name in names for layer in model.layers_by_name(name) for w in layer.get_weights()]


@pytest.mark.parametrize(
    "optimizer", [keras.optimizers.Adam(0.01), keras.optimizers.AdamW(0.01), keras.optimizers.SGD(0.05, momentum=0.9)]
)
def test_a_head_that_is_not_trained_does_not_move(optimizer: Any) -> None:
    """`odd` has no label anywhere and `image` is no task of the phase."""
    data = _tiny.data(absent={"train": {"odd": slice(None), "kind": slice(9)}, "validation": {"odd": slice(None)}})
    model, watch = fresh(), Watch()
    before = layers_of(model, "odd", "image")
    moving = layers_of(model, "backbone", "shared", "kind")
    train(model, data, replace(PHASE, optimizer=optimizer, tasks=("kind", "odd")), callbacks=[watch])
    for old, new in zip(before, layers_of(model, "odd", "image"), strict=True):
        np.testing.assert_array_equal(new, old)
    assert (
        sum(not np.array_equal(a, b) for a, b in zip(moving, layers_of(model, "backbone", "shared", "kind"), strict=True)) >= 5
    )
    (slots,) = watch.slots
    own = {path: slot for path, slot in slots.items() if "odd" in path}
    assert len(own) >= 4
    assert all(not slot.any() for slot in own.values())
    assert any(slot.any() for path, slot in slots.items() if "kind" in path)
    assert not any("image" in path for path in slots)


# Phases


def test_phases_follow_each_other_with_their_own_tasks_flags_and_optimizers(data: Data, tmp_path: Path) -> None:
    """Also: cached features are not those of a trunk that a phase in between has changed."""
    model, watch = fresh(freeze="conv1_relu"), Watch()
    flags = [layer.trainable for layer in model._flatten_layers()]
    held = layers_of(model, "conv1_bn")
    frozen = Phase(
        epochs=1, tasks=("kind", "odd"), freeze=("backbone", "odd"), batch_size=16, optimizer=keras.optimizers.Adam(0.02)
    )
    trained = Phase(epochs=2, freeze=("kind", "image"), weighting={"kind": 1, "odd": 1, "image": 0}, batch_size=16)
    seen: dict[str, list[np.ndarray]] = {}

    class Snapshot(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            seen[f"begin {len(seen)}"] = _tiny.weights(model)

    run = train(model, data, frozen, trained, frozen, callbacks=[watch, Snapshot()], cache_dir=tmp_path)

    assert [(row["phase"], row["epoch"]) for row in run.history] == [(0, 1), (1, 1), (1, 2), (2, 1)]
    assert [layer.trainable for layer in model._flatten_layers()] == flags
    assert watch.iterations == [0, 0, 0]
    np.testing.assert_allclose(watch.rates, [0.02, 0.001, 0.02], rtol=1e-6)
    assert run.best.phase == 2

    names = [weight.path for weight in model.weights]
    begun = [*seen.values(), _tiny.weights(model)]
    moved = [
        {name for name, a, b in zip(names, old, new, strict=True) if not np.array_equal(a, b)}
        for old, new in itertools.pairwise(begun)
    ]
    part = {name: {path for path in names if name in path} for name in ("conv1", "shared", "kind", "odd", "image")}
    assert moved[0] == moved[2] == part["shared"] | part["kind"]
    assert moved[1] >= part["odd"] | {"conv1/kernel"} & part["conv1"]
    assert not moved[1] & (part["kind"] | part["image"])
    assert any("conv1/kernel" in name for name in moved[1])
    # Batch normalization stays in inference mode in a phase that names what it freezes.
    for old, new in zip(held, layers_of(model, "conv1_bn"), strict=True):
        np.testing.assert_array_equal(new, old)

    row = run.history[-1]
    truth = evaluate(model, data, cache_dir=False)
    assert truth.value("image", "mse") == pytest.approx(row["val_image_mse"], rel=1e-4)
    assert evaluate(run.last_model, data, cache_dir=False).value("image", "mse") == pytest.approx(
        row["val_image_mse"], rel=1e-4
    )
    assert "loss_weight_image" not in row
    assert "loss_weight_image" in run.history[1]


def test_flags_are_put_back_after_a_failure(data: Data) -> None:
    model = fresh(freeze="conv1_relu")
    flags = [layer.trainable for layer in model._flatten_layers()]

    class Fail(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train(model, data, replace(PHASE, tasks=("kind",), freeze=()), callbacks=[Fail()])
    assert [layer.trainable for layer in model._flatten_layers()] == flags


def test_a_phase_is_a_value() -> None:
    live = keras.optimizers.Adam(0.02)
    phase = Phase(epochs=3, tasks=["kind"], freeze=["backbone"], weighting={"kind": 2}, optimizer=live, patience=2)  # type: ignore[arg-type]
    assert phase == Phase(**phase.config()) == replace(phase)
    assert phase != replace(phase, epochs=4)
    assert (phase.tasks, phase.freeze, phase.weighting) == (("kind",), ("backbone",), Fixed({"kind": 2}))
    assert Phase(epochs=1, optimizer="adam") == Phase(epochs=1, optimizer="adam") == Phase(1, optimizer=keras.optimizers.Adam())
    first, second = phase.new_optimizer(1), phase.new_optimizer(1)
    assert first is not second
    assert first is not live
    assert float(first.learning_rate) == pytest.approx(0.02)
    assert phase.at_most(2).epochs == 2
    assert phase.at_most(9) == phase


def test_a_cosine_ends_at_0_with_the_last_step(data: Data) -> None:
    """36 rows in batches of 16 are 3 steps an epoch; each row logs the rate that the next step would have."""
    optimizer = keras.optimizers.SGD(0.05)
    tried = train(fresh(), data, replace(PHASE, optimizer=optimizer, schedule="cosine"))
    expected = [0.05 * (1 + math.cos(math.pi * step / 9)) / 2 for step in (3, 6, 9)]
    np.testing.assert_allclose([row["learning_rate"] for row in tried.history], expected, atol=1e-7)
    falling = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    assert Phase(epochs=1, optimizer=falling).schedule == "constant"
    with pytest.raises(
        MTLError, match=r"Only one schedule must change the learning rate. Received: schedule='cosine' and .* ExponentialDecay"
    ):
        Phase(epochs=1, optimizer=falling, schedule="cosine")
    with pytest.raises(MTLError, match=r"Unknown schedule: received 'cosin'. Did you mean 'cosine'"):
        Phase(epochs=1, schedule="cosin")  # type: ignore[arg-type]


# What is refused


def test_a_training_that_diverges_says_so(data: Data) -> None:
    # Losses times a billion: a rate of its own that would do this is refused.
    loud = dict.fromkeys(data.tasks, 1e9)
    wild = Phase(epochs=2, batch_size=16, weighting=loud, optimizer=keras.optimizers.SGD(1000.0))
    with pytest.raises(TrialError, match=r"must stay finite. Received: loss=.*in epoch [12] of phase 0. Lower"):
        train(fresh(), data, wild)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, r"`epochs` must be an integer in \[1, 1000000\]. Received: epochs=0. Pass e.g. epochs=10"),
        ({"epochs": 1.5}, r"Received: epochs=1.5"),
        ({"batch_size": 0}, r"Received: batch_size=0"),
        ({"patience": 0}, r"Received: patience=0"),
        ({"tasks": "kind"}, r"`tasks` must be a sequence of names. Received: tasks='kind'. Pass tasks=\('kind',\)"),
        ({"freeze": "backbone"}, r"`freeze` must be a sequence of names"),
        ({"optimizer": "adm"}, r"Unknown optimizer: received 'adm'. Did you mean 'Adam'"),
        ({"optimizer": "MultiOptimizer"}, r"Unknown optimizer"),
        ({"optimizer": {"class_name": "Nothing", "config": {}}}, r"`optimizer` must be a name"),
        ({"optimizer": 3}, r"`optimizer` must be a name"),
        ({"weighting": "eqaul"}, r"Did you mean 'equal'"),
        ({"weighting": {"kind": -1}}, r"must be a number in \[0, 1e\+09\]"),
        ({"tasks": ()}, r"at least one task. Received: tasks=\(\)"),
    ],
)
def test_a_phase_checks_its_values(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MTLError, match=message):
        Phase(**{"epochs": 1, **options})


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([], r"at least one phase. Received: none"),
        ([[Phase(1)]], r"passed one by one, each a mtl.Phase. Received: list. Pass e.g. train\(model, data, mtl.Phase"),
        ([Phase(1, tasks=("knid",))], r"Unknown task: received 'knid'. Did you mean 'kind'"),
        (
            [Phase(1), Phase(1, monitor="val_kind_acuracy")],
            r"metric to monitor: received 'val_kind_acuracy'. Did you mean 'val_kind_accuracy'",
        ),
        ([Phase(1, monitor="val_kind_macro_f1")], r"Unknown metric to monitor"),
        ([Phase(1, freeze=("bakbone",))], r"Unknown layer: received 'bakbone'. Did you mean 'backbone'"),
        ([Phase(1, weighting={"kind": 1, "odd": 1})], r"none for image"),
        ([Phase(1, tasks=("kind",), weighting={"kind": 1, "odd": 1})], r"Unknown task in loss weights: received 'odd'"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(phases: list[Any], message: str, run: Run, data: Data) -> None:
    before = _tiny.weights(run.model)
    with pytest.raises(MTLError, match=message) as info:
        train(run.model, data, *phases)
    assert "\n" not in str(info.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, _tiny.weights(run.model), strict=True))


def test_other_tasks_than_the_models_are_refused(run: Run, data: Data) -> None:
    with pytest.raises(MTLError, match=r"a model of kind, odd, image and data of kind, odd\."):
        train(run.model, data.only("kind", "odd"), PHASE)


@pytest.mark.parametrize(
    ("monitor", "absent"), [("val_odd_accuracy", "validation"), ("odd_loss", "train"), ("val_odd_loss", "train")]
)
def test_a_monitor_without_labels_is_refused(run: Run, monitor: str, absent: str) -> None:
    unlabeled = _tiny.data(absent={absent: {"odd": slice(None)}})
    with pytest.raises(MTLError, match=rf"must be computed from labels. Received: monitor='{monitor}' and not one label"):
        train(run.model, unlabeled, replace(PHASE, monitor=monitor))


def test_features_are_for_their_own_trunk_while_it_is_frozen(data: Data, tmp_path: Path) -> None:
    model = fresh(freeze=True)
    featured = data.featurize(model.trunk, model.fingerprint(), tmp_path)
    with pytest.raises(MTLError, match=r"trains the backbone must have the images. Received: cached features for phase 0"):
        train(model, featured, replace(PHASE, freeze=()))
    assert not model.get_layer("backbone").trainable, "put back"
    epochs: list[int] = []
    seen = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    for trained in ({"freeze": ()}, {"train_from": "conv1"}):
        with pytest.raises(MTLError, match="Received: cached features for phase 1"):
            train(model, featured, PHASE, replace(PHASE, **trained), callbacks=[seen], cache_dir=tmp_path)
    assert not epochs, "before any work"
    other = _tiny.model(freeze=True)
    with pytest.raises(MTLError, match=r"the model's own trunk. Received: features of trunk [0-9a-f]+ for a model with trunk"):
        train(other, featured, PHASE)


def test_where_weights_can_do_nothing_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def said(model: MultiTaskModel, phase: Phase = PHASE) -> bool:
        from mtl_keras.training import _freezing, _train

        caplog.clear()
        with caplog.at_level("INFO", "mtl_keras"), _freezing.freezing(model, phase):
            _train._log_idle_weighting(model, phase)
        return any("each task trains alone" in record.message for record in caplog.records)

    assert said(_tiny.model(freeze=True, shared=()))
    assert said(_tiny.model(freeze=True), replace(PHASE, freeze=("backbone", "shared")))
    assert not said(_tiny.model(freeze=True))
    assert not said(_tiny.model(shared=()))
    assert not said(_tiny.model(freeze=True, shared=()), replace(PHASE, tasks=("kind",)))


@pytest.mark.parametrize("monitor", ["val_skill", "val_image_mse", "val_loss", "loss", "odd_accuracy"])
def test_the_direction_of_a_monitor_is_known(monitor: str) -> None:
    higher = {"val_skill": True, "odd_accuracy": True}.get(monitor, False)
    assert Phase(1, monitor=monitor).direction(_tiny.TASKS) == ("max" if higher else "min")
