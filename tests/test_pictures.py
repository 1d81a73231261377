"""What holds for every picture: readable at its real size, nothing cut, nothing empty; see `faults`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mtl_keras import report
from tests._approaches import row
from tests._figures import HIGHEST, WIDEST, faults
from tests._scores import trial

LONG = "an_approach_with_a_long_name_{}"
TASK = "a_task_with_a_rather_long_name_{}"


def history(approaches: int, tasks: int, seeds: int, epochs: int, last: int = 0) -> list[Any]:
    """Losses over four decades, accuracies, skill, loss weights, and steps of two data sets; baselines of two tasks."""
    rows: list[Any] = []
    names = [TASK.format(number) for number in range(tasks)]
    runs = [(LONG.format(number), names) for number in range(approaches)]
    runs += [(f"single-task {name}", [name]) for name in names[:2]]
    for number, (run, own) in enumerate(runs):
        for seed in range(seeds):
            log = []
            for epoch in range(1, epochs + 1 + (last if seed else 0)):
                entry: dict[str, Any] = {"phase": 0, "epoch": epoch, "loss": 3 / epoch, "val_loss": 3 / epoch, "skill": 0.1}
                entry |= {"val_skill": 0.5 - 0.1 / epoch, "steps_photos": 3 + seed, "steps_drawings": 1}
                for place, name in enumerate(own):
                    value = 10.0 ** -(place % 4) / epoch + 0.01 * seed + 0.001 * number
                    entry |= {f"{name}_loss": value, f"val_{name}_loss": value, f"loss_weight_{name}": value}
                    entry |= {f"{name}_accuracy": 0.5 + 0.4 / epoch, f"val_{name}_accuracy": 0.9 - 0.4 / epoch}
                log.append(entry)
            role: report.Role = "single_task" if run.startswith("single") else "approach"
            rows += report.history_rows(log, own, run=run, role=role, seed=seed)
    return rows


def metrics(approaches: int, tasks: int, seeds: int) -> list[Any]:
    rows = [
        row(run, seed, TASK.format(task), "accuracy", 0.7 + 0.01 * task % 0.2 + 0.003 * seed + 0.01 * number)
        for number, run in enumerate([*(LONG.format(number) for number in range(approaches)), "single-task"])
        for task in range(tasks)
        for seed in range(seeds)
    ]
    return rows + [row("trivial", "", TASK.format(task), "accuracy", 0.69, "") for task in range(tasks)]


def unlike_seeds() -> list[Any]:
    """Losses whose mean falls by two decades, over seeds that differ by more than it."""
    rows: list[Any] = []
    for seed, factor in enumerate((0.01, 0.1, 3.0)):
        log = [
            {"phase": 0, "epoch": epoch, "val_a_loss": factor / epoch**2, "val_b_loss": factor / epoch}
            for epoch in range(1, 13)
        ]
        rows += report.history_rows(log, ["a", "b"], run="one", seed=seed)
    return rows


def small_gains(step: float) -> list[Any]:
    """Three approaches that gain a few steps on their baselines, and published values far away."""
    names = [LONG.format(number) for number in range(3)]
    return [
        row(run, seed, TASK.format(task), "accuracy", 0.7 + step * (seed + 2 * place))
        for place, run in enumerate([*names, "single-task"])
        for task in range(4)
        for seed in range(5)
    ]


FAR = [
    {"run": LONG.format(number), "task": TASK.format(task), "metric": "accuracy", "value": value, "note": ""}
    for number in range(2)
    for task in range(2)
    for value in (0.2 + 0.1 * task, 0.95)
]


def trials(values: list[Any]) -> list[Any]:
    return [trial(number, 0.5 + 0.01 * number, a_setting=value, other=number % 2) for number, value in enumerate(values)]


def counts(classes: int, largest: int) -> np.ndarray:
    return np.eye(classes, dtype=int) * largest + 7


def no_alternation(rows: list[Any]) -> list[Any]:
    return [line for line in rows if not line["metric"].startswith("steps_")]


CLASSES = [f"a_class_with_a_long_name_{number}" for number in range(20)]
PICTURES: dict[str, Any] = {
    "history of one seed": lambda: report.plot_history(no_alternation(history(1, 3, 1, 5))),
    "history of one epoch": lambda: report.plot_history(no_alternation(history(2, 2, 3, 1))),
    "history of seeds of other lengths": lambda: report.plot_history(no_alternation(history(2, 2, 3, 4, last=2))),
    "history of many approaches": lambda: report.plot_history(no_alternation(history(8, 6, 3, 12))),
    "history of many tasks": lambda: report.plot_history(no_alternation(history(1, 20, 2, 100))),
    "history of losses alone": lambda: report.plot_history(
        [line for line in history(2, 3, 2, 4) if line["metric"] == "loss" and line["task"] != "all"]
    ),
    "history of unlike seeds": lambda: report.plot_history(unlike_seeds()),
    "totals of unlike seeds": lambda: report.plot_totals(unlike_seeds()),
    "totals": lambda: report.plot_totals(history(8, 3, 3, 12)),
    "totals of many tasks": lambda: report.plot_totals([line for line in history(3, 60, 2, 4) if line["role"] == "approach"]),
    "loss weights": lambda: report.plot_loss_weights(history(8, 6, 3, 12)),
    "steps": lambda: report.plot_steps(history(8, 2, 3, 12)),
    "steps of one run": lambda: report.plot_steps(history(1, 3, 1, 2)),
    "approaches": lambda: report.plot_approaches(metrics(8, 12, 5)),
    "many tasks": lambda: report.plot_approaches(metrics(8, 30, 1)),
    "one approach": lambda: report.plot_approaches(metrics(1, 1, 5)),
    "published values far away": lambda: report.plot_approaches(small_gains(0.001), published=FAR),
    "published values of one approach far away": lambda: report.plot_approaches(metrics(1, 1, 5), published=FAR[:4]),
    "gains of a thousandth": lambda: report.plot_gains(small_gains(0.0004)),
    "gains of a hundred thousandth": lambda: report.plot_gains(small_gains(0.00001)),
    "gains": lambda: report.plot_gains(metrics(8, 12, 5)),
    "gains of one approach": lambda: report.plot_gains(metrics(1, 1, 2)),
    "trials of numbers": lambda: report.plot_trials(trials([0.347663, 0.394149, 0.482554, 0.593324])),
    "trials over few decades": lambda: report.plot_trials(trials([0.0003, 0.0004, 0.0007, 0.002, 0.003, 0.0051])),
    "trials over many decades": lambda: report.plot_trials(trials([1e-7, 1e-6, 1e-4, 1e-3, 0.1, 1.0, 20.0])),
    "trials of texts": lambda: report.plot_trials(trials(["adam_with_decay", "sgd", "momentum_of_nesterov", "lion"])),
    "trials of many texts": lambda: report.plot_trials(trials([f"value {number}" for number in range(30)])),
    "trials of truth values": lambda: report.plot_trials(trials([True, False, True])),
    "one trial": lambda: report.plot_trials(trials([3])),
    "many settings": lambda: report.plot_trials(
        [trial(n, 0.1 * n, **{f"a_long_setting_{i}": n * 10**i for i in range(20)}) for n in range(6)]
    ),
    "confusion of 2": lambda: report.plot_confusion(counts(2, 10**6), ["no", "yes"], "odd, test split, 30 seeds"),
    "confusion of 12": lambda: report.plot_confusion(counts(12, 10**6), CLASSES[:12], "class, test split, 30 seeds"),
    "confusion of 20": lambda: report.plot_confusion(counts(20, 10**6), CLASSES, "class, test split, 30 seeds"),
    "confusion of 40": lambda: report.plot_confusion(counts(40, 100), None, "class, test split, one seed"),
    "confusion of 100": lambda: report.plot_confusion(counts(100, 100), None, "class, test split, one seed"),
    "two confusions": lambda: report.plot_confusions(
        {"joint": counts(10, 3000), "single-task": counts(10, 3000)}, CLASSES[:10], "class, test split, 3 seeds"
    ),
    "many confusions": lambda: report.plot_confusions(
        {LONG.format(number): counts(20, 3000) for number in range(5)}, CLASSES, "class, test split, 3 seeds"
    ),
    "confusions of 100": lambda: report.plot_confusions({"a": counts(100, 9), "b": counts(100, 9)}, None, "class"),
    "reconstructions": lambda: report.plot_reconstructions(np.ones((12, 8, 8, 3)), np.ones((12, 8, 8, 3))),
    "one reconstruction": lambda: report.plot_reconstructions(np.ones((1, 8, 8, 1)), np.ones((1, 8, 8, 1))),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_no_faults(name: str) -> None:
    assert faults(PICTURES[name]()) == []


def test_every_plot_is_among_them() -> None:
    import inspect

    # A network has boxes instead of data; test_network_picture.py looks at them.
    drawn = "report.plot_network(" + "".join(inspect.getsource(each) for each in PICTURES.values())
    assert [name for name in report.__all__ if name.startswith("plot_") and f"report.{name}(" not in drawn] == []


def test_faults_are_found() -> None:
    figure = Figure(figsize=(17, 3), dpi=100)
    empty, full = figure.subplots(1, 2)
    full.plot([1, 2], [1, 2], label="a line")
    full.set_xlim(0, 1.5)
    full.set_xticks([1.0, 1.001], ["a label", "another"])
    full.set_title("title " * 40)
    empty.axvline(0.5)
    found = " ".join(faults(figure))
    other, log = Figure(figsize=(4, 3), dpi=100), Figure(figsize=(4, 3), dpi=100)
    close, band = other.subplots(), log.subplots()
    close.plot([1, 2], [1, 2])
    close.set_xticks([1.0, 1.12], ["0.0025", "0.0050"])
    band.set_yscale("log")
    band.plot([1, 2], [1, 2])
    band.fill_between([1, 2], [-0.5, 1], [2, 3])
    found += " ".join([*faults(other), *faults(log)])
    expected = ("1700 x 300 pixels", "panel '' is empty", "cuts a line", "a label and another overlap", "title' is cut")
    for fault in (*expected, "0.0025 and 0.0050 read as one", "panel '' cuts a band"):
        assert fault in found.replace(" ' is cut", "' is cut")


def test_a_large_record_has_pictures_that_fit_a_page(tmp_path: Path) -> None:
    rows, lines = metrics(8, 60, 2), history(8, 60, 1, 2)
    search = trials([0.347663, 0.394149, 0.482554])
    report.write_record(tmp_path, report.Record("Large", "How many?", "large", {}, {}, rows, lines, trials=search))
    sizes = {}
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            sizes[path.name] = image.size
    assert set(sizes) == {
        "approaches.png",
        "curves.png",
        "gains.png",
        "loss_weights.png",
        "steps.png",
        "trials.png",
    }
    assert {name for name, (wide, high) in sizes.items() if wide > WIDEST or high > HIGHEST} == set()
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "approaches, 12 of 60 tasks" in page
    assert "training curves, 6 of 60 tasks" in page


def test_a_record_of_nothing_has_no_pictures(tmp_path: Path) -> None:
    failed = [trial(0, None, depth=1)]
    record = report.Record("Nothing", "What?", "nothing", {}, {}, [], trials=failed)
    report.write_record(tmp_path, record)
    assert not [*tmp_path.glob("*.png")]
