"""Domain-specific batch normalization: moving statistics for each data set that is alternated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras import distribute
from mtl_keras.errors import MTLError
from mtl_keras.model import MultiTaskModel
from mtl_keras.normalization import DomainBatchNormalization
from mtl_keras.training import CompiledPhases, Phase, train, train_compiled
from tests import _pair, _tiny

TRAINED = mtl.Backbone("SmallCNN", filters=(4, 4), batch_norm="train")
GROUPS = (("kind",), ("odd",))
PHASE = Phase(epochs=3, batch_size=8, optimizer=keras.optimizers.Adam(0.02))
#: Changes no weight, so that the inputs of every layer are known.
STILL = Phase(epochs=1, batch_size=8, optimizer=keras.optimizers.SGD(1e-30))


def fresh(groups: Any = GROUPS, backbone: mtl.Backbone = TRAINED, **options: Any) -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model(_pair.TASKS, backbone, batch_norm_groups=groups, **options)


def norms(model: keras.Model) -> list[Any]:
    found = []
    for layer in model.layers:
        found += norms(layer) if isinstance(layer, keras.Model) else [layer]
    return [layer for layer in found if isinstance(layer, keras.layers.BatchNormalization)]


def moving(model: keras.Model) -> list[np.ndarray]:
    return [np.array(value) for layer in norms(model) for value in (layer.moving_mean, layer.moving_variance)]


class Steps(keras.callbacks.Callback):
    """Records the moving statistics after each step."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.network = model
        self.seen: list[list[np.ndarray]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen.append(moving(self.network))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(moving(self.network))


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_step_updates_the_statistics_of_its_domain_alone(replicas: int) -> None:
    data = _pair.both(seed=1)
    strategy = distribute.strategy("none") if replicas == 1 else distribute.strategy("mirrored", ["CPU:0", "CPU:1"])
    with strategy.scope():
        model = fresh()
    steps = Steps(model)
    train(model, data, PHASE, seed=4, callbacks=[steps])
    names = [name for name, _ in _pair.rows_of(data, seed=4, epochs=3)]
    assert set(names) == {"long", "short"}
    assert all(array.shape == (2, 4) for array in steps.seen[0])
    for step, name in enumerate(names):
        own, other = (0, 1) if name == "long" else (1, 0)
        for before, after in zip(steps.seen[step], steps.seen[step + 1], strict=True):
            assert after[other].tobytes() == before[other].tobytes()
            assert (after[own] != before[own]).any()


@pytest.mark.parametrize("replicas", [1, 2])
def test_statistics_of_an_idle_head_are_restored(replicas: int) -> None:
    """A decoder's own normalization belongs to its task, with or without groups."""
    pictures = mtl.data.from_arrays(mtl.Tasks(mtl.Reconstruction("picture")), (_tiny.rows(12, 2)[0], {}), name="pictures")
    data = mtl.data.alternate(_pair.long(), pictures, sampling="round_robin")
    decoder = mtl.Decoder(latent=4, filters=(4, 4), batch_norm=True)
    strategy = distribute.strategy("none") if replicas == 1 else distribute.strategy("mirrored", ["CPU:0", "CPU:1"])
    with strategy.scope():
        keras.utils.set_random_seed(3)
        backbone = mtl.Backbone("SmallCNN", filters=(4,), pooling=None, batch_norm="train")
        heads = {"kind": mtl.Head(pooling="avg"), "picture": decoder}
        model = _tiny.model(data.tasks, backbone, shared=(), heads=heads)
    seen: list[list[bytes]] = []

    class Own(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append([np.array(weight).tobytes() for layer in model.head_layers["picture"] for weight in layer.weights])

    train(model, data, Phase(epochs=1, batch_size=8), seed=4, callbacks=[Own()])
    drawn = [bool(np.array(weight["picture"]).any()) for _, _, weight in data.train.batches(8, seed=4, epochs=1)]
    assert {*drawn} == {True, False}
    for moved, before, after in zip(drawn[1:], seen, seen[1:], strict=False):
        assert [one != other for one, other in zip(before, after, strict=True)] == [moved] * len(after)


def test_statistics_equal_those_of_a_network_that_saw_one_domain() -> None:
    data = _pair.both(seed=1)
    model = fresh()
    train(model, data, STILL, seed=4)
    for number, name in enumerate(("long", "short")):
        plain = fresh(())
        for x, _, weight in data.train.batches(8, seed=4, epochs=1):
            if np.array(weight["kind" if name == "long" else "odd"]).any():
                plain(np.array(x), training=True)
        for own, theirs in zip(moving(model), moving(plain), strict=True):
            np.testing.assert_allclose(own[number], theirs, rtol=1e-5, atol=1e-6)


def test_each_head_uses_the_statistics_of_its_domain() -> None:
    model = fresh()
    train(model, _pair.both(), PHASE, seed=4)
    images = _pair.both().validation.x
    answers = model.predict(images, verbose=0)
    assert any((array[0] != array[1]).any() for array in moving(model))
    for number, task in enumerate(("kind", "odd")):
        plain = fresh(())
        for ours, theirs in zip(_leaves(model), _leaves(plain), strict=True):
            values = [np.array(weight) for weight in ours.weights]
            if isinstance(ours, DomainBatchNormalization):
                values = [value[number] if value.ndim == 2 else value for value in values]
            theirs.set_weights(values)
        np.testing.assert_allclose(answers[task], plain.predict(images, verbose=0)[task], rtol=1e-5, atol=1e-6)


def _leaves(model: keras.Model) -> list[keras.layers.Layer]:
    found = []
    for layer in model.layers:
        found += _leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return [layer for layer in found if layer.weights]


def test_it_helps_if_data_sets_look_different() -> None:
    """One data set is dark and the other bright: common statistics fit neither."""
    rng = np.random.default_rng(0)

    def photos(name: str, level: int) -> mtl.data.Data:
        label = np.arange(160) % 2
        images = level + rng.integers(0, 40, (160, 8, 8, 1))
        images[label == 1, :, :4] += 60
        return mtl.data.from_arrays(mtl.Tasks(mtl.Binary(name)), (images.astype("uint8"), {name: label}), name=f"{name}s")

    data = mtl.data.alternate(photos("dark", 10), photos("bright", 150), sampling="round_robin")
    phase = Phase(epochs=6, batch_size=16, optimizer=keras.optimizers.Adam(0.01), monitor="loss")
    reached = []
    for groups in ((), data.task_groups):
        keras.utils.set_random_seed(0)
        model = mtl.build_model(data.tasks, TRAINED, image_shape=(8, 8, 1), batch_norm_groups=groups)
        with train(model, data, phase, seed=0).at_last_epoch() as last:
            reached.append(mtl.evaluate(last, data, cache_dir=False).skill)
    assert reached[1] > 0.9 > 0.5 > reached[0]


def test_a_model_is_saved_and_loaded(tmp_path: Path) -> None:
    model = fresh()
    train(model, _pair.both(), STILL, seed=4)
    model.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    assert loaded.recipe.batch_norm_groups == GROUPS
    again = keras.saving.load_model(tmp_path / "model.keras")
    images = _pair.both().validation.x
    for name, value in model.predict(images, verbose=0).items():
        np.testing.assert_array_equal(loaded.predict(images, verbose=0)[name], value)
        np.testing.assert_array_equal(again.predict(images, verbose=0)[name], value)
    assert loaded.recipe == model.recipe == mtl.Recipe.from_config(model.recipe.config())


class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


def test_a_killed_training_is_resumed(tmp_path: Path) -> None:
    whole = train(fresh(), _pair.both(), PHASE, seed=4)
    with pytest.raises(KeyboardInterrupt):
        train(fresh(), _pair.both(), PHASE, seed=4, output_dir=tmp_path, callbacks=[Kill()])
    again = train(fresh(), _pair.both(), PHASE, seed=4, output_dir=tmp_path)
    assert again.history == whole.history
    for one, other in ((whole.model, again.model), (whole.last_model, again.last_model)):
        for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_network_is_reused_for_another_training() -> None:
    model = fresh()
    compiled = CompiledPhases(model)
    begun = model.get_weights()
    first = train_compiled(compiled, _pair.both(), PHASE, seed=4).history
    ends = model.get_weights()
    model.set_weights(begun)
    assert train_compiled(compiled, _pair.both(), PHASE, seed=4).history == first
    for one, other in zip(ends, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_baseline_and_a_single_group_have_ordinary_batch_normalization() -> None:
    recipe = fresh().recipe
    assert recipe.only("kind").statistics == ()
    assert fresh((("kind", "odd"),)).recipe.batch_norm_groups == ()
    plain = fresh(())
    assert "batch_norm_groups" not in plain.recipe.config()
    assert not any(isinstance(layer, DomainBatchNormalization) for layer in norms(plain))
    assert _pair.both().task_groups == GROUPS
    assert _pair.long().task_groups == ()


@pytest.mark.parametrize("name", ["CifarEfficientNetB0", "MobileNet", "DenseNet121"])
def test_it_works_with_every_backbone_that_has_batch_normalization(name: str, tmp_path: Path) -> None:
    backbone, size = mtl.Backbone(name, weights=None), 32
    keras.utils.set_random_seed(0)
    plain = mtl.build_model(_pair.TASKS, backbone, image_shape=(size, size, 3))
    keras.utils.set_random_seed(0)
    own = mtl.build_model(_pair.TASKS, backbone, image_shape=(size, size, 3), batch_norm_groups=GROUPS)
    images = np.random.default_rng(0).integers(0, 255, (2, size, size, 3)).astype("uint8")
    own.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    for task, value in plain(images).items():
        # Before training all statistics are equal.
        np.testing.assert_allclose(own(images)[task], value, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(loaded(images)[task], own(images)[task])


@pytest.mark.parametrize(
    ("groups", "options", "line"),
    [
        ((("kind",), ("od",)), {}, "Did you mean 'odd'"),
        ((("kind",),), {}, r"`batch_norm_groups` must hold each task in exactly one group. Received: \[\['kind'\]\]"),
        ((("kind", "odd"), ("odd",)), {}, "each task in exactly one group"),
        ((("kind", "odd"), ()), {}, "each task in exactly one group"),
        (GROUPS, {"stack": {"odd": "kind"}}, "Received: 'odd', which takes that of 'kind'"),
        (GROUPS, {"backbone": _tiny.BACKBONE}, "with trained batch normalization. Received: batch_norm='inference'"),
        (GROUPS, {"freeze": True}, "with trained batch normalization. Received: freeze=True"),
        (GROUPS, {"backbone": mtl.Backbone("SmallCNN", filters=(4,), norm=None)}, "without any"),
    ],
)
def test_groups_that_do_not_fit_are_refused(groups: Any, options: dict[str, Any], line: str) -> None:
    with pytest.raises(MTLError, match=line):
        fresh(groups, **options)


def test_it_must_be_trained_on_alternated_data() -> None:
    rows, labels = _tiny.rows(20, 0)
    data = mtl.data.from_arrays(_pair.TASKS, (rows, labels))
    with pytest.raises(MTLError, match="Received: data that are not alternated"):
        train(fresh(), data, PHASE)
    three = mtl.Tasks(*_pair.TASKS.values(), mtl.Binary("other", label="odd"))
    long = mtl.data.from_arrays(three.only("kind", "other"), _tiny.rows(40, 0), name="long")
    mixed = mtl.data.alternate(long, _pair.short())
    keras.utils.set_random_seed(0)
    model = _tiny.model(mixed.tasks, TRAINED, batch_norm_groups=(("kind",), ("odd", "other")))
    with pytest.raises(MTLError, match=r"must be in one of `batch_norm_groups`. Received: .*'long' with kind, other"):
        train(model, mixed, PHASE)
    with pytest.raises(MTLError, match="a call with training=True outside of training"):
        fresh()(rows, training=True)
