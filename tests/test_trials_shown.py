"""Tables on a terminal: trials in 80 columns, and every metric of an evaluation."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

import mtl_keras as mtl
from mtl_keras.cli._show import _show_trials, show_evaluation
from mtl_keras.evaluation import Evaluation, Score

NAMES = [f"hyperparameter_{number}" for number in range(12)]


def trial(number: int) -> dict[str, Any]:
    values = {"learning_rate": 1e-3 * (number + 1), **dict.fromkeys(NAMES, number * 3), "shared_depth": 1}
    scores = {"skill": 0.01 * number, "digit_accuracy": 0.5, "parity_accuracy": 0.75}
    row = {"trial": number, "execution": 0, "seed": 1, "status": "completed", "hyperparameters": values, "values": scores}
    return {**row, "seconds": 1.5, "error": None}


def test_thirty_trials_take_a_line_each_of_the_best_ten_on_a_terminal_of_80_columns() -> None:
    out = io.StringIO()
    _show_trials(Console(file=out, width=80), "mine", [trial(n) for n in range(30)], ["digit_accuracy", "parity_accuracy"])
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if line.startswith("│")]
    assert [row.split()[1] for row in rows] == [str(number) for number in range(29, 19, -1)]
    assert rows[0].split("│")[2].strip() == "0.2900"
    assert "best 10 of 30" in lines[0]
    text = " ".join(lines)
    assert text.count("shared_depth") == 1
    assert "In all trials: shared_depth 1" in text
    assert all(text.count(name + ",") + text.count(name + " ") + text.endswith(name) for name in NAMES), "none is left out"
    assert len(lines) <= 20


def test_weighted_metrics_are_rows_of_an_evaluation() -> None:
    metric = mtl.Binary("odd").metric
    scores = [Score("odd", each.name, 0.75, 8, each.unit, each.direction, 0.5) for each in (metric, metric.weighted)]
    out = io.StringIO()
    show_evaluation(Console(file=out, width=120), Evaluation("test", tuple(scores), 0.5), "a run")
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in out.getvalue().splitlines() if "odd" in line]
    assert rows == [["odd", "accuracy", "0.7500"], ["odd", "weighted accuracy", "0.7500"]]


def test_a_failed_trial_is_said_to_have_failed() -> None:
    out = io.StringIO()
    failed = {**trial(1), "status": "failed", "values": {}, "error": "nan"}
    _show_trials(Console(file=out, width=80), "mine", [trial(0), failed], ["digit_accuracy"])
    assert "failed" in out.getvalue()
    assert "nan" not in out.getvalue()
