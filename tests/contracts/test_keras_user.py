"""A Keras user: what `build_model` returns is saved, loaded, copied, cut, trained and monitored as any Keras model.

The models cover every kind of task, head and sharing method, and one backbone of each family.
"""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.backbones import Backbone
from mtl_keras.model import MultiTaskModel, Recipe
from mtl_keras.sharing import SHARINGS, DenseStack, Sharing
from mtl_keras.tables import Column
from mtl_keras.tasks import KINDS, Binary, Classification, MultiLabel, Ordinal, Reconstruction, Regression, Tasks
from tests import _pair, _tiny
from tests._fresh_process import all_are_collected, load_without_mtl_keras
from tests._networks import truncated

#: One task of each kind; a new kind adds one line.
KIND_TASKS = {
    "Classification": Classification("kind", classes=3, label_smoothing=0.1),
    "Binary": Binary("odd"),
    "MultiLabel": MultiLabel("tags", classes=3),
    "Ordinal": Ordinal("rank", classes=4),
    "Regression": Regression("size", location=40.0, scale=15.0),
    "Reconstruction": Reconstruction("image"),
}
#: One value of each sharing method; a new method adds one line.
SHARING_VALUES: dict[str, Sharing] = {"dense_stack": DenseStack((6, 5), dropout=0.2)}

SMALL = Backbone("SmallCNN", filters=(4, 5), dropout=0.1)
DERIVED = Tasks(
    Classification("coarse", classes=2, derive_from="kind", mapping=(0, 1, 1), derive="mixture"),
    Classification("kind", classes=3),
)


def every_kind() -> MultiTaskModel:
    """All kinds of task, a decoder, heads with and without layers of their own, on a feature map."""
    return mtl.build_model(
        Tasks(*KIND_TASKS.values()),
        SMALL.replace(pooling=None),
        image_shape=_tiny.SHAPE,
        shared=mtl.Head(dense=(6,), dropout=0.2, pooling="avg"),
        heads={
            "odd": mtl.Head(dense=(4, 3), dropout=0.1, activation="gelu"),
            "rank": mtl.Head(dense=(3,), pooling="max"),
            "image": mtl.Decoder(latent=3, filters=(4, 3), batch_norm=True, dropout=0.1),
        },
    )


def on_backbone(name: str, last: str | None = None, side: int = 32, **options: Any) -> MultiTaskModel:
    with truncated(name, last):
        backbone = Backbone(name, weights=None, batch_norm="inference", **options)
        return mtl.build_model(_pair.TASKS, backbone, image_shape=(side, side, 3))


#: A number that may be missing, and categories of few and of many codes.
COLUMNS = (
    Column("a", "number", 100, 50, missing=True),
    Column("b", "category", size=4),
    Column("c", "category", size=256),
)


def own_network() -> keras.Model:
    """Token ids."""
    own = keras.layers
    return keras.Sequential(
        [keras.Input((4,), dtype="int32"), own.Embedding(256, 3, name="first"), own.Flatten(), own.Dense(5, name="second")]
    )


CASES: dict[str, Callable[[], MultiTaskModel]] = {
    "every kind of task": every_kind,
    "derived": lambda: _tiny.model(DERIVED, SMALL),
    "stacked": lambda: _tiny.model(_pair.TASKS, SMALL, stack={"odd": "kind"}),
    "partly frozen": lambda: _tiny.model(
        _pair.TASKS, SMALL.replace(image_size=12, interpolation="bilinear"), freeze="conv2", shared=()
    ),
    "single task": lambda: _tiny.model(_pair.TASKS.only("odd"), SMALL, freeze=True),
    "batch norm groups": lambda: _tiny.model(_pair.TASKS, SMALL, batch_norm_groups=(("kind",), ("odd",))),
    "keras.applications": lambda: on_backbone("MobileNetV3Small", "expanded_conv_1_project_bn"),
    "CifarEfficientNetB0": lambda: on_backbone("CifarEfficientNetB0", "block1a_add"),
    "EfficientNetLite0": lambda: on_backbone("EfficientNetLite0", "block1a_project_bn", image_size=40),
    "MLP": lambda: mtl.build_model(
        _pair.TASKS,
        Backbone("MLP", columns=COLUMNS, width=6, norm="batch", residual=True, dropout=0.1),
        image_shape=(3,),
        shared=(4,),
    ),
    "own network": lambda: mtl.build_model(_pair.TASKS, Backbone(own_network()), image_shape=(4,), freeze="second"),
    **{
        f"shared by {name}": lambda value=value: _tiny.model(_pair.TASKS, SMALL, shared=value)  # type: ignore[misc]
        for name, value in SHARING_VALUES.items()
    },
}
#: A layer of the backbone and its units, of cases without convolutions.
FIRST = {"MLP": ("dense1", 6), "own network": ("second", 5)}
#: Cases with layers that are not built into Keras.
CUSTOM = {"batch norm groups"}
#: Cases that differ in the backbone only, and are slow to copy.
BACKBONES = {"keras.applications", "CifarEfficientNetB0", "EfficientNetLite0"}


def test_every_kind_and_sharing_method_has_a_case() -> None:
    assert set(KIND_TASKS) == set(KINDS)
    assert set(SHARING_VALUES) == set(SHARINGS)


@dataclass
class Built:
    """A model of which no weight has its initial value, images for it, and its outputs."""

    name: str
    model: MultiTaskModel
    images: np.ndarray
    outputs: dict[str, np.ndarray]


@pytest.fixture(scope="module", params=CASES)
def built(request: pytest.FixtureRequest) -> Built:
    return build(request.param)


@pytest.fixture(scope="module", params=[name for name in CASES if name not in BACKBONES])
def small(request: pytest.FixtureRequest) -> Built:
    return build(request.param)


def build(case: str) -> Built:
    keras.utils.set_random_seed(0)
    model = CASES[case]()
    rng = np.random.default_rng(1)
    model.set_weights([weight + rng.uniform(0.05, 0.3, weight.shape) for weight in model.get_weights()])
    first = next(iter(model.recipe.tasks))
    model.class_names = {first: ("one", "two", "three")}
    images = rng.integers(0, 256, (3, *model.input_shape[1:])).astype(np.uint8)
    return Built(case, model, images, predict(model, images))


def predict(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    # Called, not `predict`: tracing each of the many copies would take most of the time.
    return {name: np.asarray(output) for name, output in model(images).items()}


def assert_same(model: keras.Model, built: Built) -> None:
    outputs = predict(model, built.images)
    assert set(outputs) == set(built.outputs)
    for name, output in outputs.items():
        np.testing.assert_array_equal(output, built.outputs[name])
    weights = zip(model.get_weights(), built.model.get_weights(), strict=True)
    assert all(np.array_equal(ours, theirs) for ours, theirs in weights)


def assert_restored(model: keras.Model, built: Built) -> None:
    """The multi-task model itself, not only its network."""
    assert isinstance(model, MultiTaskModel)
    assert_same(model, built)
    assert model.recipe == built.model.recipe
    assert model.class_names == built.model.class_names
    assert {task: names(layers) for task, layers in model.head_layers.items()} == {
        task: names(layers) for task, layers in built.model.head_layers.items()
    }
    assert names(model.layers_by_name("shared")) == names(built.model.layers_by_name("shared"))
    assert model.frozen_trunk == built.model.frozen_trunk
    assert model.features.shape == built.model.features.shape
    assert [variable.name for variable in model.trainable_variables] == [
        variable.name for variable in built.model.trainable_variables
    ]


def names(layers: list[Any]) -> list[str]:
    return [layer.name for layer in layers]


# Files


CHECK = """
assert all(type(layer).__module__.startswith("keras.") for layer in model._flatten_layers())
for name, output in model(data["images"]).items():
    np.testing.assert_allclose(output, data[f"output_{name}"], rtol=1e-5, atol=1e-6)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of all cases that load without mtl_keras."""
    return tmp_path_factory.mktemp("plain")


def test_it_is_saved_and_loaded(built: Built, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = (tmp_path if built.name in CUSTOM else folder) / f"{built.name}.keras"
    built.model.save(file)
    arrays: dict[str, Any] = {f"output_{name}": value for name, value in built.outputs.items()}
    np.savez(file.with_suffix(".npz"), images=built.images, **arrays)
    assert_restored(mtl.load_model(file), built)
    plain = keras.models.load_model(file, safe_mode=True)
    assert type(plain).__module__.startswith("keras.")
    assert_same(plain, built)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * (built.name in CUSTOM)
    assert ("import mtl_keras.normalization" in caplog.text) == (built.name in CUSTOM)


def test_the_plain_file_loads_in_a_process_without_mtl_keras(folder: Path, request: pytest.FixtureRequest) -> None:
    # One process for all cases, since importing TensorFlow takes seconds.
    if not all_are_collected(request.session, test_it_is_saved_and_loaded, CASES):
        pytest.skip("needs test_it_is_saved_and_loaded of every case")
    assert load_without_mtl_keras(folder, CHECK) == sorted(set(CASES) - CUSTOM)


def test_keras_saves_and_loads_the_class_itself(built: Built, tmp_path: Path) -> None:
    keras.saving.save_model(built.model, tmp_path / "model.keras")
    assert_restored(keras.models.load_model(tmp_path / "model.keras"), built)


def test_a_deep_copy_is_a_model_of_its_own(small: Built) -> None:
    copied = copy.deepcopy(small.model)
    assert_restored(copied, small)
    assert not {id(variable) for variable in copied.variables} & {id(variable) for variable in small.model.variables}


def test_a_clone_is_a_plain_network(small: Built) -> None:
    clone = keras.models.clone_model(small.model)
    assert type(clone).__module__.startswith("keras.")
    clone.set_weights(small.model.get_weights())
    assert_same(clone, small)


def test_weights_go_out_and_in(small: Built, tmp_path: Path) -> None:
    small.model.save_weights(tmp_path / "model.weights.h5")
    fresh = keras.models.clone_model(small.model)
    other = MultiTaskModel.from_plain(fresh, small.model.metadata())
    other.load_weights(tmp_path / "model.weights.h5")
    assert_restored(other, small)


# The graph


def test_layers_are_found_by_name_and_give_submodels(small: Built) -> None:
    model = small.model
    tasks = list(model.recipe.tasks)
    for name in tasks:
        submodel = keras.Model(model.input, model.get_layer(name).output)
        np.testing.assert_array_equal(submodel(small.images), small.outputs[name])
    if small.name in CUSTOM:
        return  # Its features depend on the task.
    backbone = model.get_layer("backbone")
    name, size = FIRST.get(small.name, ("conv1", 4))
    network = keras.Model(backbone.input, backbone.get_layer(name).output)
    assert network.output_shape[-1] == size
    heads = keras.Model(model.features, model.output)
    for name, output in heads(model.trunk(small.images)).items():
        np.testing.assert_allclose(output, small.outputs[name], rtol=1e-5, atol=1e-6)


def test_the_summary_shows_layers_and_parameters(small: Built) -> None:
    lines: list[str] = []
    small.model.summary(print_fn=lines.append, expand_nested=True)
    text = "\n".join(lines)
    assert all(name in text for name in ("backbone", *small.model.recipe.tasks))
    assert f"{small.model.count_params():,}" in text
    assert small.model.count_params() == sum(int(np.prod(weight.shape)) for weight in small.model.get_weights())


# Training


def targets(n: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Images and the labels of `_tiny.TASKS`, as `fit` takes them."""
    images, columns = _tiny.rows(n, seed)
    return images, {**columns, "image": (images / 255).astype(np.float32)}


def test_weights_are_the_same_before_and_after_compile(tmp_path: Path) -> None:
    model = _tiny.model()
    before = model.get_weights(), model.count_params()
    model.save_weights(tmp_path / "before.weights.h5")
    model.compile("adam", weighting="uncertainty")
    assert model.count_params() == before[1]
    for ours, theirs in zip(model.get_weights(), before[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    model.save_weights(tmp_path / "after.weights.h5")
    # As in plain Keras, only the optimizer differs: it has variables once it is built.
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
        model.load_weights(tmp_path / "before.weights.h5")
    _tiny.model().load_weights(tmp_path / "after.weights.h5")


def test_it_is_compiled_fitted_evaluated_and_copied(tmp_path: Path) -> None:
    model = _tiny.model(_pair.TASKS)
    images, labels = _tiny.rows(16, 0)
    # Its variables are trained, and so are part of the optimizer.
    model.compile(keras.optimizers.Adam(0.01), weighting="uncertainty")
    history = model.fit(images, labels, epochs=3, batch_size=8, shuffle=False, verbose=0).history
    assert {"loss", "kind_loss", "odd_loss", "kind_accuracy", "odd_accuracy"} <= set(history)
    assert history["loss"][-1] < history["loss"][0]
    scores = model.evaluate(images, labels, batch_size=8, verbose=0, return_dict=True)
    copied = copy.deepcopy(model)
    assert copied.compiled
    assert state(copied) == state(model)
    assert state(model)["log_variance"] != [0.0, 0.0]
    # Both continue alike: optimizer and weighting are part of the copy.
    both = [m.fit(images, labels, epochs=1, batch_size=8, shuffle=False, verbose=0).history["loss"] for m in (model, copied)]
    assert both[0] == pytest.approx(both[1], rel=1e-5)
    assert model.evaluate(images, labels, batch_size=8, verbose=0, return_dict=True)["loss"] < scores["loss"]
    model.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    assert not loaded.compiled
    assert state(loaded) == state(model)
    clone = keras.models.clone_model(model)
    assert type(clone).__module__.startswith("keras.")


def state(model: MultiTaskModel) -> dict[str, Any]:
    return {name: value.tolist() for name, value in model.weighting_state.items()}


def test_losses_alone_are_plain_keras() -> None:
    model = _tiny.model(_pair.TASKS)
    losses = {"kind": "sparse_categorical_crossentropy", "odd": "binary_crossentropy"}
    model.compile("adam", loss=losses, metrics={"kind": "accuracy"}, jit_compile=False)
    history = model.fit(*_tiny.rows(16, 0), epochs=1, batch_size=8, verbose=0).history
    assert {"loss", "kind_loss", "kind_accuracy"} <= set(history)
    clone = keras.models.clone_model(model)
    assert clone.compiled


# Callbacks


@dataclass
class Watched:
    """A training with every callback, and what the last of them saw."""

    how: str
    model: MultiTaskModel
    folder: Path
    epochs: list[dict[str, Any]] = field(default_factory=list)
    weights: list[list[np.ndarray]] = field(default_factory=list)
    models: list[Any] = field(default_factory=list)


#: Trained by `fit`, by `train`, and by `train` over cached features of a frozen trunk.
@pytest.fixture(scope="module", params=["fit", "train", "features"])
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("callbacks")
    result = Watched(request.param, _tiny.model(freeze=request.param == "features"), folder)
    monitor = "val_loss" if request.param == "fit" else "val_skill"

    def on_epoch_end(epoch: int, logs: dict[str, Any]) -> None:
        result.epochs.append({**logs})
        result.weights.append(_tiny.weights(result.model))
        result.models.append(watcher.model)

    watcher = keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)
    callbacks = [
        keras.callbacks.ModelCheckpoint(folder / "{epoch}.keras"),
        keras.callbacks.ModelCheckpoint(folder / "{epoch}.weights.h5", save_weights_only=True),
        keras.callbacks.ModelCheckpoint(folder / "best.keras", monitor=monitor, save_best_only=True),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.01 / (epoch + 1)),
        keras.callbacks.ReduceLROnPlateau(monitor=monitor, patience=100),
        keras.callbacks.EarlyStopping(monitor=monitor, patience=100),
        keras.callbacks.CSVLogger(folder / "log.csv"),
        keras.callbacks.TensorBoard(folder / "tensorboard"),
        keras.callbacks.TerminateOnNaN(),
        watcher,
    ]
    if request.param == "fit":
        result.model.compile(keras.optimizers.Adam(0.01))
        result.model.fit(*targets(16, 0), validation_data=targets(8, 1), epochs=3, batch_size=8, verbose=0, callbacks=callbacks)
    else:
        phase = mtl.Phase(epochs=3, batch_size=8, optimizer=keras.optimizers.Adam(0.01))
        cache: Any = folder / "cache" if request.param == "features" else False
        mtl.train(result.model, _tiny.data(16, 8), phase, callbacks=callbacks, cache_dir=cache)
    return result


def test_callbacks_see_the_users_model(watched: Watched) -> None:
    assert len(watched.models) == 3
    assert all(model is watched.model for model in watched.models)


def test_whole_checkpoints_are_models(watched: Watched) -> None:
    images = _tiny.rows(4, 2)[0]
    for epoch, weights in enumerate(watched.weights, start=1):
        loaded = mtl.load_model(watched.folder / f"{epoch}.keras")
        assert loaded.recipe == watched.model.recipe
        for ours, theirs in zip(_tiny.weights(loaded), weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    plain = keras.models.load_model(watched.folder / "3.keras", safe_mode=True)
    for name, output in predict(plain, images).items():
        np.testing.assert_array_equal(output, predict(loaded, images)[name])


def test_weight_checkpoints_fit_the_users_model(watched: Watched) -> None:
    fresh = _tiny.model()
    for epoch, weights in enumerate(watched.weights, start=1):
        fresh.load_weights(watched.folder / f"{epoch}.weights.h5")
        for ours, theirs in zip(_tiny.weights(fresh), weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_best_checkpoint_is_that_of_the_best_epoch(watched: Watched) -> None:
    if watched.how == "fit":
        best = min(range(3), key=lambda epoch: watched.epochs[epoch]["val_loss"])
    else:
        best = max(range(3), key=lambda epoch: watched.epochs[epoch]["val_skill"])
    loaded = mtl.load_model(watched.folder / "best.keras")
    for ours, theirs in zip(_tiny.weights(loaded), watched.weights[best], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_learning_rates_and_logs(watched: Watched) -> None:
    rates = [float(epoch["learning_rate"]) for epoch in watched.epochs]
    assert rates == pytest.approx([0.01, 0.005, 0.01 / 3])
    with (watched.folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == pytest.approx([epoch["loss"] for epoch in watched.epochs])
    assert {"kind_accuracy", "val_image_mse"} <= set(rows[0])
    assert list((watched.folder / "tensorboard").rglob("events.out.tfevents.*"))


def test_early_stopping_and_plateaus_know_the_direction_of_a_metric() -> None:
    """`mode="auto"` is filled in for the monitors of this package; Keras knows only its own metrics."""
    model = _tiny.model(_pair.TASKS, freeze=True)
    stopping = keras.callbacks.EarlyStopping(monitor="val_kind_accuracy", patience=1, min_delta=2.0)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="val_skill", patience=1, min_delta=2.0, factor=0.1)
    rates: list[float] = []
    watcher = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(float(logs["learning_rate"])))
    phase = mtl.Phase(epochs=4, batch_size=8)
    data = _tiny.data(16, 8, tasks=_pair.TASKS)
    run = mtl.train(model, data, phase, callbacks=[stopping, plateau, watcher], cache_dir=False)
    # No metric improves by 2: both act after the second epoch.
    assert len(run.history) == 2
    assert rates == pytest.approx([1e-3, 1e-3])


def test_a_loss_that_is_not_finite_ends_fit() -> None:
    model = _tiny.model(_pair.TASKS.only("odd"))
    model.compile(keras.optimizers.SGD(1e30))
    images, labels = _tiny.rows(16, 0)
    callbacks = [keras.callbacks.TerminateOnNaN()]
    history = model.fit(images, {"odd": labels["odd"]}, epochs=5, batch_size=8, verbose=0, callbacks=callbacks)
    assert len(history.epoch) < 5


def test_metadata_is_json(small: Built) -> None:
    metadata = json.loads(json.dumps(small.model.metadata()))
    assert Recipe.from_config(metadata["recipe"]) == small.model.recipe
