"""Rows of one approach and its single-task baselines, with numbers that can be checked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mtl_keras import report
from mtl_keras.evaluation import Evaluation, Score

ACCURACY = ("accuracy", "fraction of rows", "max")
MSE = ("mse", "squared error per pixel in [0, 1]", "min")
ROLES: dict[str, report.Role] = {"multi-task": "approach", "single-task": "single_task"}


def evaluation(split: str = "test", accuracy: float = 0.75, mse: float = 0.02, **kwargs: Any) -> Evaluation:
    """Two tasks, with trivial values 0.5 and 0.1: skills 0.5 and 0.8 by default."""
    skills = ((accuracy - 0.5) / 0.5, 1 - mse / 0.1)
    scores = (
        Score("digit", ACCURACY[0], accuracy, 36, *ACCURACY[1:], trivial=0.5, skill=skills[0]),
        Score("image", MSE[0], mse, 40, *MSE[1:], trivial=0.1, skill=skills[1]),
    )
    return Evaluation(split, scores, sum(skills) / 2, **kwargs)


def rows_of(multi: Sequence[float], single: Sequence[float], split: str = "test") -> list[Any]:
    """Rows of metrics.csv with these accuracies of seeds 0, 1, ..."""
    rows = [
        row
        for run, values in (("multi-task", multi), ("single-task", single))
        for seed, value in enumerate(values)
        for row in report.metrics_rows(
            evaluation(split, value), run=run, role=ROLES[run], seed=seed, phase=0, epoch_kind="best"
        )
    ]
    return rows + report.trivial_rows(evaluation(split))


def history(epochs: int = 3, seed: int = 0, run: str = "multi-task", tasks: Sequence[str] = ("digit", "image")) -> list[Any]:
    metric = {"digit": "accuracy", "image": "mse"}
    logs = []
    for epoch in range(1, epochs + 1):
        row: dict[str, Any] = {"phase": 0, "epoch": epoch, "loss": 2 / epoch, "skill": 0.1 * epoch, "learning_rate": 0.001}
        for task in tasks:
            row |= {f"{task}_loss": 1 / epoch, f"{task}_{metric[task]}": 0.1 * epoch, f"loss_weight_{task}": 1.0}
        logs.append({**row, **{f"val_{name}": value * 1.1 for name, value in row.items() if name not in ("phase", "epoch")}})
    return report.history_rows(logs, tasks, run=run, role="single_task" if "single" in run else "approach", seed=seed)


def trial(number: int, skill: float | None, execution: int = 0, **hyperparameters: Any) -> dict[str, Any]:
    values = {} if skill is None else {"skill": skill, "digit_accuracy": skill / 2, "digit_loss": 1.5, "epoch": 2}
    status, error = ("failed", "out of memory") if skill is None else ("completed", None)
    line = {"trial": number, "execution": execution, "seed": number, "status": status, "error": error}
    return {**line, "hyperparameters": hyperparameters, "values": values, "seconds": 2.0}


TRIALS = [
    trial(0, 0.4, learning_rate=1e-4, depth=0),
    trial(1, None, learning_rate=1e-2, depth=2, width=64),
    trial(2, 0.6, learning_rate=1e-3, depth=1, width=32),
]
