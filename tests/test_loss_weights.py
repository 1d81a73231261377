"""Weights of classes and of rows: in the loss of training and validation; metrics are said without and with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

import mtl_keras as mtl
from mtl_keras.errors import MTLError

N = 60
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (N, 6, 6, 1)).astype(np.uint8)
KIND = np.where(np.arange(N) % 10 == 0, "rare", np.where(np.arange(N) % 3 == 0, "some", "most")).astype(object)
MARKS = np.stack([np.arange(N) % 5 == 0, np.arange(N) % 2 == 0], axis=1).astype(float)
WEIGHT = RNG.uniform(0.2, 4, N)


def load(*tasks: mtl.tasks.Task, **options: Any) -> mtl.data.Data:
    columns = {
        "kind": KIND,
        "new": KIND == "rare",
        "marks": MARKS,
        "price": np.arange(N) * 1.0,
        "rank": np.arange(N) % 3 + 1,
        "w": WEIGHT,
        "v": WEIGHT[::-1],
    }
    return mtl.data.from_arrays(mtl.Tasks(*tasks), (IMAGES, columns), validation_fraction=0.3, **options)


def compute_loss(row_losses: np.ndarray, *weights: np.ndarray) -> float:
    return float(np.average(row_losses, weights=np.prod(weights, axis=0)))


@pytest.mark.parametrize(
    "class_weight", ["balanced", {"rare": 5.0}, {"rare": 5, "most": 0.5, "some": 1}, {1: 5.0}, {"0": 2, "2": 3}]
)
def test_class_weights_of_training_rows_weigh_both_losses(class_weight: Any) -> None:
    data = load(mtl.Classification("kind", class_weight=class_weight))
    assert data.class_names["kind"] == ("most", "rare", "some")
    stored = data.train.y["kind"]
    if class_weight == "balanced":
        expected = compute_class_weight("balanced", classes=np.arange(3), y=stored)
    else:
        by_name = {"1": {"rare": 5.0}, "0": {"most": 2.0, "some": 3.0}}.get(str(next(iter(class_weight))), class_weight)
        expected = np.array([by_name.get(name, 1.0) for name in ("most", "rare", "some")])
    np.testing.assert_allclose(data.train.class_weights["kind"], expected, rtol=1e-6)
    np.testing.assert_array_equal(data.validation.class_weights["kind"], data.train.class_weights["kind"])
    model = mtl.build_model(data.tasks, image_shape=data.image_shape)
    log = mtl.train(model, data, mtl.Phase(epochs=1), cache_dir=False).history[-1]
    outputs = mtl.prediction.predict(model, data.validation)["kind"]
    labels = data.validation.y["kind"]
    losses = -np.log(outputs[range(len(labels)), labels])
    assert log["val_kind_loss"] == pytest.approx(compute_loss(losses, expected[labels]), rel=1e-4)
    assert log["val_kind_loss"] != pytest.approx(losses.mean(), rel=1e-3)
    assert log["val_loss"] == pytest.approx(log["val_kind_loss"], rel=1e-5)
    # Metrics count each row once.
    evaluation = mtl.evaluate(model, data, cache_dir=False)
    assert evaluation.value("kind", "accuracy") == pytest.approx(np.mean(outputs.argmax(1) == labels))
    assert log["val_kind_accuracy"] == pytest.approx(np.mean(outputs.argmax(1) == labels))
    # Next to it, each is said with the weights, and so is the trivial predictor; the skill counts each row once.
    assert evaluation.value("kind", "weighted accuracy") == pytest.approx(
        compute_loss(outputs.argmax(1) == labels, expected[labels])
    )
    by_name = {score.metric: score for score in evaluation.scores}
    assert [*by_name] == ["accuracy", "macro_f1", "weighted accuracy", "weighted macro_f1"]
    majority = labels == np.bincount(stored).argmax()
    assert by_name["weighted accuracy"].trivial == pytest.approx(compute_loss(majority, expected[labels]))
    assert [score.skill is None for score in evaluation.scores] == [False, True, True, True]
    own = by_name["accuracy"]
    assert evaluation.skill == pytest.approx((own.value - own.trivial) / (1 - own.trivial))


def test_weighted_metrics_are_in_tables_and_records() -> None:
    data = load(mtl.Classification("kind", class_weight={"rare": 5.0}), mtl.Binary("new"))
    model = mtl.build_model(data.tasks, image_shape=data.image_shape)
    evaluation = mtl.evaluate(model, data, cache_dir=False)
    rows = mtl.report.metrics_rows(evaluation, run="multi-task", seed=0, phase=0, epoch_kind="best")
    rows += mtl.report.trivial_rows(evaluation)
    kind = {score.metric: score for score in evaluation.scores if score.task == "kind"}
    named = {(row["run"], row["metric"]): row["value"] for row in rows if row["task"] == "kind"}
    assert named["multi-task", "weighted accuracy"] == kind["weighted accuracy"].value
    assert named["trivial", "weighted accuracy"] == kind["weighted accuracy"].trivial
    table = mtl.report.scores_table(rows, "validation")
    assert table[table["task"] == "kind"]["metric"].tolist()[0] == "accuracy"
    assert "weighted macro_f1" in table["metric"].tolist()
    # Only where weights are given.
    assert [score.metric for score in evaluation.scores if score.task == "new"] == ["accuracy", "macro_f1"]


def test_weights_of_labels_count_each_label_by_its_own() -> None:
    column = MARKS.copy()
    column[::4, 1] = np.nan
    for class_weight, pairs in (("balanced", None), ({"a": 4.0}, [(1, 4), (1, 1)]), ({"1": (0.5, 2.0)}, [(1, 1), (0.5, 2)])):
        task = mtl.MultiLabel("marks", classes=["a", "b"], class_weight=class_weight, metrics=["log_loss"])
        data = mtl.data.from_arrays(mtl.Tasks(task), (IMAGES, {"marks": column}), (IMAGES[:20], {"marks": column[:20]}))
        if pairs is None:
            pairs = [compute_class_weight("balanced", classes=np.arange(2), y=c[~np.isnan(c)]) for c in column.T]
        weights = np.asarray(pairs, np.float64)
        np.testing.assert_allclose(data.train.class_weights["marks"], weights, rtol=1e-5)
        model = mtl.build_model(data.tasks, image_shape=data.image_shape)
        log = mtl.train(model, data, mtl.Phase(epochs=1), cache_dir=False).history[-1]
        outputs = mtl.prediction.predict(model, data.validation)["marks"]
        known, positive = ~np.isnan(column[:20]), column[:20] == 1
        each = -np.log(np.where(positive, outputs, 1 - outputs))
        of_labels = np.where(positive, weights[:, 1], weights[:, 0])
        assert log["val_marks_loss"] == pytest.approx(np.average(each[known], weights=of_labels[known]), rel=1e-4)
        assert log["val_marks_accuracy"] == pytest.approx(((outputs > 0.5) == positive)[known].mean(), rel=1e-5)
        evaluation = mtl.evaluate(model, data, cache_dir=False)
        hit = ((outputs > 0.5) == positive)[known]
        assert evaluation.value("marks", "weighted accuracy") == pytest.approx(compute_loss(hit, of_labels[known]), rel=1e-6)
        assert evaluation.value("marks", "weighted log_loss") == pytest.approx(log["val_marks_loss"], rel=1e-4)
        whole = (((outputs > 0.5) == positive) | ~known).all(axis=1)
        rows = (of_labels * known).sum(axis=1)
        assert evaluation.value("marks", "weighted exact_match") == pytest.approx(compute_loss(whole, rows), rel=1e-6)


@pytest.mark.parametrize("weight", ["w", {"price": "w", "new": "v"}])
def test_row_weights_weigh_losses_and_metrics_are_said_with_and_without(weight: Any) -> None:
    data = load(mtl.Binary("new"), mtl.Regression("price"), weight=weight)
    rows = {image.tobytes(): row for row, image in enumerate(IMAGES)}
    order = [rows[image.tobytes()] for image in data.validation.x]
    own = {"price": WEIGHT[order], "new": (WEIGHT if weight == "w" else WEIGHT[::-1])[order]}
    for name, expected in own.items():
        np.testing.assert_allclose(data.validation.weight[name], expected, rtol=1e-6)
    model = mtl.build_model(data.tasks, image_shape=data.image_shape)
    log = mtl.train(model, data, mtl.Phase(epochs=1), cache_dir=False).history[-1]
    outputs = mtl.prediction.predict(model, data.validation)
    q, labels = outputs["new"][:, 0], data.validation.y["new"]
    assert log["val_new_loss"] == pytest.approx(compute_loss(-np.log(np.where(labels, q, 1 - q)), own["new"]), rel=1e-4)
    evaluation = mtl.evaluate(model, data, cache_dir=False)
    away = np.abs(outputs["price"][:, 0] - data.validation.y["price"])
    assert evaluation.value("price", "mae") == pytest.approx(away.mean())
    weighted = evaluation.value("price", "weighted mae")
    assert weighted == pytest.approx(np.average(away, weights=own["price"]))
    assert f"weighted mae {weighted:.4g} (trivial " in repr(evaluation)


def test_a_row_of_weight_0_is_one_without_a_label() -> None:
    zero = np.where(np.arange(N) % 4 == 0, 0.0, 1.0)
    columns = {"kind": KIND, "w": zero}
    data = mtl.data.from_arrays(mtl.Tasks(mtl.Classification("kind", class_weight="balanced")), (IMAGES, columns), weight="w")
    absent = mtl.data.from_arrays(
        mtl.Tasks(mtl.Classification("kind", class_weight="balanced")),
        (IMAGES, {"kind": [kind if kept else None for kind, kept in zip(KIND, zero, strict=True)]}),
    )
    kept = data.train.weight["kind"] > 0
    assert 0 < kept.sum() < len(data.train)
    counts = np.bincount(data.train.y["kind"][kept], minlength=3)
    np.testing.assert_allclose(data.train.class_weights["kind"], kept.sum() / (3 * counts), rtol=1e-6)
    assert absent.tasks == data.tasks
    model = mtl.build_model(data.tasks, image_shape=data.image_shape)
    evaluation = mtl.evaluate(model, data, cache_dir=False)
    assert evaluation.scores[0].n == (data.validation.weight["kind"] > 0).sum() < len(data.validation)
    counted = data.validation.weight["kind"] > 0
    outputs, labels = mtl.prediction.predict(model, data.validation)["kind"][counted], data.validation.y["kind"][counted]
    expected = compute_loss(outputs.argmax(1) == labels, data.train.class_weights["kind"][labels])
    assert evaluation.value("kind", "weighted accuracy") == pytest.approx(expected)


def test_class_weights_follow_the_training_rows() -> None:
    data = load(mtl.Classification("kind", class_weight="balanced"))
    fewer = replace(data, train=data.train.take(np.flatnonzero(data.train.y["kind"] != 1)))
    np.testing.assert_allclose(fewer.train.class_weights["kind"][1], 1.0)
    only = data.only("kind").subset(20)
    counts = np.bincount(only.train.y["kind"], minlength=3)
    np.testing.assert_allclose(only.train.class_weights["kind"], counts.sum() / (3 * counts), rtol=1e-6)


def test_tasks_with_other_weights_are_still_computed_together() -> None:
    one, other = mtl.Binary("a", class_weight="balanced"), mtl.Binary("b", classes=["n", "y"], class_weight={"y": 3})
    assert one.like(other)
    assert not one.like(mtl.Binary("c", loss="hinge"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mtl.Binary("new", class_weight="even"), r"`class_weight` of task 'new' must be 'balanced' or map classes"),
        (
            lambda: mtl.Binary("new", class_weight={"1": 0}),
            r"class_weight\['1'\]` of task 'new' must be a number greater than 0",
        ),
        (lambda: mtl.Binary("new", class_weight={1: float("nan")}), r"class_weight\[1\]` of task 'new'.*nan"),
        (lambda: mtl.Binary("new", class_weight={1: (1, 2)}), r"class_weight\[1\]` of task 'new'"),
        (lambda: mtl.Binary("new", class_weight={1: 2, "1": 4}), r"must have each class once"),
        (
            lambda: load(mtl.Classification("kind", class_weight={"rar": 5.0})),
            r"Unknown class in class_weight of task 'kind': received 'rar'. Did you mean 'rare'",
        ),
        (
            lambda: load(mtl.Classification("rank", class_weight={0: 5.0})),
            r"Unknown class in class_weight of task 'rank': received '0'. Expected one of '1', '2', '3'",
        ),
        (lambda: load(mtl.Binary("new"), weight="weights"), r"Unknown column: received 'weights'.*`weight` names it"),
        (lambda: load(mtl.Binary("new"), weight={"old": "w"}), r"Unknown task in weight: received 'old'"),
        (lambda: load(mtl.Binary("new"), weight="kind"), r"must be 60 numbers. Received: texts in column 'kind' of train"),
    ],
)
def test_weights_that_cannot_be_are_refused(make: Any, message: str) -> None:
    with pytest.raises(MTLError, match=message) as refused:
        make()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_row_weights_out_of_range_are_named_by_row(value: float) -> None:
    weight = WEIGHT.copy()
    weight[[3, 7]] = value
    with pytest.raises(MTLError, match=r"`weight` of column 'w' of train must be finite and at least 0.*rows 3, 7"):
        mtl.data.from_arrays(mtl.Tasks(mtl.Binary("new")), (IMAGES, {"new": KIND == "rare", "w": weight}), weight="w")
    zero = {"new": KIND == "rare", "w": np.zeros(N)}
    with pytest.raises(MTLError, match=r"must be above 0 somewhere. Received: none in column 'w'"):
        mtl.data.from_arrays(mtl.Tasks(mtl.Binary("new")), (IMAGES, zero), weight="w")


def test_class_weights_are_for_train() -> None:
    data = load(mtl.Binary("new", class_weight="balanced"))
    model = mtl.build_model(data.tasks, image_shape=data.image_shape)
    model.compile("adam")
    with pytest.raises(MTLError, match=r"`class_weight` must be used with mtl.train.*task 'new' in `fit`"):
        model.fit(data.train.x, {"new": data.train.y["new"]}, verbose=0)
