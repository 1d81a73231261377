"""Stacked tasks: the graph, what is refused, and outputs that have not seen the labels of the rows they are of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import mtl_keras as mtl
from mtl_keras import distribute
from mtl_keras.backbones import Backbone
from mtl_keras.callbacks import assign_values, get_values
from mtl_keras.data import Data, from_arrays, stratified_folds
from mtl_keras.errors import MTLError
from mtl_keras.heads import Head
from mtl_keras.model import MultiTaskModel, Recipe, build_model
from mtl_keras.tasks import Binary, Classification, Reconstruction, Regression, Tasks
from mtl_keras.training import CompiledPhases, Phase, Run, train, train_compiled
from mtl_keras.training import _stacking as stacking
from tests import _tiny

#: The stacked one first: it is built after its source whatever the order.
TASKS = Tasks(Binary("odd"), Classification("kind", classes=3))
STACK = {"odd": "kind"}
IMAGES = _tiny.rows(6, 2)[0]


def model(tasks: Tasks = TASKS, seed: int = 0, **options: Any) -> MultiTaskModel:
    keras.utils.set_random_seed(seed)
    return _tiny.model(tasks, **{"shared": (), "freeze": True, "stack": STACK, **options})


def phases(**options: Any) -> tuple[Phase, Phase]:
    adam = {"epochs": 2, "batch_size": 12, "optimizer": keras.optimizers.Adam(0.05)}
    return Phase(**{**adam, "tasks": ("kind",)}), Phase(**{**adam, "tasks": ("odd",), "folds": 2, **options})


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> list[Data]:
    """The data of each phase that was given outputs, in order."""
    from mtl_keras.training import _train

    seen: list[Data] = []

    def spy(*args: Any, **kwargs: Any) -> Data:
        seen.append(stacking.add_out_of_fold_predictions(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(_train, "add_out_of_fold_predictions", spy)
    return seen


# The graph


def test_the_source_s_output_is_a_feature_through_which_no_gradient_flows() -> None:
    made = model()
    assert {name: [layer.name for layer in layers] for name, layers in made.head_layers.items()} == {
        "odd": ["odd_stack", "odd_dense_1", "odd"],
        "kind": ["kind"],
    }
    assert list(made.output) == ["odd", "kind"]
    assert made.get_layer("odd_dense_1").kernel.shape == (4 + 3, 3)
    joined = keras.Model(made.input, {"joined": made.get_layer("odd_stack").output, "kind": made.output["kind"]})(IMAGES)
    np.testing.assert_array_equal(joined["joined"][:, :4], made.trunk(IMAGES))
    np.testing.assert_array_equal(joined["joined"][:, 4:], joined["kind"])
    with tf.GradientTape() as tape:
        loss = keras.ops.sum(made(IMAGES)["odd"])
    kind, odd = made.get_layer("kind").kernel, made.get_layer("odd").kernel
    gradients = tape.gradient(loss, [kind.value, odd.value])
    assert gradients[0] is None
    assert np.abs(gradients[1]).max() > 0


def test_names_are_ours_and_the_same_every_time() -> None:
    assert [op.name for op in model().operations] == [op.name for op in model().operations]


def test_a_stack_stands_on_taps_and_the_shared_stack_too() -> None:
    backbone = _tiny.BACKBONE.replace(pooling=None)
    made = model(backbone=backbone, shared=Head(dense=(6,), pooling="avg"), heads={"odd": Head(dense=(5,), pooling="flatten")})
    assert made.get_layer("odd_dense_1").kernel.shape == (4 * 4 * 4 + 3, 5)
    assert [layer.name for layer in made.head_layers["odd"]] == ["odd_pool", "odd_stack", "odd_dense_1", "odd"]
    shared = model(shared=(6,))
    assert shared.get_layer("odd_dense_1").kernel.shape == (6 + 3, 3)
    assert [layer.name for layer in shared.layers_by_name("shared")] == ["shared_dense_1"]


def test_a_recipe_keeps_its_stack_and_a_twin_has_none() -> None:
    recipe = model().recipe
    assert recipe.stack == STACK
    assert Recipe.from_config(json.loads(json.dumps(recipe.config()))) == recipe
    old = {name: value for name, value in recipe.config().items() if name != "stack"}
    assert Recipe.from_config(old).stack == {}
    assert recipe.only("odd", "kind").stack == STACK
    baseline = recipe.only("odd")
    assert baseline.stack == {}
    assert build_model(baseline).get_layer("odd_dense_1").kernel.shape == (4, 3)


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ({"odd": "odd"}, "must not be circular. Received: odd on odd"),
        ({"odd": "kind", "kind": "odd"}, "must not be circular. Received: odd on kind on odd"),
        ({"fine": "odd", "odd": "coarse"}, "must not be circular. Received: odd on coarse on fine on odd"),
        ({"odd": "knid"}, "Unknown task in stack: received 'knid'. Did you mean 'kind'"),
        ({"od": "kind"}, "Unknown task in stack: received 'od'. Did you mean 'odd'"),
        ({"odd": "image"}, "Received: 'odd' on 'image', a Reconstruction"),
        ({"odd": "age"}, "Received: 'odd' on 'age', a Regression"),
        ({"coarse": "kind"}, "Received: 'coarse', derived from 'fine' and stacked on 'kind'"),
    ],
)
def test_what_cannot_be_stacked_is_refused(stack: dict[str, str], message: str) -> None:
    tasks = Tasks(
        *(Binary("odd"), Classification("kind", classes=3), Reconstruction("image"), Regression("age")),
        Classification("coarse", classes=2, derive_from="fine", mapping=(0, 1, 1)),
        Classification("fine", classes=3),
    )
    with pytest.raises(MTLError) as refused:
        Recipe(tasks, _tiny.BACKBONE, _tiny.SHAPE, stack=stack)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


# Splits


def test_folds_divide_the_rows_in_proportion() -> None:
    split = _tiny.data(50, tasks=TASKS).train
    parts = stratified_folds(split, 4, seed=3)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(50))
    assert sorted(map(len, parts)) == [12, 12, 13, 13]
    for part in parts:
        assert abs(split.y["odd"][part].mean() - split.y["odd"].mean()) < 0.1
    assert [part.tolist() for part in stratified_folds(split, 4, seed=3)] == [part.tolist() for part in parts]
    assert [part.tolist() for part in stratified_folds(split, 4, seed=4)] != [part.tolist() for part in parts]
    assert [len(part) for part in stratified_folds(split, 50, seed=0)] == [1] * 50


def test_a_split_carries_more_inputs_along() -> None:
    plain = _tiny.data(10, tasks=TASKS).train
    side = np.arange(30, dtype=np.float32).reshape(10, 3)
    split = replace(plain, side={"kind": side})
    np.testing.assert_array_equal(split.take(np.array([7, 2])).side["kind"], side[[7, 2]])
    assert split.only("odd").side["kind"] is side
    assert split.with_x(np.zeros((10, 4), np.float32)).side["kind"] is side
    rows = {bytes(image): row for image, row in zip(plain.x, side, strict=True)}
    for x, _, _ in split.batches(4, seed=1):
        assert sorted(x) == ["input", "kind"]
        for image, row in zip(x["input"].numpy(), x["kind"].numpy(), strict=True):
            np.testing.assert_array_equal(rows[bytes(image)], row)
    x, _, _ = next(iter(plain.batches(4)))
    assert x.shape == (4, *_tiny.SHAPE)
    with pytest.raises(MTLError, match=r"must have the same number of rows. Received: 10 and 9 for 'kind'"):
        replace(plain, side={"kind": side[:9]})


# Outputs of rows not trained on


@pytest.fixture(scope="module")
def bench() -> tuple[CompiledPhases, list[np.ndarray]]:
    """A model whose phases are traced once, and the values it starts each training with."""
    compiled = CompiledPhases(model())
    return compiled, get_values(compiled.model.variables)


def train_again(bench: tuple[CompiledPhases, list[np.ndarray]], shift: float = 0.0, **options: Any) -> Run:
    compiled, initial = bench
    assign_values([v + shift if v.dtype == np.float32 else v for v in initial], compiled.model.variables)
    return train_compiled(compiled, _tiny.data(24, tasks=TASKS), *phases(), cache_dir=False, **options)


def test_the_output_for_a_row_comes_from_a_model_that_was_trained_without_it(
    sides: list[Data], bench: tuple[CompiledPhases, list[np.ndarray]]
) -> None:
    data, made = _tiny.data(24, tasks=TASKS), bench[0].model
    train_again(bench, seed=5)
    (seen,) = sides
    own, for_validation = (np.asarray(made(rows.x)["kind"]) for rows in (data.train, data.validation))
    assert np.abs(seen.train.side["kind"] - own).max(axis=1).min() > 1e-4, "no training row gets the model's own output"
    np.testing.assert_allclose(seen.validation.side["kind"], for_validation, rtol=1e-4)
    np.testing.assert_allclose(seen.train.side["kind"].sum(axis=1), 1, rtol=1e-4)
    held_out = stratified_folds(data.train, 2, 5)[0]
    rest = replace(data, train=data.train.take(np.setdiff1d(np.arange(24), held_out)))
    assign_values(bench[1], made.variables)
    train_compiled(bench[0], rest, phases()[0], seed=5, cache_dir=False)
    np.testing.assert_allclose(seen.train.side["kind"][held_out], made(data.train.x[held_out])["kind"], rtol=1e-4)


def test_a_memorised_coin_tells_nothing_of_rows_that_were_held_out(tmp_path: Path) -> None:
    """The control: what the first model says of its own rows is their label, what it says of others is chance."""
    rng = np.random.default_rng(0)
    shape = (12, 12, 1)
    rows = [(255 * rng.integers(0, 2, (n, *shape), dtype=np.uint8), rng.permutation(np.arange(n) % 2)) for n in (100, 40)]
    tasks = Tasks(Binary("coin"), Binary("same", label="coin"))
    data = from_arrays(tasks, *((images, {"coin": coin.astype(float)}) for images, coin in rows))
    backbone = Backbone("SmallCNN", filters=(16,), strides=1, norm=None, pooling="flatten")
    keras.utils.set_random_seed(0)
    heads = {"coin": Head(dense=(64,))}
    made = build_model(tasks, backbone, image_shape=shape, freeze=True, heads=heads, stack={"same": "coin"})
    common: dict[str, Any] = {"batch_size": 25, "optimizer": keras.optimizers.Adam(0.01), "monitor": "loss"}
    first, second = Phase(12, tasks=("coin",), **common), Phase(1, tasks=("same",), folds=2, **common)
    run = train(made, data, first, second, cache_dir=tmp_path)
    assert mtl.evaluate(run.model, data, "train", cache_dir=tmp_path).value("coin", "accuracy") > 0.95
    # Five standard deviations of 100 throws are 0.25.
    assert abs(run.history[12]["coin_accuracy"] - 0.5) < 0.25


@pytest.mark.parametrize(
    ("freeze", "cached"), [(True, True), (True, False), (False, False)], ids=["features", "images", "trained"]
)
def test_the_log_is_that_of_the_delivered_model_and_the_source_does_not_move(
    freeze: bool, cached: bool, tmp_path: Path
) -> None:
    data, made = _tiny.data(tasks=TASKS), model(freeze=freeze, shared=(5,))
    first, second = phases(freeze=("backbone", "shared"), epochs=4, monitor="val_odd_loss")
    parts = [made.get_layer(name) for name in ("backbone", "shared_dense_1", "kind")]
    snapshots: list[list[np.ndarray]] = []

    class Snapshot(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            snapshots.append([weight for part in parts for weight in _tiny.weights(part)])

    cache_dir: Any = tmp_path if cached else False
    run = train(made, data, first, second, cache_dir=cache_dir, callbacks=[Snapshot()])
    assert len(snapshots) == 2
    for ours, theirs in zip([w for part in parts for w in _tiny.weights(part)], snapshots[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert made.get_layer("kind").trainable
    rows = [row for row in run.history if row["phase"] == 1]
    best = rows[run.best.epoch - 1]
    for network, row in ((run.model, best), (run.last_model, rows[-1])):
        outputs = network.predict(data.validation.x, verbose=0)
        for name, task in TASKS.items():
            loss = np.mean(task.row_loss(data.validation.y[name], outputs[name]))
            assert row[f"val_{name}_loss"] == pytest.approx(float(loss), rel=1e-4)
    assert mtl.evaluate(run.model, data, cache_dir=cache_dir).value("odd", "accuracy") == pytest.approx(
        best["val_odd_accuracy"]
    )
    if cached:
        assert len(mtl.data.cache.entries(tmp_path)) == 2, "the copies compute no features of their own"


def test_a_chain_of_three_holds_rows_out_of_each_link(sides: list[Data]) -> None:
    tasks = Tasks(Classification("kind", classes=3), Binary("odd"), Binary("even", label="odd"))
    made = model(tasks, stack={"odd": "kind", "even": "odd"})
    first, second = phases()
    chain = (replace(phase, epochs=1) for phase in (first, second, replace(second, tasks=("even",))))
    run = train(made, _tiny.data(24, tasks=tasks), *chain, cache_dir=False)
    # The second phase once for itself, and in each of the two copies for the third.
    assert [(sorted(seen.train.side), len(seen.train)) for seen in sides] == [
        (["kind"], 24),
        (["kind"], 12),
        (["kind"], 12),
        (["odd"], 24),
    ]
    assert run.history[-1]["phase"] == 2


def test_tasks_trained_together_need_no_folds(sides: list[Data]) -> None:
    train(model(), _tiny.data(24, tasks=TASKS), Phase(1, batch_size=12), cache_dir=False)
    assert sides == []


def test_two_replicas_train_as_one(bench: tuple[CompiledPhases, list[np.ndarray]]) -> None:
    one = train_again(bench).history
    with distribute.strategy("mirrored", ["CPU:0", "CPU:1"]).scope():
        made = model()
    two = train(made, _tiny.data(24, tasks=TASKS), *phases(), cache_dir=False).history
    for single, mirrored in zip(one, two, strict=True):
        assert mirrored == pytest.approx(single, rel=1e-3, abs=1e-5)


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Ends the process, as it were, at the end of the epoch with this number over all phases."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if not self.left:
            raise Killed
        self.left -= 1


@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_training_ends_as_an_undisturbed_one(
    after: int, tmp_path: Path, sides: list[Data], bench: tuple[CompiledPhases, list[np.ndarray]]
) -> None:
    whole = train_again(bench)
    best, history = _tiny.weights(whole.model), whole.history
    with whole.at_last_epoch() as at_last:
        last = _tiny.weights(at_last)
    with pytest.raises(Killed):
        train_again(bench, output_dir=tmp_path, callbacks=[Kill(after)])
    # Another process has drawn other initial weights.
    again = train_again(bench, shift=1.0, output_dir=tmp_path)
    assert again.history == history
    for ours, theirs in zip(_tiny.weights(again.model), best, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    count = len(sides)
    finished = train_again(bench, shift=2.0, output_dir=tmp_path)
    assert len(sides) == count, "what is finished is not computed again"
    assert finished.history == history
    for ours, theirs in zip(_tiny.weights(finished.last_model), last, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_delivered_model_holds_both(tmp_path: Path, bench: tuple[CompiledPhases, list[np.ndarray]]) -> None:
    made = train_again(bench).model
    made.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    assert loaded.recipe == made.recipe
    plain = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    for name, value in made(IMAGES).items():
        np.testing.assert_array_equal(loaded(IMAGES)[name], value)
        np.testing.assert_array_equal(plain(IMAGES)[name], value)


# What training refuses


@pytest.mark.parametrize(
    ("options", "order", "message"),
    [
        ({}, (1,), "phase 0, stacked on 'kind', which no phase before trains. Pass mtl.Phase(tasks=('kind',)) first"),
        ({}, (1, 0), "phase 0, stacked on 'kind', which no phase before trains"),
        ({"freeze": ()}, (0, 1), "stacked on 'kind', trains backbone, shared_dense_1. Pass freeze="),
        ({"freeze": ("backbone",)}, (0, 1), "stacked on 'kind', trains shared_dense_1"),
        ({"freeze": ("backbone", "shared"), "folds": 13}, (0, 1), "folds=13 for 12 rows. Pass folds=12"),
    ],
)
def test_phases_that_cannot_be_stacked_are_refused(options: dict[str, Any], order: tuple[int, ...], message: str) -> None:
    made, data = model(freeze=False, shared=(4,)), _tiny.data(12, tasks=TASKS)
    both = phases(**options)
    with pytest.raises(MTLError) as refused:
        mtl.training.check(made, data, [both[number] for number in order])
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert made.get_layer("kind").trainable, "put back"


def test_folds_are_checked() -> None:
    for folds in (1, 2.5, True):
        with pytest.raises(MTLError, match=rf"`folds` must be an integer in \[2, 1000000\]. Received: folds={folds}"):
            Phase(1, folds=folds)  # type: ignore[arg-type]
    assert Phase(1, folds=3).config()["folds"] == 3
