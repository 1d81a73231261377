"""A backbone that is trained from a block on: what lies in front of it is computed once, and training is as without a cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import mtl_keras as mtl
from mtl_keras.data import cache
from mtl_keras.errors import MTLError
from mtl_keras.model import Cut, MultiTaskModel
from tests._networks import truncated

SIDE = 16
TASKS = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Binary("odd"), mtl.Reconstruction("image"))
#: Backbone, its last layer, and where training begins. With pretrained weights, with an own preprocessing and pooling, with
#: residual blocks whose first layer is the one after an addition, and with batch normalization that is trained.
NETWORKS: dict[str, tuple[mtl.Backbone, str | None, str]] = {
    "EfficientNetLite0": (mtl.Backbone("EfficientNetLite0", image_size=32), "block3b_add", "block3a"),
    "EfficientNetLite0 after an addition": (mtl.Backbone("EfficientNetLite0", image_size=32), "block3b_add", "block3b"),
    "MobileNetV2": (
        mtl.Backbone("MobileNetV2", weights=None, image_size=32, alpha=0.35, batch_norm="inference"),
        "block_3_project_BN",
        "block_2",
    ),
    "ResNet50": (
        mtl.Backbone("ResNet50", weights=None, image_size=32, batch_norm="inference", pooling="max"),
        "conv2_block2_out",
        "conv2_block2_1",
    ),
    "SmallCNN": (mtl.Backbone("SmallCNN", filters=(4, 6, 6)), None, "conv2"),
    "SmallCNN, flattened": (mtl.Backbone("SmallCNN", filters=(4, 6), pooling="flatten"), None, "conv2"),
}


def columns(n: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, SIDE, SIDE, 3)).astype("uint8")
    kind = rng.integers(0, 3, n).astype(float)
    kind[::5] = np.nan
    return images, {"kind": kind, "odd": (images.mean((1, 2, 3)) > 127).astype(float)}


@pytest.fixture(scope="module")
def data() -> mtl.data.Data:
    return mtl.data.from_arrays(TASKS, columns(40, 0), columns(24, 1)).augment(("identity", "flip_lr"), mode="views")


@pytest.fixture(scope="module", params=NETWORKS)
def built(request: pytest.FixtureRequest) -> tuple[MultiTaskModel, str]:
    backbone, last, block = NETWORKS[request.param]
    keras.utils.set_random_seed(0)
    with truncated(backbone.name, last):
        model = mtl.build_model(TASKS, backbone, image_shape=(SIDE, SIDE, 3), shared=(8,), heads={"odd": mtl.Head(dense=(4,))})
    # Statistics that are not those of a new layer.
    rng = np.random.default_rng(0)
    for weight in model.get_layer("backbone").non_trainable_weights:
        if weight.path.endswith("moving_mean"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    return model, block


def trained(model: MultiTaskModel, data: mtl.data.Data, phases: Any, folder: Any, **options: Any) -> Any:
    """Train from the same weights as before, and return the run and the weights; the model is as before afterward."""
    before = model.get_weights()
    try:
        run = mtl.train(model, data, *phases, cache_dir=folder, verbose=0, **options)
        return run, [np.array(each) for each in model.get_weights()]
    finally:
        model.set_weights(before)


def entries(folder: Path) -> int:
    return sum(entry.complete for entry in cache.entries(folder))


class Shapes(keras.callbacks.Callback):
    """What the network that is trained takes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Any, ...]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen.append(tuple(self.model.objective.network.input.shape[1:]))


def test_training_behind_a_cut_is_training_without_a_cache(
    built: tuple[MultiTaskModel, str], data: mtl.data.Data, tmp_path: Path
) -> None:
    model, block = built
    phase = mtl.Phase(
        epochs=4,
        batch_size=8,
        train_from=block,
        optimizer=keras.optimizers.SGD(0.01),
        weighting={"image": 4.0, "kind": 1, "odd": 1},
    )
    before, shapes = [np.array(each) for each in model.get_weights()], Shapes()
    cached, own = trained(model, data, [phase], tmp_path, callbacks=[shapes])
    assert entries(tmp_path) == 2
    plain, expected = trained(model, data, [phase], False)
    # 20 steps.
    assert cached.history[0]["loss"] == pytest.approx(plain.history[0]["loss"], rel=1e-5)
    for one, other in zip(own, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    # What is in front of the block has not changed, and something behind it has.
    backbone = model.get_layer("backbone")
    start = next(number for number, layer in enumerate(backbone.layers) if layer.name.startswith(block))
    frozen = {id(weight) for layer in backbone.layers[:start] for weight in layer.weights}
    inner = {id(weight) for weight in backbone.weights}
    changed = {id(weight): not np.array_equal(*pair) for weight, *pair in zip(model.weights, before, own, strict=True)}
    assert not any(changed[each] for each in frozen)
    assert any(changed[each] for each in inner - frozen)
    assert shapes.seen == [model.before(Cut(block)).output_shape[1:]]
    # Evaluation goes the whole way from images.
    scores = mtl.evaluate(cached.model, data, cache_dir=False)
    assert np.isfinite(scores.skill)


def test_the_first_gradients_are_equal(built: tuple[MultiTaskModel, str], data: mtl.data.Data) -> None:
    model, block = built
    images = tf.cast(data.train.x[:8, 0], tf.float32)
    behind, whole = model.part(Cut(block)), model.part()
    entering = model.before(Cut(block))(images, training=False)
    variables = [each for each in behind.trainable_variables if not each.path.startswith("image_unit")]
    for layer in model.get_layer("backbone").layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    gradients = []
    for network, x in ((behind, entering), (whole, images)):
        with tf.GradientTape() as tape:
            outputs = network(x, training=True)
            loss = sum(tf.reduce_mean(tf.square(tf.reshape(each, [8, -1]) - 0.3)) for each in outputs.values())
        gradients.append(tape.gradient(loss, [each.value for each in variables]))
    model.recipe.backbone.fix_inference_mode(model.get_layer("backbone"))
    for one, other in zip(*gradients, strict=True):
        if one is None:
            assert other is None
        else:
            np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.fixture
def small() -> MultiTaskModel:
    keras.utils.set_random_seed(0)
    backbone = mtl.Backbone("SmallCNN", filters=(4, 6, 6), batch_norm="inference")
    return mtl.build_model(TASKS, backbone, image_shape=(SIDE, SIDE, 3), shared=(8,))


def test_gradual_unfreezing_has_one_entry_for_each_cut(small: MultiTaskModel, data: mtl.data.Data, tmp_path: Path) -> None:
    phases = [
        mtl.Phase(epochs=1, batch_size=8, freeze=("backbone",)),
        mtl.Phase(epochs=1, batch_size=8, train_from="conv3"),
        mtl.Phase(epochs=1, batch_size=8, train_from="conv3", tasks=("kind",)),
        mtl.Phase(epochs=1, batch_size=8, train_from="conv2"),
        mtl.Phase(epochs=1, batch_size=8, freeze=()),
    ]
    shapes = Shapes()
    run, own = trained(small, data, phases, tmp_path, callbacks=[shapes])
    assert [row["phase"] for row in run.history] == [0, 1, 2, 3, 4]
    assert shapes.seen[0] == (6,)
    assert shapes.seen[1] == shapes.seen[2] != shapes.seen[3]
    assert shapes.seen[4] == (SIDE, SIDE, 3)
    # Training and validation rows of three cuts.
    assert entries(tmp_path) == 6
    again, other = trained(small, data, phases, tmp_path)
    assert entries(tmp_path) == 6
    for one, two in zip(own, other, strict=True):
        np.testing.assert_array_equal(one, two)
    assert run.history == again.history
    _, expected = trained(small, data, phases, False)
    for one, two in zip(own, expected, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-3)


@pytest.mark.parametrize("cached", [True, False])
def test_parts_may_be_frozen_besides(cached: bool, small: MultiTaskModel, data: mtl.data.Data, tmp_path: Path) -> None:
    """`freeze` and `train_from` add up: neither the shared stack nor what is in front of the block changes."""
    before = [np.array(each) for each in small.get_weights()]
    phase = mtl.Phase(epochs=1, batch_size=8, train_from="conv2", freeze=("shared",))
    _, own = trained(small, data, [phase], tmp_path if cached else False)
    pairs = zip(small.weights, before, own, strict=True)
    changed = {weight.path.split("/")[0] for weight, *values in pairs if not np.array_equal(*values)}
    assert {"conv2", "conv3", "kind"} <= changed
    assert not changed & {"conv1", "conv1_bn", "shared_dense_1"}


def test_half_precision_takes_half_of_the_space(small: MultiTaskModel, data: mtl.data.Data, tmp_path: Path) -> None:
    sizes, losses = [], []
    for dtype in ("float32", "float16"):
        phase = mtl.Phase(epochs=1, batch_size=8, train_from="conv2", cache_dtype=dtype)
        run, _ = trained(small, data, [phase], tmp_path / dtype)
        losses.append(run.history[0]["loss"])
        sizes.append(
            [(tmp_path / dtype / entry.key / "rows.npy").stat().st_size - 128 for entry in cache.entries(tmp_path / dtype)]
        )
    assert [2 * each for each in sorted(sizes[1])] == sorted(sizes[0])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    # Numbers that half precision does not have do not become infinite.
    network = keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(1e6)])
    features = cache.features(network, np.array([[1.0, -1.0]], np.float32), {}, tmp_path, dtype="float16")
    assert features.tolist() == [[65504.0, -65504.0]]


class Stop(keras.callbacks.Callback):
    """Interrupts the second epoch of a phase."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            raise KeyboardInterrupt


def test_a_resumed_training_equals_an_uninterrupted_one(small: MultiTaskModel, data: mtl.data.Data, tmp_path: Path) -> None:
    phases = [mtl.Phase(epochs=1, batch_size=8), mtl.Phase(epochs=3, batch_size=8, train_from="conv3", optimizer="adamw")]
    whole, expected = trained(small, data, phases, tmp_path / "cache", output_dir=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(small, data, phases, tmp_path / "cache", output_dir=tmp_path / "run", callbacks=[Stop()])
    resumed, own = trained(small, data, phases, tmp_path / "cache", output_dir=tmp_path / "run")
    assert resumed.history == whole.history
    for one, two in zip(own, expected, strict=True):
        np.testing.assert_array_equal(one, two)
    restored = mtl.load_model(tmp_path / "run" / "model.keras")
    images = data.validation.x
    for name, outputs in mtl.prediction.predict(restored, images).items():
        small.set_weights(own)
        np.testing.assert_allclose(outputs, mtl.prediction.predict(small, images)[name], atol=1e-6)


def test_a_cut_that_several_tensors_cross_is_refused(data: mtl.data.Data, tmp_path: Path) -> None:
    with truncated("MobileNetV2", "block_3_project_BN"):
        backbone = mtl.Backbone("MobileNetV2", weights=None, image_size=32, alpha=0.35, batch_norm="inference")
        model = mtl.build_model(TASKS, backbone, image_shape=(SIDE, SIDE, 3))
    said = (
        r"One tensor must enter the block that training begins with\. Received: train_from='block_2_project', into which 2 "
        r"lead: block_1_project_BN to block_2_add, block_2_depthwise_relu to block_2_project\. Train from 'block_2_expand' or "
        r"'block_3_expand', or pass cache_dir=False\."
    )
    phase = mtl.Phase(epochs=1, train_from="block_2_project")
    with pytest.raises(MTLError, match=said):
        mtl.train(model, data, phase, cache_dir=tmp_path)
    assert not [*tmp_path.iterdir()]
    # Without a cache there is nothing to cut.
    mtl.train(model, data, phase, cache_dir=False, verbose=0)
    with pytest.raises(MTLError, match="Unknown layer or block to train from: received 'block_9'"):
        mtl.train(model, data, mtl.Phase(epochs=1, train_from="block_9"), cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"train_from": ""}, "`train_from` must be"),
        ({"train_from": 3}, "`train_from` must be"),
        ({"train_from": "conv2", "freeze": ("shared", "backbone")}, "A phase must either freeze the backbone or train it from"),
        ({"cache_dtype": "float16"}, "`cache_dtype` must be left out without `train_from`"),
        ({"train_from": "conv2", "cache_dtype": "int8"}, "cache_dtype"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(MTLError, match=said):
        mtl.Phase(epochs=1, **options)


def test_what_changes_in_each_epoch_is_not_cached(data: mtl.data.Data, tmp_path: Path) -> None:
    online = mtl.data.from_arrays(TASKS, columns(40, 0), columns(24, 1)).augment(("flip_lr",), mode="online")
    phase = mtl.Phase(epochs=1, batch_size=8, train_from="conv2")
    model = mtl.build_model(TASKS, "SmallCNN", image_shape=(SIDE, SIDE, 3))
    with pytest.raises(MTLError, match="online augmentation and phase 0, which trains it from 'conv2' on"):
        mtl.train(model, online, phase, cache_dir=tmp_path)
    # Dropout in front of the block that is not in inference mode.
    layers = [keras.layers.Conv2D(3, 3, name="one"), keras.layers.Dropout(0.5), keras.layers.Conv2D(3, 3, name="two")]
    own = mtl.Backbone(keras.Sequential([keras.Input((SIDE, SIDE, 3)), *layers, keras.layers.GlobalAveragePooling2D()]))
    random = mtl.build_model(TASKS.only("kind", "odd"), own, image_shape=(SIDE, SIDE, 3))
    mtl.train(random, data.only("kind", "odd"), mtl.Phase(epochs=1, train_from="two"), cache_dir=tmp_path, verbose=0)
    assert entries(tmp_path) == 0
    mtl.train(random, data.only("kind", "odd"), mtl.Phase(epochs=1, train_from="dropout"), cache_dir=tmp_path, verbose=0)
    assert entries(tmp_path) == 2


def test_a_phase_is_a_value() -> None:
    phase = mtl.Phase(epochs=1, train_from="block6a", cache_dtype="float16")
    assert {"train_from": "block6a", "cache_dtype": "float16"}.items() <= phase.config().items()
    assert "train_from" not in mtl.Phase(epochs=1).config()
    recipe = mtl.Recipe(TASKS, mtl.Backbone("SmallCNN"), (8, 8, 1), freeze=True)
    assert mtl.Plan(recipe, (mtl.Phase(epochs=1),)).stays_frozen
    assert not mtl.Plan(recipe, (mtl.Phase(epochs=1), mtl.Phase(epochs=1, train_from="conv2"))).stays_frozen


def where_to_begin(hp: Any, context: mtl.search.Context) -> mtl.Plan:
    """Search the place where training of the backbone begins."""
    place = hp.Choice("train_from", ["conv3", "conv2"])
    recipe = mtl.Recipe(context.tasks, context.settings.new_backbone(), context.image_shape)
    return mtl.Plan(recipe, (mtl.Phase(epochs=context.settings.epochs, batch_size=8, train_from=place),))


def test_a_search_varies_where_training_begins(data: mtl.data.Data, tmp_path: Path) -> None:
    options = {"filters": [4, 6, 6], "batch_norm": "inference"}
    settings = mtl.search.Settings(backbone_options=options, epochs=1, trials=2, tuner="grid", n_final_seeds=2, baselines=False)
    tasks = TASKS.only("kind", "odd")
    study = mtl.Study("made-up", "A study for tests.", tasks, "digits", (SIDE, SIDE, 3), where_to_begin, settings)
    rows = mtl.data.from_arrays(tasks, columns(40, 0), columns(24, 1), columns(24, 2))
    found = mtl.tune(study, data=rows, output_dir=tmp_path / "run", cache_dir=tmp_path / "cache")
    assert sorted(trial["hyperparameters"]["train_from"] for trial in found.trials) == ["conv2", "conv3"]
    assert len({entry.fingerprint["cut"] for entry in cache.entries(tmp_path / "cache")}) == 2
    images = rows.validation.x
    expected = mtl.prediction.predict(found.model, images)
    for name, outputs in mtl.prediction.predict(mtl.load_model(tmp_path / "run"), images).items():
        np.testing.assert_allclose(outputs, expected[name], atol=1e-6)
