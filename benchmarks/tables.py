"""Compare one MLP for all targets of a table with scikit-learn's models, one for each target.

    python -m benchmarks.tables

Wine, diabetes and Linnerud of scikit-learn, five random splits of each (60 % training, 20 % validation, 20 % test; scikit-learn
trains on training and validation rows together). Nothing is tuned: the MLP has one configuration for all tables, scikit-learn's
models have their defaults, with standardized inputs and targets for its MLP. Accuracy or R2 on the test rows, mean and sample
standard deviation over the splits.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_linnerud, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mtl_keras as mtl
from benchmarks._measure import report
from mtl_keras.prediction import predict

SPLITS = 5
#: Table and its targets, those that are classes last.
Table = tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]


def wine() -> Table:
    """178 wines: their grower, and two measurements, from the eleven others."""
    return load_wine(as_frame=True).frame, ("proline", "alcohol"), ("target",)


def diabetes() -> Table:
    """442 patients: the progression of their disease and their blood sugar, from nine measurements."""
    return load_diabetes(as_frame=True).frame, ("target", "s6"), ()


def linnerud() -> Table:
    """20 men: weight, waist and pulse, from three exercises."""
    return load_linnerud(as_frame=True).frame, ("Weight", "Waist", "Pulse"), ()


def multi_task(data: mtl.data.Data, seed: int) -> dict[str, float]:
    """Return the test score of each target of one network."""
    keras.utils.set_random_seed(seed)
    backbone = mtl.Backbone("MLP", columns=data.columns, width=64, dropout=0.1)
    model = mtl.build_model(data.tasks, backbone, image_shape=data.image_shape)
    optimizer = {"class_name": "AdamW", "config": {"learning_rate": 3e-3}}
    mtl.train(model, data, mtl.Phase(epochs=200, patience=40, batch_size=32, optimizer=optimizer), seed=seed)
    assert data.test is not None
    outputs = predict(model, data.test)
    scores = {}
    for name, task in data.tasks.items():
        truth, output = data.test.y[name], outputs[name]
        classes = task.class_count is not None
        scores[name] = accuracy_score(truth, output.argmax(1)) if classes else r2_score(truth, output[:, 0])
    return scores


def single(data: mtl.data.Data, classifier: Callable[[], Any], regressor: Callable[[], Any]) -> dict[str, float]:
    """Return the test score of each target of one model for each."""
    assert data.test is not None
    x = np.concatenate([data.train.x, data.validation.x])
    scores = {}
    for name, task in data.tasks.items():
        model = (regressor if task.class_count is None else classifier)()
        model.fit(x, np.concatenate([data.train.y[name], data.validation.y[name]]))
        score = r2_score if task.class_count is None else accuracy_score
        scores[name] = float(score(data.test.y[name], model.predict(data.test.x)))
    return scores


def network(kind: Any, seed: int) -> Any:
    """Return an MLP of scikit-learn on standardized inputs."""
    return make_pipeline(StandardScaler(), kind(max_iter=2000, random_state=seed))


def regressor(seed: int) -> Any:
    """Return the same for standardized targets."""
    return TransformedTargetRegressor(network(MLPRegressor, seed), transformer=StandardScaler())


def main() -> None:
    results: dict[str, str] = {}
    for load in (wine, diabetes, linnerud):
        frame, numbers, classes = load()
        tasks = mtl.Tasks(*map(mtl.Regression, numbers), *(mtl.Classification(name, classes=3) for name in classes))
        inputs = dict.fromkeys([name for name in frame.columns if name not in tasks], "number")
        rows: dict[tuple[str, str], list[float]] = {}
        for seed in range(SPLITS):
            splits = mtl.data.Splits(validation=0.2, test=0.2, stratify=classes or ())
            data = mtl.data.from_table(frame, tasks, inputs=inputs, splits=splits, seed=seed)
            found = {
                "MLP of all targets": multi_task(data, seed),
                "gradient boosting": single(
                    data,
                    functools.partial(HistGradientBoostingClassifier, random_state=seed),
                    functools.partial(HistGradientBoostingRegressor, random_state=seed),
                ),
                "scikit-learn's MLP": single(
                    data, functools.partial(network, MLPClassifier, seed), functools.partial(regressor, seed)
                ),
            }
            for model, scores in found.items():
                for name, score in scores.items():
                    rows.setdefault((name, model), []).append(score)
        for (name, model), values in rows.items():
            results[f"{load.__name__} {name}, {model}"] = f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"
    report("tables", results, "none: what it is")


if __name__ == "__main__":
    main()
