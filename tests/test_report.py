"""Rows, statistics and tables of one approach: the numbers are calculated by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mtl_keras import report
from mtl_keras.errors import MTLError
from mtl_keras.evaluation import Evaluation, Score
from mtl_keras.report import statistics
from mtl_keras.report._text import format_number
from tests._scores import MSE, ROLES, TRIALS, evaluation, rows_of, trial

HISTORY_COLUMNS = tuple(report.HistoryRow.__annotations__)
METRICS_COLUMNS = tuple(report.MetricsRow.__annotations__)


class TestRows:
    def test_metrics(self) -> None:
        rows = report.metrics_rows(evaluation(), run="multi-task", seed=3, phase=1, epoch_kind="last")
        assert [tuple(row) for row in rows] == [METRICS_COLUMNS] * 3
        unit = "share of the way from trivial to perfect"
        assert [tuple(row.values()) for row in rows] == [
            ("multi-task", 3, 1, "last", "test", "digit", "accuracy", 0.75, 36, "fraction of rows", "max", "approach"),
            ("multi-task", 3, 1, "last", "test", "image", "mse", 0.02, 40, MSE[1], "min", "approach"),
            ("multi-task", 3, 1, "last", "test", "all", "skill", 0.65, 40, unit, "max", "approach"),
        ]

    def test_trivial(self) -> None:
        rows = report.trivial_rows(evaluation("validation"))
        assert {(r["run"], r["role"], r["seed"], r["phase"], r["epoch_kind"], r["split"]) for r in rows} == {
            ("trivial", "trivial", "", "", "", "validation")
        }
        assert [(r["task"], r["metric"], r["value"]) for r in rows] == [
            ("digit", "accuracy", 0.5),
            ("image", "mse", 0.1),
            ("all", "skill", 0.0),
        ]

    @pytest.mark.parametrize(
        ("tasks", "name", "expected"),
        [
            (["a", "a_loss"], "a_loss", ("train", "a", "loss")),
            (["a", "a_loss"], "a_loss_loss", ("train", "a_loss", "loss")),
            (["a", "a_loss"], "val_a_loss_accuracy", ("validation", "a_loss", "accuracy")),
            (["a", "a_loss"], "a_accuracy", ("train", "a", "accuracy")),
            (["a", "a_loss"], "loss_weight_a_loss", ("train", "a_loss", "loss_weight")),
            (["a", "a_b"], "val_a_b_mse", ("validation", "a_b", "mse")),
            (["a_b", "a"], "a_b_mse", ("train", "a_b", "mse")),
            (["val_a"], "val_a_accuracy", ("train", "val_a", "accuracy")),
            (["val_a"], "val_val_a_accuracy", ("validation", "val_a", "accuracy")),
            (["loss_weight"], "loss_weight_accuracy", ("train", "loss_weight", "accuracy")),
            (["learning"], "loss_weight_learning", ("train", "learning", "loss_weight")),
            (["a"], "a_macro_f1", ("train", "a", "macro_f1")),
            (["a"], "loss", ("train", "all", "loss")),
            (["a"], "val_loss", ("validation", "all", "loss")),
            (["a"], "val_skill", ("validation", "all", "skill")),
            (["a"], "learning_rate", ("train", "all", "learning_rate")),
        ],
    )
    def test_history_names(self, tasks: list[str], name: str, expected: tuple[str, str, str]) -> None:
        (row,) = report.history_rows([{"phase": 1, "epoch": 4, name: 0.5}], tasks, run="multi-task", seed=2)
        assert tuple(row) == HISTORY_COLUMNS
        assert tuple(row.values()) == ("multi-task", 2, 1, 4, *expected, 0.5, "approach")


class TestStatistics:
    def test_mean_and_sample_sd(self) -> None:
        assert statistics.mean([2.0, 4.0, 9.0]) == 5.0
        assert statistics.sample_sd([2.0, 4.0, 9.0]) == pytest.approx(math.sqrt((9 + 1 + 16) / 2))
        assert math.isnan(statistics.sample_sd([2.0]))

    def test_the_interval_is_the_paired_t_interval(self) -> None:
        # Mean 3, SD sqrt(2.5), 4 degrees of freedom: the tabulated quantile is 2.776445.
        half = 2.776445 * math.sqrt(2.5) / math.sqrt(5)
        assert statistics.interval([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((3 - half, 3 + half), abs=1e-6)

    def test_one_seed_has_no_interval(self) -> None:
        with pytest.raises(MTLError, match="at least two seeds"):
            statistics.interval([1.0])

    @pytest.mark.parametrize(
        ("value", "like", "text"),
        [
            (0.69035, None, "0.6904"),
            (0.0123456, None, "0.01235"),
            (18.2345, None, "18.23"),
            (1234.5, None, "1234"),
            (0.0, None, "0.0000"),
            (0.00341, 0.69, "0.0034"),
            (2.5e-6, None, "2.5e-06"),
            (math.inf, None, "inf"),
            (math.nan, None, "–"),
        ],
    )
    def test_numbers(self, value: float, like: float | None, text: str) -> None:
        assert format_number(value, like) == text


class TestScoresTable:
    def test_few_seeds_are_indicative(self) -> None:
        table = report.scores_table(rows_of([0.70, 0.72, 0.74], [0.70, 0.71, 0.70]))
        assert list(table.columns) == [
            *("task", "metric", "unit", "better", "n"),
            *("multi-task", "single-task", "multi-task − single-task", "trivial"),
        ]
        digit = table.iloc[0]
        assert digit[["task", "metric", "unit", "better", "n"]].tolist() == ["digit", "accuracy", "fraction of rows", "↑", 36]
        assert digit["multi-task"] == "0.7200 ± 0.0200 (3)"
        assert digit["single-task"] == "0.7033 ± 0.0058 (3)"
        assert digit["multi-task − single-task"] == "+0.0167 (indicative)"
        assert digit["trivial"] == "0.5000"
        assert table["better"].tolist() == ["↑", "↓", "↑"]
        assert table["task"].tolist() == ["digit", "image", "all"]

    def test_five_seeds_have_an_interval_over_pairs(self) -> None:
        single = [0.60, 0.70, 0.65, 0.75, 0.68]
        multi = [value + gain for value, gain in zip(single, (0.01, 0.02, 0.03, 0.04, 0.05), strict=True)]
        digit = report.scores_table(rows_of(multi, single)).iloc[0]
        assert digit["multi-task − single-task"] == "+0.0300 [+0.0104, +0.0496]"

    def test_only_common_seeds_are_compared(self) -> None:
        rows = [row for row in rows_of([0.7, 0.9], [0.6, 0.6]) if (row["run"], row["seed"]) != ("single-task", 1)]
        assert report.scores_table(rows).iloc[0]["multi-task − single-task"] == "+0.1000 (indicative)"

    def test_one_seed_has_no_spread(self) -> None:
        table = report.scores_table(rows_of([0.7], []))
        assert table.iloc[0]["multi-task"] == "0.7000 (1)"
        assert "single-task" not in table.columns

    def test_splits_and_epochs_are_apart(self) -> None:
        rows = rows_of([0.7], []) + rows_of([0.9], [], "validation")
        rows += report.metrics_rows(evaluation(accuracy=0.6), run="multi-task", seed=0, phase=0, epoch_kind="last")
        assert report.scores_table(rows).iloc[0]["multi-task"] == "0.7000 (1)"
        assert report.scores_table(rows, "validation").iloc[0]["multi-task"] == "0.9000 (1)"
        assert report.scores_table(rows, epoch_kind="last").iloc[0]["multi-task"] == "0.6000 (1)"
        assert report.scores_table(rows, "train").empty

    def test_a_value_must_be_unique(self) -> None:
        with pytest.raises(MTLError, match="Received twice: multi-task, seed 0"):
            report.scores_table(rows_of([0.7], []) * 2)

    def test_infinite_values_are_shown(self) -> None:
        psnr = Score("image", "psnr", math.inf, 4, "dB", "max", trivial=12.0)
        rows = report.metrics_rows(Evaluation("test", (psnr,), 0.0), run="multi-task", seed=0, phase=0, epoch_kind="best")
        rows += [{**row, "seed": 1} for row in rows]
        assert report.scores_table(rows).iloc[0]["multi-task"] == "inf ± – (2)"


def test_history_rows_are_in_the_order_of_the_tasks() -> None:
    # Keras sorts what it logs.
    epoch = {
        "phase": 0,
        "epoch": 1,
        "coarse_loss": 1.0,
        "fine_loss": 2.0,
        "loss": 3.0,
        "val_coarse_loss": 4.0,
        "val_fine_loss": 5.0,
    }
    rows = report.history_rows([epoch], ["fine", "coarse"], run="multi-task", seed=0)
    assert [(row["task"], row["value"]) for row in rows] == [
        *(("fine", 2.0), ("fine", 5.0), ("coarse", 1.0), ("coarse", 4.0), ("all", 3.0))
    ]


class TestDeltaM:
    @staticmethod
    def rows(accuracy: float, mse: float, run: str = "multi-task", seed: int = 0, split: str = "test") -> list[Any]:
        scores = (
            Score("digit", "accuracy", accuracy, 40, "fraction of rows", "max", 0.1, skill=0.5),
            Score("digit", "macro_f1", 0.3, 40, "mean F1", "max", 0.1),
            Score("image", "mse", mse, 40, "squared error", "min", 0.1, skill=0.5),
        )
        about = {"seed": seed, "phase": 0, "epoch_kind": "best"}
        return report.metrics_rows(Evaluation(split, scores, 0.5), run=run, role=ROLES[run], **about)  # type: ignore[arg-type]

    OWN = {"digit": "accuracy", "image": "mse"}

    def test_it_is_the_mean_relative_gain_and_positive_is_better(self) -> None:
        rows = [*self.rows(0.88, 0.03), *self.rows(0.80, 0.02, "single-task")]
        (row,) = report.delta_m_rows(rows, self.OWN)
        # 10 % better in accuracy, 50 % worse in squared error.
        assert row["value"] == pytest.approx(-20.0)
        assert list(row) == list(METRICS_COLUMNS)
        found = tuple(row[column] for column in ("run", "task", "metric", "n", "direction"))
        assert found == ("multi-task", "all", "delta_m", 40, "max")

    def test_each_seed_and_split_has_its_own_baseline(self) -> None:
        rows: list[Any] = []
        for seed, split, baseline in ((0, "test", 0.8), (1, "test", 0.4), (0, "validation", 0.5)):
            rows += [*self.rows(0.8, 0.02, seed=seed, split=split), *self.rows(baseline, 0.02, "single-task", seed, split)]
        rows += self.rows(0.8, 0.02, seed=2)  # has none
        found = {(row["seed"], row["split"]): row["value"] for row in report.delta_m_rows(rows, self.OWN)}
        assert found == pytest.approx({(0, "test"): 0.0, (1, "test"): 50.0, (0, "validation"): 30.0})

    def test_without_baselines_there_is_no_delta_m(self) -> None:
        assert report.delta_m_rows(self.rows(0.8, 0.02), self.OWN) == []
        assert report.delta_m_rows([*self.rows(0.8, 0.02), *self.rows(0.0, 0.02, "single-task")], self.OWN) == []
        half = [row for row in self.rows(0.8, 0.02, "single-task") if row["task"] != "image"]
        assert report.delta_m_rows([*self.rows(0.8, 0.02), *half], self.OWN) == []


class TestTrialsTable:
    def test_best_first_and_failed_last(self) -> None:
        table = report.trials_table(TRIALS)
        assert table["trial"].tolist() == [2, 0, 1]
        assert list(table.columns) == [
            *("trial", "skill", "digit_accuracy", "learning_rate", "depth", "width", "digit_loss", "epoch"),
            *("seconds", "status", "error"),
        ]
        assert table["skill"].tolist()[:2] == [0.6, 0.4]
        assert table["status"].tolist() == ["completed", "completed", "failed"]
        assert table["error"].tolist()[2] == "out of memory"

    def test_executions_are_averaged(self) -> None:
        rows = [trial(0, 0.4, depth=1), trial(0, 0.7, 1, depth=1), trial(1, 0.5, depth=2), trial(1, None, 1, depth=2)]
        table = report.trials_table(rows)
        assert table["trial"].tolist() == [0, 1]
        assert table["skill"].tolist() == pytest.approx([0.55, 0.5])
        assert table["skill_sd"].tolist()[0] == pytest.approx(0.3 / math.sqrt(2))
        assert table["seeds_per_trial"].tolist() == [2, 1]
        assert table["status"].tolist() == ["completed", "failed"], "a trial completed if all of its seeds_per_trial did"
        assert table["seconds"].tolist() == [4.0, 4.0]

    def test_nothing_yet(self) -> None:
        assert report.trials_table([]).empty

    def test_markdown(self) -> None:
        lines = report.to_markdown(report.trials_table(TRIALS)[["trial", "skill", "width", "status"]]).splitlines()
        assert lines == [
            "| trial | skill | width | status |",
            "| ---: | ---: | ---: | :--- |",
            "| 2 | 0.6000 | 32 | completed |",
            "| 0 | 0.4000 |  | completed |",
            "| 1 |  | 64 | failed |",
        ]

    def test_markdown_keeps_its_columns(self) -> None:
        import pandas as pd

        assert report.to_markdown(pd.DataFrame({"text": ["a|b\nc"]})).splitlines()[2] == "| a\\|b c |"
