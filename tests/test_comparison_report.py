"""Many approaches side by side: which baseline counts, the long table, the verdict, the pictures, the page."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_keras import report
from mtl_keras.errors import MTLError
from mtl_keras.report import statistics
from mtl_keras.report._drawing import colors_of, png
from mtl_keras.report._roles import approaches_of, baseline_of, label_of, roles_of
from mtl_keras.report._rows import METRICS_COLUMNS
from mtl_keras.report._text import format_p

UNITS = {"accuracy": ("fraction of rows", "max"), "macro_f1": ("mean F1", "max"), "mse": ("squared error", "min")}
GAINS = (0.01, 0.02, 0.03, 0.04, 0.05)


def row(run: str, seed: Any, task: str, metric: str, value: float, kind: str = "best", split: str = "test") -> Any:
    unit, direction = UNITS.get(metric, ("", "max"))
    role = "trivial" if run == "trivial" else "single_task" if run.endswith("single-task") else "approach"
    values = (run, seed, 0, kind, split, task, metric, value, 40, unit, direction, role)
    return dict(zip(METRICS_COLUMNS, values, strict=True))


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


class TestApproachesTable:
    def test_a_row_for_each_task_and_approach(self) -> None:
        table = report.approaches_table(ROWS)
        columns = ["approach", "task", "metric", "better", "best epoch", "last epoch", "− single-task", "p", "trivial"]
        assert list(table.columns) == columns
        runs = ["joint", "fine then coarse", "single-task"]
        assert list(zip(table["approach"], table["task"], table["metric"], strict=True)) == [
            (run, task, metric) for task, metric in (("fine", "accuracy"), ("image", "mse"), ("all", "skill")) for run in runs
        ]
        assert table.iloc[0].tolist()[3:] == [
            *("↑", "0.7060 ± 0.0666 (5)", "0.6060 ± 0.0666 (5)", "+0.0300 [+0.0104, +0.0496]", "0.013", "0.1000")
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

    def test_of_several_tasks_it_is_the_mean_of_each_seed(self) -> None:
        rows = [row(run, seed, task, "accuracy", value) for run, seed, task, value in (
            *(("a", 0, "x", 0.5), ("a", 0, "y", 0.5), ("a", 1, "x", 0.5), ("a", 1, "y", 0.75)),
            *(("b", 0, "x", 0.25), ("b", 0, "y", 0.5), ("b", 1, "x", 0.5), ("b", 1, "y", 0.25)),
        )]  # fmt: skip
        assert record(rows).difference("a", "b", ("x", "y")).values == {0: 0.125, 1: 0.25}

    def test_without_a_common_seed(self) -> None:
        with pytest.raises(MTLError, match=r"seeds \[0, 1, 2, 3, 4\] of 'joint' and \[\] of 'jiont'"):
            record(ROWS).difference("joint", "jiont", "fine")

    def test_values_and_means(self) -> None:
        assert record(ROWS).values("joint", "fine") == dict(enumerate(BETTER))
        assert record(ROWS).mean("joint", "fine", "macro_f1") == 0.5
        assert record(ROWS).mean("joint", "fine", epoch_kind="last") == pytest.approx(statistics.mean(BETTER) - 0.1)
        assert record(ROWS).mean("trivial", "fine") == 0.1
        assert math.isnan(record(ROWS).mean("nobody", "fine"))
        assert record(ROWS).approaches == ["joint", "fine then coarse"]


class TestPictures:
    def test_approaches(self) -> None:
        figure = report.plot_approaches(ROWS, published=PUBLISHED)
        fine, image = figure.axes
        assert (fine.get_title(), image.get_title()) == ("fine", "image")
        assert [label.get_text() for label in fine.get_yticklabels()] == ["joint", "fine then coarse", "theirs"]
        assert fine.get_ylim()[0] > fine.get_ylim()[1], "the first is on top"
        lines = {str(line.get_label()): np.asarray(line.get_xdata()).tolist() for line in reversed(fine.lines)}
        assert lines["one seed"] == BETTER
        assert lines["mean"] == pytest.approx([statistics.mean(BETTER)])
        assert lines["95 % interval"] == pytest.approx(statistics.interval(BETTER))
        assert lines["single-task baseline"] == pytest.approx([statistics.mean(BASELINES)])
        assert lines["published"] == [0.7]
        assert "trivial" not in lines, "0.1 lies far off"
        assert fine.get_xlabel() == "accuracy ↑\n(trivial: 0.1000)"
        assert not any(line.get_label() == "published" for line in image.lines), "text is not drawn"

    def test_a_trivial_value_nearby_is_a_line(self) -> None:
        figure = report.plot_approaches([*ROWS[:-2], row("trivial", "", "fine", "accuracy", 0.58, "")])
        assert any(line.get_label() == "trivial" for line in figure.axes[0].lines)
        assert figure.axes[0].get_xlabel() == "accuracy ↑"

    def test_few_seeds_have_no_interval(self) -> None:
        figure = report.plot_approaches(rows_of("a", [0.7, 0.8]))
        assert {str(line.get_label()) for line in figure.axes[0].lines} == {"one seed", "mean"}

    def test_gains_point_right_where_it_is_better(self) -> None:
        rows = [*rows_of("a", [0.7], [0.01]), *rows_of("alone", [0.7], [0.01]), *rows_of("a single-task", [0.6], [0.04])]
        fine, image = report.plot_gains(rows).axes
        assert [label.get_text() for label in fine.get_yticklabels()] == ["a"]
        assert np.asarray(fine.lines[0].get_xdata()).tolist() == pytest.approx([0.1])
        assert np.asarray(image.lines[0].get_xdata()).tolist() == pytest.approx([0.03])
        assert (fine.get_xlabel(), image.get_xlabel()) == ("increase in accuracy", "decrease in mse")

    def test_totals_are_unweighted(self) -> None:
        rows = history("a", fine=2.0, image=1.0) + history("a", 1, 2, fine=4.0, image=1.0)
        rows += history("single-task fine", fine=3.0) + history("single-task image", epochs=2, image=3.0)
        rows += history("half", fine=1.0)
        (place,) = report.plot_totals(rows).axes
        thick = {
            str(line.get_label()): (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
            for line in place.lines
            if not str(line.get_label()).startswith("_")
        }
        assert thick["a"] == ([1, 2], pytest.approx([4.0, 2.0])), "the mean of 3 and 5, over the epochs of both"
        assert thick["single-task"] == ([1, 2], pytest.approx([6.0, 3.0])), "baselines add up"
        assert set(thick) == {"a", "single-task"}, "half has no total"
        thin = [line for line in place.lines if str(line.get_label()).startswith("_")]
        assert [len(np.asarray(line.get_xdata())) for line in thin] == [3, 2]
        (place,) = report.plot_totals(rows, how="mean", tasks=["fine"]).axes
        assert {str(line.get_label()) for line in place.lines} >= {"a", "single-task", "half"}

    def test_a_mean_of_totals_is_over_tasks(self) -> None:
        (place,) = report.plot_totals(history("a", fine=2.0, image=1.0), how="mean", split="train").axes
        assert np.asarray(place.lines[0].get_ydata()).tolist() == pytest.approx([1.5, 0.75, 0.5])

    def test_what_cannot_be_drawn_is_refused(self) -> None:
        rows = history("a", fine=1.0) + history("b", image=1.0)
        for draw, message in (
            (lambda: report.plot_totals(rows), "lack some of fine, image"),
            (lambda: report.plot_totals(rows, tasks=["fin"]), "Received: fin. The rows hold fine, image"),
            (lambda: report.plot_totals(rows, how="max"), "Received: 'max'"),
            (lambda: report.plot_gains(rows_of("a", [0.7])), "single-task baselines with the same seeds"),
            (lambda: report.plot_approaches([]), "no row on this split"),
        ):
            with pytest.raises(MTLError, match=message):
                draw()

    def test_phases_are_counted_among_runs_that_have_the_same(self) -> None:
        rows = (
            history("joint", epochs=6, fine=1.0) + history("b", epochs=3, fine=1.0) + history("b", epochs=2, phase=1, fine=1.0)
        )
        (place,) = report.plot_totals(rows).axes
        drawn = {str(line.get_label()): np.asarray(line.get_xdata()).tolist() for line in place.lines}
        assert drawn["b"] == [1, 2, 3, 4, 5], "it does not wait for the longer phase of another approach"
        assert drawn["joint"] == [1, 2, 3, 4, 5, 6]
        assert drawn["next phase"] == [3.5, 3.5]

    def test_many_runs_are_drawn_on_validation_alone(self) -> None:
        rows = [line for number in range(6) for line in history(f"run {number}", fine=1.0)]
        figure = report.plot_history(rows)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"run {n}, validation" for n in range(6)]
        few = report.plot_history([line for line in rows if line["run"] < "run 5"])
        assert len(few.legends[0].get_texts()) == 10

    def test_colors_differ_and_baselines_have_their_approach_paler(self) -> None:
        names = [f"run {number}" for number in range(20)]
        assert len(set(colors_of(names).values())) == 20
        assert colors_of(["a", "b"]) == {"a": "C0", "b": "C1"}
        colors = colors_of(["a", "a single-task", "b", "single-task"])
        assert (colors["a"], colors["b"], colors["single-task"]) == ("C0", "C1", "C2")
        assert colors["a single-task"] == "#8fbbda"

    def test_a_legend_fits_below(self) -> None:
        rows = [line for number in range(12) for line in history(f"an approach with a long name {number}", fine=1.0)]
        for figure in (report.plot_history(rows), report.plot_totals(rows)):
            png(figure)
            box = figure.legends[0].get_window_extent()
            wide, high = figure.get_size_inches() * figure.dpi
            assert 0 <= box.x0 < box.x1 <= wide
            assert 0 <= box.y0 < box.y1 <= high


def write(folder: Path, **changes: Any) -> str:
    defaults: dict[str, Any] = {
        "title": "Which order",
        "question": "Does the order of tasks matter?",
        "command": "mtl-keras compare orders",
        "config": {},
        "environment": {},
        "metrics": ROWS,
        "history": history("joint", fine=1.0, image=2.0) + history("fine then coarse", fine=2.0, image=2.0),
    }
    report.write_record(folder, report.Record(**(defaults | changes)))
    return (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("stub_png")
class TestRecord:
    def test_a_comparison(self, tmp_path: Path) -> None:
        claims = [{"claim": "Joint training is better.", "verdict": "Confirmed."}]
        page = write(tmp_path, published=PUBLISHED, claims=claims)
        assert (
            "| approach | task | metric | better | published | best epoch | last epoch | − single-task | p | trivial |" in page
        )
        assert page.count("| joint | ") == 3
        assert "![approaches](approaches.png)" in page
        for link in re.findall(r"\]\((.+?)\)", page):
            assert (tmp_path / link).exists(), link
        assert {"approaches.png", "gains.png", "totals.png", "curves.png"} <= {path.name for path in tmp_path.iterdir()}
        assert "## Published claims and what was found\n\n- Joint training is better. **Confirmed.**\n" in page
        assert "[published.csv](published.csv); Table 2; read off Fig. 3." in page
        assert (
            "- joint: mean skill 0.3530 over 5 seeds; better than its single-task baselines in fine accuracy; no diff" in page
        )
        assert page.startswith(
            "# Which order\n\n**Of 2 approaches, joint has the highest mean skill on the test split (0.3530)"
        )
        with (tmp_path / "published.csv").open(encoding="utf-8", newline="") as file:
            assert [line["value"] for line in csv.DictReader(file)] == ["0.7", "0.02 to 0.03"]

    def test_what_there_is_not_is_left_out(self, tmp_path: Path) -> None:
        # Baselines of other seeds gain nothing, and no run has both losses.
        baselines = [{**line, "seed": line["seed"] + 10} for line in rows_of("single-task", BASELINES)]
        lines = history("a", fine=1.0) + history("b", image=1.0)
        page = write(tmp_path, metrics=[*rows_of("a", [0.7]), *rows_of("b", [0.6]), *baselines], history=lines)
        assert {path.name for path in tmp_path.glob("*.png")} == {"approaches.png", "curves.png"}
        assert "published" not in page
        assert "With 1 seed, differences between approaches are indicative" in page

    def test_one_approach_keeps_the_wide_table(self, tmp_path: Path) -> None:
        page = write(tmp_path, metrics=[*rows_of("joint", BETTER), *rows_of("single-task", BASELINES)])
        assert "| task | metric | unit | better | n | joint | single-task | joint − single-task |" in page
        assert {path.name for path in tmp_path.glob("*.png")} == {"curves.png"}

    def test_incomplete_rows_are_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        with pytest.raises(MTLError, match="Each row of `published` must have run, task, metric, value, note"):
            write(tmp_path, published=[{"run": "joint", "value": 1}])
        with pytest.raises(MTLError, match="Each row of `claims` must have claim, verdict"):
            write(tmp_path, claims=[{"claim": "Sharing helps."}])
        assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("stub_png")
class TestSummary:
    def test_comparisons_have_the_long_table(self, tmp_path: Path) -> None:
        write(tmp_path / "orders/a", published=PUBLISHED)
        write(tmp_path / "orders/b", title="One", metrics=[*rows_of("joint", BETTER), *rows_of("single-task", BASELINES)])
        assert report.write_summary(tmp_path) == ["orders/a", "orders/b"]
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        first, second = page.split("\n## ")[1:]
        assert "| theirs | image | mse | ↓ | 0.02 to 0.03 |" in first
        assert "p: paired t test" in first
        assert "| joint − single-task |" in second
        assert "p: paired t test" not in second
        with (tmp_path / "summary.csv").open(encoding="utf-8", newline="") as file:
            runs = [line["run"] for line in csv.DictReader(file) if line["record"] == "orders/a"]
        assert set(runs) == {"joint", "fine then coarse", "single-task", "trivial"}

    def test_another_page_is_not_replaced(self, tmp_path: Path) -> None:
        write(tmp_path)
        before = (tmp_path / "README.md").read_bytes()
        with pytest.raises(MTLError, match="must be one that write_summary wrote"):
            report.write_summary(tmp_path)
        assert (tmp_path / "README.md").read_bytes() == before
        assert not (tmp_path / "summary.csv").exists()

    @pytest.mark.parametrize("text", ["a,b\n1,2\n", "run,value,n\njoint,high,3\n", "run,value,n\njoint,0.5,3\n"])
    def test_a_table_of_another_kind_is_refused(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other/metrics.csv").write_text(text, encoding="utf-8")
        with pytest.raises(MTLError, match=r"must have the columns run, seed.*other/metrics\.csv"):
            report.write_summary(tmp_path)
        assert not (tmp_path / "README.md").exists()


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


MANY = 12


@pytest.mark.usefixtures("stub_png")
def test_of_many_tasks_a_page_shows_those_that_most_approaches_have(tmp_path: Path) -> None:
    sizes = {"few": 3, "more": 5, "many": MANY + 20}
    rows = [row(run, 0, f"t{number}", "accuracy", 0.9) for run, count in sizes.items() for number in range(count)]
    page = write(tmp_path, metrics=rows, history=[])
    assert sorted(set(re.findall(r"\| (t\d+) \|", page))) == ["t0", "t1", "t2", "t3", "t4"]
    assert "27 more tasks, which fewer approaches have, are in [metrics.csv](metrics.csv)." in page


@pytest.mark.usefixtures("stub_png")
def test_a_mean_over_hidden_tasks_is_not_compared_with_baselines(tmp_path: Path) -> None:
    rows = [row("many", seed, f"t{number}", "accuracy", 0.9) for seed in (0, 1) for number in range(MANY + 1)]
    rows += [row("single-task", seed, f"t{number}", "accuracy", 0.8) for seed in (0, 1) for number in range(MANY)]
    rows += [row(run, seed, "all", "skill", 0.5) for run in ("many", "single-task") for seed in (0, 1)]
    rows += [row("few", seed, "t0", "accuracy", 0.9) for seed in (0, 1)]
    page = write(tmp_path, metrics=rows, history=[])
    (line,) = [line for line in page.splitlines() if line.startswith("| many | all | skill ")]
    assert "indicative" not in line


@pytest.mark.usefixtures("stub_png")
class TestReading:
    def test_a_record_is_read_back_and_written_again(self, tmp_path: Path) -> None:
        claims = [{"claim": "Joint training is better.", "verdict": "Confirmed."}]
        table = report.Table("| a |\n|---|\n| 1 |", "One number.")
        write(
            tmp_path / "one", published=PUBLISHED, claims=claims, notes=["Small."], summaries={"joint": "Both."}, tables=[table]
        )
        again = report.read_record(tmp_path / "one")
        assert (again.title, again.claims, again.notes, again.summaries) == (
            "Which order",
            claims,
            ["Small."],
            {"joint": "Both."},
        )
        assert again.tables == [table]
        assert again.metrics == ROWS
        report.write_record(tmp_path / "two", again)
        for path in (tmp_path / "one").iterdir():
            assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes(), path.name

    def test_own_plots_come_first_and_pictures_without_rows_are_kept(self, tmp_path: Path) -> None:
        own = report.Picture("own.png", "own plot", lambda: report.plot_approaches(ROWS))
        page = write(tmp_path, plots=[own])
        assert "![own plot](own.png)" in page
        assert "[approaches](approaches.png)" in page
        before = (tmp_path / "own.png").read_bytes()
        report.write_record(tmp_path, report.read_record(tmp_path))
        assert (tmp_path / "README.md").read_text(encoding="utf-8") == page
        assert (tmp_path / "own.png").read_bytes() == before

    def test_files_without_roles_and_captions_are_read(self, tmp_path: Path) -> None:
        write(tmp_path)
        (tmp_path / "record.json").unlink()
        for name in ("metrics.csv", "history.csv"):
            lines = (tmp_path / name).read_text(encoding="utf-8").splitlines()
            (tmp_path / name).write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n", encoding="utf-8")
        old = report.read_record(tmp_path)
        assert old.metrics == ROWS
        assert {each["role"] for each in old.history} == {"approach"}
        assert "training" not in old.title
        assert {each.name for each in old.plots} == {path.name for path in tmp_path.glob("*.png")}

    def test_a_folder_without_a_record(self, tmp_path: Path) -> None:
        with pytest.raises(MTLError, match="Name the folder of a record"):
            report.read_record(tmp_path)

    def test_notebooks_show_pictures_and_tables(self) -> None:
        picture = report.Picture("own.png", "own plot", lambda: report.plot_approaches(ROWS))
        assert "PNG" in str(picture._repr_png_())
        assert report.Picture("own.png", "own plot")._repr_png_() is None
        assert report.Table("| a |", "One.")._repr_markdown_() == "| a |\n\nOne."
