"""Results of unusual but legal kinds: no spread, values that are not finite, other seeds, odd names, edited files."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_keras import report
from mtl_keras.comparison import Comparison, Results
from mtl_keras.errors import MTLError
from mtl_keras.report import statistics
from tests._approaches import history, row
from tests._figures import faults

GAINS = [0.02, 0.01, 0.03, 0.02, 0.02]
BASE = [0.5] * 5


def rows(run: str, task: str, values: Sequence[float], seeds: Sequence[Any] = range(100), **changes: Any) -> list[Any]:
    own = [row(run, seed, task, "accuracy", value) for seed, value in zip(seeds, values, strict=False)]
    return [{**each, **changes} for each in own]


def record(metrics: list[Any], **more: Any) -> report.Record:
    return report.Record("Title", "Question?", "command", more.pop("config", {}), more.pop("environment", {}), metrics, **more)


def page(folder: Path, metrics: list[Any], **more: Any) -> str:
    report.write_record(folder, record(metrics, **more))
    return (folder / "README.md").read_text(encoding="utf-8")


def compared(values: Sequence[float], base: Sequence[float] = BASE) -> report.Difference:
    return report.difference([*rows("a", "kind", values), *rows("b", "kind", base)], "a", "b", "kind")


class TestStatistics:
    def test_values_that_are_not_finite(self) -> None:
        assert math.isnan(statistics.mean([math.inf, -math.inf]))
        assert statistics.mean([math.inf, 1.0]) == math.inf
        assert all(map(math.isnan, statistics.interval([math.inf, -math.inf, 1.0])))
        assert math.isnan(statistics.paired_test([math.nan, 1.0, 2.0]))

    def test_very_large_and_very_small_values(self) -> None:
        assert statistics.mean([1e308, 1e308]) == pytest.approx(1e308)
        assert statistics.sample_sd([1e200, -1e200]) == pytest.approx(math.sqrt(2) * 1e200)
        tiny = [1e-300, 2e-300, 3e-300]
        assert statistics.paired_test(tiny) == pytest.approx(statistics.paired_test([1.0, 2.0, 3.0]))

    def test_a_trial_without_a_score_is_no_best_one(self) -> None:
        about = {"execution": 0, "status": "completed", "hyperparameters": {}}
        trials = [{**about, "trial": number, "values": {"skill": skill}} for number, skill in enumerate((math.nan, 0.1, 0.3))]
        assert [*statistics.trial_skills(trials)] == [2, 1, 0]


class TestNoSpread:
    """A t test without a spread has p = 0, however few seeds there are."""

    def test_it_is_not_tested(self) -> None:
        found = compared([0.75] * 5)
        assert (found.p, found.interval, found.judgment, found.points) == (None, None, "", "+25.0")
        assert found.verdict == "a − b in kind accuracy: +0.25 in each of 5 seeds, no spread to test it by."

    def test_a_table_neither(self) -> None:
        line = report.approaches_table([*rows("a", "kind", [0.75] * 5), *rows("single-task", "kind", BASE)]).iloc[0]
        assert (line["− single-task"], line["p"], line["p, Holm"]) == ("+0.2500 (in each seed)", "–", "–")

    def test_rounding_is_no_difference(self) -> None:
        found = compared([0.1 + 0.2] * 5, [0.3] * 5)
        assert 0.1 + 0.2 != 0.3
        assert (found.p, "no difference shown" in found.verdict) == (1.0, True)
        gains = report.delta_m_rows([*rows("a", "k", [0.1 + 0.2]), *rows("single-task", "k", [0.3])], {"k": "accuracy"})
        assert [each["value"] for each in gains] == [0.0]

    def test_equal_results_are_still_tests_of_the_family(self) -> None:
        found = [compared(GAINS_OVER_BASE), compared(BASE)]
        assert "for 2 tests" in report.verdicts(found)[0]


GAINS_OVER_BASE = [0.5 + gain for gain in GAINS]


class TestDifference:
    def test_values_that_are_not_finite_have_no_limits(self) -> None:
        for wrong in ([math.inf, -math.inf, 1, 2, 3], [math.nan, 0.5, 1, 2, 3]):
            found = compared(wrong)
            assert (found.interval, found.p, found.points) == (None, None, "+nan")
            assert "not all values are finite" in found.verdict

    def test_tasks_without_a_common_seed_have_no_mean(self) -> None:
        metrics = [*rows("a", "x", GAINS), *rows("b", "x", BASE)]
        metrics += [*rows("a", "y", GAINS, range(5, 10)), *rows("b", "y", BASE, range(5, 10))]
        with pytest.raises(MTLError, match=r"must share a seed\. Received: x: \[0, 1, 2, 3, 4\]; y: \[5, 6, 7, 8, 9\]"):
            report.difference(metrics, "a", "b", ["x", "y"])

    def test_seeds_of_two_kinds_are_named(self) -> None:
        metrics = [*rows("a", "x", GAINS, [0, "one"]), *rows("b", "x", BASE, [7, "two"])]
        with pytest.raises(MTLError, match=r"with seeds \[0, 'one'\] of 'a' and \[7, 'two'\] of 'b'"):
            report.difference(metrics, "a", "b", "x")

    @pytest.mark.parametrize("seeds", [3, 5])
    @pytest.mark.parametrize("ratio", [-1, math.nan, "x"])
    def test_a_wrong_ratio_is_refused_whatever_the_number_of_seeds(self, ratio: Any, seeds: int) -> None:
        metrics = [*rows("a", "x", GAINS[:seeds]), *rows("single-task", "x", BASE[:seeds])]
        for call in (report.approaches_table, report.scores_table, report.plot_approaches, report.plot_gains):
            with pytest.raises(MTLError, match="`resplit` must be a number of at least 0"):
                call(metrics, resplit=ratio)
        with pytest.raises(MTLError, match="`resplit` must be a number of at least 0"):
            report.difference(metrics, "a", "single-task", "x", resplit=ratio)

    @pytest.mark.parametrize(("name", "wrong"), [("values", {}), ("values", {0: "x"}), ("direction", "up"), ("one", "")])
    def test_a_value_is_valid_or_does_not_exist(self, name: str, wrong: Any) -> None:
        with pytest.raises(MTLError, match=f"`{name}`"):
            report.Difference(
                **({"one": "a", "other": "b", "subject": "x", "direction": "max", "values": {0: 1.0}} | {name: wrong})
            )


class TestSplitsOfOneDataSet:
    def test_a_comparison_takes_the_correction(self) -> None:
        metrics = [*rows("joint", "kind", GAINS_OVER_BASE, n=90), *rows("single-task", "kind", BASE, n=90)]
        results = Results(metrics, [], "joint", 0, Any, Any, [], [report.Budget("joint", ("kind",), 180, 3)])  # type: ignore[arg-type]
        plain, resplit = (Comparison(Path(), results, split_per_seed=each) for each in (False, True))
        assert (plain.resplit, resplit.resplit) == (0.0, 0.5)
        assert resplit.difference("joint", "single-task", "kind").p == pytest.approx(statistics.paired_test(GAINS, 0.5))
        shown = [float(str(each.table().iloc[0]["p"]).strip("<= ")) for each in (resplit, plain)]
        assert shown == pytest.approx([statistics.paired_test(GAINS, 0.5), statistics.paired_test(GAINS)], abs=1e-3)

    def test_of_several_ratios_the_largest_corrects(self) -> None:
        metrics = [*rows("joint", "kind", GAINS, n=90), *rows("single-task", "kind", BASE, n=90)]
        budgets = [report.Budget("joint", ("kind",), 900, 3), report.Budget("single-task", ("kind",), 180, 3)]
        assert record(metrics, budgets=budgets, config={"split_per_seed": True}).resplit == 0.5

    def test_no_training_rows_give_no_ratio(self) -> None:
        whole = record(
            rows("joint", "kind", GAINS), budgets=[report.Budget("joint", ("kind",), 0, 3)], config={"by_split": True}
        )
        assert whole.resplit == 0.0


@pytest.mark.usefixtures("stub_png")
def test_sentences_are_corrected_for_the_tests_of_their_table(tmp_path: Path) -> None:
    # Published values of a second metric give the table more tests than tasks; alone, p would be 0.03.
    one, metrics = [0.504, 0.510, 0.502, 0.512, 0.509], []
    for run, values in (("joint", one), ("other", BASE), ("single-task", BASE)):
        metrics += rows(run, "kind", values)
        metrics += [{**each, "metric": "macro_f1"} for each in rows(run, "kind", values)]
    published = [{"run": "joint", "task": "kind", "metric": "macro_f1", "value": 0.6, "note": "Table 1"}]
    shown = page(tmp_path, metrics, published=published)
    assert "better than its single-task baselines" not in shown
    assert "no difference from its single-task baselines shown in kind accuracy, kind macro_f1" in shown


class TestCounts:
    @staticmethod
    def counted(run: str, seed: int, count: int = 3, **changes: Any) -> Any:
        about = {"run": run, "seed": seed, "split": "test", "task": "kind", "true": 0, "predicted": 1, "role": "approach"}
        return {**about, "count": count, **changes}

    @pytest.mark.usefixtures("stub_png")
    def test_a_picture_says_how_many_seeds_each_approach_has(self, tmp_path: Path) -> None:
        confusion = [self.counted("a", seed) for seed in range(5)] + [self.counted("b", seed) for seed in range(3)]
        shown = page(tmp_path, [*rows("a", "kind", GAINS), *rows("b", "kind", BASE[:3])], confusion=confusion)
        assert "confusion matrices of kind, test split, 3 to 5 seeds" in shown

    @pytest.mark.usefixtures("stub_png")
    def test_splits_are_not_added_up(self, tmp_path: Path) -> None:
        confusion = [self.counted("a", 0), self.counted("a", 0, count=90, split="validation", true=1)]
        titles = []

        def draw(counts: np.ndarray, names: Any, title: str) -> Any:
            titles.append((counts.tolist(), title))
            return report.plot_confusion(counts, names, title)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mtl_keras.report._pictures.plot_confusion", draw)
            page(tmp_path, rows("a", "kind", GAINS), confusion=confusion)
        assert titles == [([[0, 3], [0, 0]], "kind, test split, 1 seed")]

    def test_what_cannot_be_added_up_is_refused(self) -> None:
        for wrong, said in (
            ([self.counted("a", 0), self.counted("a", 0)], "Each cell of a training must be in `rows` once"),
            ([self.counted("a", 0), self.counted("b", 0)], "must be of one run, task and split. Received: run 'a', 'b'"),
            ([self.counted("a", 0), self.counted("a", 0, split="train")], "Received: split 'test', 'train'"),
            ([self.counted("a", 0, count=-1)], "must be at least 0. Received: true=0, predicted=1, count=-1"),
            ([self.counted("a", 0, true=-1)], "must be at least 0. Received: true=-1"),
        ):
            with pytest.raises(MTLError, match=re.escape(said)):
                report.confusion_counts(wrong)
        with pytest.raises(MTLError, match="`counts` must be counts of at least 0"):
            report.plot_confusion(np.array([[1, -1], [0, 2]]))

    def test_rows_that_differ_by_seed_are_a_range(self) -> None:
        metrics: list[Any] = [{**each, "n": n} for each, n in zip(rows("a", "kind", GAINS), range(10, 15), strict=True)]
        assert report.scores_table(metrics)["n"].tolist() == ["10 to 14"]
        whole = record(metrics, budgets=[report.Budget("a", ("kind",), 90, 2)])
        assert report.budget_table(whole, ["kind"])["n test"].tolist() == ["10 to 14"]


@pytest.mark.usefixtures("stub_png")
class TestBudgets:
    PUBLISHED = (
        {"run": "a", "task": "kind", "metric": "accuracy", "value": 0.9, "note": "Table 2, 100 epochs"},
        {"run": "a", "task": "kind", "metric": "accuracy", "value": 0.8, "note": "its log, 90 epochs"},
        {"run": "a", "task": "all", "metric": "skill", "value": 0.7, "note": "Table 3"},
        {"run": "theirs", "task": "kind", "metric": "accuracy", "value": 0.95, "note": "another paper, 200 epochs"},
    )

    def test_what_is_fitted_without_epochs_shows_none(self, tmp_path: Path) -> None:
        budgets = [report.Budget("a", ("kind",), 10, 0)]
        shown = page(tmp_path / "study/one", rows("a", "kind", GAINS), budgets=budgets)
        assert "| a | kind | 10 | – | 5 | – | 40 |" in shown

    def test_no_published_value_is_without_its_source(self, tmp_path: Path) -> None:
        metrics = [*rows("a", "kind", GAINS), *[{**each, "metric": "skill"} for each in rows("a", "all", GAINS)]]
        budgets = [report.Budget("a", ("kind",), 10, 2), report.Budget("not measured", ("kind",), 10, 2)]
        shown = page(tmp_path / "study/one", metrics, published=self.PUBLISHED, budgets=budgets)
        told = "0.9: Table 2, 100 epochs / 0.8: its log, 90 epochs / 0.7: Table 3"
        assert f"| a | kind | 10 | 2 | 5 | – | 40 | {told} |" in shown
        assert "| not measured | kind | 10 | 2 | 0 | – | – | – |" in shown
        assert "| theirs | kind | – | – | – | – | – | another paper, 200 epochs |" in shown
        report.write_summary(tmp_path)
        summary = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert told in summary
        assert "([published.csv](study/one/published.csv))" in summary


@pytest.mark.usefixtures("stub_png")
def test_records_with_one_title_are_told_apart(tmp_path: Path) -> None:
    for name in ("study/one", "study/two", "study/other"):
        report.write_record(tmp_path / name, replace(record(rows("a", "kind", GAINS)), title=f"Title{name == 'study/other'}"))
    report.write_summary(tmp_path)
    headings = [line for line in (tmp_path / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert headings == [
        "## [TitleFalse, study/one](study/one/README.md)",
        "## [TitleTrue](study/other/README.md)",
        "## [TitleFalse, study/two](study/two/README.md)",
    ]


@pytest.mark.usefixtures("stub_png")
def test_a_summary_says_where_there_are_no_test_values(tmp_path: Path) -> None:
    for split in ("test", "validation"):
        report.write_record(tmp_path / split, record(rows("a", "kind", GAINS, split=split)))
    report.write_summary(tmp_path)
    _, tested, validated = (tmp_path / "README.md").read_text(encoding="utf-8").split("\n## ")
    assert "On the validation split: there are no test values." in validated
    assert "no test values" not in tested


@pytest.mark.usefixtures("stub_png")
class TestNames:
    @pytest.mark.parametrize(
        "name", ["<b>x</b>", "*star*", "`tick`", "[a](b)", "_under_", "$x$", "~~a~~", "&lt;", "a|b", "a\\b"]
    )
    def test_a_page_shows_a_name_as_it_is(self, name: str, tmp_path: Path) -> None:
        metrics = [*rows(name, "kind", GAINS), *rows("other", "kind", BASE)]
        metrics += [{**each, "task": "all", "metric": "skill"} for each in metrics]
        shown = page(tmp_path / "record", metrics, summaries={name: "One of two."})
        report.write_summary(tmp_path)
        for text in (shown, (tmp_path / "README.md").read_text(encoding="utf-8")):
            outside = re.sub(r"``? ?.+? ?`?`: One of two", "", text)
            bare = re.compile(r"(?<!\\)" + re.escape(name)) if name not in ("a|b", "a\\b") else re.compile("$^")
            assert not bare.search(outside.replace(shown.splitlines()[0], "")), "unescaped"
            # CommonMark drops a backslash before a punctuation mark.
            assert name in re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", outside)

    def test_names_of_studies_stay_as_they_are(self, tmp_path: Path) -> None:
        shown = page(tmp_path, [*rows("tasks_5", "half_4", GAINS), *rows("naïve_ß", "half_4", BASE)])
        assert "| tasks_5 | half_4 | accuracy |" in shown
        assert "| naïve_ß | half_4 |" in shown

    @pytest.mark.parametrize("column", ["run", "task", "metric"])
    @pytest.mark.parametrize("name", ["", " ", "a\nb", "a\tb"])
    def test_a_name_has_one_line(self, column: str, name: str) -> None:
        with pytest.raises(MTLError, match=f"`metrics` must name each {column} in one line"):
            record([{**each, column: name} for each in rows("a", "kind", GAINS)])

    @pytest.mark.parametrize("name", ["task", "metric", "unit", "better", "n"])
    def test_a_run_does_not_replace_a_column(self, name: str) -> None:
        with pytest.raises(MTLError, match=f"must not be called like another column of the table. Received: '{name}'"):
            report.scores_table(rows(name, "kind", GAINS))

    def test_a_hyperparameter_does_not_replace_a_column(self) -> None:
        settings = {"skill": 3, "trial": 9, "seconds": 1, "status": "x", "digit_accuracy": 5}
        row = {"trial": 0, "status": "completed", "hyperparameters": settings, "values": {"skill": 0.5, "digit_accuracy": 0.7}}
        (line,) = report.trials_table([row]).to_dict("records")
        assert (line["trial"], line["skill"], line["digit_accuracy"], line["status"]) == (0, 0.5, 0.7, "completed")
        assert line["skill (hyperparameter)"] == 3

    def test_a_long_name_of_a_task_has_a_picture(self, tmp_path: Path) -> None:
        names = ["t" * 99 + end for end in "ab"]
        confusion = [{**TestCounts.counted("a", 0), "task": name} for name in names]
        page(tmp_path, [line for name in names for line in rows("a", name, GAINS)], confusion=confusion)
        assert len([*tmp_path.glob("confusion_*.png")]) == 2


class TestPictures:
    @pytest.mark.parametrize("name", ["$x_{$", "a$b$c", "100 $", "_small", "\\alpha"])
    def test_a_picture_shows_a_name_as_it_is(self, name: str) -> None:
        curves = report.plot_history([*history(name, fine=1.0), *history("other", fine=2.0)])
        legend = [text.get_text() for text in curves.legends[0].get_texts()]
        assert any(text.startswith(name) for text in legend)
        metrics = [*rows(name, "fine", GAINS), *rows("single-task", "fine", BASE)]
        counts = {name: np.eye(2, dtype=int), "other": np.eye(2, dtype=int)}
        pictures = (report.plot_approaches(metrics), report.plot_gains(metrics), report.plot_confusions(counts, ["a$", "$b"]))
        for figure in (curves, *pictures):
            figure.savefig(io.BytesIO())
            assert faults(figure) == []

    def test_a_seed_without_a_value_is_not_left_out_of_a_mean(self) -> None:
        metrics = [*rows("a", "kind", [math.nan, *GAINS_OVER_BASE]), *rows("single-task", "kind", [0.5] * 6)]
        for figure in (report.plot_approaches(metrics), report.plot_gains(metrics)):
            labels = {str(line.get_label()) for line in figure.axes[0].lines}
            assert "one seed" in labels
            assert not labels & {"mean", "95 % interval"}, "the table has none either"


class TestColumns:
    @pytest.mark.parametrize(
        ("column", "wrong"), [("direction", "up"), ("epoch_kind", "Best"), ("split", "dev"), ("role", "baseline")]
    )
    def test_a_row_that_no_table_would_show_is_refused(self, column: str, wrong: str, tmp_path: Path) -> None:
        metrics = rows("a", "kind", GAINS)
        metrics[3][column] = wrong
        for make in (record, report.approaches_table, report.scores_table, report.plot_approaches):
            with pytest.raises(MTLError, match=f"must have one of .* as {column}. Received: {column}='{wrong}' in row 3"):
                make(metrics)

    def test_a_metric_has_one_direction(self) -> None:
        with pytest.raises(MTLError, match="must have one direction. Received: kind accuracy"):
            record([*rows("a", "kind", GAINS), *rows("b", "kind", GAINS, direction="min")])

    def test_rows_are_counted_from_0(self) -> None:
        with pytest.raises(MTLError, match="at least 0. Received: n=-5"):
            record(rows("a", "kind", GAINS, n=-5))

    @pytest.mark.usefixtures("stub_png")
    @pytest.mark.parametrize(
        ("name", "old", "new"), [("metrics.csv", ",max,", ",up,"), ("history.csv", ",validation,", ",dev,")]
    )
    def test_in_a_file_it_is_one_of_that_file(self, name: str, old: str, new: str, tmp_path: Path) -> None:
        page(tmp_path, rows("a", "kind", GAINS), history=history("a", kind=1.0))
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(MTLError, match=rf"must be as mtl-keras wrote it\. Received: .*{name}: .*Received: "):
            report.read_record(tmp_path)


@pytest.mark.usefixtures("stub_png")
class TestEnvironment:
    @pytest.mark.parametrize(
        ("name", "wrong"),
        [("packages", [5]), ("gpus", [5]), ("gpus", "H100"), ("wall_seconds", "long"), ("sessions", [5]), ("commit", 5)],
    )
    def test_an_edited_one_is_refused_with_its_file(self, name: str, wrong: Any, tmp_path: Path) -> None:
        page(tmp_path, rows("a", "kind", GAINS))
        (tmp_path / "environment.json").write_text(json.dumps({name: wrong}), encoding="utf-8")
        with pytest.raises(MTLError, match=rf"environment\.json: `{name}` of an environment must be"):
            report.read_record(tmp_path)
        with pytest.raises(MTLError, match=rf"`{name}` of an environment must be"):
            record(rows("a", "kind", GAINS), environment={name: wrong})

    @pytest.mark.parametrize(
        ("sessions", "said"),
        [
            ([{"commit": None, "trainings": 3}], "commit unknown."),
            ([{"commit": None, "trainings": 3}, {"commit": "bbb", "trainings": 1}], "commits unknown and bbb."),
            ([{"trainings": 3}], "commit ccc."),
            ([], "commit ccc."),
        ],
    )
    def test_a_commit_that_is_not_known_is_not_replaced(self, sessions: list[Any], said: str, tmp_path: Path) -> None:
        shown = page(tmp_path, rows("a", "kind", GAINS), environment={"commit": "ccc", "sessions": sessions})
        assert said in shown


class TestDelta:
    def test_what_gives_none_is_refused_or_left_out(self) -> None:
        joint, alone = rows("a", "k", [0.5]), rows("single-task", "k", [0.4])
        with pytest.raises(MTLError, match="`own_metrics` must name at least one task"):
            report.delta_m_rows([*joint, *alone], {})
        with pytest.raises(MTLError, match="Each value must be in the rows once. Received twice: a, seed 0"):
            report.delta_m_rows([*joint, *joint, *alone], {"k": "accuracy"})
        assert report.delta_m_rows([*joint, *rows("single-task", "k", [math.inf])], {"k": "accuracy"}) == []
        assert report.delta_m_rows([*joint, *alone], {"k": "accuracy", "l": "accuracy"}) == []

    def test_it_needs_no_row_of_the_skill(self) -> None:
        (gain,) = report.delta_m_rows([*rows("a", "k", [0.5]), *rows("single-task", "k", [0.4])], {"k": "accuracy"})
        assert (gain["task"], gain["metric"]) == ("all", "delta_m")
        assert gain["value"] == pytest.approx(25.0)


@pytest.mark.usefixtures("stub_png")
class TestFinding:
    def test_it_says_the_split_the_direction_and_what_it_leaves_out(self, tmp_path: Path) -> None:
        metrics = [line for n in range(6) for line in rows("joint", f"t{n}", GAINS_OVER_BASE)]
        metrics += [line for n in range(6) for line in rows("single-task", f"t{n}", BASE)]
        metrics = [{**each, "metric": "mse", "direction": "min", "unit": "error"} for each in metrics]
        shown = page(tmp_path, metrics).splitlines()[2]
        assert "joint training reaches t0 mse 0.5200 (+0.02, 95 % interval +0.0112 to +0.0288; lower is better)" in shown
        assert " on the test split" in shown
        assert "the intervals are not corrected for each other; 2 more tasks are in metrics.csv.**" in shown

    def test_seeds_with_splits_are_said_to_have_them(self, tmp_path: Path) -> None:
        assert (
            page(tmp_path, rows("joint", "t", GAINS), config={"split_per_seed": True})
            .splitlines()[2]
            .startswith("**Over 5 seeds, each with a split of its own, the approach joint reaches t accuracy")
        )
