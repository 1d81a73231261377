"""A network of the user's own as a backbone: inputs of any shape, its weights, freezing, seeds, saving and loading."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import mtl_keras as mtl
from mtl_keras.backbones import Backbone
from mtl_keras.data import from_arrays
from mtl_keras.errors import MTLError
from mtl_keras.model import Recipe

TASKS = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Binary("odd"))
ROWS = 48
RNG = np.random.default_rng(0)


def series() -> keras.Model:
    """A time series, of any length."""
    inputs = keras.Input((None, 2), name="steps")
    x = layers.Conv1D(4, 3, activation="relu", name="conv")(inputs)
    return keras.Model(inputs, layers.GlobalAveragePooling1D(name="pool")(x), name="mine")


def tokens() -> keras.Model:
    return keras.Sequential(
        [keras.Input((6,), dtype="int32"), layers.Embedding(20, 5, name="words"), layers.GlobalAveragePooling1D()]
    )


def image() -> keras.Model:
    """A map, with batch normalization, dropout and a frozen layer."""
    inputs = keras.Input((8, 8, 1))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(3, 3, trainable=False, name="first")(x)
    x = layers.Dropout(0.1)(layers.BatchNormalization(name="norm")(x))
    return keras.Model(inputs, layers.Conv2D(4, 3, activation="relu", name="last")(x))


def embedding() -> keras.Model:
    return keras.Sequential([keras.Input((7,)), layers.Dense(5, activation="tanh")])


NETWORKS: dict[str, tuple[Callable[[], keras.Model], np.ndarray]] = {
    "series": (series, RNG.normal(size=(ROWS, 9, 2)).astype(np.float32)),
    "tokens": (tokens, RNG.integers(0, 20, (ROWS, 6)).astype(np.int32)),
    "image": (image, RNG.integers(0, 256, (ROWS, 8, 8, 1)).astype(np.uint8)),
    "embedding": (embedding, RNG.normal(size=(ROWS, 7)).astype(np.float32)),
}
LABELS = {"kind": np.arange(ROWS) % 3, "odd": np.arange(ROWS) % 2}


@pytest.fixture(params=NETWORKS)
def own(request: pytest.FixtureRequest) -> tuple[keras.Model, np.ndarray]:
    keras.utils.set_random_seed(1)
    build, x = NETWORKS[request.param]
    return build(), x


def features(model: mtl.MultiTaskModel, x: np.ndarray) -> np.ndarray:
    return np.asarray(model.trunk(x, training=False))


def test_its_features_are_those_that_it_had(own: tuple[keras.Model, np.ndarray]) -> None:
    network, x = own
    expected = np.asarray(network(x, training=False))
    if expected.ndim == 4:
        expected = expected.mean(axis=(1, 2))
    made = mtl.build_model(TASKS, Backbone(network), image_shape=x.shape[1:])
    np.testing.assert_allclose(features(made, x), expected, rtol=1e-4, atol=1e-5)
    # A copy: what is trained is not the user's model.
    made.compile("adam", weighting="equal")
    made.fit(x, LABELS, verbose=0)
    assert not np.allclose(features(made, x), expected)
    again = np.asarray(network(x, training=False))
    np.testing.assert_allclose(again.mean(axis=(1, 2)) if again.ndim == 4 else again, expected, rtol=1e-5, atol=1e-6)


CHECK = """
import sys, numpy as np, mtl_keras as mtl
model = mtl.load_model(sys.argv[1])
data = np.load(sys.argv[2])
for name, output in model.predict(data["x"], verbose=0).items():
    np.testing.assert_allclose(output, data[name], rtol=1e-4, atol=1e-5)
print(model.recipe.backbone)
"""


def test_it_is_trained_saved_and_loaded_in_a_fresh_process(own: tuple[keras.Model, np.ndarray], tmp_path: Path) -> None:
    network, x = own
    data = from_arrays(TASKS, (x, LABELS))
    assert data.train.x.dtype == x.dtype
    made = mtl.build_model(TASKS, Backbone(network), image_shape=data.image_shape, shared=(4,))
    mtl.train(made, data, mtl.Phase(epochs=2), output_dir=tmp_path)
    assert made.input.dtype == network.inputs[0].dtype
    assert mtl.report.plot_network(made).axes[0].texts
    np.savez(tmp_path / "data.npz", x=x, **made.predict(x, verbose=0))
    loaded = mtl.load_model(tmp_path)
    assert loaded.recipe == made.recipe
    assert keras.models.load_model(tmp_path / "model.keras", safe_mode=True).output_names
    command = [sys.executable, "-c", CHECK, str(tmp_path), str(tmp_path / "data.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "<network" in done.stdout


def test_the_value_is_hashable_and_json_and_knows_its_weights() -> None:
    network = embedding()
    made = Backbone(network)
    again = Backbone.from_config(json.loads(json.dumps(made.config())))
    assert again == made == Backbone(network)
    assert hash(again) == hash(made)
    assert repr(made) == "Backbone(<network [7] to [5]>)"
    assert repr(Backbone(network, weights=None)) == "Backbone(<network [7] to [5]>, weights=None)"
    recipe = Recipe(TASKS, made, (7,))
    assert Recipe.from_config(json.loads(json.dumps(recipe.config()))) == recipe
    assert Backbone(keras.models.clone_model(network)) != made, "other weights are another backbone"
    # The configuration alone has no weights.
    with pytest.raises(
        MTLError, match=r"weights of an own network must be given\. .* Pass mtl\.Backbone\(network\), weights=None"
    ):
        mtl.build_model(TASKS, again, image_shape=(7,))
    assert mtl.build_model(TASKS, again.replace(weights=None), image_shape=(7,))
    given = mtl.build_model(TASKS, made.replace(batch_norm="inference"), image_shape=(7,))
    np.testing.assert_array_equal(given.get_layer("backbone").get_weights()[0], network.get_weights()[0])


def test_weights_are_given_or_new_for_each_seed() -> None:
    network = embedding()

    def kernel(seed: int, **options: Any) -> np.ndarray:
        keras.utils.set_random_seed(seed)
        made = mtl.build_model(TASKS, Backbone(network, **options), image_shape=(7,))
        return np.asarray(made.get_layer("backbone").get_weights()[0])

    np.testing.assert_array_equal(kernel(1), kernel(2))
    np.testing.assert_array_equal(kernel(1, weights=None), kernel(1, weights=None))
    assert not np.array_equal(kernel(1, weights=None), kernel(2, weights=None))
    assert not np.array_equal(kernel(1, weights=None), kernel(1))


def test_a_weights_file_of_the_network_is_loaded(tmp_path: Path) -> None:
    network = embedding()
    made = mtl.build_model(TASKS, Backbone(network, weights=None), image_shape=(7,))
    path = str(tmp_path / "trunk.weights.h5")
    made.get_layer("backbone").save_weights(path)
    again = mtl.build_model(TASKS, Backbone(network, weights=path), image_shape=(7,))
    np.testing.assert_array_equal(*(each.get_layer("backbone").get_weights()[0] for each in (made, again)))


def test_seeds_of_a_comparison_start_from_the_given_weights_or_new_ones(tmp_path: Path) -> None:
    x = NETWORKS["embedding"][1]
    data = from_arrays(TASKS, (x, LABELS))
    phases = {"one": mtl.Phase(epochs=1, optimizer={"class_name": "SGD", "config": {"learning_rate": 1e-30}})}
    for weights, count in (("auto", 1), (None, 2)):
        recipe = Recipe(TASKS, Backbone(embedding(), weights=weights), (7,))
        folder = tmp_path / str(weights)
        mtl.compare(recipe, data, phases, seeds=2, baseline=None, output_dir=folder)
        import h5py

        kernels = set()
        for path in sorted(folder.glob("jobs/*/best.weights.h5")):
            with h5py.File(path) as file:
                found: list[bytes] = []
                file.visititems(
                    lambda name, each, found=found: (
                        found.append(each[()].tobytes()) if getattr(each, "shape", ()) == (7, 5) else None
                    )
                )
                kernels.add(found[0])
        assert len(kernels) == count


def test_frozen_layers_stay_and_freeze_takes_names() -> None:
    x = NETWORKS["image"][1]
    network = image()
    kept = mtl.build_model(TASKS, Backbone(network), image_shape=(8, 8, 1)).get_layer("backbone")
    assert [layer.name for layer in kept.layers if layer.weights and not layer.trainable] == ["first"]
    cut = mtl.build_model(TASKS, Backbone(network), image_shape=(8, 8, 1), freeze="last").get_layer("backbone")
    assert {layer.name for layer in cut.layers if layer.weights and not layer.trainable} == {"first", "norm"}
    frozen = mtl.build_model(TASKS, Backbone(network, batch_norm="inference"), image_shape=(8, 8, 1), freeze=True)
    assert frozen.frozen_trunk
    before = features(frozen, x)
    frozen.compile("adam", weighting="equal")
    frozen.fit(x, LABELS, verbose=0)
    np.testing.assert_array_equal(features(frozen, x), before)


def test_the_features_of_a_frozen_network_are_cached_by_its_weights(tmp_path: Path) -> None:
    x = NETWORKS["tokens"][1]
    data = from_arrays(TASKS, (x, LABELS))
    for _ in range(2):
        made = mtl.build_model(TASKS, Backbone(tokens()), image_shape=(6,), freeze=True)
        mtl.train(made, data, mtl.Phase(epochs=1), cache_dir=tmp_path)
    assert len(mtl.data.cache.entries(tmp_path)) == 4


def test_a_training_is_not_resumed_with_other_weights(tmp_path: Path) -> None:
    data = from_arrays(TASKS, (NETWORKS["embedding"][1], LABELS))
    network = embedding()
    folder = tmp_path / "run"

    def compare(own: keras.Model, **options: Any) -> Any:
        recipe = Recipe(TASKS, Backbone(own), (7,))
        return mtl.compare(recipe, data, {"one": mtl.Phase(epochs=1)}, seeds=2, baseline=None, output_dir=folder, **options)

    compare(network)
    compare(network, resume=True)
    with pytest.raises(MTLError):
        compare(keras.models.clone_model(network), resume=True)


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def two_inputs() -> keras.Model:
    one, other = keras.Input((2,)), keras.Input((2,))
    return keras.Model([one, other], layers.Add()([one, other]))


def test_a_search_is_not_resumed_with_other_weights(tmp_path: Path) -> None:
    data = from_arrays(TASKS, (NETWORKS["embedding"][1], LABELS))

    def study(network: keras.Model) -> mtl.Study:
        def space(hp: Any, context: mtl.search.Context) -> mtl.Plan:
            return mtl.Plan(Recipe(context.tasks, Backbone(network), context.image_shape), (mtl.Phase(epochs=1),))

        return mtl.Study("own", "A network of my own.", TASKS, lambda tasks, data_dir, split_seed: data, space=space)

    network = embedding()
    mtl.tune(study(network), output_dir=tmp_path, trials=1, n_final_seeds=1, baselines=False)
    mtl.tune(study(network), output_dir=tmp_path, resume=True)
    with pytest.raises(MTLError, match="Received: network="):
        mtl.tune(study(keras.models.clone_model(network)), output_dir=tmp_path, resume=True)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "lambda": (
        lambda: keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: x + 1)]),
        "layers that Keras loads in safe mode",
    ),
    "not built": (lambda: keras.Sequential([layers.Dense(2)]), "must be a built keras.Sequential or functional keras.Model"),
    "subclass": (Subclassed, "must be a built keras.Sequential or functional keras.Model"),
    "two inputs": (two_inputs, "must have one input and one output. Received: 2 inputs and 1 outputs"),
    "sequence": (
        lambda: keras.Sequential([keras.Input((5, 3)), layers.LSTM(2, return_sequences=True)]),
        "End it e.g. in GlobalAveragePooling1D",
    ),
    "unknown size": (lambda: keras.Sequential([keras.Input((None, 3)), layers.Flatten()]), "must return features"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_networks_that_cannot_be_saved_or_used_are_refused_in_one_line(case: str) -> None:
    build, text = REFUSED[case]
    with pytest.raises(MTLError) as error:
        Backbone(build())
    assert text in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("build", "options", "text"),
    [
        (
            embedding,
            {"image_size": 8},
            "`image_size` must be left out for the backbone 'own', which takes its inputs as they are",
        ),
        (embedding, {"pooling": "max"}, "`pooling` must be left out for the backbone 'own', which returns no feature map"),
        (image, {"preprocessing": False}, "`preprocessing` must be left out"),
        (image, {"filters": 3}, "Unknown option of own: received 'filters'"),
        (image, {"weights": "imagenet"}, "`weights` of own must be None or a file"),
    ],
)
def test_options_without_use_are_refused(build: Callable[[], keras.Model], options: dict[str, Any], text: str) -> None:
    with pytest.raises(MTLError) as error:
        Backbone(build(), **options).check((8, 8, 1) if build is image else (7,))
    assert text in str(error.value)


def test_other_inputs_and_plain_models_are_refused() -> None:
    with pytest.raises(MTLError, match=r"must have the shape that the network takes, \[7\]\. Received: \[8\]"):
        Recipe(TASKS, Backbone(embedding()), (8,))
    with pytest.raises(MTLError, match=r"for a Keras model, mtl\.Backbone\(model\)"):
        mtl.build_model(TASKS, embedding(), image_shape=(7,))
    with pytest.raises(MTLError, match="Unknown backbone: received 'own'"):
        Backbone("own")
    assert "own" not in mtl.backbones.names()


def test_a_map_is_pooled_as_the_backbone_says() -> None:
    for pooling, shape in (("avg", (None, 4)), ("flatten", (None, 64)), (None, (None, 4, 4, 4))):
        inputs = keras.Input((8, 8, 1))
        assert Backbone(image(), pooling=pooling).apply(inputs).shape == shape  # type: ignore[arg-type]
