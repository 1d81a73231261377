"""Data from arrays, and the loaders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from mtl_keras import data
from mtl_keras.errors import MTLError
from mtl_keras.tasks import Binary, Classification, Reconstruction, Tasks

TASKS = Tasks(Classification("kind", classes=4), Binary("large"))


def arrays(n: int, *, side: int = 2) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Images whose pixels are the row's number."""
    number = np.arange(n)
    images = np.broadcast_to(number[:, None, None, None], (n, side, side, 1)).astype(np.float32)
    return images, {"kind": number % 4, "large": number // 4 % 2}


def numbers(split: data.Split) -> list[int]:
    return split.x[:, 0, 0, 0].astype(int).tolist()


# From arrays -----------------------------------------------------------------------------------------------------------


@given(
    n=st.integers(2, 60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**31 - 1),
    absent=st.sets(st.integers(0, 59), max_size=20),
)
def test_validation_is_disjoint_and_exhaustive(n: int, fraction: float, seed: int, absent: set[int]) -> None:
    x, columns = arrays(n)
    kind = columns["kind"].astype(float)
    kind[[row for row in absent if row < n]] = np.nan
    made = data.from_arrays(TASKS, (x, {**columns, "kind": kind}), validation_fraction=fraction, seed=seed)
    assert sorted(numbers(made.train) + numbers(made.validation)) == list(range(n))
    assert len(made.validation) == min(max(round(n * fraction), 1), n - 1)
    for split in (made.train, made.validation):
        present = split.weight["kind"] > 0
        np.testing.assert_array_equal(present, ~np.isnan(kind[numbers(split)]))
        np.testing.assert_array_equal(split.y["kind"][present], kind[numbers(split)][present])


def test_validation_keeps_the_joint_proportions_of_all_tasks() -> None:
    made = data.from_arrays(TASKS, arrays(800), validation_fraction=0.25)
    joint = made.validation.y["kind"] * 2 + made.validation.y["large"]
    np.testing.assert_array_equal(np.bincount(joint), [25] * 8)
    assert (made.train.name, made.validation.name) == ("train", "validation")


def test_given_splits_are_not_copied() -> None:
    x, columns = arrays(12)
    made = data.from_arrays(TASKS, (x, columns), validation=arrays(5), test=arrays(6), name="mine")
    assert made.train.x is x, "no copy"
    assert (len(made.train), len(made.validation), len(made.test or ())) == (12, 5, 6)
    assert (made.name, made.image_shape, made.features) == ("mine", (2, 2, 1), None)
    assert made.tasks == TASKS


@pytest.mark.parametrize(
    ("given", "held"), [("uint8", "uint8"), ("float32", "float32"), ("float64", "float32"), ("int64", "float32")]
)
def test_inputs_are_uint8_or_float32(given: str, held: str) -> None:
    x, columns = arrays(8)
    made = data.from_arrays(Tasks(*TASKS.values(), Reconstruction("image")), (x.astype(given), columns))
    assert made.train.x.dtype == held
    assert made.train.y["image"] is made.train.x


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x / 255, "those of train are in [0, 0.027451]. Do not divide by 255"),
        (lambda x: (x - 3.5) / 2, "those of train are in [-1.75, 1.75]. Do not standardize"),
        (lambda x: x.astype(np.uint16) * 8192, "those of train are in [0, 57344]. Scale them by their bit depth"),
        (lambda x: x.astype(np.int16) - 5, "those of train are in [-5, 2]. Scale them by their bit depth"),
        (lambda x: x, None),
        (lambda x: x[..., 0] / 255, None),
    ],
)
def test_values_of_images_are_checked_once(change: Any, said: str | None, caplog: pytest.LogCaptureFixture) -> None:
    x, columns = arrays(8)
    data.from_arrays(TASKS, (change(x), columns))
    assert len(caplog.records) == (said is not None)
    assert said is None or f"Images are expected in [0, 255], but {said}" in caplog.text


def test_inputs_mapped_from_a_file_stay_so(tmp_path: Path) -> None:
    x, columns = arrays(12)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert data.from_arrays(TASKS, (mapped, columns), (mapped, columns)).validation.x is mapped


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["train", "validation"])
def test_inputs_that_are_not_finite_are_named_by_row(value: float, side: str, tmp_path: Path) -> None:
    parts: dict[str, Any] = {"train": arrays(12), "validation": arrays(12)}
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, parts[side][0].shape)
    x[:] = parts[side][0]
    x[[3, 7], 1, 0, 0] = value
    parts[side] = (x, parts[side][1])
    with pytest.raises(
        MTLError, match=rf"Inputs must be finite as float32\. Received: NaN or infinity in rows 3, 7 of 12 in {side}\."
    ):
        data.from_arrays(TASKS, **parts)


def test_aliases_fill_in_columns_that_tasks_leave_out() -> None:
    x, columns = arrays(8)
    tasks = Tasks(Classification("group", classes=4), Classification("same", classes=4, label="kind"), Binary("large"))
    made = data.from_arrays(tasks, (x, columns), aliases={"group": "kind", "large": "kind"}, class_names={"kind": "abcd"})
    assert [task.column for task in made.tasks.values()] == ["kind", "kind", "large"], (
        "a column of the task's own name goes first"
    )
    assert made.class_names == {"group": ("a", "b", "c", "d"), "same": ("a", "b", "c", "d")}


def test_class_names_may_be_given_by_task() -> None:
    made = data.from_arrays(TASKS, arrays(8), class_names={"large": ["no", "yes"]})
    assert made.class_names == {"large": ("no", "yes")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"tasks": Tasks(Binary("larg"))},
            "Unknown column: received 'larg'. Did you mean 'large'?.*the columns are kind, large",
        ),
        ({"tasks": Tasks(Classification("kind", classes=3))}, "from 0 to 2. Received: 3 in row 3"),
        ({"columns": {"kind": np.zeros(7), "large": np.zeros(8)}}, "Received: 8 inputs and 7 labels in column 'kind' of train"),
        ({"x": np.array(["a"] * 8).reshape(8, 1)}, r"Inputs must be real numbers.*Received: <U1 \[8, 1\] in train. Convert"),
        ({"x": np.zeros(8)}, r"Inputs must be real numbers.*shape \[8\]"),
        ({"x": np.zeros((8, 0, 2, 1))}, r"with sides of at least 1. Received: shape \[8, 0, 2, 1\]"),
        ({"x": np.zeros((8, 2, 2, 1), bool)}, r"Received: booleans in train. Pass x.astype\('uint8'\) \* 255"),
        (
            {"x": [np.zeros((2, 2, 1))] * 5 + [np.zeros((3, 2, 1))] * 3},
            r"Received: inputs of several shapes, \[2, 2, 1\] in row 0 and \[3, 2, 1\] in row 5 in train. Resize",
        ),
        ({"x": [np.zeros((2, 2, 1))] * 7 + [None]}, r"Received: None in row 7 in train"),
        (
            {"x": np.zeros((0, 2, 2, 1)), "columns": {"kind": [], "large": []}},
            r"at least one row. Received: shape \[0, 2, 2, 1\] in",
        ),
        ({"x": np.full((8, 2, 2, 1), 1e39)}, r"Inputs must be finite as float32. Received: NaN or infinity in rows 0, 1"),
        ({"x": (np.zeros((8, 2)), np.zeros((8, 2)))}, "Received: a tuple of 2 in train. A model has one input"),
        ({"x": {"image": np.zeros((8, 2))}}, "Received: a dict of 1 in train. A model has one input"),
        ({"x": tf.data.Dataset.range(8)}, "Received: a tf.data.Dataset in train. Pass np.stack"),
        (
            {"x": pd.DataFrame({"age": np.arange(8.0), "size": 1.0})},
            "Received: a DataFrame of 2 columns in train. Pass the table to mtl.data.from_table with inputs",
        ),
        (
            {"columns": {"kind": [0, 1, 2, 3, 0, 1, 2, "b"], "large": [0] * 8}},
            "Received: 'b' in row 7 of column 'kind', unlike most others",
        ),
        (
            {"columns": {"kind": [4] * 8, "large": [0, 2] * 4}},
            r"2 kinds of problems: \(1\) .*'kind'.*4 in row 0 \(8 of 8.* \(2\) .*'large'.*2 in row 1 \(4 of 8",
        ),
        ({"columns": [0] * 8}, r"`train` must be a pair of inputs and label columns by name. Received: labels of type list"),
        ({"validation": tf.data.Dataset.range(8)}, "`validation` must be a pair of .* a tf.data.Dataset goes to model.compile"),
        ({"x": np.zeros((1, 2)), "columns": {"kind": [0], "large": [0]}}, "at least 2 training rows"),
        ({"validation_fraction": 0.0}, "validation_fraction=0.0"),
        ({"validation_fraction": 1.0}, "validation_fraction=1.0"),
        ({"seed": -1}, "seed=-1"),
        ({"validation": arrays(4, side=3)}, r"\[2, 2, 1\] in train and \[3, 3, 1\] in validation"),
        ({"test": (arrays(4)[0], {})}, "Unknown column: received 'kind'"),
    ],
)
def test_from_arrays_refuses(change: dict[str, Any], message: str) -> None:
    x, columns = arrays(8)
    train = (change.pop("x", x), change.pop("columns", columns))
    with pytest.raises(MTLError, match=message) as caught:
        data.from_arrays(**{"tasks": TASKS, "train": train, **change})
    assert "\n" not in str(caught.value)


def test_a_subset_is_smaller_in_the_same_proportion() -> None:
    made = data.from_arrays(TASKS, arrays(800), validation=arrays(400), test=arrays(80))
    small = made.subset(80, seed=1)
    assert small.test is not None
    assert [len(split) for split in (small.train, small.validation, small.test)] == [80, 40, 8]
    for split in (small.train, small.validation, small.test):
        np.testing.assert_array_equal(np.bincount(split.y["kind"] * 2 + split.y["large"]), [len(split) / 8] * 8)
    assert numbers(small.train) == numbers(made.subset(80, seed=1).train) != numbers(made.subset(80, seed=2).train)
    whole = made.subset(10_000)
    assert [len(split) for split in (whole.train, whole.validation)] == [800, 400]
    with pytest.raises(MTLError, match="n_train=0"):
        made.subset(0)


def test_only_applies_to_all_splits() -> None:
    made = data.from_arrays(TASKS, arrays(8), test=arrays(4), class_names={"kind": "abcd", "large": "ny"}).only("large")
    assert made.test is not None
    assert list(made.tasks) == list(made.validation.tasks) == list(made.test.tasks) == ["large"]
    assert made.class_names == {"large": ("n", "y")}


# Loaders ---------------------------------------------------------------------------------------------------------------


def test_digits() -> None:
    tasks = Tasks(Classification("digit", classes=10), Binary("parity"), Reconstruction("image"))
    made = data.load("digits", tasks)
    assert made.test is not None
    assert [len(split) for split in (made.train, made.validation, made.test)] == [1150, 288, 359]
    assert made.image_shape == (8, 8, 1)
    assert made.class_names == {"digit": tuple("0123456789"), "parity": ("even", "odd")}
    for split in (made.train, made.validation, made.test):
        assert (split.x.dtype.name, split.x.min(), split.x.max()) == ("float32", 0, 255)
        np.testing.assert_array_equal(split.y["parity"], split.y["digit"] % 2)
        assert np.abs(np.bincount(split.y["digit"]) - len(split) / 10).max() < 0.06 * len(split) / 10 + 1
    other = data.load("digits", tasks, seed=1)
    assert other.test is not None
    np.testing.assert_array_equal(other.test.x, made.test.x)
    assert not np.array_equal(other.validation.x, made.validation.x)
    images = np.concatenate([split.x for split in (made.train, made.validation, made.test)])
    from sklearn.datasets import load_digits

    assert sorted(map(bytes, images)) == sorted(map(bytes, (load_digits().images * 255 / 16).astype(np.float32)))


def test_an_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(MTLError, match="Unknown data set: received 'cifar'"):
        data.load("cifar", TASKS)


CLASS = Tasks(Classification("class", classes=10))
FINE = Tasks(Classification("fine", classes=100), Classification("coarse", classes=20))


def test_a_missing_data_set_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(MTLError, match="must be on disk") as caught:
        data.load("cifar100", FINE, data_dir=tmp_path)
    for part in (str(tmp_path / "tfds" / "cifar100"), str(tmp_path / "cifar100"), f"tfds build cifar100 --data_dir {tmp_path}"):
        assert part in str(caught.value)
    assert not list(tmp_path.iterdir()), "nothing was downloaded"


def test_a_failed_download_has_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow_datasets as tfds

    class Builder:
        def download_and_prepare(self) -> None:
            raise ConnectionError("no route")

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: Builder())
    with pytest.raises(MTLError, match=r"Downloading it failed \(ConnectionError\)"):
        data.load("cifar10", CLASS)


def test_a_missing_column_is_reported_before_images_are_decoded(tmp_path: Path) -> None:
    with pytest.raises(MTLError, match=r"'coarse_lable'.*Did you mean 'coarse_label'"):
        data.load("cifar100", Tasks(Classification("group", classes=20, label="coarse_lable")), data_dir=tmp_path)


@pytest.fixture(scope="module")
def tiny_cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TFDS folder like CIFAR-10's, in two versions, whose pixels are the label."""
    import tensorflow_datasets as tfds

    root = tmp_path_factory.mktemp("data")
    features = tfds.features.FeaturesDict(
        {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(shape=(32, 32, 3)),
            "label": tfds.features.ClassLabel(names=[f"class {i}" for i in range(10)]),
        }
    )

    def examples(count: int) -> list[tuple[int, dict[str, Any]]]:
        images = [np.full((32, 32, 3), i % 10, np.uint8) for i in range(count)]
        return [(i, {"id": str(i), "image": image, "label": i % 10}) for i, image in enumerate(images)]

    for version, count in (("3.0.2", 3), ("3.0.10", 1100)):
        tfds.dataset_builders.store_as_tfds_dataset(
            "cifar10", version, features, {"train": examples(count), "test": examples(5)}, data_dir=root / "tfds"
        )
    return root


@pytest.mark.parametrize("below", ["", "tfds"])
def test_a_tfds_folder_is_found_and_its_newest_version_read(tiny_cifar: Path, below: str) -> None:
    made = data.load("cifar10", CLASS, data_dir=tiny_cifar / below, validation_fraction=0.2)
    assert made.test is not None
    assert [len(split) for split in (made.train, made.validation, made.test)] == [880, 220, 5]
    for split in (made.train, made.validation, made.test):
        assert (split.x.shape[1:], split.x.dtype.name) == ((32, 32, 3), "uint8")
        np.testing.assert_array_equal(split.y["class"], split.x[:, 31, 31, 2])
    assert made.class_names == {"class": tuple(f"class {i}" for i in range(10))}
    np.testing.assert_array_equal(np.bincount(made.validation.y["class"]), [22] * 10)


def test_labels_outside_the_task_are_refused(tiny_cifar: Path) -> None:
    with pytest.raises(MTLError, match="from 0 to 4"):
        data.load("cifar10", Tasks(Classification("class", classes=5)), data_dir=tiny_cifar)


def test_damaged_files_are_reported(tiny_cifar: Path, tmp_path: Path) -> None:
    copy = tmp_path / "cifar10" / "3.0.10"
    shutil.copytree(tiny_cifar / "tfds" / "cifar10" / "3.0.10", copy)
    (records,) = copy.glob("*train*")
    records.write_bytes(records.read_bytes()[:-100])
    with pytest.raises(MTLError, match=r"files of cifar10 must be intact\. Received: .* while reading"):
        data.load("cifar10", CLASS, data_dir=tmp_path)


@pytest.mark.real_data
def test_cifar100_is_what_tfds_reads(real_data: Path) -> None:
    import tensorflow_datasets as tfds

    made = data.load("cifar100", FINE, data_dir=real_data)
    assert made.test is not None
    assert [len(split) for split in (made.train, made.validation, made.test)] == [45_000, 5_000, 10_000]
    np.testing.assert_array_equal(np.bincount(made.validation.y["fine"]), [50] * 100)
    assert made.test.x.dtype == np.uint8
    assert (len(made.class_names["fine"]), made.class_names["coarse"][0]) == (100, "aquatic_mammals")
    expected = tfds.load("cifar100", data_dir=real_data / "tfds", split="test[:200]", shuffle_files=False)
    for row, example in enumerate(expected.as_numpy_iterator()):
        np.testing.assert_array_equal(made.test.x[row], example["image"])
        assert (made.test.y["fine"][row], made.test.y["coarse"][row]) == (example["label"], example["coarse_label"])


@pytest.mark.real_data
def test_cifar10_is_found_in_the_environment(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(real_data / "tfds"))
    made = data.load("cifar10", CLASS)
    assert (len(made.train), made.class_names["class"][:2]) == (45_000, ("airplane", "automobile"))


# Trivial predictor -----------------------------------------------------------------------------------------------------


def test_trivial_scores_are_computed_once_per_array_of_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    made, fitted = data.from_arrays(TASKS, arrays(40)), []
    original = Binary.trivial

    def record(self: Binary, labels: np.ndarray) -> np.ndarray:
        fitted.append(len(labels))
        return original(self, labels)

    monkeypatch.setattr(Binary, "trivial", record)
    whole = data.trivial_scores(made.train, made.validation)
    baseline = made.only("large")
    assert data.trivial_scores(baseline.train, baseline.validation) == {"large": whole["large"]}
    assert fitted == [36], "a single-task baseline has the scores of the model with all tasks"
    data.trivial_scores(made.train, made.train)
    assert fitted == [36, 36], "another split is another score"
