"""Plots of a training, an evaluation and a search."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from mtl_keras import report
from mtl_keras.errors import MTLError
from mtl_keras.report._drawing import png
from mtl_keras.report._pictures import pictures
from tests._figures import faults
from tests._scores import TRIALS, history, rows_of, trial


class TestPictures:
    @pytest.mark.parametrize(("classes", "named"), [(2, True), (10, True), (20, True), (100, False)])
    def test_confusion(self, classes: int, named: bool) -> None:
        counts = np.eye(classes, dtype=int) * 9
        counts[0, 1] = 3
        figure = report.plot_confusion(counts, [f"class_{i}" for i in range(classes)], "digit, test split")
        axes = figure.axes[0]
        # Rows are true: the three that are mistaken for class 1 lie in the first row, seen from above.
        assert np.asarray(axes.images[0].get_array())[0].tolist()[:2] == [0.75, 0.25]
        assert axes.get_title() == f"digit, test split\n{9 * classes + 3} rows counted"
        assert axes.get_ylabel().startswith("true class")
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert (labels == [f"class_{i}" for i in range(classes)]) is named
        assert len(labels) <= 20
        assert sorted({text.get_text() for text in axes.texts}) == (["3", "9"] if classes <= 10 else [])

    def test_large_counts_fit_their_cells(self) -> None:
        figure = report.plot_confusion(np.full((12, 12), 1_234_567), None, "digit, test split, 30 seeds")
        axes = figure.axes[0]
        assert faults(figure) == []
        boxes = [text.get_window_extent() for text in axes.texts]
        assert {text.get_text() for text in axes.texts} == {"1,234,567"}
        assert max(box.width for box in boxes) < axes.get_window_extent().width / 12

    def test_small_matrices_are_next_to_each_other(self) -> None:
        counts = {name: np.array([[9, 1], [2, 8]]) for name in ("joint", "other", "single-task")}
        figure = report.plot_confusions(counts, ["cat", "dog"], "animal, test split, 3 seeds")
        assert len({round(axes.get_position().y0, 3) for axes in figure.axes[:3]}) == 1
        assert figure.get_size_inches()[1] < 5

    def test_the_colors_of_a_color_bar_stay(self) -> None:
        """A palette has the colors of most pixels: without a cell of more than a half, dark blue became gray."""
        counts = np.random.default_rng(0).integers(1_000_000, 2_000_000, (10, 10))
        figure = report.plot_confusions(dict.fromkeys("abcdefghi", counts), [f"class {n}" for n in range(10)])
        with Image.open(io.BytesIO(png(figure))) as picture:
            assert picture.mode == "P", "it is large enough to be reduced"
            drawn = {color for _, color in picture.convert("RGB").getcolors(2**24) or ()}
        shades = figure.axes[0].images[0].get_cmap()
        expected = {tuple(round(255 * part) for part in shades(number)[:3]) for number in range(shades.N)}
        assert expected - drawn == set()

    def test_confusions_of_several_approaches_share_colors(self) -> None:
        counts = {"joint": np.array([[9, 1], [2, 8]]), "single-task": np.array([[800, 200], [300, 700]])}
        figure = report.plot_confusions(counts, ["cat", "dog"], "animal, test split, 3 seeds")
        joint, single, bar = figure.axes
        assert figure.get_suptitle() == "animal, test split, 3 seeds"
        assert [axes.get_title() for axes in (joint, single)] == ["joint\n20 rows counted", "single-task\n2,000 rows counted"]
        assert [text.get_text() for text in single.texts] == ["800", "200", "300", "700"]
        assert np.asarray(single.images[0].get_array()).tolist() == [[0.8, 0.2], [0.3, 0.7]]
        assert len({image.get_clim() for image in (joint.images[0], single.images[0])}) == 1
        assert bar.get_ylabel() == "share of the true class"

    @pytest.mark.parametrize("given", [{}, {"a": np.eye(2), "b": np.eye(3)}])
    def test_confusions_have_the_same_classes(self, given: dict[str, np.ndarray]) -> None:
        with pytest.raises(MTLError, match="must hold matrices of the same classes"):
            report.plot_confusions(given)

    def test_history_tells_runs_splits_and_phases_apart(self) -> None:
        rows = history() + history(run="single-task digit", tasks=["digit"])
        rows += [{**row, "phase": 1} for row in history(2)]
        figure = report.plot_history(rows, units={"accuracy": "fraction of rows"})
        assert [title for axes in figure.axes if (title := axes.get_title())] == ["digit", "image", "all tasks"]
        accuracy, skill = (
            next(axes for axes in figure.axes if axes.get_ylabel().startswith(name)) for name in ("acc", "skill")
        )
        assert accuracy.get_ylabel() == "accuracy\n(fraction of rows)"
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == [
            *("multi-task, train", "multi-task, validation", "single-task, train", "single-task, validation", "next phase")
        ]
        validation = next(line for line in accuracy.lines if line.get_label() == "multi-task, validation")
        assert np.asarray(validation.get_xdata()).tolist() == [1, 2, 3, 4, 5]
        assert np.asarray(validation.get_ydata()).tolist() == pytest.approx([0.11, 0.22, 0.33, 0.11, 0.22])
        # One baseline's mean over tasks is that of its only task.
        assert not any(str(line.get_label()).startswith("single-task") for line in skill.lines)

    def test_lines_are_means_over_seeds_with_a_band(self) -> None:
        rows: list[Any] = [{**row, "value": row["value"] + seed} for seed in (0, 1, 3) for row in history(3 + seed, seed=seed)]
        figure = report.plot_history(rows)
        assert figure.get_suptitle() == "Training curves, mean ± sample SD over 3 seeds"
        for axes in figure.axes:
            assert len(axes.lines) == len(axes.collections) == 2, "a line and a band for each split"
        line = next(line for line in figure.axes[0].lines if line.get_label() == "multi-task, validation")
        assert np.asarray(line.get_xdata()).tolist() == [1, 2, 3], "the epochs that all seeds have"
        assert np.asarray(line.get_ydata()).tolist() == pytest.approx([1.1 / epoch + 4 / 3 for epoch in (1, 2, 3)])
        band = np.vstack([path.vertices for path in figure.axes[0].collections[1].get_paths()])
        deviation = float(np.std([0, 1, 3], ddof=1))
        assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((1.1 / 3 + 4 / 3 - deviation, 1.1 + 4 / 3 + deviation))

    def test_a_band_on_a_logarithmic_axis_reaches_as_far_down_as_up(self) -> None:
        """One of a standard deviation above the mean reached below 0 and filled the panel."""
        rows: list[Any] = [
            line
            for seed, factor in enumerate((0.01, 0.1, 3.0))
            for line in report.history_rows(
                [{"phase": 0, "epoch": epoch, "val_a_loss": factor / epoch**2} for epoch in range(1, 6)],
                ["a"],
                run="x",
                seed=seed,
            )
        ]
        middle, deviation = np.mean([0.01, 0.1, 3.0]), np.std([0.01, 0.1, 3.0], ddof=1)
        assert deviation > middle
        for figure in (report.plot_history(rows), report.plot_totals(rows)):
            axes = figure.axes[0]
            assert axes.get_yscale() == "log"
            heights = np.vstack([path.vertices for path in axes.collections[0].get_paths()])[:, 1]
            factor = (middle + deviation) / middle
            assert (heights.min(), heights.max()) == pytest.approx((middle / 25 / factor, middle * factor))
            title = figure.get_suptitle() or axes.get_title()
            assert "on logarithmic axes: as far down as up" in " ".join(title.split())

    def test_a_loss_that_is_the_metric_has_one_panel(self) -> None:
        rows: list[Any] = [{**line, "value": 0.5 / line["epoch"]} if line["task"] == "image" else line for line in history()]
        titles = [axes.get_ylabel() for axes in report.plot_history(rows, units={"mse": "squared error"}).axes]
        assert titles == ["loss", "accuracy", "loss = mse\n(squared error)", "weighted loss", "skill\n(0 trivial, 1 perfect)"]
        assert "mse" in [axes.get_ylabel() for axes in report.plot_history(history()).axes]

    def test_the_metric_that_is_asked_for_is_drawn(self) -> None:
        """That of the skill, which need not be the first of the log."""
        auc: list[Any] = [
            {**row, "metric": "auc"} for row in history() if (row["task"], row["metric"]) == ("digit", "accuracy")
        ]
        rows = history() + [row for row in auc if row["split"] == "validation"]
        labels = [axes.get_ylabel() for axes in report.plot_history(rows, metrics={"digit": "auc", "image": "psnr"}).axes]
        assert labels[:4] == ["loss", "auc", "loss", "mse"], "psnr is not in the log"
        assert [axes.get_ylabel() for axes in report.plot_history(rows).axes][1] == "accuracy"

    def test_a_record_draws_the_metric_of_the_skill(self) -> None:
        """Also of records whose rows have another metric first."""
        metrics = rows_of([0.7, 0.8], [0.6, 0.6])
        metrics += [{**row, "metric": "auc"} for row in metrics if row["task"] == "digit"]
        log = history() + history(run="single-task", tasks=["digit"])
        log += [{**row, "metric": "auc"} for row in log if (row["task"], row["metric"]) == ("digit", "accuracy")]
        record = report.Record(
            title="A.",
            question="B?",
            command="mtl-keras tune c",
            config={"tasks": [{"name": "digit", "skill": "auc"}, {"name": "image", "skill": None}]},
            environment={},
            metrics=metrics + [{**row, "run": "other"} for row in metrics if row["role"] == "approach"],
            history=log,
        )
        figures = {each.name: each.draw() for each in pictures(record) if each.draw is not None}
        labels = [axes.get_ylabel().partition("\n")[0] for axes in figures["curves.png"].axes]
        assert labels[:4] == ["loss", "auc", "loss", "mse"]
        assert any("in auc" in axes.get_xlabel() for axes in figures["gains.png"].axes)

    def test_a_skill_over_other_tasks_is_called_so(self) -> None:
        same, other = history(run="same"), history(run="other", tasks=["digit"])
        for rows, title in ((same, "all tasks"), (same + other, "all tasks of each approach")):
            assert title in [axes.get_title() for axes in report.plot_history(rows).axes]

    def test_one_seed_has_no_band(self) -> None:
        figure = report.plot_history(history())
        assert figure.get_suptitle() == "Training curves, one seed"
        assert not any(axes.collections for axes in figure.axes)

    def test_the_weighted_loss_is_of_one_approach(self) -> None:
        labels = [axes.get_ylabel() for axes in report.plot_history(history()).axes]
        assert "weighted loss" in labels
        two = report.plot_history(history() + history(run="other"))
        assert [axes.get_ylabel() for axes in two.axes if axes.get_title() == "all tasks"] == ["skill\n(0 trivial, 1 perfect)"]

    @pytest.mark.parametrize(
        "weights", [{"digit": 0.04, "image": 3.5}, {"digit": 0.5, "image": 2.0}, {"digit": 0.0, "image": 9.0}]
    )
    def test_no_loss_weight_is_cut(self, weights: dict[str, float]) -> None:
        """The axis of one run was that of all, which ended at 1."""
        rows = history() + [
            {**row, "run": "wide", "value": weights[row["task"]] * (1 + row["epoch"])}
            for row in history()
            if row["metric"] == "loss_weight"
        ]
        figure = report.plot_loss_weights(rows)
        assert faults(figure) == []
        even, wide = figure.axes
        assert wide.get_yscale() == ("log" if weights["digit"] == 0.04 else "linear")
        assert even.get_yscale() == "linear"

    def test_loss_weights(self) -> None:
        rows = history() + history(run="single-task digit", tasks=["digit"])
        figure = report.plot_loss_weights(rows)
        assert [axes.get_title() for axes in figure.axes] == ["multi-task"]
        assert [line.get_label() for line in figure.axes[0].lines] == ["digit", "image"]

    def test_equal_loss_weights_all_show(self) -> None:
        rows: list[Any] = [
            {**line, "task": task}
            for line in history(12, tasks=["digit"])
            for task in ("digit", "image", "third")
            if line["metric"] == "loss_weight"
        ]
        figure = report.plot_loss_weights(rows)
        with Image.open(io.BytesIO(png(figure))) as picture:
            dark = 255.0 - np.asarray(picture.convert("RGB"), float)
        # Above the legend; a thin line is paler than its color, of the same hue.
        above = dark[: int(figure.bbox.height - figure.axes[0].get_window_extent().y0)].reshape(-1, 3)
        above = above[above.sum(axis=1) > 60]
        hues = np.array([1.0 - np.array(to_rgb(line.get_color())) for line in figure.axes[0].lines])
        like = (above / np.linalg.norm(above, axis=1, keepdims=True)) @ (hues / np.linalg.norm(hues, axis=1, keepdims=True)).T
        shown = (like > 0.995).sum(axis=0)
        assert len(shown) == 3
        assert shown.min() > 0.7 * shown.max() > 50
        assert {line.get_linestyle() for line in figure.legends[0].get_lines()} == {"-"}

    def test_trials_mark_the_best(self) -> None:
        figure = report.plot_trials(TRIALS)
        assert [axes.get_xlabel() for axes in figure.axes] == ["trial number", "learning_rate", "depth"]
        assert figure.get_suptitle() == "Search: 2 completed, 1 failed"
        assert figure.axes[1].get_xscale() == "linear"
        trials, best = figure.axes[1].collections
        assert np.asarray(trials.get_offsets()).tolist() == [[1e-4, 0.4], [1e-3, 0.6]]
        assert np.asarray(best.get_offsets()).tolist() == [[1e-3, 0.6]]
        wide = report.plot_trials([*TRIALS, trial(3, 0.5, learning_rate=0.1, depth="deep")])
        assert wide.axes[1].get_xscale() == "log"
        assert [label.get_text() for label in wide.axes[2].get_xticklabels()] == ["0", "1", "deep"]

    def test_a_search_without_results_is_refused(self) -> None:
        with pytest.raises(MTLError, match="must hold a completed trial. Received: 1 failed"):
            report.plot_trials([TRIALS[1]])

    def test_a_history_without_values_is_refused(self) -> None:
        rows: list[Any] = [{**row, "metric": "learning_rate", "task": "all"} for row in history()]
        for draw in (report.plot_history, report.plot_loss_weights):
            with pytest.raises(MTLError, match="`history_rows` must hold loss"):
                draw(rows)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_reconstructions(self, channels: int) -> None:
        images = np.linspace(-0.5, 1.5, 3 * 4 * 4 * channels).reshape(3, 4, 4, channels)
        figure = report.plot_reconstructions(images, images / 2)
        assert len(figure.axes) == 6
        shown = np.asarray(figure.axes[0].images[0].get_array())
        assert (shown.min(), shown.ndim) == (0.0, 2 if channels == 1 else 3)

    def test_large_pictures_are_reduced(self) -> None:
        noise = np.random.default_rng(0).random((10, 64, 64, 3))
        figure = report.plot_reconstructions(noise, noise)
        plain = io.BytesIO()
        figure.savefig(plain, format="png")
        assert len(png(figure)) < 100_000 < plain.tell()

    def test_the_colors_of_lines_stay(self) -> None:
        """A palette gave lines that few pixels show the color of their neighbors."""
        rows: list[Any] = [
            {**row, "value": row["value"] * (1 + 0.1 * number) + 0.3 * seed}
            for number in range(8)
            for seed in (0, 1)
            for row in history(30, seed=seed, run=f"run {number}")
        ]
        figure = report.plot_history(rows)
        with Image.open(io.BytesIO(png(figure))) as picture:
            assert picture.mode == "P", "it is large enough to be reduced"
            assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
            drawn = {color for _, color in picture.convert("RGB").getcolors(2**24) or ()}
        for line in figure.axes[0].lines:
            assert tuple(round(255 * part) for part in to_rgb(line.get_color())) in drawn

    def test_a_notebook_shows_a_figure(self) -> None:
        from IPython.core.formatters import DisplayFormatter

        shown, _ = DisplayFormatter().format(report.plot_trials(TRIALS))
        assert shown["image/png"].startswith(b"\x89PNG")

    def test_neither_keras_nor_pyplot_is_needed(self) -> None:
        code = """
import sys
from mtl_keras import report
from mtl_keras.errors import MTLError
assert not {"pandas", "matplotlib"} & set(sys.modules)
report.plot_history(report.history_rows([{"phase": 0, "epoch": 1, "a_loss": 1.0}], ["a"], run="multi-task", seed=0))
report.scores_table([])
report.environment()
assert not {"keras", "tensorflow", "matplotlib.pyplot"} & set(sys.modules)
"""
        subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
