"""Metrics computed from predictions, as several kinds of task need them; with scikit-learn where it has them.

Each function returns what a kind can compute, by name, as functions without arguments: only what is asked for is computed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

import numpy as np

from mtl_keras.tasks._metric import Metric

__all__ = [
    "AUC",
    "AVERAGE_PRECISION",
    "BALANCED_ACCURACY",
    "LOG_LOSS",
    "Measures",
    "class_measures",
    "column_measures",
    "log_loss",
    "number_measures",
    "rank_measures",
    "top_accuracy",
    "weights_of_parts",
]

#: Metrics by name; each is computed when it is called.
Measures = Mapping[str, Callable[[], float]]

BALANCED_ACCURACY = Metric("balanced_accuracy", "mean recall over classes", "max", 1.0)
LOG_LOSS = Metric("log_loss", "negative log probability of the label, in nats", "min", 0.0)
AUC = Metric("auc", "area under the ROC curve", "max", 1.0)
AVERAGE_PRECISION = Metric("average_precision", "average precision", "max", 1.0)

#: Smallest probability that a log loss counts with.
SMALLEST = float(np.finfo(np.float32).eps)
#: How many classes count for `top_5_accuracy`.
TOP = 5


def weights_of_parts(weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the weight of each part `[n, parts]` of labels, given those of the rows `[n]`, or of the parts themselves."""
    return np.broadcast_to(weight[:, None] if weight.ndim == 1 else weight, shape)


def class_measures(true: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None) -> Measures:
    """Return the metrics of predicted classes: accuracy, macro F1 and balanced accuracy.

    As in scikit-learn, a class that is absent from a small split is left out of the means.
    """
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    mean = {"average": "macro", "zero_division": 0.0, "sample_weight": weight}
    return {
        "accuracy": lambda: float(accuracy_score(true, predicted, sample_weight=weight)),
        "macro_f1": lambda: float(f1_score(true, predicted, **mean)),
        "balanced_accuracy": lambda: float(recall_score(true, predicted, labels=np.unique(true), **mean)),
    }


def column_measures(positive: np.ndarray, known: np.ndarray, scores: np.ndarray, weight: np.ndarray | None) -> Measures:
    """Return the metrics of ranked scores: AUC and average precision, means over the columns that have both values.

    Args:
        positive: Booleans `[n, columns]`, e.g. whether a row is of a class.
        known: Booleans `[n, columns]`, whether that is known.
        scores: `[n, columns]`.
        weight: Weights `[n]` or `[n, columns]`, or None.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    weights = None if weight is None else weights_of_parts(weight, known.shape)

    def mean(function: Callable[..., float]) -> float:
        found = []
        for column in range(positive.shape[1]):
            rows = known[:, column]
            truth = positive[rows, column]
            if truth.any() and not truth.all():
                own = None if weights is None else weights[rows, column]
                found.append(function(truth, scores[rows, column], sample_weight=own))
        return float(np.mean(found)) if found else math.nan

    return {
        "auc": lambda: mean(roc_auc_score),
        "average_precision": lambda: mean(average_precision_score),
    }


def log_loss(true: np.ndarray, probabilities: np.ndarray, weight: np.ndarray | None) -> float:
    """Return the mean negative log probability of the labels.

    Args:
        true: Class indices `[n]`.
        probabilities: `[n, classes]`.
        weight: Row weights `[n]`, or None.
    """
    own = np.take_along_axis(np.asarray(probabilities, np.float64), true[:, None].astype(np.int64), axis=1)[:, 0]
    return float(np.average(-np.log(np.clip(own, SMALLEST, 1.0)), weights=weight))


def top_accuracy(true: np.ndarray, probabilities: np.ndarray, weight: np.ndarray | None) -> float:
    """Return the share of rows whose class is among the most probable ones; of equal ones, the first counts as more."""
    top = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    return float(np.average((top == true[:, None]).any(axis=1), weights=weight))


def rank_measures(true: np.ndarray, predicted: np.ndarray, classes: int, weight: np.ndarray | None) -> Measures:
    """Return the metrics of predicted ranks: MAE, accuracy, quadratic weighted kappa, and those of numbers and classes."""
    from sklearn.metrics import cohen_kappa_score, mean_absolute_error

    def kappa() -> float:
        if len(np.union1d(true, predicted)) == 1:
            return 1.0
        labels = np.arange(classes)
        return float(cohen_kappa_score(true, predicted, weights="quadratic", labels=labels, sample_weight=weight))

    numbers = number_measures(true[:, None].astype(np.float64), predicted[:, None].astype(np.float64), weight)
    return {
        **{name: numbers[name] for name in ("rmse", "r2", "spearman")},
        **class_measures(true, predicted, weight),
        "mae": lambda: float(mean_absolute_error(true, predicted, sample_weight=weight)),
        "kappa": kappa,
    }


def number_measures(true: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None) -> Measures:
    """Return the metrics of numbers: MSE, MAE and RMSE over all known numbers, R squared and Spearman's, means over columns.

    Args:
        true: `[n, size]` float64, NaN where missing.
        predicted: `[n, size]` float64.
        weight: Row weights `[n]`, or None.
    """
    known = ~np.isnan(true)
    error = (true - predicted)[known]
    each = None if weight is None else weights_of_parts(weight, true.shape)[known]

    @functools.cache
    def mse() -> float:
        return float(np.average(np.square(error), weights=each))

    def mean(function: Callable[..., float]) -> float:
        columns = [(true[rows, i], predicted[rows, i], rows) for i, rows in enumerate(known.T) if rows.sum() > 1]
        found = [function(t, p, None if weight is None else weight[rows]) for t, p, rows in columns]
        return float(np.mean(found)) if found else math.nan

    return {
        "mse": mse,
        "mae": lambda: float(np.average(np.abs(error), weights=each)),
        "rmse": lambda: math.sqrt(mse()),
        "r2": lambda: mean(_explained),
        "spearman": lambda: mean(_rank_correlation),
    }


def _explained(true: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None) -> float:
    from sklearn.metrics import r2_score

    return float(r2_score(true, predicted, sample_weight=weight))


def _rank_correlation(true: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None) -> float:
    """Return Spearman's correlation: that of the ranks, weighted if there are weights; 0 where one side is constant."""
    from scipy.stats import rankdata

    if np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return 0.0
    first, second = rankdata(true), rankdata(predicted)
    first, second = (ranks - np.average(ranks, weights=weight) for ranks in (first, second))
    together, *alone = (np.average(a * b, weights=weight) for a, b in ((first, second), (first, first), (second, second)))
    return float(together / math.sqrt(alone[0] * alone[1])) if alone[0] * alone[1] else 0.0
