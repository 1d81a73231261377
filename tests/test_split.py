"""`Split`: rows of a batch, their order and number, and what replicas receive."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mtl_keras import distribute
from mtl_keras.data import Split
from mtl_keras.errors import MTLError
from mtl_keras.tasks import Binary, Classification, Reconstruction, Tasks

TASKS = Tasks(Classification("kind", classes=50), Binary("odd"), Reconstruction("image"))


def numbered(n: int, x: np.ndarray | None = None) -> Split:
    """Rows whose label `kind` and pixels are the number of the row."""
    number = np.arange(n)
    images = np.broadcast_to(number[:, None, None, None], (n, 2, 3, 1)).astype(np.uint8) if x is None else x
    y = {"kind": number.astype(np.int32), "odd": (number % 2).astype(np.int32), "image": images}
    weight = {"kind": np.ones(n, np.float32), "odd": (number % 3 > 0).astype(np.float32), "image": np.ones(n, np.float32)}
    return Split(TASKS, images, y, weight, "train")


def mapped(split: Split, folder: Path) -> Split:
    np.save(folder / "x.npy", split.x)
    return split.with_x(np.load(folder / "x.npy", mmap_mode="r"))


def flat(batches: list[list[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


def rows(dataset: tf.data.Dataset) -> list[list[int]]:
    return [y["kind"].numpy().tolist() for _, y, _ in dataset]


def test_every_batch_has_all_tasks_and_their_targets() -> None:
    x, y, weight = next(iter(numbered(7).batches(5)))
    assert list(y) == list(weight) == ["kind", "odd", "image"]
    np.testing.assert_array_equal(y["kind"], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(weight["odd"], [0, 1, 1, 0, 1])
    assert x.dtype == tf.uint8
    assert y["image"].dtype == tf.float32
    np.testing.assert_allclose(y["image"], x.numpy() / 255, rtol=1e-6)
    assert weight["odd"].dtype == tf.float32


def test_shapes_are_static_except_the_number_of_rows() -> None:
    x, y, weight = numbered(7).batches(5, seed=0).element_spec
    assert (x.shape.as_list(), y["image"].shape.as_list()) == ([None, 2, 3, 1], [None, 2, 3, 1])
    assert y["kind"].shape.as_list() == weight["kind"].shape.as_list() == [None]


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize(("n", "batch_size"), [(7, 5), (10, 5), (3, 8), (1, 1)])
def test_every_row_occurs_once_per_epoch(n: int, batch_size: int, seed: int | None) -> None:
    steps = math.ceil(n / batch_size)
    dataset = numbered(n).batches(batch_size, seed=seed, epochs=3)
    seen = rows(dataset)
    assert dataset.cardinality().numpy() == len(seen) == 3 * steps
    for epoch in range(3):
        part = seen[epoch * steps : (epoch + 1) * steps]
        assert [len(batch) for batch in part] == [batch_size] * (n // batch_size) + [n % batch_size] * (n % batch_size > 0)
        assert sorted(flat(part)) == list(range(n))


@pytest.mark.parametrize(("n", "batch_size", "at_least"), [(9, 4, 3), (10, 4, 2), (8, 4, 4), (1, 4, 3), (3, 4, 4)])
def test_a_short_last_batch_is_filled_up_with_rows_of_weight_0(n: int, batch_size: int, at_least: int) -> None:
    split = numbered(n)
    plain = list(split.batches(batch_size, seed=2, epochs=2))
    filled = list(split.batches(batch_size, seed=2, epochs=2, at_least=at_least))
    assert len(plain) == len(filled)
    for (x, y, weight), (wider_x, wider_y, wider_weight) in zip(plain, filled, strict=True):
        count = len(x)
        assert len(wider_x) == max(count, at_least)
        np.testing.assert_array_equal(wider_x[:count], x)
        for task in split.tasks:
            np.testing.assert_array_equal(wider_y[task][:count], y[task])
            np.testing.assert_array_equal(wider_weight[task][:count], weight[task])
            np.testing.assert_array_equal(wider_weight[task][count:], np.zeros(len(wider_x) - count))
        # Real rows with their own labels, so that batch normalization sees ordinary inputs.
        np.testing.assert_array_equal(wider_x[:, 0, 0, 0], wider_y["kind"])


def test_without_a_seed_rows_come_in_order() -> None:
    assert rows(numbered(5).batches(2, epochs=2)) == [[0, 1], [2, 3], [4]] * 2


def test_the_order_is_a_function_of_seed_and_epoch_alone() -> None:
    split = numbered(40)
    whole = rows(split.batches(10, seed=5, epochs=4))
    assert rows(split.batches(10, seed=5, epochs=4, first_epoch=2)) == whole[8:], (
        "a resumed training sees what it would have seen"
    )
    assert flat(rows(split.batches(7, seed=5, epochs=1))) == flat(whole[:4]), "whatever the batch size"
    assert flat(rows(split.only("kind").batches(40, seed=5))) == flat(whole[:4]), "whatever the tasks"
    orders = [tuple(flat(whole[4 * e : 4 * e + 4])) for e in range(4)]
    orders.append(tuple(flat(rows(split.batches(40, seed=6)))))
    assert len(set(orders)) == 5, "another epoch or seed is another order"


def test_the_order_does_not_depend_on_the_version_of_tensorflow() -> None:
    """Pins TensorFlow's stateless shuffle: another order would make recorded results irreproducible."""
    assert rows(numbered(8).batches(8, seed=0, epochs=2)) == [[6, 4, 1, 0, 3, 2, 5, 7], [3, 5, 6, 4, 2, 1, 7, 0]]


def test_labels_stay_with_their_inputs_under_shuffling() -> None:
    for x, y, weight in numbered(30).batches(7, seed=1):
        number = y["kind"].numpy()
        np.testing.assert_array_equal(x[:, 0, 0, 0], number)
        np.testing.assert_array_equal(y["odd"], number % 2)
        np.testing.assert_array_equal(weight["odd"], number % 3 > 0)


def test_arrays_are_converted_to_tensors_once(monkeypatch: pytest.MonkeyPatch) -> None:
    split = numbered(6)
    converted: list[tuple[int, ...]] = []
    constant = tf.constant

    def record(value: Any) -> tf.Tensor:
        converted.append(np.shape(value))
        return constant(value)

    monkeypatch.setattr(tf, "constant", record)
    list(split.batches(3))
    assert sorted(converted) == [(6, 2), (6, 2, 3, 1), (6, 3)], "the input, which is a target too, two labels, three weights"
    list(split.batches(2, seed=1))
    list(split.only("odd").batches(2))
    features = split.with_x(np.zeros((6, 4), np.float32))
    list(features.batches(2))
    assert converted[3:] == [(6, 4)], "a baseline converts nothing again, and features only themselves"


def test_tensors_of_a_discarded_copy_are_dropped() -> None:
    split = numbered(6)
    list(split.batches(3))
    kept = len(split.array_cache)
    copy = split.take(np.arange(3))
    list(copy.batches(3))
    assert len(split.array_cache) == 2 * kept
    del copy
    assert len(split.array_cache) == kept


def test_a_mapped_array_is_read_by_row(tmp_path: Path) -> None:
    plain, split = numbered(20), mapped(numbered(20), tmp_path)
    for (x, _, _), (expected, _, _) in zip(split.batches(8, seed=2, epochs=2), plain.batches(8, seed=2, epochs=2), strict=True):
        np.testing.assert_array_equal(x, expected)
        assert x.shape == expected.shape
    assert split.array_cache.find("rows", [split.x]) is None, "never converted as a whole"


@pytest.mark.parametrize("from_file", [False, True])
@pytest.mark.parametrize("n", [24, 21, 17])
def test_two_replicas_share_each_global_batch(n: int, from_file: bool, tmp_path: Path) -> None:
    """With 17 rows the last global batch is one row and one of weight 0, so that the second replica has a row, too."""
    strategy = distribute.strategy("mirrored", ["CPU:0", "CPU:1"])
    split = mapped(numbered(n), tmp_path) if from_file else numbered(n)
    plain = split.batches(8, seed=4, epochs=2, at_least=2)
    parts = []
    for _, y, _ in strategy.experimental_distribute_dataset(plain):
        parts.append([local.numpy().tolist() for local in strategy.experimental_local_results(y["kind"])])
    assert [first + second for first, second in parts] == rows(plain)
    assert all(0 <= len(first) - len(second) <= 1 for first, second in parts)
    assert min(len(second) for _, second in parts) >= 1


@pytest.mark.parametrize("replicas", [1, 2])
def test_fit_receives_each_row_once_per_epoch(replicas: int) -> None:
    n, batch_size, epochs = 21, 8, 2
    split = numbered(n).only("kind")
    strategy = distribute.strategy("mirrored" if replicas == 2 else "none", ["CPU:0", "CPU:1"])
    with strategy.scope():
        image = keras.Input((2, 3, 1), dtype="uint8")
        number = keras.layers.Flatten()(keras.ops.cast(image, "float32"))[:, :1]
        model = keras.Model(image, {"kind": keras.layers.Dense(1)(number) * 0 + number})
        # The means of the row numbers and of their squares are right only if no row is left out or repeated.
        means = [keras.metrics.MeanMetricWrapper(f, name=name) for name, f in (("mean", _first), ("square", _square))]
        model.compile("sgd", loss="mse", metrics={"kind": means})

    class Steps(keras.callbacks.Callback):
        seen = 0

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            self.seen += 1

    steps = Steps()
    history = model.fit(
        split.batches(batch_size, seed=0, epochs=epochs),
        epochs=epochs,
        steps_per_epoch=math.ceil(n / batch_size),
        validation_data=split.batches(batch_size),
        callbacks=[steps],
        shuffle=False,
        verbose=0,
    ).history
    assert steps.seen == epochs * math.ceil(n / batch_size)
    for name in ("mean", "val_mean"):
        np.testing.assert_allclose(history[name], [np.arange(n).mean()] * epochs, rtol=1e-6)
    for name in ("square", "val_square"):
        np.testing.assert_allclose(history[name], [np.square(np.arange(n)).mean()] * epochs, rtol=1e-6)


def _first(y: Any, prediction: Any) -> Any:
    return keras.ops.cast(y, "float32")


def _square(y: Any, prediction: Any) -> Any:
    return keras.ops.square(keras.ops.cast(y, "float32"))


def test_take_copies_rows_and_keeps_the_input_as_target() -> None:
    split = numbered(10).take(np.array([7, 2, 2]))
    np.testing.assert_array_equal(split.y["kind"], [7, 2, 2])
    np.testing.assert_array_equal(split.weight["odd"], [1, 1, 1])
    np.testing.assert_array_equal(split.x[:, 0, 0, 0], [7, 2, 2])
    assert split.y["image"] is split.x
    assert (len(split), split.name) == (3, "train")


def test_with_x_keeps_the_input_as_target() -> None:
    split = numbered(4)
    features = split.with_x(np.zeros((4, 9), np.float32))
    assert features.x.shape == (4, 9)
    assert features.y["image"] is split.x


def test_only_keeps_some_tasks() -> None:
    split = numbered(4).only("odd", "kind")
    assert list(split.tasks) == list(split.y) == list(split.weight) == ["kind", "odd"]
    with pytest.raises(MTLError, match="'odd'"):
        split.only("add")


def test_complete_means_that_no_label_is_absent() -> None:
    assert not numbered(4).complete
    assert numbered(4).only("kind", "image").complete


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, r"`batch_size` must be an integer in \[1, 1000000000\]. Received: batch_size=0"),
        ({"batch_size": 2, "at_least": 0}, r"`at_least` must be an integer in \[1, 2\]. Received: at_least=0"),
        ({"batch_size": 2, "at_least": 3}, r"`at_least` must be an integer in \[1, 2\]. Received: at_least=3"),
        ({"batch_size": 2, "epochs": 0}, r"`epochs` must be an integer in \[1, 1000000\]. Received: epochs=0"),
        (
            {"batch_size": 2, "epochs": 3, "first_epoch": 3},
            r"must be an integer in \[0, 2\]. Received: first_epoch=3",
        ),
        (
            {"batch_size": 2, "epochs": 3, "first_epoch": -1},
            r"must be an integer in \[0, 2\]. Received: first_epoch=-1",
        ),
    ],
)
def test_batches_refuses_invalid_arguments(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(MTLError, match=message):
        numbered(4).batches(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((3, 2, 3, 1), np.uint8)}, "`y` must have the same number of rows. Received: 3 and 4 for 'kind'"),
        ({"x": np.zeros((0, 2, 3, 1), np.uint8)}, "Received: 0 rows for the train split"),
        ({"weight": {}}, r"`weight` must have one array for each task. Received: \[\]"),
        ({"y": {"kind": np.zeros(4, np.int32)}}, r"`y` must have one array for each task. Received: \['kind'\]"),
    ],
)
def test_a_split_refuses_arrays_that_do_not_fit(change: dict[str, Any], message: str) -> None:
    split = numbered(4)
    with pytest.raises(MTLError, match=message):
        Split(**{"tasks": TASKS, "x": split.x, "y": split.y, "weight": split.weight, "name": "train", **change})
