"""Add models of scikit-learn, one for each label, to a record of the study `yeast`.

    python -m benchmarks.yeast RUN --data-dir DIR

RUN is the folder of a finished `mtl-keras reproduce yeast`. For each of its configurations and folds, gradient boosting and an
MLP are trained on the same training rows and labels, and measured on the same test rows. Their values become rows of
metrics.csv, as baselines, and the page is written again with what the study says of them. Nothing is tuned.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mtl_keras as mtl
from mtl_keras.report import read_record, write_record

#: In the folder of the run: what is measured, so that it is measured once.
FILE = "scikit_learn.csv"
MLP = {"hidden_layer_sizes": (256,), "early_stopping": True, "max_iter": 200}


def label_of_run(configuration: str, kind: str) -> str:
    """Return the label of models of one label each, as the study looks for it."""
    return f"{configuration} single-task {kind}"


class Line(NamedTuple):
    """A value of one model, and what it stands on."""

    run: str
    seed: int
    task: str
    metric: str
    value: float
    n_train: int
    n_test: int


def models(seed: int) -> dict[str, Any]:
    """Return a new model of each kind by the end of its label."""
    return {
        "gradient boosting": HistGradientBoostingClassifier(random_state=seed),
        "scikit-learn MLP": make_pipeline(StandardScaler(), MLPClassifier(**MLP, random_state=seed)),
    }


def measure(study: mtl.Study, data_dir: str | None) -> Iterator[Line]:
    """Train every model and yield its test scores, configuration by configuration and fold by fold."""
    for configuration in study.configurations:
        settings = study.settings.change(study.configuration(configuration).changes)
        for fold in range(settings.split_folds or 0):
            data = study.load(settings.change({"split_fold": fold}), data_dir)
            assert data.test is not None
            for name, task in data.tasks.items():
                known = data.train.weight[name] > 0
                for kind, model in models(fold).items():
                    model.fit(data.train.x[known], data.train.y[name][known])
                    output = model.predict_proba(data.test.x)[:, 1:].astype(np.float32)
                    for metric, value in task.score(data.test.y[name], output).items():
                        yield Line(label_of_run(configuration, kind), fold, name, metric, value, int(known.sum()), len(output))
            print(f"{configuration}, fold {fold}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data-dir")
    given = parser.parse_args()
    study, file = mtl.load_study("yeast"), given.run / FILE
    if not file.exists():
        pd.DataFrame(measure(study, given.data_dir)).to_csv(file, index=False)
    lines = [Line(*row) for row in pd.read_csv(file).itertuples(index=False)]
    record, own = read_record(given.run), {line.run for line in lines}
    rows = [row for row in record.metrics if row["run"] not in own]
    # What a row says of its metric is what those of the networks say.
    about = {(row["task"], row["metric"]): row for row in rows if row["split"] == record.split and row["role"] == "approach"}
    rows += [
        {
            **about[line.task, line.metric],
            "run": line.run,
            "seed": line.seed,
            "phase": 0,
            "epoch_kind": epoch,
            "role": "single_task",
            "value": line.value,
            "n": line.n_test,
        }
        for line in lines
        for epoch in ("best", "last")
    ]
    # They have no epochs.
    trained = [mtl.report.Budget(line.run, (line.task,), line.n_train, 0) for line in lines if line.seed == 0]
    budgets = [*(each for each in record.budgets if each.run not in own), *mtl.report.merge_budgets(trained)]
    write_record(given.run, study.complete(replace(record, metrics=rows, budgets=budgets)))


if __name__ == "__main__":
    main()
