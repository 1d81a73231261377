"""Labels that are not a column of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.tasks import from_config

NAMES = ("bird", "car", "cat", "ship")
GROUPS = {"vehicle": ["ship", "car"], "animal": ["bird", "cat"]}


def arrays(labels: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    column = np.asarray(labels, float)
    return np.zeros((len(column), 4, 4, 1), np.uint8), {"label": column}


def data(tasks: mtl.Tasks, labels: Any = (0, 1, 2, 3, 3, np.nan), **options: Any) -> mtl.data.Data:
    options = {"class_names": {"label": NAMES}, **options}
    return mtl.data.from_arrays(tasks, arrays(labels), arrays([0, 1]), **options)


def test_a_class_map_groups_classes() -> None:
    tasks = mtl.Tasks(mtl.Binary("animal", label=mtl.ClassMap("label", GROUPS)), mtl.Classification("label", classes=4))
    made = data(tasks)
    assert made.train.y["animal"].tolist() == [1, 0, 1, 0, 0, 0]
    assert made.train.weight["animal"].tolist() == made.train.weight["label"].tolist() == [1, 1, 1, 1, 1, 0]
    assert made.class_names == {"animal": ("vehicle", "animal"), "label": NAMES}


def test_indices_do_as_well_as_names() -> None:
    by_name, by_index = (
        data(mtl.Tasks(mtl.Classification("kind", classes=3, label=mtl.ClassMap("label", groups))), class_names=names)
        for groups, names in (
            ({"a": ["ship"], "b": ["car", "cat"], "c": ["bird"]}, {"label": NAMES}),
            ({"a": [3], "b": [1, 2], "c": [0]}, {}),
        )
    )
    assert by_name.train.y["kind"].tolist() == by_index.train.y["kind"].tolist() == [2, 1, 1, 0, 0, 0]


@given(classes=st.integers(2, 60), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_halves_are_a_partition_and_follow_from_the_seed(classes: int, seed: int) -> None:
    made = mtl.ClassMap.halves("label", classes, seed)
    (_, first), (_, second) = made.groups
    assert sorted(first + second) == list(range(classes))
    assert len(second) - len(first) in (0, 1)
    assert made == mtl.ClassMap.halves("label", classes, seed)
    labels = np.arange(classes, dtype=float)
    np.testing.assert_array_equal(made.read(labels, classes, "train", ()), np.isin(labels, second))


def test_random_labels_are_fair_and_follow_from_seed_and_split() -> None:
    label, other = mtl.RandomLabels(seed=3), mtl.RandomLabels(seed=4)
    labels = {split: label.read(None, 4000, split, ()) for split in ("train", "validation", "test")}
    assert all(abs(values.mean() - 0.5) < 0.03 for values in labels.values())
    assert {tuple(values) for values in labels.values()} == {tuple(label.read(None, 4000, split, ())) for split in labels}
    assert len({tuple(values) for values in (*labels.values(), other.read(None, 4000, "train", ()))}) == 4
    made = data(mtl.Tasks(mtl.Binary("control", label=label), mtl.Classification("label", classes=4)))
    assert made.train.weight["control"].tolist() == [1] * 6, "every row has one, whatever else it lacks"


@pytest.mark.parametrize("label", [mtl.ClassMap("label", GROUPS), mtl.RandomLabels(seed=7), "label", None])
def test_config_is_json_and_gives_the_task_back(label: Any) -> None:
    tasks = mtl.Tasks(mtl.Binary("animal", label=label))
    assert from_config(json.loads(json.dumps(tasks.config()))) == tasks
    assert hash(tasks) == hash(mtl.Tasks(mtl.Binary("animal", label=label)))


def test_aliases_of_columns_are_known() -> None:
    tasks = mtl.Tasks(mtl.Binary("animal", label=mtl.ClassMap("class", GROUPS)))
    made = data(tasks, aliases={"class": "label"})
    assert made.train.y["animal"].tolist()[:5] == [1, 0, 1, 0, 0]
    assert made.tasks["animal"].column == "label"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mtl.ClassMap("label", {"all": [0]}), "at least 2 groups. Received: 1 for 'label'"),
        (lambda: mtl.ClassMap("label", {"a": [0], "b": []}), "at least one class. Received: none for 'b'"),
        (lambda: mtl.ClassMap("label", {"a": [0, 1], "b": [1]}), "must be in one group. Received: 1 in 'a' and 'b'"),
        (lambda: mtl.RandomLabels(seed=-1), "`seed` of random labels must be an integer in [0, 2147483647]. Received: seed=-1"),
        (lambda: data(of({"a": ["bird", "cat", "ship"], "b": ["caar"]})), "received 'caar'. Did you mean 'car'"),
        (lambda: data(of({"a": ["bird", "cat"], "b": ["car"]})), "without class 3 (ship), and 0 more"),
        (lambda: data(of({"a": [0, 1, 2, 3], "b": [4]})), "Unknown class of 'label' in the class map: received '4'"),
        (lambda: data(of({"a": [0, 1], "b": [2]}), class_names={}), "without class 3, and 0 more"),
        (lambda: data(mtl.Tasks(mtl.Binary("x", label=mtl.ClassMap("lable", GROUPS)))), "Unknown column: received 'lable'"),
    ],
)
def test_what_is_no_label_is_refused(make: Any, message: str) -> None:
    with pytest.raises(MTLError) as refused:
        make()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def of(groups: dict[str, Any]) -> mtl.Tasks:
    return mtl.Tasks(mtl.Binary("animal", label=mtl.ClassMap("label", groups)))


@pytest.mark.parametrize(
    ("column", "names", "message"),
    [
        ([0, 1, "cat"], "ab", r"Labels of column 'label' must be class indices\. Received: 'cat' in row 2\."),
        ([0, 1, 2], "ab", r"must be class indices below 2\. Received: 2 in row 2\. Correct"),
        ([0, 0.5, 1], "", r"must be class indices\. Received: 0\.5 in row 1\."),
        ([0, -1, -1], "", r"Received: -1 in rows 1, 2\."),
        (np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]"), "", r"Received: '2020-01-01T00:00:00.0+' in rows 0, 1\."),
    ],
)
def test_a_column_that_holds_no_indices_is_refused(column: Any, names: str, message: str) -> None:
    label = mtl.ClassMap("label", {"no": [0], "yes": [1]})
    with pytest.raises(MTLError, match=message):
        label.read(np.asarray(column, None if isinstance(column, np.ndarray) else object), len(column), "train", names)


def test_configs_of_earlier_versions_are_read() -> None:
    config = {"kind": "Binary", "name": "control", "label": {"kind": "Coin", "seed": 3}}
    assert from_config([config]) == mtl.Tasks(mtl.Binary("control", label=mtl.RandomLabels(3)))


@pytest.mark.real_data
def test_animals_of_cifar10(real_data: Path) -> None:
    animals = ["bird", "cat", "deer", "dog", "frog", "horse"]
    label = mtl.ClassMap("class", {"transport": ["airplane", "automobile", "ship", "truck"], "animal": animals})
    made = mtl.data.load("cifar10", mtl.Tasks(mtl.Binary("animal", label=label)), data_dir=real_data)
    assert made.test is not None
    assert made.test.y["animal"].mean() == pytest.approx(0.6)
