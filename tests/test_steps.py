"""What spans several steps, with heads that are idle in some: accumulated gradients, averages, loss scaling, steps per call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras.model import Decoder, Head, MultiTaskModel
from mtl_keras.tasks import Binary, Reconstruction, Tasks
from mtl_keras.training import Phase, Run, train
from tests import _tiny

TASKS = Tasks(Binary("odd"), Binary("dark"))
IMAGES, COLUMNS = _tiny.rows(8, 0)
FIRST, SECOND = slice(0, 4), slice(4, 8)
NONE = np.full(4, np.nan)
LABELS = np.array([0.0, 1.0, 0.0, 1.0])
DARK = (COLUMNS["kind"] == 0).astype(float)


def fresh(**options: Any) -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model(TASKS, shared=(), heads={}, freeze=True, **options)


def take_steps(model: MultiTaskModel, *odd: np.ndarray) -> None:
    """One step for each array of labels of `odd`, on the first four rows and the last four in turn; `dark` has all labels."""
    for number, labels in enumerate(odd):
        rows = (FIRST, SECOND)[number % 2]
        model.train_on_batch(IMAGES[rows], {"odd": labels, "dark": DARK[rows]})


def head(model: MultiTaskModel, name: str = "odd") -> tuple[np.ndarray, np.ndarray]:
    kernel, bias = model.get_layer(name).get_weights()
    return kernel, bias


def slots(model: MultiTaskModel, name: str = "odd") -> dict[str, np.ndarray]:
    return {v.path: np.array(v) for v in model.optimizer.variables if f"{name}_" in v.path}


def gradient(model: MultiTaskModel, rows: slice, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Of the mean cross-entropy of `odd` by kernel and bias, by hand."""
    kernel, bias = head(model)
    features = np.asarray(model.trunk.predict(IMAGES[rows], verbose=0), np.float64)
    error = 1 / (1 + np.exp(-(features @ kernel + bias))) - labels[:, None]
    return features.T @ error / len(labels), float(error.mean())


# Accumulated gradients


@pytest.mark.parametrize("labeled", [0, 1])
def test_an_update_is_that_of_the_mean_of_the_gradients_of_its_steps(labeled: int) -> None:
    """Whichever of two steps has the labels; in the other one the gradient is 0."""
    model = fresh()
    model.compile(keras.optimizers.SGD(1.0, gradient_accumulation_steps=2), run_eagerly=True)
    (kernel, bias), (by_kernel, by_bias) = head(model), gradient(model, (FIRST, SECOND)[labeled], LABELS)
    assert abs(by_bias) > 1e-3
    take_steps(model, *([LABELS, NONE] if labeled == 0 else [NONE, LABELS]))
    np.testing.assert_allclose(head(model)[0], kernel - by_kernel / 2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(head(model)[1], bias - by_bias / 2, rtol=1e-4)


def test_a_head_is_idle_if_no_step_of_an_update_has_a_label() -> None:
    model = fresh()
    model.compile(keras.optimizers.Adam(0.1, gradient_accumulation_steps=2), run_eagerly=True)
    take_steps(model, LABELS, NONE)
    before, slots_before = head(model), slots(model)
    dark = head(model, "dark")
    take_steps(model, NONE, NONE)
    assert not np.array_equal(head(model, "dark")[0], dark[0])
    for one, other in zip(head(model), before, strict=True):
        np.testing.assert_array_equal(one, other)
    for path, value in slots(model).items():
        np.testing.assert_array_equal(value, slots_before[path], err_msg=path)
    take_steps(model, NONE, LABELS)
    assert not np.array_equal(head(model)[0], before[0])


def test_moving_statistics_of_a_head_change_in_each_step_with_a_label() -> None:
    """Whichever step of an update it is, and whatever the others have."""

    def statistics(*labeled: bool) -> list[np.ndarray]:
        keras.utils.set_random_seed(3)
        decoder = Decoder(latent=4, filters=(4,), batch_norm=True)
        tasks, heads = Tasks(Binary("odd"), Reconstruction("image")), {"odd": Head(pooling="avg"), "image": decoder}
        model = _tiny.model(tasks, _tiny.BACKBONE.replace(pooling=None), shared=(), heads=heads, freeze=True)
        model.compile(keras.optimizers.SGD(0.0, gradient_accumulation_steps=2), run_eagerly=True)
        for each in labeled:
            weight = {"odd": np.ones(4), "image": np.full(4, float(each))}
            model.train_on_batch(IMAGES[FIRST], {"odd": LABELS}, weight)
        norms = [layer for layer in model.head_layers["image"] if isinstance(layer, keras.layers.BatchNormalization)]
        return [np.array(value) for layer in norms for value in (layer.moving_mean, layer.moving_variance)]

    (start, once, twice) = (statistics(), statistics(True), statistics(True, True))
    assert not np.allclose(start[0], once[0])
    assert not np.allclose(once[0], twice[0])
    cases = (
        *(((True, False), once), ((False, True), once), ((False, False), start)),
        *(((True, True, False, False), twice), ((True, False, False, True), twice)),
    )
    for labeled, expected in cases:
        for one, other in zip(statistics(*labeled), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, err_msg=str(labeled))


class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            raise KeyboardInterrupt


def test_an_update_that_an_interruption_divides_knows_its_labels(tmp_path: Path) -> None:
    """Three steps of an epoch and two of an update: the only label is in the last step of the first epoch."""
    data = _tiny.data(36, 8, tasks=_tiny.TASKS.only("kind", "odd"), absent={"train": {"odd": slice(1, None)}})

    def is_divided(seed: int) -> bool:
        labeled = [float(np.sum(weight["odd"])) for *_, weight in data.train.batches(12, seed=seed, epochs=2)]
        return labeled[2:4] == [1.0, 0.0]

    seed = next(filter(is_divided, range(100)))
    optimizer = keras.optimizers.Adam(0.1, gradient_accumulation_steps=2)
    phase = Phase(epochs=2, batch_size=12, optimizer=optimizer, monitor="loss")

    def run(**options: Any) -> Run:
        keras.utils.set_random_seed(3)
        model = _tiny.model(data.tasks, shared=(), heads={}, freeze=True)
        return train(model, data, phase, seed=seed, cache_dir=tmp_path / "cache", **options)

    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(output_dir=tmp_path / "run", callbacks=[Kill()])
    resumed = run(output_dir=tmp_path / "run")
    assert resumed.history == whole.history
    with whole.at_last_epoch() as one, resumed.at_last_epoch() as other:
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


# Averages


def test_the_average_of_a_head_starts_at_its_weights_and_rests_with_it() -> None:
    model = fresh()
    model.compile(keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.75), run_eagerly=True)
    start = head(model)[0]
    take_steps(model, NONE, LABELS)
    moved = head(model)[0]
    assert not np.array_equal(moved, start)
    take_steps(model, NONE)
    model.optimizer.finalize_variable_values(model.objective.variables)  # type: ignore[union-attr]
    np.testing.assert_allclose(head(model)[0], 0.75 * start + 0.25 * moved, rtol=1e-5)


def test_entries_of_idle_tasks_in_a_weighting_rest() -> None:
    """The variance of uncertainty weighting has an entry for each task, which momentum would move."""
    model = fresh()
    model.compile(keras.optimizers.Adam(0.1), weighting="uncertainty", run_eagerly=True)
    take_steps(model, LABELS)
    before = model.weighting_state["log_variance"]
    take_steps(model, NONE)
    after = model.weighting_state["log_variance"]
    assert after[0] == before[0] != 0
    assert after[1] != before[1]


# Loss scaling


def test_skipped_steps_have_no_part_in_the_log() -> None:
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=float("inf"))
    model = _tiny.model(TASKS, shared=(6,), heads={})
    model.compile(optimizer, weighting="mgda", run_eagerly=True)
    logs = model.fit(IMAGES, {"odd": np.tile(LABELS, 2), "dark": DARK}, batch_size=8, verbose=0).history
    assert [logs[f"loss_weight_{task}"] for task in TASKS] == [[0.0], [0.0]]


def test_a_skipped_step_is_no_part_of_an_update() -> None:
    """Its labels, whose gradient was not accumulated, do not make a head train."""
    inner = keras.optimizers.Adam(0.1, gradient_accumulation_steps=2)
    model = fresh()
    model.compile(keras.optimizers.LossScaleOptimizer(inner), run_eagerly=True)
    take_steps(model, LABELS, LABELS)
    before = head(model)
    scale = np.array(model.optimizer.dynamic_scale)
    take_steps(model, NONE)
    model.optimizer.dynamic_scale.assign(np.inf)
    take_steps(model, LABELS)
    model.optimizer.dynamic_scale.assign(scale)
    take_steps(model, NONE)
    assert int(inner.iterations) == 2
    for one, other in zip(head(model), before, strict=True):
        np.testing.assert_array_equal(one, other)
    take_steps(model, LABELS, NONE)
    assert not np.array_equal(head(model)[0], before[0])


# Steps per call


def test_traced_steps_and_several_per_call_train_as_eager_ones() -> None:
    """Two steps of an update: with labels in none, in the second, in the first and in both."""
    found = []
    labels = {"odd": np.array([np.nan, np.nan, np.nan, 1, 0, np.nan, 0, 1]), "dark": DARK}
    calls: tuple[dict[str, Any], ...] = ({"run_eagerly": True}, {"steps_per_execution": 1}, {"steps_per_execution": 4})
    for options in calls:
        model = fresh()
        inner = keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5, gradient_accumulation_steps=2)
        model.compile(keras.optimizers.LossScaleOptimizer(inner), weighting="uncertainty", **options)
        history = model.fit(IMAGES, labels, batch_size=1, epochs=2, shuffle=False, verbose=0).history
        found.append([*model.get_weights(), *model.weighting_state.values(), *map(np.array, history.values())])
    for values in zip(*found, strict=True):
        for other in values[1:]:
            np.testing.assert_allclose(other, values[0], rtol=1e-5, atol=1e-7)


def test_steps_that_xla_compiles_train_as_others() -> None:
    found = []
    labels = {"odd": np.concatenate([NONE, LABELS]), "dark": DARK}
    for compiled in (False, True):
        model = fresh()
        optimizer = keras.optimizers.Adam(0.1, gradient_accumulation_steps=2)
        model.compile(optimizer, weighting="uncertainty", jit_compile=compiled)
        history = model.fit(IMAGES, labels, batch_size=2, epochs=2, shuffle=False, verbose=0).history
        found.append([*model.get_weights(), *model.weighting_state.values(), *map(np.array, history.values())])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
