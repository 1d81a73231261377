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
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mtl_keras as mtl
from mtl_keras.report import read_record, write_record

STUDY = "yeast"
MLP = {"hidden_layer_sizes": (256,), "early_stopping": True, "max_iter": 200}


def models(seed: int) -> dict[str, Any]:
    """Return a new model of each kind by the end of its label."""
    return {
        "gradient boosting": HistGradientBoostingClassifier(random_state=seed),
        "scikit-learn MLP": make_pipeline(StandardScaler(), MLPClassifier(**MLP, random_state=seed)),
    }


def scores(data: mtl.data.Data, seed: int) -> Iterator[tuple[str, str, int, int, dict[str, float]]]:
    """Yield model, task, number of training rows, number of test rows and test scores."""
    assert data.test is not None
    for name, task in data.tasks.items():
        known = data.train.weight[name] > 0
        for kind, model in models(seed).items():
            model.fit(data.train.x[known], data.train.y[name][known])
            output = model.predict_proba(data.test.x)[:, 1:].astype(np.float32)
            yield kind, name, int(known.sum()), len(output), task.score(data.test.y[name], output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data-dir")
    given = parser.parse_args()
    study, record = mtl.load_study(STUDY), read_record(given.run)
    rows = [row for row in record.metrics if not added(row["run"])]
    budgets = [each for each in record.budgets if not added(each.run)]
    # What a row says of its metric is what those of the networks say.
    about = {(row["task"], row["metric"]): row for row in rows if row["split"] == "test" and row["role"] == "approach"}
    trained: list[mtl.report.Budget] = []
    for configuration, each in record.config["configurations"].items():
        settings = study.settings.change(each["settings"])
        for number in range(each["seeds"]):
            data = study.load(settings.change({"fold": (settings.fold + number) % settings.folds}), given.data_dir)
            for kind, task, n_train, n_test, found in scores(data, number):
                run = f"{configuration} single-task {kind}"
                head = {"run": run, "seed": number, "phase": 0, "split": "test", "role": "single_task", "n": n_test}
                rows += [
                    {**about[task, metric], **head, "epoch_kind": epoch, "value": value}
                    for epoch in ("best", "last")
                    for metric, value in found.items()
                ]
                if number == 0:
                    trained.append(mtl.report.Budget(run, (task,), n_train, 0))
            print(f"{configuration}, fold {number}", flush=True)
    budgets += mtl.report.merge_budgets(trained)
    write_record(given.run, study.complete(replace(record, metrics=rows, budgets=budgets)))


def added(run: str) -> bool:
    """Return whether a run is one that this script adds."""
    return any(run.endswith(f" single-task {kind}") for kind in models(0))


if __name__ == "__main__":
    main()
