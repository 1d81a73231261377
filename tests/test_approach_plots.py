"""Plots that compare several approaches."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_keras import report
from mtl_keras.errors import MTLError
from mtl_keras.report import statistics
from mtl_keras.report._drawing import colors_of, png
from tests._approaches import BASELINES, BETTER, PUBLISHED, ROWS, history, row, rows_of


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

    def test_published_values_far_away_are_numbers(self) -> None:
        """They pressed what was measured into a tenth of the axis."""
        far = [{**PUBLISHED[0], "value": value} for value in (0.05, 2.5, 2.25)]
        axes = report.plot_approaches(ROWS, published=far).axes[0]
        assert {text.get_text() for text in axes.texts} == {"0.05", "2.25, 2.5"}
        assert not any(line.get_label() == "published" for line in axes.lines)
        marks = [line.get_marker() for line in axes.lines if line.get_label() == "published, beyond the axis"]
        assert marks == ["<", ">"]
        low, high = axes.get_xlim()
        seeds = [value for line in axes.lines if line.get_label() == "one seed" for value in np.asarray(line.get_xdata())]
        assert max(seeds) - min(seeds) > 0.25 * (high - low)

    def test_few_seeds_have_no_interval(self) -> None:
        figure = report.plot_approaches(rows_of("a", [0.7, 0.8]))
        assert {str(line.get_label()) for line in figure.axes[0].lines} == {"one seed", "mean"}

    def test_a_baseline_is_shown_where_the_approach_has_the_task(self) -> None:
        rows = [*rows_of("joint", BETTER), *rows_of("single-task", BASELINES)]
        rows += [line for line in rows_of("fine alone", BETTER) if line["task"] == "fine"]
        fine, image = report.plot_approaches(rows).axes
        for place, places in ((fine, [0.28, 1.28]), (image, [0.28])):
            marks = [line for line in place.lines if line.get_label() == "single-task baseline"]
            assert [float(np.asarray(line.get_ydata())[0]) for line in marks] == pytest.approx(places)

    def test_a_task_without_values_has_no_panel(self) -> None:
        others = [{"run": "joint", "task": "depth", "metric": "mse", "value": "0.02 to 0.03", "note": "read off Fig. 3"}]
        rows = [*ROWS, *(row("joint", seed, "lost", "mse", float("nan")) for seed in range(5))]
        figure = report.plot_approaches(rows, published=others)
        assert [place.get_title() for place in figure.axes] == ["fine", "image"]

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
        (band,) = place.collections
        heights = np.vstack([path.vertices for path in band.get_paths()])[:, 1]
        assert heights.tolist() == pytest.approx([4 - 2**0.5, 4 + 2**0.5, 2 - 2**0.5 / 2, 2 + 2**0.5 / 2]), "3 ± 5, 1.5 ± 2.5"
        assert place.get_title() == "Sum of the unweighted losses of fine, image\nmean ± sample SD over 1 to 2 seeds"
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
            (lambda: report.plot_totals(rows, how="max"), "Received: how='max'"),
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
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"run {n}" for n in range(6)]
        assert " ".join(figure.get_suptitle().split()) == "Training curves, validation split, one seed"
        few = report.plot_history([line for line in rows if line["run"] < "run 3"])
        assert len(few.legends[0].get_texts()) == 6

    def test_colors_differ_and_baselines_have_their_approach_paler(self) -> None:
        names = [f"run {number}" for number in range(20)]
        assert len(set(colors_of(names).values())) == 20
        assert colors_of(["a", "b"]) == {"a": "C0", "b": "C1"}
        colors = colors_of(["a", "a single-task", "b", "single-task"])
        assert (colors["a"], colors["b"], colors["single-task"]) == ("C0", "C1", "C2")
        assert colors["a single-task"] == "#8fbbda"

    def test_no_row_of_a_legend_has_one_entry(self) -> None:
        figure = report.plot_gains([*rows_of("an approach", [0.7] * 5), *rows_of("single-task", [0.6] * 5)])
        png(figure)
        heights = [round(text.get_window_extent().y0) for text in figure.legends[0].get_texts()]
        assert [heights.count(height) for height in sorted(set(heights))] == [2, 2]

    def test_a_legend_fits_below(self) -> None:
        rows = [line for number in range(12) for line in history(f"an approach with a long name {number}", fine=1.0)]
        for figure in (report.plot_history(rows), report.plot_totals(rows)):
            png(figure)
            box = figure.legends[0].get_window_extent()
            wide, high = figure.get_size_inches() * figure.dpi
            assert 0 <= box.x0 < box.x1 <= wide
            assert 0 <= box.y0 < box.y1 <= high
