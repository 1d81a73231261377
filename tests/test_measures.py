"""Metrics against scikit-learn and SciPy, with and without row weights, and where they are not defined."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
import scipy.stats
from sklearn import metrics as sk

import mtl_keras as mtl
from mtl_keras.errors import MTLError

N = 200
RNG = np.random.default_rng(3)
CLASS = np.concatenate([np.arange(8), RNG.integers(0, 8, N - 8)])
PROBABILITIES = (RNG.dirichlet(np.ones(8), N) * 0.7 + 0.3 * np.eye(8)[CLASS]).astype(np.float32)
RANK = CLASS // 2
RANK_PROBABILITIES = np.add.reduceat(PROBABILITIES, [0, 2, 4, 6], axis=1)
MEDIAN = (RANK_PROBABILITIES.cumsum(axis=1)[:, :-1] < 0.5).sum(axis=1)
YES = (RNG.uniform(size=N) < 0.2).astype(np.int32)
P = np.clip(0.3 * YES + RNG.uniform(0, 0.7, N), 0.01, 0.99).astype(np.float32)
SETS = np.stack([YES, 1 - CLASS % 2, (CLASS > 5)], axis=1)
SET_PROBABILITIES = np.clip(0.4 * SETS + RNG.uniform(0, 0.6, (N, 3)), 0.01, 0.99).astype(np.float32)
NUMBER = RNG.normal(50, 10, N)
GUESS = (NUMBER + RNG.normal(0, 8, N))[:, None]


def exact(probabilities: np.ndarray) -> np.ndarray:
    """Rows whose sum scikit-learn takes for one."""
    return probabilities.astype(float) / probabilities.astype(float).sum(axis=1, keepdims=True)


def ranks_correlation(true: np.ndarray, predicted: np.ndarray, w: np.ndarray | None) -> float:
    if w is None:
        return float(scipy.stats.spearmanr(true, predicted).statistic)
    ranks = np.cov(scipy.stats.rankdata(true), scipy.stats.rankdata(predicted), aweights=w)
    return float(ranks[0, 1] / math.sqrt(ranks[0, 0] * ranks[1, 1]))


CASES: dict[str, tuple[mtl.tasks.Task, np.ndarray, np.ndarray, dict[str, Any]]] = {
    "classification": (
        mtl.Classification(
            "t", classes=8, metrics=["balanced_accuracy", "top_5_accuracy", "log_loss", "auc", "average_precision"]
        ),
        CLASS,
        PROBABILITIES,
        {
            "accuracy": lambda w: sk.accuracy_score(CLASS, PROBABILITIES.argmax(1), sample_weight=w),
            "macro_f1": lambda w: sk.f1_score(CLASS, PROBABILITIES.argmax(1), average="macro", sample_weight=w),
            "balanced_accuracy": lambda w: sk.balanced_accuracy_score(CLASS, PROBABILITIES.argmax(1), sample_weight=w),
            "top_5_accuracy": lambda w: sk.top_k_accuracy_score(CLASS, PROBABILITIES, k=5, sample_weight=w),
            "log_loss": lambda w: sk.log_loss(CLASS, exact(PROBABILITIES), sample_weight=w),
            "auc": lambda w: np.mean([sk.roc_auc_score(c == CLASS, PROBABILITIES[:, c], sample_weight=w) for c in range(8)]),
            "average_precision": lambda w: np.mean(
                [sk.average_precision_score(c == CLASS, PROBABILITIES[:, c], sample_weight=w) for c in range(8)]
            ),
        },
    ),
    "binary": (
        mtl.Binary("t", metrics=["balanced_accuracy", "log_loss", "auc", "average_precision"]),
        YES,
        P[:, None],
        {
            "accuracy": lambda w: sk.accuracy_score(YES, P > 0.5, sample_weight=w),
            "macro_f1": lambda w: sk.f1_score(YES, P > 0.5, average="macro", sample_weight=w),
            "balanced_accuracy": lambda w: sk.balanced_accuracy_score(YES, P > 0.5, sample_weight=w),
            "log_loss": lambda w: sk.log_loss(YES, P.astype(float), sample_weight=w),
            "auc": lambda w: sk.roc_auc_score(YES, P, sample_weight=w),
            "average_precision": lambda w: sk.average_precision_score(YES, P, sample_weight=w),
        },
    ),
    "multi-label": (
        mtl.MultiLabel("t", classes=3, metrics=["log_loss", "auc", "average_precision"]),
        SETS,
        SET_PROBABILITIES,
        {
            "accuracy": lambda w: np.average(((SET_PROBABILITIES > 0.5) == SETS).mean(axis=1), weights=w),
            "macro_f1": lambda w: sk.f1_score(SETS, SET_PROBABILITIES > 0.5, average="macro", sample_weight=w),
            "exact_match": lambda w: sk.accuracy_score(SETS, SET_PROBABILITIES > 0.5, sample_weight=w),
            "log_loss": lambda w: np.mean(
                [sk.log_loss(SETS[:, c], SET_PROBABILITIES[:, c].astype(float), sample_weight=w) for c in range(3)]
            ),
            "auc": lambda w: sk.roc_auc_score(SETS, SET_PROBABILITIES, average="macro", sample_weight=w),
            "average_precision": lambda w: sk.average_precision_score(
                SETS, SET_PROBABILITIES, average="macro", sample_weight=w
            ),
        },
    ),
    "ordinal": (
        mtl.Ordinal("t", classes=4, metrics=["rmse", "r2", "spearman", "macro_f1", "balanced_accuracy", "log_loss"]),
        RANK,
        RANK_PROBABILITIES,
        {
            "mae": lambda w: sk.mean_absolute_error(RANK, MEDIAN, sample_weight=w),
            "accuracy": lambda w: sk.accuracy_score(RANK, MEDIAN, sample_weight=w),
            "kappa": lambda w: sk.cohen_kappa_score(RANK, MEDIAN, weights="quadratic", sample_weight=w),
            "rmse": lambda w: sk.root_mean_squared_error(RANK, MEDIAN, sample_weight=w),
            "r2": lambda w: sk.r2_score(RANK, MEDIAN, sample_weight=w),
            "spearman": lambda w: ranks_correlation(RANK, MEDIAN, w),
            "macro_f1": lambda w: sk.f1_score(RANK, MEDIAN, average="macro", sample_weight=w),
            "balanced_accuracy": lambda w: sk.balanced_accuracy_score(RANK, MEDIAN, sample_weight=w),
            "log_loss": lambda w: sk.log_loss(RANK, exact(RANK_PROBABILITIES), sample_weight=w),
        },
    ),
    "regression": (
        mtl.Regression("t", metrics=["rmse", "r2", "spearman"]),
        NUMBER,
        GUESS,
        {
            "mse": lambda w: sk.mean_squared_error(NUMBER, GUESS, sample_weight=w),
            "mae": lambda w: sk.mean_absolute_error(NUMBER, GUESS, sample_weight=w),
            "rmse": lambda w: sk.root_mean_squared_error(NUMBER, GUESS, sample_weight=w),
            "r2": lambda w: sk.r2_score(NUMBER, GUESS, sample_weight=w),
            "spearman": lambda w: ranks_correlation(NUMBER, GUESS[:, 0], w),
        },
    ),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_metrics_are_those_of_scikit_learn(name: str, weighted: bool) -> None:
    task, stored, prediction, expected = CASES[name]
    weight = np.random.default_rng(0).uniform(0.1, 3, N) if weighted else None
    found = task.score(stored, prediction, weight)
    assert list(found) == [metric.name for metric in task.all_metrics] == list(expected)
    for metric, compute in expected.items():
        assert found[metric] == pytest.approx(compute(weight), rel=1e-5), metric
    assert {metric.name for metric in (*task.own_metrics, *task.other_metrics)} == set(expected), "all of the kind are tested"
    # A weight of two is a row that is there twice.
    twice = np.concatenate([np.arange(N), np.arange(0, N, 2)])
    doubled = task.score(stored, prediction, 1.0 + (np.arange(N) % 2 == 0))
    again = task.score(stored[twice], prediction[twice])
    for metric in set(expected) - {"spearman"}:
        assert doubled[metric] == pytest.approx(again[metric], rel=1e-5), metric


def test_psnr_and_mse_of_pixels_take_weights() -> None:
    task = mtl.Reconstruction("image")
    stored = RNG.integers(0, 256, (6, 3, 3, 1)).astype(np.uint8)
    prediction = RNG.uniform(size=stored.shape).astype(np.float32)
    each = np.square(stored / 255.0 - prediction).reshape(6, -1).mean(axis=1)
    weight = np.array([1.0, 2, 3, 4, 5, 6])
    found = task.score(stored, prediction, weight)
    assert found["mse"] == pytest.approx(np.average(each, weights=weight))
    assert found["psnr"] == pytest.approx(-10 * math.log10(found["mse"]))


def test_metrics_of_keras_are_computed_of_all_rows() -> None:
    f1 = keras.metrics.F1Score(average="macro", threshold=0.5)
    task = mtl.Binary("t", metrics=[f1, "Precision", "auc"], skill="precision")
    assert task.metric.name == "precision"
    assert mtl.Binary("t", metrics=[keras.metrics.F1Score(average="macro", threshold=0.5)]) == mtl.Binary("t", metrics=[f1])
    for weight in (None, RNG.uniform(1, 2, N)):
        found = task.score(YES, P[:, None], weight)
        assert found["precision"] == pytest.approx(sk.precision_score(YES, P > 0.5, sample_weight=weight), rel=1e-5)
        assert found["f1_score"] == pytest.approx(sk.f1_score(YES, P > 0.5, sample_weight=weight), rel=1e-5)
    classes = mtl.Classification("t", classes=8, metrics=["SparseTopKCategoricalAccuracy", "categorical_crossentropy"])
    found = classes.score(CLASS, PROBABILITIES)
    assert found["sparse_top_k_categorical_accuracy"] == pytest.approx(sk.top_k_accuracy_score(CLASS, PROBABILITIES, k=5))
    assert found["categorical_crossentropy"] == pytest.approx(sk.log_loss(CLASS, exact(PROBABILITIES)), rel=1e-5)
    # Of a label set of which a part is known, the known parts.
    stored = SETS.copy()
    stored[::3, 1] = -1
    sets = mtl.MultiLabel("t", classes=3, metrics=["binary_accuracy"])
    found = sets.score(stored, SET_PROBABILITIES, RNG.uniform(1, 2, N))
    assert found["binary_accuracy"] == pytest.approx(found["accuracy"], rel=1e-5)


def test_metrics_that_rows_do_not_define_have_no_value() -> None:
    task = mtl.Binary("t", skill="auc", metrics=["average_precision"])
    found = task.score(np.zeros(5, np.int32), P[:5, None])
    assert math.isnan(found["auc"])
    assert math.isnan(found["average_precision"])
    tasks = mtl.Tasks(task, mtl.Binary("other"))
    assert tasks.mean_skill({"t": math.nan, "other": 0.75}, {"t": math.nan, "other": 0.5}) == pytest.approx(0.5)
    numbers = mtl.Regression("t", metrics=["r2", "spearman"])
    assert numbers.score(NUMBER, np.full((N, 1), 3.0))["spearman"] == 0
    assert math.isnan(numbers.score(NUMBER[:1], GUESS[:1])["r2"])


def test_trivial_values_are_those_of_chance() -> None:
    for name, metric, expected in (
        ("binary", "auc", 0.5),
        ("binary", "average_precision", YES.mean()),
        ("classification", "balanced_accuracy", 1 / 8),
        ("classification", "auc", 0.5),
        ("ordinal", "kappa", 0.0),
        ("ordinal", "spearman", 0.0),
        ("regression", "r2", 0.0),
        ("regression", "spearman", 0.0),
    ):
        task, stored, _, _ = CASES[name]
        row = task.trivial(stored)
        found = task.score(stored, np.broadcast_to(row, (N, *row.shape)))
        assert found[metric] == pytest.approx(expected, abs=1e-9), metric


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mtl.Binary("t", metrics=["auk"]), r"A metric of task 't' must be one of accuracy, .*Received: 'auk'"),
        (lambda: mtl.Binary("t", metrics="auc"), r"`metrics` of task 't' must be a list. Received: metrics='auc'"),
        (lambda: mtl.Binary("t", metrics=["TruePositives"]), r"must have a direction. Received: 'true_positives'"),
        (lambda: mtl.Binary("t", metrics=["Precision", "precision"]), r"names of their own. Received: 'precision', 2 times"),
        (lambda: mtl.Binary("t", metrics=[3]), r"The metric of task 't' must be one that Keras knows. Received: 3"),
        (lambda: mtl.Binary("t", skill="acu"), r"Unknown metric for the skill of task 't': received 'acu'.*'auc'"),
        (lambda: mtl.Reconstruction("t", skill="psnr"), r"a metric with a best value. Received: skill='psnr'"),
    ],
)
def test_metrics_that_cannot_be_are_refused(make: Any, message: str) -> None:
    with pytest.raises(MTLError, match=message) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_a_metric_of_several_numbers_is_refused_when_it_is_computed() -> None:
    task = mtl.Classification("t", classes=8, metrics=["F1Score"])
    with pytest.raises(MTLError, match=r"must be one number. Received: 'f1_score', which has 8. Give it an average"):
        task.score(CLASS, PROBABILITIES)
