"""A coarse class that follows from a fine one: its head, its training, its labels, its baseline."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras.data import CIFAR100_COARSE, Data, from_arrays, load
from mtl_keras.errors import MTLError
from mtl_keras.model import Head, MultiTaskModel
from mtl_keras.saving import load_model
from mtl_keras.tasks import Binary, Classification, Tasks, from_config
from mtl_keras.training import Phase, train
from tests import _tiny

MAPPING = (0, 1, 1, 0, 1)
ONE_HOT = np.eye(2)[list(MAPPING)]


def tasks(derive: Any = "sum") -> Tasks:
    """The derived task first: it is built after its source whatever the order."""
    return Tasks(
        Classification("coarse", classes=2, derive_from="fine", mapping=MAPPING, derive=derive),
        Classification("fine", classes=5),
    )


def rows(n: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    fine = rng.integers(0, 5, n)
    images = (rng.integers(0, 40, (n, *_tiny.SHAPE)) + 40 * fine[:, None, None, None]).astype(np.uint8)
    return images, {"fine": fine.astype(float), "coarse": np.asarray(MAPPING)[fine].astype(float)}


def data(derive: Any = "sum", absent: dict[str, Any] | None = None) -> Data:
    train_rows = rows(48, 0)
    for column, index in (absent or {}).items():
        train_rows[1][column][index] = np.nan
    return from_arrays(tasks(derive), train_rows, rows(20, 1))


def model(derive: Any = "sum") -> MultiTaskModel:
    keras.utils.set_random_seed(0)
    return _tiny.model(tasks(derive), heads={"fine": Head(dense=(8,))})


IMAGES = rows(6, 2)[0]


def outputs_of(network: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in network(IMAGES).items()}


def test_the_sum_adds_up_the_finer_probabilities() -> None:
    outputs = outputs_of(model())
    assert list(outputs) == ["coarse", "fine"]
    np.testing.assert_allclose(outputs["coarse"], outputs["fine"] @ ONE_HOT, rtol=1e-5)
    np.testing.assert_allclose(outputs["coarse"].sum(axis=1), 1, rtol=1e-5)


def test_the_mixture_lies_between_the_sum_and_its_own_head() -> None:
    made = model("mixture")
    whole = keras.Model(
        made.input,
        {**made.output, "own": made.get_layer("coarse_own").output, "shares": made.get_layer("coarse_shares").output},
    )
    outputs = outputs_of(whole)
    shares = outputs["shares"]
    expected = shares[:, :1] * (outputs["fine"] @ ONE_HOT) + shares[:, 1:] * outputs["own"]
    np.testing.assert_allclose(outputs["coarse"], expected, rtol=1e-5)
    np.testing.assert_allclose(outputs["coarse"].sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("derive", ["sum", "mixture"])
def test_it_is_plain_keras_and_loads_back(derive: str, tmp_path: Path) -> None:
    made = model(derive)
    made.save(tmp_path / "model.keras")
    plain = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    loaded = load_model(tmp_path)
    assert loaded.recipe.tasks == made.recipe.tasks == from_config(json.loads(json.dumps(made.recipe.tasks.config())))
    ours = outputs_of(made)
    for other in (plain, loaded):
        assert sorted(other.output_names) == ["coarse", "fine"]
        for name, value in outputs_of(other).items():
            np.testing.assert_array_equal(value, ours[name])


def test_heads_share_no_layer() -> None:
    for derive, own in (("sum", []), ("mixture", ["coarse_own", "coarse_shares"])):
        layers = {name: {layer.name for layer in head} for name, head in model(derive).head_layers.items()}
        assert layers["fine"] == {"fine_dense_1", "fine"}
        assert not layers["fine"] & layers["coarse"]
        assert {name for name in layers["coarse"] if name.startswith("coarse_")} == set(own)


def test_the_baseline_has_a_head_of_its_own() -> None:
    baseline = model().recipe.only("coarse")
    assert baseline.tasks["coarse"].source is None
    assert baseline.tasks == data().only("coarse").tasks
    kernel, bias = _tiny.model(baseline.tasks).get_layer("coarse").weights
    assert (kernel.shape, bias.shape) == ((6, 2), (2,))
    assert tasks().only("coarse", "fine") == tasks()


def moved(derive: str, made: Data, phase: Phase) -> set[str]:
    """The layers whose weights training changes."""
    network = model(derive)
    before = {layer.name: _tiny.weights(layer) for layer in network.layers if layer.weights}
    train(network, made, phase, seed=1, cache_dir=False)
    return {
        name
        for name, old in before.items()
        if any((a != b).any() for a, b in zip(old, _tiny.weights(network.get_layer(name)), strict=True))
    }


def test_a_phase_of_the_derived_task_trains_the_heads_it_is_derived_from() -> None:
    adam = {"epochs": 1, "batch_size": 16, "optimizer": keras.optimizers.Adam(0.01)}
    fine, coarse = {"fine", "fine_dense_1"}, {"coarse_own", "coarse_shares"}
    assert moved("mixture", data("mixture"), Phase(tasks=("coarse",), **adam)) & (fine | coarse) == fine | coarse
    assert moved("mixture", data("mixture"), Phase(tasks=("fine",), **adam)) & (fine | coarse) == fine


def test_a_head_is_trained_by_the_labels_of_the_task_derived_from_it() -> None:
    optimizer = keras.optimizers.Adam(0.01)
    phase = Phase(epochs=1, batch_size=1, optimizer=optimizer, monitor="val_coarse_accuracy")
    # Every `fine` label is missing, and half of the `coarse` ones.
    partly = data(absent={"fine": slice(None), "coarse": slice(24, None)})
    network = model()
    steps: list[list[np.ndarray]] = [_tiny.weights(network.get_layer("fine"))]

    class Steps(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            steps.append(_tiny.weights(network.get_layer("fine")))

    train(network, partly, phase, seed=1, callbacks=[Steps()], cache_dir=False)
    changed = [any((a != b).any() for a, b in zip(old, new, strict=True)) for old, new in pairwise(steps)]
    assert sum(changed) == 24, "in the steps that have a coarse label, and in no other"


def test_labels_that_disagree_are_named_with_their_row() -> None:
    images, columns = rows(12, 0)
    columns["coarse"][7] = 1 - columns["coarse"][7]
    with pytest.raises(
        MTLError,
        match=r"'coarse' must agree with those of 'fine'. Received: \d in row 7, .*mapped to \d \(1 of 12 rows disagree",
    ):
        from_arrays(tasks(), (images, columns), rows(4, 1))
    # A row that lacks one of the two cannot disagree.
    columns["fine"][7] = np.nan
    assert from_arrays(tasks(), (images, columns), rows(4, 1)).train.weight["fine"][7] == 0


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda: Classification("coarse", classes=2, derive_from="fine"),
            "must be given together. Received: derive_from='fine', mapping=None",
        ),
        (
            lambda: Classification("coarse", classes=2, derive_from="fine", mapping=(0, 2)),
            "must be an integer in [0, 1]. Received: mapping=2",
        ),
        (
            lambda: Classification("coarse", classes=3, derive_from="fine", mapping=(0, 2)),
            "map to every class of 'coarse'. Received: a mapping without class 1",
        ),
        (lambda: Classification("coarse", classes=2, derive_from="fine", mapping=MAPPING, derive="summ"), "Did you mean 'sum'"),  # type: ignore[arg-type]
        (
            lambda: Tasks(
                Classification("coarse", classes=2, derive_from="fien", mapping=MAPPING), Classification("fine", classes=5)
            ),
            "received 'fien'. Did you mean 'fine'",
        ),
        (
            lambda: Tasks(
                Classification("coarse", classes=2, derive_from="fine", mapping=MAPPING), Classification("fine", classes=4)
            ),
            "Received: 5 entries for 4 classes",
        ),
        (
            lambda: Tasks(Classification("coarse", classes=2, derive_from="fine", mapping=MAPPING), Binary("fine")),
            "Received: 5 entries for a Binary",
        ),
        (
            lambda: Tasks(
                Classification("a", classes=2, derive_from="b", mapping=(0, 1)),
                Classification("b", classes=2, derive_from="a", mapping=(1, 0)),
            ),
            "derived from itself. Received: a from b from a.",
        ),
    ],
)
def test_what_cannot_be_derived_is_refused(made: Any, message: str) -> None:
    with pytest.raises(MTLError) as refused:
        made()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_chain_of_three_is_built_in_order() -> None:
    chain = Tasks(
        Classification("top", classes=2, derive_from="middle", mapping=(0, 1, 1)),
        Classification("middle", classes=3, derive_from="fine", mapping=(0, 1, 2, 0, 1)),
        Classification("fine", classes=5),
    )
    assert chain.heads_of("top") == ("fine", "middle", "top")
    outputs = outputs_of(_tiny.model(chain))
    np.testing.assert_allclose(outputs["top"][:, 0], outputs["middle"][:, 0], rtol=1e-5)
    np.testing.assert_allclose(outputs["middle"].sum(axis=1), 1, rtol=1e-5)


def test_each_coarse_class_of_cifar100_has_five() -> None:
    assert np.bincount(CIFAR100_COARSE).tolist() == [5] * 20


@pytest.mark.real_data
def test_the_coarse_classes_of_cifar100_are_those_of_its_labels(real_data: Path) -> None:
    derived = Tasks(
        Classification("fine", classes=100), Classification("coarse", classes=20, derive_from="fine", mapping=CIFAR100_COARSE)
    )
    # Every one of 60,000 rows was checked.
    assert len(load("cifar100", derived, data_dir=real_data).train) == 45_000
