"""Plots of a training, an evaluation and a search."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

from mtl_keras import report
from mtl_keras.report._drawing import png
from tests._scores import TRIALS, history, trial


class TestPictures:
    @pytest.mark.parametrize(("classes", "named"), [(2, True), (10, True), (20, True), (100, False)])
    def test_confusion(self, classes: int, named: bool) -> None:
        counts = np.eye(classes, dtype=int) * 9
        counts[0, 1] = 3
        figure = report.plot_confusion(counts, [f"class_{i}" for i in range(classes)], "digit, test split")
        axes = figure.axes[0]
        # Rows are true: the three that are mistaken for class 1 lie in the first row, seen from above.
        assert np.asarray(axes.images[0].get_array())[0].tolist()[:2] == [0.75, 0.25]
        assert axes.get_title() == "digit, test split"
        assert axes.get_ylabel().startswith("true class")
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert (labels == [f"class_{i}" for i in range(classes)]) is named
        assert len(labels) <= 20
        assert sorted({text.get_text() for text in axes.texts}) == (["3", "9"] if classes <= 10 else [])

    def test_history_tells_runs_splits_and_phases_apart(self) -> None:
        rows = history() + history(run="single-task digit", tasks=["digit"])
        rows += [{**row, "phase": 1} for row in history(2)]
        figure = report.plot_history(rows, units={"accuracy": "fraction of rows"})
        assert [axes.get_title() for axes in figure.axes[:3]] == ["digit", "image", "all tasks"]
        assert figure.axes[3].get_ylabel() == "accuracy\n(fraction of rows)"
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == [
            *("multi-task, train", "multi-task, validation", "single-task, train", "single-task, validation", "next phase")
        ]
        validation = next(line for line in figure.axes[3].lines if line.get_label() == "multi-task, validation")
        assert np.asarray(validation.get_xdata()).tolist() == [1, 2, 3, 4, 5]
        assert np.asarray(validation.get_ydata()).tolist() == pytest.approx([0.11, 0.22, 0.33, 0.11, 0.22])
        # One baseline's mean over tasks is that of its only task.
        assert not any(str(line.get_label()).startswith("single-task") for line in figure.axes[2].lines)

    def test_loss_weights(self) -> None:
        rows = history() + history(run="single-task digit", tasks=["digit"])
        figure = report.plot_loss_weights(rows)
        assert [axes.get_title() for axes in figure.axes] == ["multi-task"]
        assert [line.get_label() for line in figure.axes[0].lines] == ["digit", "image"]

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

    def test_a_search_without_results_is_drawn(self) -> None:
        assert report.plot_trials([TRIALS[1]]).get_suptitle() == "Search: 0 completed, 1 failed"

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

    def test_a_notebook_shows_a_figure(self) -> None:
        from IPython.core.formatters import DisplayFormatter

        shown, _ = DisplayFormatter().format(report.plot_trials(TRIALS))
        assert shown["image/png"].startswith(b"\x89PNG")

    def test_neither_keras_nor_pyplot_is_needed(self) -> None:
        code = """
import sys
from mtl_keras import report
assert not {"pandas", "matplotlib"} & set(sys.modules)
report.plot_history(report.history_rows([{"phase": 0, "epoch": 1, "a_loss": 1.0}], ["a"], run="multi-task", seed=0))
report.scores_table([])
report.environment()
assert not {"keras", "tensorflow", "matplotlib.pyplot"} & set(sys.modules)
"""
        subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
