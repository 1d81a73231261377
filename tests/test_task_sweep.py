"""The task-count sweep of study 001: its approaches, its table and its plots."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from mtl_keras import report
from tests._approaches import row
from tests._figures import faults
from tuning._task_sweep import task_sweep
from tuning._task_sweep_plots import plot_sweep, plot_sweep_losses
from tuning._task_sweep_tables import Reports, gains_table, runs_table, sweep_table


def sweep() -> report.Record:
    """Two tasks alone, with a third, with a fourth, and with random labels; two seeds, trivial at a half."""
    reached = {
        "single-task": {"a": 0.7, "b": 0.6},
        "two": {"a": 0.8, "b": 0.6},
        "three": {"a": 0.9, "b": 0.7, "c": 0.8},
        "four": {"a": 0.9, "b": 0.8, "c": 0.8, "d": 0.7},
        "mixed": {"a": 0.8, "b": 0.6, "random_1": 0.5},
    }
    rows = [
        row(run, seed, task, "accuracy", value + 0.02 * seed)
        for run, by_task in reached.items()
        for task, value in by_task.items()
        for seed in (0, 1)
    ]
    last = {"single-task": {"a": 0.7, "b": 0.6}, "three": {"a": 0.8, "b": 0.6}}
    rows += [
        row(run, seed, task, "accuracy", value, "last")
        for run, by_task in last.items()
        for task, value in by_task.items()
        for seed in (0, 1)
    ]
    rows += [row("trivial", "", task, "accuracy", 0.5) for task in ("a", "b", "c", "d", "random_1")]
    losses = {"two": {"a": 0.4, "b": 0.2}, "mixed": {"a": 0.5, "random_1": 0.7}}
    history: list[Any] = []
    for run, by_task in {**losses, "single-task a": {"a": 9.0}}.items():
        logs = [{"phase": 0, "epoch": e, **{f"val_{task}_loss": v for task, v in by_task.items()}} for e in (1, 2, 3)]
        role: report.Role = "approach" if run in losses else "single_task"
        history += report.history_rows(logs, list(by_task), run=run, role=role, seed=0)
    return report.Record("Sweep", "Does more help?", "command", {}, {}, rows, history)


def cells(table: report.Table) -> dict[str, dict[str, str]]:
    """The rows of a table by their first cell, those at the last epoch with that word."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.markdown.splitlines()]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]
    return {row["approach"] + (" last" if row.get("epoch") == "last" else ""): row for row in rows}


def xs(line: Any) -> list[float]:
    return [float(value) for value in np.asarray(line.get_xdata())]


def ys(line: Any) -> list[float]:
    return [float(value) for value in np.asarray(line.get_ydata())]


def test_an_approach_has_the_first_tasks() -> None:
    tasks = ["equal", "half_2", "half_3", "half_4", "random_1", "random_2"]
    assert task_sweep(tasks, (1, 4), {2: 1, 0: 2}) == {
        "tasks_1": ("equal",),
        "tasks_4": ("equal", "half_2", "half_3", "half_4"),
        "tasks_2_random_1": ("equal", "half_2", "random_1"),
        "tasks_0_random_2": ("random_1", "random_2"),
    }


def test_the_table_is_over_the_learnable_tasks() -> None:
    table = cells(sweep_table(sweep()))
    assert list(table) == ["two", "three", "four", "mixed"]
    assert [each["tasks"] for each in table.values()] == ["2", "3", "4", "2"]
    assert [each["random"] for each in table.values()] == ["0", "0", "0", "1"]
    assert table["three"]["mean accuracy"] == "0.8100 ± 0.0141 (2)"
    # (0.8 - 0.5) / (1 - 0.5) and so on, plus 0.01 over two seeds.
    assert table["two"]["mean skill"] == "0.4200 ± 0.0283 (2)"
    # Two seeds have no interval.
    assert table["three"]["− single-task, points, best epoch"] == "+15.0 (+15.0, +15.0) over 2"
    assert table["three"]["− single-task, points, last epoch"] == "+5.0 (+5.0, +5.0) over 2"
    assert table["two"]["− single-task, points, last epoch"] == "–"
    assert table["mixed"]["accuracy on random labels"] == "0.5100 ± 0.0141 (2)"
    assert table["two"]["accuracy on random labels"] == "–"


def test_gains_and_losses_of_each_task_are_in_one_table() -> None:
    table = cells(gains_table(sweep()))
    assert [*table] == ["two", "three", "three last", "four", "mixed"]
    assert table["two"] == {"approach": "two", "epoch": "best", "a": "+10.0 (+10.0, +10.0)", "b": "+0.0 (+0.0, +0.0)"}
    assert "indicative" in gains_table(sweep()).caption
    assert table["three last"]["a"] == "+10.0 (+10.0, +10.0)"
    assert "hyperparameters of the joint ones" in gains_table(sweep()).caption
    assert "2 other learnable tasks have no single-task network" in gains_table(sweep()).caption


def test_over_five_seeds_the_tests_of_all_tasks_are_corrected_together() -> None:
    noise = [0.0, 0.01, -0.01, 0.02, -0.02]
    rows = [row("single-task", seed, task, "accuracy", 0.5) for seed in range(5) for task in "ab"]
    rows += [row("joint", seed, "a", "accuracy", 0.52 + noise[seed]) for seed in range(5)]
    rows += [row("joint", seed, "b", "accuracy", 0.56 + noise[seed]) for seed in range(5)]
    record = report.Record("Sweep", "Does more help?", "command", {}, {}, rows)
    p = [report.statistics.paired_test([center + each for each in noise]) for center in (0.02, 0.06)]
    assert 0.04 < p[0] < 0.05
    found = cells(gains_table(record))["joint"]
    # The smaller of two p values is doubled, the larger is at least as large.
    assert found["a"].endswith(f"p = {p[0]:.3f}")
    assert found["b"].endswith(f"p = {2 * p[1]:.3f}")
    assert "Holm's correction for 2 tests" in gains_table(record).caption


def test_the_runs_are_listed_next_to_those_that_others_report() -> None:
    reports: Reports = {"two": {"a": ((0.81, 0.8), 0.805, 0.0071)}, "single-task": {"a": ((0.7,), 0.7, None)}}
    markdown = runs_table(sweep(), reports).markdown
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines()[2:]]
    assert [line[1] for line in lines] == ["single-task", "two", "three", "four", "mixed"], "task b is not reported"
    assert lines[0] == ["a", "single-task", "0.7", "–", "0.7000, 0.7200", "0.7100 (0.0141)"]
    assert lines[1] == ["a", "two", "0.81, 0.8", "0.805 (0.0071)", "0.8000, 0.8200", "0.8100 (0.0141)"]
    assert lines[2][2:4] == ["–", "–"]


def test_the_plot_has_accuracy_against_the_number_of_tasks() -> None:
    axes = plot_sweep(sweep()).axes[0]
    lines = {each.get_label(): each.lines[0] for each in axes.containers if isinstance(each, ErrorbarContainer)}
    assert set(lines) == {"a", "b", "c", "mean of a, b"}
    assert xs(lines["a"]) == [1, 2, 3, 4]
    assert ys(lines["mean of a, b"]) == pytest.approx([0.66, 0.71, 0.81, 0.86])
    hollow = [line for line in axes.lines if line.get_fillstyle() == "none" and xs(line)]
    assert sorted(ys(line)[0] for line in hollow) == pytest.approx([0.61, 0.81])


def test_losses_are_means_over_own_tasks_and_over_those_of_all() -> None:
    own, shared = plot_sweep_losses(sweep()).axes
    first = {(line.get_linestyle(), str(line.get_label())): round(ys(line)[0], 6) for line in own.lines if xs(line)}
    assert first == {("-", "two"): 0.3, ("-", "mixed"): 0.6, ("--", "_"): 0.5, (":", "_"): 0.7}
    assert {line.get_label(): round(ys(line)[0], 6) for line in shared.lines} == {"two": 0.4, "mixed": 0.5}
    assert shared.get_title() == "what all approaches have: a"
    assert [line.get_label() for line in own.lines if not xs(line)] == ["without random labels", "random labels only"]


def test_losses_are_means_over_seeds_with_a_band() -> None:
    one = sweep()
    second: list[Any] = [{**row, "seed": 1, "value": row["value"] + 0.2} for row in one.history if row["epoch"] < 3]
    _, shared = plot_sweep_losses(replace(one, history=[*one.history, *second])).axes
    assert xs(shared.lines[0]) == [1, 2], "the epochs of both seeds"
    assert ys(shared.lines[0]) == pytest.approx([0.5, 0.5])
    heights = np.vstack([path.vertices for path in shared.collections[0].get_paths()])[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.5 - 0.02**0.5, 0.5 + 0.02**0.5))


@pytest.mark.parametrize("counts", [(1, 2, 3), (1, 3, 5, 10, 20, 50), (1, 2, 19, 20, 21, 22, 60)])
def test_pictures_of_any_numbers_of_tasks_are_readable(counts: tuple[int, ...]) -> None:
    names = [f"a_task_with_a_long_name_{number}" for number in range(60)]
    rows, history = [], []
    for count in counts:
        for seed in (0, 1):
            rows += [row(f"tasks_{count}", seed, name, "accuracy", 0.6 + 0.01 * seed) for name in names[:count]]
            logs = [{"phase": 0, "epoch": e, **{f"val_{n}_loss": 0.7 / e + seed for n in names[:count]}} for e in (1, 2, 3)]
            history += report.history_rows(logs, names[:count], run=f"tasks_{count}", seed=seed)
    record = report.Record("Sweep", "Does more help?", "command", {}, {}, rows, history)
    assert faults(plot_sweep(record)) == []
    assert faults(plot_sweep_losses(record)) == []
