"""Several approaches: roles, the paired test, the long table and differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mtl_keras import report
from mtl_keras.errors import MTLError
from mtl_keras.report import statistics
from mtl_keras.report._roles import approaches_of, baseline_of, label_of, roles_of
from mtl_keras.report._text import format_p
from tests._approaches import BASELINES, BETTER, GAINS, PUBLISHED, ROWS, row, rows_of


class TestRoles:
    def test_an_approach_has_its_own_or_those_of_all(self) -> None:
        runs = ["a", "a single-task", "b", "single-task"]
        assert (baseline_of("a", runs), baseline_of("b", runs)) == ("a single-task", "single-task")

    @pytest.mark.parametrize(
        ("run", "label", "baseline"),
        [
            ("joint", "joint", False),
            ("single-tasked", "single-tasked", False),
            ("single-task", "single-task", True),
            ("single-task fine", "single-task", True),
            ("joint, small single-task", "joint, small single-task", True),
            ("joint, small single-task fine", "joint, small single-task", True),
        ],
    )
    def test_rows_without_a_role_get_it_from_their_label(self, run: str, label: str, baseline: bool) -> None:
        (found,) = report.with_roles([{"run": run, "value": 1.0}])
        assert found == {"run": run, "value": 1.0, "role": "single_task" if baseline else "approach"}
        assert label_of(run, found["role"]) == label

    def test_a_role_is_kept(self) -> None:
        rows = [{"run": "single-task", "role": "approach"}]
        assert report.with_roles(rows) == rows

    def test_approaches_are_what_is_left(self) -> None:
        runs = ["b", "a", "single-task", "a single-task", "trivial", "b"]
        assert approaches_of(roles_of({"run": run} for run in runs)) == ["b", "a"]

    def test_delta_m_takes_the_baseline_of_the_approach(self) -> None:
        rows = [*rows_of("a", [0.6]), *rows_of("b", [0.6]), *rows_of("single-task", [0.5]), *rows_of("a single-task", [0.4])]
        gains = report.delta_m_rows(rows, {"fine": "accuracy"})
        found = {gain["run"]: gain["value"] for gain in gains if gain["epoch_kind"] == "best"}
        assert found == pytest.approx({"a": 50.0, "b": 20.0})

    def test_so_does_the_wide_table(self) -> None:
        rows = [*rows_of("a", [0.6]), *rows_of("b", [0.6]), *rows_of("single-task", [0.5]), *rows_of("a single-task", [0.4])]
        table = report.scores_table(rows)
        assert list(table.columns[5:]) == [*("a", "b", "single-task", "a single-task", "a − a single-task", "b − single-task")]
        assert table.iloc[0]["a − a single-task"] == "+0.2000 (indicative)"
        assert table.iloc[0]["b − single-task"] == "+0.1000 (indicative)"


class TestPairedTest:
    @pytest.mark.parametrize(
        ("differences", "p"),
        # scipy.stats.ttest_rel(a, b).pvalue with these as a - b.
        [
            ([1.0, 2.0, 3.0, 4.0, 5.0], 0.01323559956368269),
            ([-0.1, 0.3, 0.2, -0.05, 0.15, 0.02], 0.22946367338313425),
            ([0.5, -0.5], 1.0),
        ],
    )
    def test_reference(self, differences: list[float], p: float) -> None:
        assert statistics.paired_test(differences) == pytest.approx(p, rel=1e-9)
        assert statistics.paired_test([-value for value in differences]) == pytest.approx(p, rel=1e-9)

    def test_it_is_scipys(self) -> None:
        stats = pytest.importorskip("scipy.stats")
        one, other = np.random.default_rng(0).normal(size=(2, 7))
        expected = float(stats.ttest_rel(one, other).pvalue)
        assert statistics.paired_test(list(one - other)) == pytest.approx(expected, rel=1e-9)

    def test_no_spread(self) -> None:
        assert statistics.paired_test([0.25, 0.25, 0.25]) == 0.0
        assert statistics.paired_test([0.0, 0.0]) == 1.0

    def test_one_seed(self) -> None:
        with pytest.raises(MTLError, match="at least two seeds"):
            statistics.paired_test([1.0])

    def test_it_is_below_five_percent_where_the_interval_excludes_zero(self) -> None:
        for seed in range(50):
            differences = list(np.random.default_rng(seed).normal(0.5, 1.0, 6))
            low, high = statistics.interval(differences)
            assert (statistics.paired_test(differences) < 0.05) == (not low <= 0 <= high)

    def test_as_text(self) -> None:
        assert [format_p(p) for p in (0.0, 0.0009, 0.0132, 1.0)] == ["< 0.001", "< 0.001", "0.013", "1.000"]
        assert [format_p(p) for p in (0.0496, 0.04999, 0.05, 0.0504)] == ["0.0496", "0.04999", "0.050", "0.050"], "which side"


class TestApproachesTable:
    def test_a_row_for_each_task_and_approach(self) -> None:
        table = report.approaches_table(ROWS)
        columns = [
            "approach",
            "task",
            "metric",
            "better",
            "best epoch",
            "last epoch",
            "− single-task",
            "p",
            "p, Holm",
            "trivial",
        ]
        assert list(table.columns) == columns
        runs = ["joint", "fine then coarse", "single-task"]
        assert list(zip(table["approach"], table["task"], table["metric"], strict=True)) == [
            (run, task, metric) for task, metric in (("fine", "accuracy"), ("image", "mse"), ("all", "skill")) for run in runs
        ]
        assert table.iloc[0].tolist()[3:] == [
            *("↑", "0.7060 ± 0.0666 (5)", "0.6060 ± 0.0666 (5)", "+0.0300 [+0.0104, +0.0496]", "0.013", "0.053", "0.1000")
        ]
        assert table.iloc[2].tolist()[6:8] == ["–", "–"], "baselines have no baselines"
        assert table.iloc[3]["better"] == "↓"

    def test_few_seeds_are_indicative_and_have_no_p(self) -> None:
        first = report.approaches_table([*rows_of("a", [0.7, 0.8]), *rows_of("single-task", [0.6, 0.6])]).iloc[0]
        assert (first["− single-task"], first["p"], first["trivial"]) == ("+0.1500 (indicative)", "–", "–")

    def test_delta_m_is_a_difference_already(self) -> None:
        rows = [*ROWS, *report.delta_m_rows(ROWS, {"fine": "accuracy", "image": "mse"})]
        table = report.approaches_table(rows)
        delta = table[table["metric"] == "delta_m"].iloc[0]
        assert delta["approach"] == "joint"
        joint = [line for line in rows if line["run"] == "joint" and line["metric"] == "delta_m"]
        values = [line["value"] for line in joint if line["epoch_kind"] == "best"]
        low, high = statistics.interval(values)
        assert delta["− single-task"] == f"{statistics.mean(values):+.3f} [{low:+.3f}, {high:+.3f}]"
        assert delta["p"] == f"{statistics.paired_test(values):.3f}"

    def test_skill_over_other_tasks_is_another_figure(self) -> None:
        rows = [line for line in ROWS if line["run"] != "single-task" or line["task"] in ("fine", "all")]
        lines = {(line["approach"], line["task"]): line for line in report.approaches_table(rows).to_dict("records")}
        assert lines["joint", "all"]["− single-task"] == "–"
        assert lines["joint", "fine"]["− single-task"] != "–"
        whole = {(line["approach"], line["task"]): line for line in report.approaches_table(ROWS).to_dict("records")}
        assert whole["joint", "all"]["− single-task"] != "–"

    def test_metrics_are_chosen(self) -> None:
        table = report.approaches_table(ROWS, metrics={"fine": "macro_f1"})
        assert list(dict.fromkeys(zip(table["task"], table["metric"], strict=True))) == [("fine", "macro_f1"), ("all", "skill")]
        with pytest.raises(MTLError, match="Received: fine top5.*hold fine accuracy"):
            report.approaches_table(ROWS, metrics={"fine": "top5"})

    def test_published_values_have_a_column(self) -> None:
        more = [{"run": "joint", "task": "fine", "metric": "accuracy", "value": 0.71, "note": ""}]
        more += [{"run": "single-task", "task": "fine", "metric": "top5", "value": 0.9, "note": ""}]
        table = report.approaches_table(ROWS, published=[*PUBLISHED, *more])
        lines = {(line["approach"], line["task"], line["metric"]): line for line in table.to_dict("records")}
        assert lines["joint", "fine", "accuracy"]["published"] == "0.7; 0.71"
        assert lines["fine then coarse", "fine", "accuracy"]["published"] == "–"
        theirs = lines["theirs", "image", "mse"]
        assert [theirs[name] for name in ("published", "best epoch", "− single-task")] == ["0.02 to 0.03", "–", "–"]
        assert lines["single-task", "fine", "top5"]["published"] == "0.9", "no published figure is dropped"

    def test_nothing_yet(self) -> None:
        assert report.approaches_table([]).empty


def record(metrics: list[Any], **more: Any) -> report.Record:
    return report.Record("Title", "Question?", "command", {}, {}, metrics, **more)


class TestDifference:
    def test_better_and_worse_have_an_interval(self) -> None:
        found = record(ROWS).difference("joint", "fine then coarse", "fine")
        assert found.mean == pytest.approx(0.03)
        assert found.interval == pytest.approx(statistics.interval(GAINS))
        assert found.p == pytest.approx(statistics.paired_test(GAINS))
        assert found.judgment == "better"
        assert found.points == "+3.0 [+1.0, +5.0]"
        assert found.verdict == (
            "joint is better than fine then coarse in fine accuracy: "
            "+0.03 (95 % interval +0.0104 to +0.0496, p = 0.013, 5 seeds)."
        )
        assert " is worse than joint" in report.difference(ROWS, "fine then coarse", "joint", "fine", "accuracy").verdict

    def test_lower_may_be_better(self) -> None:
        mine, theirs = [0.01, 0.02, 0.01, 0.02, 0.01], [0.03, 0.05, 0.03, 0.04, 0.04]
        rows = [*rows_of("a", BASELINES, mine), *rows_of("b", BASELINES, theirs)]
        assert "a is better than b in image mse: -0.024" in record(rows).difference("a", "b", "image").verdict

    def test_no_difference_shown(self) -> None:
        verdict = record(ROWS).difference("joint", "fine then coarse", "image", "mse").verdict
        assert verdict.startswith("joint and fine then coarse: no difference shown in image mse: +0 (")

    def test_few_seeds_are_indicative(self) -> None:
        rows = [*rows_of("a", [0.7, 0.8]), *rows_of("b", [0.6, 0.5, 0.1])]
        found = record(rows).difference("a", "b", "all")
        assert (found.judgment, len(found.values)) == ("", 2)
        assert found.verdict == "a − b in skill: +0.1 over 2 seeds, indicative."
        assert record(rows).difference("a", "b", "fine").values == pytest.approx({0: 0.1, 1: 0.3})
        one = record([*rows_of("a", [0.7]), *rows_of("b", [0.72])]).difference("a", "b", "fine")
        assert (one.interval, one.p, one.points) == (None, None, "-2.0")

    def test_of_tasks_with_unlike_metrics_there_is_no_mean(self) -> None:
        # Worse in both: .05 lower accuracy, 2 higher error; their mean says +.975, "better".
        rows = [*rows_of("a", [0.90] * 5, [14.0] * 5), *rows_of("b", [0.95] * 5, [12.0] * 5)]
        for tasks in (("fine", "image"), ("image", "fine")):
            with pytest.raises(MTLError, match=r"must have one metric, unit and direction\. Received: .*fine: accuracy in"):
                record(rows).difference("a", "b", tasks)

    def test_a_gain_is_not_relative_to_a_negative_baseline(self) -> None:
        rows = [*rows_of("a", [0.3]), *rows_of("single-task", [-0.1])]
        assert report.delta_m_rows(rows, {"fine": "accuracy"}) == []

    def test_of_several_tasks_it_is_the_mean_of_each_seed(self) -> None:
        rows = [row(run, seed, task, "accuracy", value) for run, seed, task, value in (
            *(("a", 0, "x", 0.5), ("a", 0, "y", 0.5), ("a", 1, "x", 0.5), ("a", 1, "y", 0.75)),
            *(("b", 0, "x", 0.25), ("b", 0, "y", 0.5), ("b", 1, "x", 0.5), ("b", 1, "y", 0.25)),
        )]  # fmt: skip
        assert record(rows).difference("a", "b", ("x", "y")).values == {0: 0.125, 1: 0.25}

    def test_an_unknown_approach_is_named(self) -> None:
        with pytest.raises(MTLError, match=r"Unknown approach on the test split: received 'jiont'. Did you mean 'joint'"):
            record(ROWS).difference("joint", "jiont", "fine")

    def test_values_and_means(self) -> None:
        assert record(ROWS).values("joint", "fine") == dict(enumerate(BETTER))
        assert record(ROWS).mean("joint", "fine", "macro_f1") == 0.5
        assert record(ROWS).mean("joint", "fine", epoch_kind="last") == pytest.approx(statistics.mean(BETTER) - 0.1)
        assert record(ROWS).mean("trivial", "fine") == 0.1
        assert math.isnan(record(ROWS).mean("nobody", "fine"))
        assert record(ROWS).approaches == ["joint", "fine then coarse"]


def test_p_values_show_on_which_side_of_five_percent_they_are() -> None:
    assert [format_p(p) for p in (0.0496, 0.04999, 0.05, 0.0504)] == ["0.0496", "0.04999", "0.050", "0.050"]


def test_infinite_values_give_no_verdict() -> None:
    rows = [row(run, seed, "image", "psnr", math.inf) for run in ("a", "b") for seed in range(5)]
    assert "no difference shown" in report.difference(rows, "a", "b", "image", "psnr").verdict


def test_phases_are_compared_at_their_last_epochs() -> None:
    about = {"split": "validation", "metric": "accuracy"}
    rows: list[Any] = [
        {**about, "run": "swap", "seed": seed, "task": task, "phase": phase, "epoch": epoch, "value": base + seed / 10}
        for seed in (0, 1)
        for task, ends in {"first": (0.7, 0.4), "then": (0.1, 0.8)}.items()
        for phase, base in enumerate(ends)
        for epoch, base in ((1, 0.0), (2, base))
    ]
    # The log's other entries, other splits, and a run of one phase.
    rows += [{**rows[0], "metric": "loss"}, {**rows[0], "split": "train", "value": 0.99}, {**rows[0], "task": "all"}]
    rows.append({**rows[0], "run": "joint", "value": 0.5})
    table = report.phases_table(rows)
    assert table.columns.tolist() == ["approach", "task", "metric", "phase 1", "phase 2"]
    assert table.values.tolist() == [
        ["swap", "first", "accuracy", "0.7500 ± 0.0707 (2)", "0.4500 ± 0.0707 (2)"],
        ["swap", "then", "accuracy", "0.1500 ± 0.0707 (2)", "0.8500 ± 0.0707 (2)"],
        ["joint", "first", "accuracy", "0.5000 (1)", "–"],
    ]
