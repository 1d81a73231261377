"""Tests of one table are corrected together, splits of one data set are no independent samples, few seeds are not tested."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_keras import report
from mtl_keras.errors import MTLError
from mtl_keras.report import statistics
from tests import _scores

GAINS = [0.02, 0.01, 0.03, 0.02, 0.02]


def rows(run: str, task: str, values: list[float], *, n: int = 90) -> list[Any]:
    """Rows of metrics.csv with these accuracies of seeds 0, 1, ..."""
    role = "single_task" if run == "single-task" else "approach"
    about = {"run": run, "phase": 0, "epoch_kind": "best", "split": "test", "task": task, "metric": "accuracy", "n": n}
    about |= {"unit": "fraction of rows", "direction": "max", "role": role}
    return [{**about, "seed": seed, "value": value} for seed, value in enumerate(values)]


def record(metrics: list[Any], **more: Any) -> report.Record:
    return report.Record("Title", "Question?", "command", more.pop("config", {}), {}, metrics, **more)


class TestHolm:
    def test_reference(self) -> None:
        # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm"), and with ties and a p of 1.
        assert statistics.holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
        assert statistics.holm([1.0, 0.5, 0.0125, 0.0125]) == pytest.approx([1.0, 1.0, 0.05, 0.05])

    def test_one_test_needs_no_correction(self) -> None:
        assert (statistics.holm([0.04]), statistics.holm([])) == ([0.04], [])

    def test_the_order_of_the_tests_does_not_matter(self) -> None:
        values = list(np.random.default_rng(0).uniform(size=20))
        order = list(np.random.default_rng(1).permutation(20))
        corrected = statistics.holm(values)
        assert statistics.holm([values[i] for i in order]) == pytest.approx([corrected[i] for i in order])
        assert all(p <= q <= 1 for p, q in zip(values, corrected, strict=True))

    @pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
    def test_what_is_no_p_value_is_refused(self, value: float) -> None:
        with pytest.raises(MTLError, match="p_values"):
            statistics.holm([0.5, value])


class TestResplit:
    def test_by_hand(self) -> None:
        # The variance of a mean is SD² (1/n + test rows / training rows), here with t(0.975, 4) = 2.7764451.
        half = 2.7764451052 * np.std(GAINS, ddof=1) * math.sqrt(1 / 5 + 0.25)
        low, high = statistics.interval(GAINS, 0.25)
        assert (low, high) == pytest.approx((0.02 - half, 0.02 + half), rel=1e-9)
        assert statistics.interval(GAINS, 0.0) == statistics.interval(GAINS)

    def test_the_test_agrees_with_the_interval(self) -> None:
        for seed in range(50):
            values = list(np.random.default_rng(seed).normal(0.8, 1.0, 10))
            low, high = statistics.interval(values, 0.34)
            assert (statistics.paired_test(values, 0.34) < 0.05) == (not low <= 0 <= high)

    def test_a_negative_ratio_is_refused(self) -> None:
        with pytest.raises(MTLError, match="resplit"):
            statistics.interval(GAINS, -0.1)

    def test_a_record_whose_seeds_have_splits_of_their_own_is_corrected(self) -> None:
        metrics = [*rows("joint", "kind", [0.5 + gain for gain in GAINS]), *rows("single-task", "kind", [0.5] * 5)]
        budgets = [report.Budget("joint", ("kind",), 180, 3)]
        plain, resplit = (record(metrics, budgets=budgets, config={"split_per_seed": each}) for each in (False, True))
        assert (plain.resplit, resplit.resplit) == (0.0, 0.5)
        found = resplit.difference("joint", "single-task", "kind")
        assert found.interval == pytest.approx(statistics.interval(GAINS, 0.5))
        assert found.p == pytest.approx(statistics.paired_test(GAINS, 0.5))
        assert (found.p or 0.0) > (plain.difference("joint", "single-task", "kind").p or 1.0)

    def test_an_old_record_says_that_it_is_not_corrected(self, tmp_path: Path) -> None:
        config = {"by_split": True}
        report.write_record(tmp_path, record(rows("joint", "kind", GAINS), config=config))
        assert "treat the splits as independent" in (tmp_path / "README.md").read_text(encoding="utf-8")


class TestFamilies:
    @staticmethod
    def metrics() -> list[Any]:
        found: list[Any] = []
        for task, scale in (("a", 1.0), ("b", 0.5), ("c", -0.4)):
            noise = np.random.default_rng(len(found)).normal(0, 0.012, 5)
            found += rows("joint", task, [0.5 + 0.01 * scale + float(each) for each in noise])
            found += rows("single-task", task, [0.5] * 5)
        return found

    def test_all_tests_of_a_table_are_corrected_together(self) -> None:
        metrics = self.metrics()
        table = report.approaches_table(metrics)
        lines = {line["task"]: line for line in table.to_dict("records") if line["approach"] == "joint"}
        ps = [record(metrics).difference("joint", "single-task", task).p for task in "abc"]
        expected = statistics.holm([p for p in ps if p is not None])
        assert [float(lines[task]["p, Holm"]) for task in "abc"] == pytest.approx(expected, abs=5e-4)

    def test_the_summaries_are_families_of_their_own(self) -> None:
        metrics = self.metrics()
        whole_model: list[Any] = [{**each, "metric": "skill"} for each in rows("joint", "all", GAINS)]
        gains = report.delta_m_rows([*metrics, *whole_model], dict.fromkeys("abc", "accuracy"))
        lines = report.approaches_table([*metrics, *gains]).to_dict("records")
        whole = next(line for line in lines if line["metric"] == "delta_m")
        assert whole["p"] == whole["p, Holm"] != "–"

    def test_verdicts_are_corrected_for_each_other(self) -> None:
        metrics = self.metrics()
        differences = [record(metrics).difference("joint", "single-task", task) for task in "abc"]
        corrected = statistics.holm([each.p for each in differences if each.p is not None])
        for each, p, sentence in zip(differences, corrected, report.verdicts(differences), strict=True):
            assert ("no difference shown" in sentence) == (p >= 0.05)
            assert "p after Holm's correction for 3 tests =" in sentence
            assert "Holm" not in each.verdict, "one test by itself is not corrected"

    def test_a_difference_that_does_not_survive_is_not_called_one(self) -> None:
        # Alone p = 0.03; with nineteen others it shows nothing.
        values = [0.004, 0.010, 0.002, 0.012, 0.009]
        one = record([*rows("a", "kind", values), *rows("b", "kind", [0.0] * 5)]).difference("a", "b", "kind")
        assert 0.01 < (one.p or 1.0) < 0.05
        assert " is better than " in one.verdict
        assert "no difference shown" in report.verdicts([one] * 20)[0]


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_below_five_seeds_there_is_neither_interval_nor_test(seeds: int) -> None:
    metrics = [*rows("joint", "kind", GAINS[:seeds]), *rows("single-task", "kind", [0.0] * seeds)]
    found = record(metrics).difference("joint", "single-task", "kind")
    assert (found.interval, found.p, found.judgment) == (None, None, "")
    assert "[" not in found.points
    assert found.verdict.endswith(f"over {seeds} seeds, indicative.")
    line = report.approaches_table(metrics).iloc[0]
    assert (line["p"], line["p, Holm"]) == ("–", "–")
    assert "[" not in line["− single-task"]


class TestBudgets:
    def test_tasks_with_the_same_budget_share_a_row(self) -> None:
        each = [report.Budget("joint", (task,), rows, 4) for task, rows in (("a", 30), ("b", 30), ("c", 10))]
        assert report.merge_budgets(each) == [report.Budget("joint", ("a", "b"), 30, 4), report.Budget("joint", ("c",), 10, 4)]

    def test_they_stand_beside_the_published_values(self, tmp_path: Path) -> None:
        published = [{"run": "joint", "task": "kind", "metric": "accuracy", "value": 0.9, "note": "100 epochs, one run"}]
        whole = record(rows("joint", "kind", GAINS), published=published, budgets=[report.Budget("joint", ("kind",), 180, 3)])
        report.write_record(tmp_path, whole)
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert "| joint | kind | 180 | 3 | 5 | – | 90 | 100 epochs, one run |" in page
        assert report.read_record(tmp_path).budgets == [*whole.budgets]


class TestConfusion:
    ROWS: tuple[Any, ...] = tuple(
        {"run": "joint", "seed": seed, "split": "test", "task": "kind", "true": true, "predicted": predicted, "count": count}
        | {"role": "approach"}
        for seed in (0, 1)
        for true, predicted, count in ((0, 0, 4), (0, 1, 1 + seed), (1, 1, 5))
    )

    def test_counts_are_summed_over_seeds(self) -> None:
        assert report.confusion_counts(self.ROWS).tolist() == [[8, 3], [0, 10]]
        assert report.confusion_counts(self.ROWS, 3).tolist() == [[8, 3, 0], [0, 10, 0], [0, 0, 0]]

    def test_pictures_are_of_them_and_not_of_the_delivered_model(self, tmp_path: Path) -> None:
        delivered = _scores.evaluation("validation", confusion={"kind": np.eye(2, dtype=int)})
        whole = record(rows("joint", "kind", GAINS), confusion=self.ROWS, evaluation=delivered)
        report.write_record(tmp_path, whole)
        assert (tmp_path / "confusion_kind.png").is_file()
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert "[confusion matrix of kind, test split, 2 seeds](confusion_kind.png)" in page.replace("![", "[")
        assert "delivered model" not in page

    def test_the_only_approach_with_a_task_is_named(self, tmp_path: Path) -> None:
        whole = record([*rows("joint", "kind", GAINS), *rows("other", "more", GAINS)], confusion=self.ROWS)
        report.write_record(tmp_path, whole)
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert "[confusion matrix of joint: kind, test split, 2 seeds](confusion_kind.png)" in page

    def test_a_record_keeps_them(self, tmp_path: Path) -> None:
        whole = record(rows("joint", "kind", GAINS), confusion=self.ROWS, class_names={"kind": ("cat", "dog")})
        report.write_record(tmp_path, whole)
        again = report.read_record(tmp_path)
        assert [dict(row) for row in again.confusion] == [dict(row) for row in self.ROWS]
        assert again.class_names == {"kind": ["cat", "dog"]}


def test_the_page_names_the_commits_that_trained(tmp_path: Path) -> None:
    sessions = [{"commit": "aaa", "trainings": 3}, {"commit": "bbb", "trainings": 2}, {"commit": "ccc", "trainings": 0}]
    metrics = rows("joint", "kind", GAINS)
    environment = {"commit": "ccc", "sessions": sessions}
    report.write_record(tmp_path, report.Record("Title", "Question?", "command", {}, environment, metrics))
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "commits aaa and bbb." in page
    assert "ccc" not in page
