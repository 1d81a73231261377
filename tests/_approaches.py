"""Rows of several approaches, with numbers that can be checked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mtl_keras import report

UNITS = {"accuracy": ("fraction of rows", "max"), "macro_f1": ("mean F1", "max"), "mse": ("squared error", "min")}
GAINS = (0.01, 0.02, 0.03, 0.04, 0.05)


def row(run: str, seed: Any, task: str, metric: str, value: float, kind: str = "best", split: str = "test") -> Any:
    unit, direction = UNITS.get(metric, ("", "max"))
    role = "trivial" if run == "trivial" else "single_task" if run.endswith("single-task") else "approach"
    values = (run, seed, 0, kind, split, task, metric, value, 40, unit, direction, role)
    return dict(zip(report.MetricsRow.__annotations__, values, strict=True))


def rows_of(run: str, accuracies: Sequence[float], mses: Sequence[float] = ()) -> list[Any]:
    """Test rows of seeds 0, 1, ...; the last epoch is 0.1 below the best."""
    rows = []
    for seed, accuracy in enumerate(accuracies):
        mse = mses[seed] if mses else 0.02 + 0.001 * seed
        for kind, less in (("best", 0.0), ("last", 0.1)):
            rows += [row(run, seed, "fine", "accuracy", accuracy - less, kind), row(run, seed, "fine", "macro_f1", 0.5, kind)]
            rows += [row(run, seed, "image", "mse", mse, kind), row(run, seed, "all", "skill", accuracy / 2, kind)]
    return rows


BASELINES = [0.60, 0.70, 0.65, 0.75, 0.68]
BETTER = [baseline + gain for baseline, gain in zip(BASELINES, GAINS, strict=True)]
TRIVIAL = [row("trivial", "", "fine", "accuracy", 0.1, ""), row("trivial", "", "image", "mse", 0.1, "")]
ROWS = [*rows_of("joint", BETTER), *rows_of("fine then coarse", BASELINES), *rows_of("single-task", BASELINES), *TRIVIAL]
PUBLISHED: list[dict[str, Any]] = [
    {"run": "joint", "task": "fine", "metric": "accuracy", "value": 0.7, "note": "Table 2"},
    {"run": "theirs", "task": "image", "metric": "mse", "value": "0.02 to 0.03", "note": "read off Fig. 3"},
]


def history(run: str, seed: int = 0, epochs: int = 3, phase: int = 0, **losses: float) -> list[Any]:
    """History rows with a loss of `losses[task] / epoch`, and a weighted total of 100."""
    logs = [
        {
            "phase": phase,
            "epoch": epoch,
            "loss": 100.0,
            "val_loss": 100.0,
            **{f"{part}{task}_loss": loss / epoch for part in ("", "val_") for task, loss in losses.items()},
        }
        for epoch in range(1, epochs + 1)
    ]
    role: report.Role = "single_task" if "single-task" in run else "approach"
    return report.history_rows(logs, list(losses), run=run, role=role, seed=seed)
