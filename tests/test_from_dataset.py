"""Data from datasets of TensorFlow: the same as from arrays, however they are batched, and what is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import mtl_keras as mtl
from mtl_keras.data import _from_dataset
from mtl_keras.errors import MTLError

TASKS = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Regression("price"), mtl.tasks.MultiLabel("parts", classes=4))
ROWS = 30


def arrays(n: int = ROWS, first: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    row = np.arange(first, first + n)
    price = np.where(row % 5 == 0, np.nan, row / 2)
    parts = (row[:, None] >> np.arange(4)) % 2
    return np.broadcast_to(row[:, None, None, None], (n, 4, 4, 3)).astype("uint8"), {
        "kind": row % 3,
        "price": price,
        "parts": parts,
    }


def dataset(n: int = ROWS, first: int = 0) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(arrays(n, first))


def generated(n: int = ROWS) -> tf.data.Dataset:
    """The same rows from a generator, whose number is not known."""
    x, columns = arrays(n)

    def rows() -> Iterator[Any]:
        for row in range(n):
            yield x[row], {name: column[row] for name, column in columns.items()}

    return tf.data.Dataset.from_generator(rows, output_signature=dataset().element_spec)


FORMS = {
    "rows": lambda: dataset(),
    "batches": lambda: dataset().batch(7),
    "whole batches": lambda: dataset().batch(10, drop_remainder=True),
    "one row a batch": lambda: dataset().batch(1),
    "a batch as large as the image": lambda: dataset(28).batch(4, drop_remainder=True).concatenate(dataset(2, 28).batch(2)),
    "unknown number of rows": lambda: generated(),
    "unknown number of batches": lambda: generated().batch(7),
    "batches that grow": lambda: dataset(3).batch(3).concatenate(dataset(27, 3).batch(27)),
    "filtered": lambda: dataset(40).filter(lambda x, y: x[0, 0, 0] < ROWS),
    "prefetched": lambda: dataset().batch(8).map(lambda x, y: (x, y)).prefetch(2),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_dataset_is_what_its_arrays_are(form: str) -> None:
    expected = mtl.data.from_arrays(TASKS, arrays(), arrays(8, 5), arrays(4, 9))
    data = mtl.data.from_dataset(FORMS[form](), dataset(8, 5), dataset(4, 9).batch(3), TASKS)
    assert data.digests() == expected.digests()
    assert (data.name, data.image_shape, len(data.train)) == ("dataset", (4, 4, 3), ROWS)
    assert data.train.weight["price"].tolist() == expected.train.weight["price"].tolist()


def test_a_dataset_is_read_once_and_test_may_be_left_out() -> None:
    seen: list[int] = []

    def count(x: np.ndarray) -> np.ndarray:
        seen.append(int(x[0, 0, 0]))
        return x

    counted = dataset().map(lambda x, y: (tf.ensure_shape(tf.numpy_function(count, [x], tf.uint8), (4, 4, 3)), y))
    data = mtl.data.from_dataset(counted, dataset(6).batch(2), None, TASKS)
    assert (data.test, sorted(seen)) == (None, list(range(ROWS)))


@pytest.mark.parametrize("batch", [None, 7])
def test_weights_multiply_those_of_labels(batch: int | None) -> None:
    weight = (np.arange(ROWS) % 4 / 2).astype("float32")
    present = mtl.data.from_dataset(dataset(), dataset(), None, TASKS).train.weight
    weighted = tf.data.Dataset.from_tensor_slices((*arrays(), weight))
    by_task = tf.data.Dataset.from_tensor_slices((*arrays(), {"price": weight}))
    if batch:
        weighted, by_task = weighted.batch(batch), by_task.batch(batch)
    data = mtl.data.from_dataset(weighted, dataset(), None, TASKS)
    for name in TASKS:
        np.testing.assert_array_equal(data.train.weight[name], present[name] * weight)
    data = mtl.data.from_dataset(by_task, dataset(), None, TASKS)
    np.testing.assert_array_equal(data.train.weight["price"], present["price"] * weight)
    np.testing.assert_array_equal(data.train.weight["kind"], present["kind"])


def test_texts_and_targets_that_are_inputs() -> None:
    tasks = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.tasks.Reconstruction("copy"))
    data = mtl.data.from_dataset(dataset(), dataset().batch(4), None, tasks)
    np.testing.assert_array_equal(data.train.y["copy"], data.train.x)
    alone = mtl.Tasks(mtl.tasks.Reconstruction("copy"))
    for form in (dataset(), dataset().batch(4)):
        unlabeled = form.map(lambda x, y: (x, {}))
        assert len(mtl.data.from_dataset(unlabeled, unlabeled, None, alone).train) == ROWS
    texts = tf.data.Dataset.from_tensor_slices((arrays()[0], {"kind": ["é", "a", "b"] * 10}))
    data = mtl.data.from_dataset(texts, texts.batch(4), None, tasks)
    assert data.class_names["kind"] == ("a", "b", "é")
    assert data.validation.y["kind"].tolist() == [2, 0, 1] * 10


def test_progress_counts_batches(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    mtl.data.from_dataset(dataset().batch(10), dataset(), None, TASKS, progress=lambda *call: calls.append(call))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    calls.clear()
    for name, value in (("PAUSE", -1.0), ("LARGE", 100)):
        monkeypatch.setattr(_from_dataset, name, value)
    with caplog.at_level(logging.INFO, "mtl_keras"):
        mtl.data.from_dataset(generated().batch(10), dataset(), None, TASKS, progress=lambda *call: calls.append(call))
    assert calls == [(1, 0), (2, 0), (3, 0), (4, 0)]
    assert "Reading train: 20 rows" in caplog.text
    assert "The inputs of validation take 0.0 GiB of memory." in caplog.text


def ragged() -> tf.data.Dataset:
    rows = tf.ragged.constant([[1, 2], [3]])
    return tf.data.Dataset.from_tensor_slices((rows, {"kind": [0, 1]}))


def failing() -> tf.data.Dataset:
    def fail(x: Any) -> Any:
        raise RuntimeError("disk gone")

    return dataset().map(lambda x, y: (tf.ensure_shape(tf.numpy_function(fail, [x], tf.uint8), (4, 4, 3)), y))


def of_sizes() -> tf.data.Dataset:
    rows = [(np.zeros((side, 4), "uint8"), {"kind": 0}) for side in (4, 4, 5)]
    signature = (tf.TensorSpec((None, 4), tf.uint8), {"kind": tf.TensorSpec((), tf.int64)})
    return tf.data.Dataset.from_generator(lambda: iter(rows), output_signature=signature)


KIND = mtl.Tasks(mtl.Classification("kind", classes=3))
REFUSED: dict[str, tuple[Any, str]] = {
    "arrays": (lambda: arrays(), "`train` must be a tf.data.Dataset. Received: train="),
    "infinite": (lambda: dataset().repeat(), "`train` must be finite: it is read to its end. Received: an infinite dataset."),
    "empty": (lambda: dataset().take(0), "`train` must have at least one row. Received: an empty dataset."),
    "filtered to none": (lambda: dataset().filter(lambda x, y: False), "must have at least one row"),
    "inputs alone": (
        lambda: dataset().map(lambda x, y: x),
        "Received: TensorSpec(shape=(4, 4, 3), dtype=tf.uint8, name=None). ",
    ),
    "four parts": (lambda: dataset().map(lambda x, y: (x, y, 1.0, 2.0)), "Received: 4 values. Pass a dataset of (x, {task:"),
    "labels without names": (
        lambda: dataset().map(lambda x, y: (x, y["kind"])),
        "Received: labels that are TensorSpec(shape=()",
    ),
    "named inputs": (
        lambda: dataset().map(lambda x, y: ({"a": x}, y)),
        "Received: inputs that are a dict of 1. A dataset gives one input",
    ),
    "ragged": (ragged, "Received: x as a RaggedTensorSpec. Make it a dense tensor, e.g. by to_tensor()"),
    "unknown shape": (
        lambda: dataset().map(lambda x, y: (tf.numpy_function(lambda a: a, [x], tf.uint8), y)),
        "Received: x of unknown shape. Tell it, by tf.ensure_shape in ds.map.",
    ),
    "names of files": (
        lambda: tf.data.Dataset.from_tensor_slices((["a.png"], {"kind": [0]})),
        "Received: inputs of type string and shape (). Decode them",
    ),
    "another label": (lambda: dataset().map(lambda x, y: (x, {"kid": y["kind"]})), "Unknown column: received 'kind'. Did you"),
    "labels of a class each": (
        lambda: dataset().batch(5).map(lambda x, y: (x, {"kind": tf.one_hot(y["kind"], 3)})),
        "Labels of task 'kind' must be those of a row or a batch. Received: shape (None, 3) in `train`.",
    ),
    "other numbers of rows": (
        lambda: dataset().batch(5, drop_remainder=True).map(lambda x, y: (x[:4], y)),
        "Received: 4 inputs and 5 labels of task 'kind' in `train`.",
    ),
    "labels out of range": (lambda: dataset().map(lambda x, y: (x, {"kind": y["kind"] + 3})), "kind"),
    "another size in a batch": (of_sizes, "Received, after 0 rows: InvalidArgumentError"),
    "another size": (lambda: of_sizes().batch(2), "Received: [4, 4] in the first batch and [5, 4] after 2 rows. Resize or pad"),
    "failing": (failing, "Received, after 0 rows: "),
    "negative weights": (
        lambda: dataset().map(lambda x, y: (x, y, -1.0)),
        "of train must be finite and at least 0. Received: -1.0",
    ),
    "weights of another task": (
        lambda: dataset().map(lambda x, y: (x, y, {"kid": 1.0})),
        "Unknown task in weight: received 'kid'. Did you mean 'kind'",
    ),
    "several weights": (
        lambda: dataset().map(lambda x, y: (x, y, [1.0, 2.0])),
        "must be 30 numbers. Received: float32 [30, 2]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_datasets_of_another_form_are_refused(case: str) -> None:
    make, message = REFUSED[case]
    good = tf.data.Dataset.from_tensor_slices((arrays()[0], {"kind": arrays()[1]["kind"]}))
    with pytest.raises(MTLError) as refused:
        mtl.data.from_dataset(make(), good, None, KIND)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_all_datasets_are_checked_before_one_is_read() -> None:
    with pytest.raises(MTLError, match="`test` must be finite"):
        mtl.data.from_dataset(failing(), dataset(), dataset().repeat(), KIND)
