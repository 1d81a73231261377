"""Classes: where their names and order come from, and what is said of labels that are none of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.tasks import from_config

N = 40
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 4, 4, 1)).astype(np.uint8)


def data(task: mtl.tasks.Task, columns: Any, **options: Any) -> mtl.data.Data:
    return mtl.data.from_arrays(mtl.Tasks(task), (IMAGES, columns), **options)


def labels_by_name(made: mtl.data.Data) -> list[str]:
    """The names of the labels of all rows in the order of the images, by the names that data says."""
    name = next(iter(made.tasks))
    places = {image.tobytes(): row for row, image in enumerate(IMAGES)}
    found = [""] * N
    for split in (made.train, made.validation):
        for image, label, weight in zip(split.x, split.y[name], split.weight[name], strict=True):
            found[places[image.tobytes()]] = made.class_names[name][label] if weight else "-"
    return found


@pytest.mark.parametrize(
    ("task", "values", "classes"),
    [
        (mtl.Classification("kind"), ["shirt", "dress"], ("dress", "shirt")),
        (mtl.Classification("kind", classes=["shirt", "dress"]), ["shirt", "dress"], ("shirt", "dress")),
        (mtl.Classification("kind", classes=2), ["shirt", "dress"], ("dress", "shirt")),
        (mtl.Classification("kind"), [1, 2, 3], ("1", "2", "3")),
        (mtl.Classification("kind"), [10, 2, 0.5], ("0.5", "2", "10")),
        (mtl.Classification("kind", classes=[3, 1, 2]), [1, 2, 3], ("3", "1", "2")),
        (mtl.Ordinal("kind", classes=["S", "M", "L"]), ["L", "M", "S"], ("S", "M", "L")),
        (mtl.Ordinal("kind"), [4, 5, 1], ("1", "4", "5")),
        (mtl.Binary("kind"), ["yes", "no"], ("no", "yes")),
        (mtl.Binary("kind", classes=["yes", "no"]), ["yes", "no"], ("yes", "no")),
        (mtl.Binary("kind"), [2, 1], ("1", "2")),
        (mtl.Binary("kind", classes=[False, True]), [True, False], ("False", "True")),
    ],
)
def test_classes_and_their_order_are_those_stated_or_those_of_the_data(
    task: mtl.tasks.Task, values: list[Any], classes: tuple[str, ...]
) -> None:
    column = [*(values[row % len(values)] for row in range(N - 1)), None]
    made = data(task, {"kind": column})
    assert made.class_names["kind"] == classes
    assert made.tasks["kind"].class_names == classes
    expected = [str(value) for value in column[:-1]]
    assert labels_by_name(made) == [*expected, "-"]
    assert from_config(made.tasks.config()) == made.tasks
    # A table says the same.
    table: Any = pd.DataFrame({"kind": column})
    again = mtl.data.from_arrays(mtl.Tasks(task), (IMAGES, table))
    assert again.class_names == made.class_names
    np.testing.assert_array_equal(again.train.y["kind"], made.train.y["kind"])


def test_names_may_be_given_to_indices() -> None:
    made = data(mtl.Binary("kind", classes=["no", "yes"]), {"kind": np.arange(N) % 2})
    assert labels_by_name(made) == ["no", "yes"] * (N // 2)
    # The data names its indices in another order.
    names = {"kind": ("b", "a", "c")}
    made = data(mtl.Classification("kind", classes=["a", "b", "c"]), {"kind": np.arange(N) % 3}, class_names=names)
    assert labels_by_name(made) == [names["kind"][row % 3] for row in range(N)]
    made = data(mtl.Classification("kind"), {"kind": np.arange(N) % 3}, class_names=names)
    assert made.tasks["kind"].class_count == 3
    assert labels_by_name(made) == [names["kind"][row % 3] for row in range(N)]


def test_indices_need_no_names() -> None:
    made = data(mtl.Classification("kind"), {"kind": np.arange(N) % 3})
    assert made.tasks["kind"].config()["classes"] == 3
    assert made.class_names == {}
    assert data(mtl.Binary("kind"), {"kind": np.arange(N) % 2}).tasks == mtl.Tasks(mtl.Binary("kind"))


@pytest.mark.parametrize("dtype", ["int64", "Int64", "object"])
def test_integers_beyond_those_of_floats_are_classes_of_their_own(dtype: str) -> None:
    keys = [2**53, 2**53 + 1, 2**53 + 2, 2**53] * (N // 4)
    made = data(mtl.Classification("kind"), {"kind": pd.Series(keys, dtype=dtype)})
    assert made.class_names["kind"] == (str(2**53), str(2**53 + 1), str(2**53 + 2))
    counts = [np.bincount(part.y["kind"], minlength=3) for part in (made.train, made.validation)]
    assert np.sum(counts, axis=0).tolist() == [20, 10, 10]


def test_names_that_only_look_like_numbers_are_none() -> None:
    assert data(mtl.Classification("kind", classes=["nan", "b"]), {"kind": [0, 1] * (N // 2)}).class_names["kind"] == (
        "nan",
        "b",
    )
    with pytest.raises(MTLError, match="Received: '12' in rows 0, 2"):
        data(mtl.Classification("kind", classes=["1_2", "1"]), {"kind": [12, 1] * (N // 2)})


def test_label_sets_are_texts_lists_or_columns() -> None:
    texts = ["red|cotton", "cotton", "|", None, "wool | red"] * (N // 5)
    lists = [["red", "cotton"], ["cotton"], [], None, ["wool", "red"]] * (N // 5)
    expected = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [-1, -1, -1], [0, 1, 1]] * (N // 5))
    columns = {name: np.where(expected[:, i] < 0, np.nan, expected[:, i]) for i, name in enumerate(("cotton", "red", "wool"))}
    columns["wool"][0] = np.nan
    for task, given in (
        (mtl.MultiLabel("marks"), {"marks": texts}),
        (mtl.MultiLabel("marks", separator=","), {"marks": [t and t.replace("|", ",") for t in texts]}),
        (mtl.MultiLabel("marks"), {"marks": lists}),
        (mtl.MultiLabel("marks"), {"marks": pd.Series(lists)}),
        (mtl.MultiLabel("marks", columns=["cotton", "red", "wool"]), columns),
    ):
        made = data(task, given, validation_fraction=0.25)
        assert made.class_names["marks"] == ("cotton", "red", "wool")
        rows = {image.tobytes(): label for image, label in zip(made.train.x, made.train.y["marks"], strict=True)}
        for row, image in enumerate(IMAGES):
            if image.tobytes() in rows:
                wanted = expected[row].copy()
                if task.columns and row == 0:
                    wanted[2] = -1
                np.testing.assert_array_equal(rows[image.tobytes()], wanted)
        present = np.concatenate([made.train.weight["marks"], made.validation.weight["marks"]])
        assert present.sum() == N * 4 / 5
    assert from_config(made.tasks.config()) == made.tasks


def test_lists_of_as_many_texts_are_label_sets_too() -> None:
    made = data(mtl.MultiLabel("marks"), {"marks": [["red", "wool"], ["red", "silk"]] * (N // 2)}, validation_fraction=0.25)
    assert made.class_names["marks"] == ("red", "silk", "wool")
    assert (made.train.y["marks"].sum(axis=1) == 2).all()


VALUES = ["a", "b"] * (N // 2)


@pytest.mark.parametrize(
    ("task", "columns", "message"),
    [
        (
            mtl.Classification("kind", classes=["a", "c"]),
            VALUES,
            r"one of its classes, a, c. Received: 'b' in rows 1, 3, 5, 7, 9",
        ),
        (mtl.Classification("kind", classes=[1, 2]), [1, 2, 7, None] * 10, r"classes, 1, 2. Received: '7' in rows 2, 6, 10"),
        (mtl.Ordinal("kind"), VALUES, r"must state the order of texts. Received: none for task 'kind', with a, b. Pass"),
        (mtl.Classification("kind"), ["a"] * N, r"`classes` must be given unless .* Received: 1, a for task 'kind'"),
        (mtl.Classification("kind"), [None] * N, r"Received: 0, no label for task 'kind'"),
        (mtl.Classification("kind"), [f"{row}" for row in range(N)], r"Received: one for each of 40 rows for task 'kind'"),
        (mtl.Binary("kind"), ["yes"] * N, r"two classes. Received: 1 for task 'kind', yes. Pass both, classes="),
        (mtl.Binary("kind"), ["a", "b", "c", "d"] * 10, r"Received: 4 for task 'kind', a, b, c, d. Use mtl.Classification"),
        (mtl.MultiLabel("kind", classes=["a", "b"]), ["a|b", "a|c"] * 20, r"among its 2 labels. Received: 'c' in rows 1, 3"),
        (mtl.MultiLabel("kind"), ["a"] * N, r"at least 2 labels.*Received: classes=None for task 'kind', and 1 in column"),
    ],
)
def test_labels_that_are_no_classes_are_named(task: mtl.tasks.Task, columns: list[Any], message: str) -> None:
    with pytest.raises(MTLError, match=message) as refused:
        data(task, {"kind": columns})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("where", ["validation", "test", "held out"])
def test_a_class_outside_of_training_only_is_named(where: str) -> None:
    column = np.array(VALUES, object)
    others = {side: (IMAGES[:4], {"kind": ["a", "b", "a", "b"]}) for side in ("validation", "test")}
    if where == "held out":
        # Of two rows one is held out, whichever it is.
        with pytest.raises(MTLError, match=r"Every class must occur in training rows. Received: '\w' of task 'kind' in 1 vali"):
            mtl.data.from_arrays(mtl.Tasks(mtl.Binary("kind")), (IMAGES[:2], {"kind": ["a", "b"]}))
        return
    others[where] = (IMAGES[:4], {"kind": ["a", "b", "a", "c"]})
    message = rf"Labels of task 'kind' must be one of its classes, a, b. Received: 'c' in row 3 of {where}"
    with pytest.raises(MTLError, match=message):
        data(mtl.Classification("kind"), {"kind": column}, **others)
    made = data(mtl.Classification("kind", classes=["a", "b", "c"]), {"kind": column}, **others)
    assert made.class_names["kind"] == ("a", "b", "c")


def test_a_model_needs_tasks_whose_classes_are_known() -> None:
    tasks = mtl.Tasks(mtl.Classification("kind"))
    with pytest.raises(MTLError, match=r"must be known before a model is built. Received: none for kind. Pass data.tasks"):
        mtl.build_model(tasks, image_shape=(4, 4, 1))
    made = mtl.data.from_arrays(tasks, (IMAGES, {"kind": VALUES}))
    model = mtl.build_model(made.tasks, image_shape=made.image_shape)
    other = data(mtl.Classification("kind", classes=["b", "a"]), {"kind": VALUES})
    with pytest.raises(
        MTLError, match=r"same classes in the same order. Received: for task 'kind' a model of a, b and data of b, a"
    ):
        mtl.train(model, other, mtl.Phase(epochs=1))
    with pytest.raises(MTLError, match=r"same classes in the same order"):
        mtl.evaluate(model, other)


def test_names_reach_predictions_and_saved_models(tmp_path: Any) -> None:
    made = mtl.data.from_arrays(mtl.Tasks(mtl.Ordinal("size", classes=["S", "M", "L"])), (IMAGES, {"size": list("SMLM") * 10}))
    model = mtl.build_model(made.tasks, image_shape=made.image_shape)
    mtl.train(model, made, mtl.Phase(epochs=1), cache_dir=False)
    model.save(tmp_path / "model.keras")
    loaded = mtl.load_model(tmp_path / "model.keras")
    assert loaded.recipe.tasks == made.tasks
    decoded = mtl.prediction.decode(loaded, mtl.prediction.predict(loaded, made.validation))["size"]
    assert set(decoded.names or ()) <= {"S", "M", "L"}
    assert list(mtl.evaluate(loaded, made, cache_dir=False).class_table("size").index) == ["S", "M", "L"]


def test_groups_of_texts_are_classes_as_well() -> None:
    label = mtl.ClassMap("kind", {"round": ["a", "b"], "square": ["c", "d"]})
    made = data(mtl.Classification("shape", label=label), {"kind": ["a", "c", "d", "b"] * 10})
    assert made.tasks["shape"].class_count == 2
    assert labels_by_name(made) == ["round", "square", "square", "round"] * 10
