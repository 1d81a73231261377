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
from mtl_keras.normalization import DomainBatchNormalization, RepeatForDomains, SelectDomain, training_domain
from mtl_keras.training import Phase, train
from tests import _pair, _tiny

TRAINED = mtl.Backbone("SmallCNN", filters=(4, 4), batch_norm="train")
GROUPS = (("kind",), ("odd",))


def fresh(groups: Any = GROUPS, backbone: mtl.Backbone = TRAINED, **options: Any) -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model(_pair.TASKS, backbone, batch_norm_groups=groups, **options)


def randomized(groups: Any = GROUPS) -> MultiTaskModel:
    """A model whose domains have statistics of their own."""
    model = fresh(groups)
    rng = np.random.default_rng(0)
    for layer in norms(model):
        for value in (layer.moving_mean, layer.moving_variance):
            value.assign(rng.uniform(0.5, 2.0, value.shape))
    return model


def leaves(model: keras.Model) -> list[Any]:
    return [leaf for layer in model.layers for leaf in (leaves(layer) if isinstance(layer, keras.Model) else [layer])]


def norms(model: keras.Model, kind: type = keras.layers.BatchNormalization) -> list[Any]:
    return [layer for layer in leaves(model) if isinstance(layer, kind)]


def moving(model: keras.Model, kind: type = keras.layers.BatchNormalization) -> list[np.ndarray]:
    return [np.array(value) for layer in norms(model, kind) for value in (layer.moving_mean, layer.moving_variance)]


class Steps(keras.callbacks.Callback):
    """Records, after each step, the moving statistics of the trunk and the weights of a decoder."""

    def __init__(self, network: MultiTaskModel) -> None:
        super().__init__()
        self.network = network
        self.statistics: list[list[np.ndarray]] = []
        self.head: list[list[np.ndarray]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.on_train_batch_end(0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.statistics.append(moving(self.network, DomainBatchNormalization))
        weights = [weight for layer in self.network.head_layers["picture"] for weight in layer.weights]
        self.head.append([np.array(weight) for weight in weights])


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_step_updates_the_statistics_of_its_domain_alone(replicas: int) -> None:
    """Those of the trunk by domain, and those of a head, here a decoder's, with its task."""
    pictures = mtl.data.from_arrays(mtl.Tasks(mtl.Reconstruction("picture")), (_tiny.rows(12, 2)[0], {}), name="pictures")
    data = mtl.data.alternate(_pair.long(), pictures, sampling="round_robin")
    strategy = distribute.strategy("none") if replicas == 1 else distribute.strategy("mirrored", ["CPU:0", "CPU:1"])
    heads = {"kind": mtl.Head(pooling="avg"), "picture": mtl.Decoder(latent=4, filters=(4, 4), batch_norm=True)}
    with strategy.scope():
        keras.utils.set_random_seed(3)
        backbone = TRAINED.replace(pooling=None)
        model = _tiny.model(data.tasks, backbone, shared=(), heads=heads, batch_norm_groups=data.task_groups)
    steps = Steps(model)
    train(model, data, Phase(epochs=1, batch_size=8), seed=4, callbacks=[steps])
    domains = [int(np.array(weight["picture"]).any()) for _, _, weight in data.train.batches(8, seed=4, epochs=1)]
    assert {*domains} == {0, 1}
    assert all(array.shape == (2, 4) for array in steps.statistics[0])
    for step, domain in enumerate(domains):
        for before, after in zip(steps.statistics[step], steps.statistics[step + 1], strict=True):
            assert after[1 - domain].tobytes() == before[1 - domain].tobytes()
            assert (after[domain] != before[domain]).any()
        for before, after in zip(steps.head[step], steps.head[step + 1], strict=True):
            assert (after.tobytes() != before.tobytes()) == bool(domain)


def test_statistics_equal_those_of_a_network_that_saw_one_domain() -> None:
    data, model = _pair.both(seed=1), fresh()
    plain = [fresh(()), fresh(())]
    for x, _, weight in data.train.batches(8, seed=4, epochs=1):
        domain = int(np.array(weight["odd"]).any())
        with training_domain(domain):
            model(np.array(x), training=True)
        plain[domain](np.array(x), training=True)
    for domain, network in enumerate(plain):
        for own, theirs in zip(moving(model), moving(network), strict=True):
            np.testing.assert_allclose(own[domain], theirs, rtol=1e-5, atol=1e-6)
    before = moving(model)
    with training_domain(-1):
        model(np.array(x), training=True)
    for own, theirs in zip(moving(model), before, strict=True):
        np.testing.assert_array_equal(own, theirs)


def test_each_head_uses_the_statistics_of_its_domain() -> None:
    model = randomized()
    images = _tiny.rows(6, 0)[0]
    answers = model(images)
    for domain, task in enumerate(("kind", "odd")):
        plain = fresh(())
        for ours, theirs in zip(*([x for x in leaves(m) if x.weights] for m in (model, plain)), strict=True):
            values = [np.array(weight) for weight in ours.weights]
            if isinstance(ours, DomainBatchNormalization):
                values = [value[domain] if value.ndim == 2 else value for value in values]
            theirs.set_weights(values)
        np.testing.assert_allclose(answers[task], plain(images)[task], rtol=1e-5, atol=1e-6)


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
    model, images = randomized(), _tiny.rows(6, 0)[0]
    model.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)
    assert loaded.recipe == model.recipe == mtl.Recipe.from_config(model.recipe.config())
    assert loaded.recipe.batch_norm_groups == GROUPS
    plain = keras.saving.load_model(tmp_path / "model.keras")
    for name, value in model(images).items():
        np.testing.assert_array_equal(loaded(images)[name], value)
        np.testing.assert_array_equal(plain(images)[name], value)


@pytest.mark.parametrize(
    ("layer", "former"),
    [
        (DomainBatchNormalization(2), {"data_sets": 2}),
        (RepeatForDomains(2), {"copies": 2}),
        (SelectDomain(1, 2), {"part": 1, "copies": 2}),
    ],
)
def test_options_of_earlier_versions_are_read(layer: keras.layers.Layer, former: dict[str, int]) -> None:
    config = {name: value for name, value in layer.get_config().items() if name not in ("domain", "domains")}
    assert type(layer).from_config({**config, **former}).get_config() == layer.get_config()


def test_a_baseline_and_a_single_group_have_ordinary_batch_normalization() -> None:
    recipe = fresh().recipe
    assert recipe.only("kind").batch_norm_groups == ()
    plain = fresh((("kind", "odd"),))
    assert plain.recipe.batch_norm_groups == ()
    assert "batch_norm_groups" not in plain.recipe.config()
    assert not norms(plain, DomainBatchNormalization)
    former = {**recipe.config(), "statistics": recipe.config()["batch_norm_groups"]}
    del former["batch_norm_groups"]
    assert mtl.Recipe.from_config(former) == recipe
    assert _pair.both().task_groups == GROUPS
    assert _pair.long().task_groups == ()


def test_it_works_with_a_backbone_of_keras_applications(tmp_path: Path) -> None:
    backbone = mtl.Backbone("MobileNet", weights=None, alpha=0.25)
    keras.utils.set_random_seed(0)
    plain = mtl.build_model(_pair.TASKS, backbone, image_shape=(32, 32, 3))
    keras.utils.set_random_seed(0)
    own = mtl.build_model(_pair.TASKS, backbone, image_shape=(32, 32, 3), batch_norm_groups=GROUPS)
    images = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype("uint8")
    own.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path)(images)
    for task, value in plain(images).items():
        # Before training, the statistics of all domains are equal.
        np.testing.assert_allclose(own(images)[task], value, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(loaded[task], own(images)[task])


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
        train(fresh(), data, Phase(epochs=1))
    three = mtl.Tasks(*_pair.TASKS.values(), mtl.Binary("other", label="odd"))
    long = mtl.data.from_arrays(three.only("kind", "other"), _tiny.rows(40, 0), name="long")
    mixed = mtl.data.alternate(long, _pair.short())
    keras.utils.set_random_seed(0)
    model = _tiny.model(mixed.tasks, TRAINED, batch_norm_groups=(("kind",), ("odd", "other")))
    with pytest.raises(MTLError, match=r"must be in one of `batch_norm_groups`. Received: .*'long' with kind, other"):
        train(model, mixed, Phase(epochs=1))
    with pytest.raises(MTLError, match="a call with training=True outside of training"):
        fresh()(rows, training=True)
