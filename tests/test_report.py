"""Rows, tables, pictures and records: the numbers by hand, the files as the design names them."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtl_keras import report
from mtl_keras.errors import MTLError
from mtl_keras.evaluation import Evaluation, Score
from mtl_keras.report import _environment, statistics
from mtl_keras.report._drawing import png
from mtl_keras.report._rows import HISTORY_COLUMNS, METRICS_COLUMNS
from mtl_keras.report._text import format_number

ACCURACY = ("accuracy", "fraction of rows", "max")
MSE = ("mse", "squared error per pixel in [0, 1]", "min")
ROLES: dict[str, report.Role] = {"multi-task": "approach", "single-task": "single_task"}


def evaluation(split: str = "test", accuracy: float = 0.75, mse: float = 0.02, **kwargs: Any) -> Evaluation:
    """Two tasks, with trivial values 0.5 and 0.1: skills 0.5 and 0.8 by default."""
    skills = ((accuracy - 0.5) / 0.5, 1 - mse / 0.1)
    scores = (
        Score("digit", ACCURACY[0], accuracy, 36, *ACCURACY[1:], trivial=0.5, skill=skills[0]),
        Score("image", MSE[0], mse, 40, *MSE[1:], trivial=0.1, skill=skills[1]),
    )
    return Evaluation(split, scores, sum(skills) / 2, **kwargs)


def rows_of(multi: Sequence[float], single: Sequence[float], split: str = "test") -> list[Any]:
    """Rows of metrics.csv with these accuracies of seeds 0, 1, ..."""
    rows = [
        row
        for run, values in (("multi-task", multi), ("single-task", single))
        for seed, value in enumerate(values)
        for row in report.metrics_rows(
            evaluation(split, value), run=run, role=ROLES[run], seed=seed, phase=0, epoch_kind="best"
        )
    ]
    return rows + report.trivial_rows(evaluation(split))


def history(epochs: int = 3, seed: int = 0, run: str = "multi-task", tasks: Sequence[str] = ("digit", "image")) -> list[Any]:
    metric = {"digit": "accuracy", "image": "mse"}
    logs = []
    for epoch in range(1, epochs + 1):
        row: dict[str, Any] = {"phase": 0, "epoch": epoch, "loss": 2 / epoch, "skill": 0.1 * epoch, "learning_rate": 0.001}
        for task in tasks:
            row |= {f"{task}_loss": 1 / epoch, f"{task}_{metric[task]}": 0.1 * epoch, f"loss_weight_{task}": 1.0}
        logs.append({**row, **{f"val_{name}": value * 1.1 for name, value in row.items() if name not in ("phase", "epoch")}})
    return report.history_rows(logs, tasks, run=run, role="single_task" if "single" in run else "approach", seed=seed)


def trial(number: int, skill: float | None, execution: int = 0, **hyperparameters: Any) -> dict[str, Any]:
    values = {} if skill is None else {"skill": skill, "digit_accuracy": skill / 2, "digit_loss": 1.5, "epoch": 2}
    status, error = ("failed", "out of memory") if skill is None else ("completed", None)
    line = {"trial": number, "execution": execution, "seed": number, "status": status, "error": error}
    return {**line, "hyperparameters": hyperparameters, "values": values, "seconds": 2.0}


TRIALS = [
    trial(0, 0.4, learning_rate=1e-4, depth=0),
    trial(1, None, learning_rate=1e-2, depth=2, width=64),
    trial(2, 0.6, learning_rate=1e-3, depth=1, width=32),
]


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


CONFIG = {"study": "digits", "settings": {"trials": 3}}


def write(folder: Path, **changes: Any) -> None:
    images = np.random.default_rng(0).random((4, 8, 8, 1))
    counts = np.random.default_rng(0).integers(0, 90, (100, 100))
    defaults: dict[str, Any] = {
        "title": "Digits: two tasks",
        "question": "Does sharing help?",
        "command": "mtl-keras tune digits --trials 3",
        "config": CONFIG,
        "environment": {**report.environment(), "wall_seconds": 61.4},
        "metrics": rows_of([0.70, 0.72], [0.70, 0.71]) + rows_of([0.8], [], "validation"),
        "history": history() + history(seed=1),
        "trials": TRIALS,
        "evaluation": evaluation("validation", confusion={"digit": counts}, examples={"image": (images, images / 2)}),
        "notes": ["Digits are small."],
    }
    report.write_record(folder, report.Record(**(defaults | changes)))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("record")
    (folder / "trials.jsonl").write_text("the search's own\n", encoding="utf-8")
    write(folder)
    return folder


class TestRecord:
    def test_files(self, record: Path) -> None:
        assert sorted(path.name for path in record.iterdir()) == [
            *(
                "README.md",
                "config.json",
                "confusion_digit.png",
                "curves.png",
                "environment.json",
                "history.csv",
                "metrics.csv",
            ),
            *("reconstruction_image.png", "record.json", "trials.jsonl", "trials.png"),
        ]
        assert (record / "trials.jsonl").read_text(encoding="utf-8") == "the search's own\n"
        for picture in record.glob("*.png"):
            assert picture.stat().st_size < 100_000
            Image.open(picture).verify()

    def test_the_csv_files_hold_every_figure(self, record: Path) -> None:
        with (record / "metrics.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert tuple(rows[0]) == METRICS_COLUMNS
        assert len(rows) == 4 * 3 + 3 + 3 + 3
        assert float(rows[0]["value"]) == 0.70
        with (record / "history.csv").open(encoding="utf-8") as file:
            assert tuple(next(csv.reader(file))) == HISTORY_COLUMNS
            assert sum(1 for _ in file) == len(history()) * 2
        assert json.loads((record / "config.json").read_text(encoding="utf-8")) == CONFIG
        assert json.loads((record / "environment.json").read_text(encoding="utf-8"))["wall_seconds"] == 61.4

    def test_the_page(self, record: Path) -> None:
        page = (record / "README.md").read_text(encoding="utf-8")
        assert page.startswith(
            "# Digits: two tasks\n\n**Over 2 seeds, multi-task training changes digit accuracy by +0.5 points and image mse by "
            "+0 against single-task baselines; with fewer than 5 seeds this is indicative.**\n\nDoes sharing help?\n"
        )
        assert "mtl-keras tune digits --trials 3" in page
        assert "## Results on the test split" in page
        assert "| digit | accuracy | fraction of rows | ↑ | 36 | 0.7100 ± 0.0141 (2) | 0.7050 ± 0.0071 (2) |" in page
        assert "Search: 3 trials, 1 failed" in page
        assert "The best is trial 2 with a validation skill of 0.6000: learning_rate = 0.001, depth = 1, width = 32." in page
        assert "Wall time 61 s." in page
        assert "With 2 seeds, differences between approaches are indicative" in page
        assert "better than" not in page
        assert page.rstrip().endswith("- Digits are small.")
        assert len(page.splitlines()) < 60
        for link in re.findall(r"\]\((.+?)\)", page):
            assert (record / link).exists()

    @pytest.mark.usefixtures("stub_png")
    def test_the_page_says_what_the_spread_is_of(self, record: Path, tmp_path: Path) -> None:
        assert "over training seeds on one split" in (record / "README.md").read_text(encoding="utf-8")
        write(tmp_path, config={**CONFIG, "split_per_seed": True})
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert "The spread is over splits of one data set" in page
        assert "on one split" not in page

    def test_equal_records_give_equal_files(self, record: Path, tmp_path: Path) -> None:
        write(tmp_path)
        for path in tmp_path.iterdir():
            assert path.read_bytes() == (record / path.name).read_bytes(), path.name

    @pytest.mark.usefixtures("stub_png")
    def test_better_needs_an_interval(self, tmp_path: Path) -> None:
        single = [0.60, 0.70, 0.65, 0.75, 0.68]
        gains = {
            "better": (0.01, 0.02, 0.03, 0.04, 0.05),
            "worse": (-0.01, -0.02, -0.03, -0.04, -0.05),
            "no": (0.1, -0.1, 0.1, 0, -0.1),
        }
        for word, gain in gains.items():
            multi = [value + more for value, more in zip(single, gain, strict=True)]
            write(tmp_path, metrics=rows_of(multi, single), history=[], trials=[], evaluation=evaluation())
            says = (tmp_path / "README.md").read_text(encoding="utf-8").partition("## Findings")[2]
            expected = "no difference from" if word == "no" else f"{word} than"
            assert f"multi-task: {expected} the single-task baseline" in says
            assert "indicative" not in says

    @pytest.mark.usefixtures("stub_png")
    def test_what_there_is_not_is_left_out(self, tmp_path: Path) -> None:
        write(tmp_path, metrics=rows_of([0.7], [], "validation"), history=[], trials=[], evaluation=evaluation("validation"))
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert "## Results on the validation split" in page
        assert "Search:" not in page
        assert "the record has no single-task baselines" in page
        assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".csv", ".json", ".json", ".json", ".md"]

    @pytest.mark.usefixtures("stub_png")
    def test_weights_that_move_are_drawn(self, tmp_path: Path) -> None:
        rows = history()
        next(row for row in rows if row["metric"] == "loss_weight")["value"] = 0.5
        write(tmp_path, history=rows, trials=[], evaluation=evaluation())
        assert (tmp_path / "loss_weights.png").exists()


class TestEnvironment:
    def test_it_says_what_a_result_was_made_with(self) -> None:
        found = report.environment(["NVIDIA H100"])
        assert json.loads(json.dumps(found)) == found
        assert found["python"] == ".".join(map(str, sys.version_info[:3]))
        assert found["packages"].keys() == {"mtl-keras", "tensorflow", "keras", "keras-tuner", "numpy"}
        assert found["packages"]["numpy"] == np.__version__
        assert found["cores"] >= 1
        assert found["ram_gib"] > 0.1
        assert found["gpus"] == ["NVIDIA H100"]
        assert found["cpu"]

    def test_the_command_is_what_was_typed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["/home/someone/bin/mtl-keras", "tune", "--set", "width=[1, 2]"])
        assert report.environment()["command"] == "mtl-keras tune --set 'width=[1, 2]'"

    def test_commit(self, tmp_path: Path) -> None:
        def git(*arguments: str) -> str:
            identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
            command = ["git", "-C", str(tmp_path), *identity, *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

        git("init")
        source = tmp_path / "_environment.py"
        source.write_text("1\n", encoding="utf-8")
        assert _environment._commit(tmp_path) is None
        git("add", ".")
        git("commit", "-m", "one")
        assert _environment._commit(tmp_path) == git("rev-parse", "HEAD")
        source.write_text("2\n", encoding="utf-8")
        assert _environment._commit(tmp_path) == git("rev-parse", "HEAD") + "-dirty"


@pytest.mark.usefixtures("stub_png")
class TestSummary:
    def test_no_record(self, tmp_path: Path) -> None:
        report.write_summary(tmp_path / "results")
        assert "There is no record yet." in (tmp_path / "results/README.md").read_text(encoding="utf-8")
        lines = (tmp_path / "results/summary.csv").read_text(encoding="utf-8").splitlines()
        assert lines == ["record,run,task,metric,unit,direction,n,seeds,mean,sd"]

    def test_all_records(self, tmp_path: Path) -> None:
        rows = rows_of([0.70, 0.72, 0.74], [0.7]) + rows_of([0.9], [], "validation")
        rows += report.metrics_rows(evaluation(accuracy=0.1), run="multi-task", seed=0, phase=0, epoch_kind="last")
        for name in ("digits/b", "digits/a"):
            write(tmp_path / name, title=f"Record {name}", metrics=rows, history=[], trials=[], evaluation=evaluation())
        report.write_summary(tmp_path)
        with (tmp_path / "summary.csv").open(encoding="utf-8") as file:
            summary = list(csv.DictReader(file))
        assert list(summary[0].values()) == [
            *("digits/a", "multi-task", "digit", "accuracy", "fraction of rows", "max", "36", "3", "0.72", "0.02")
        ]
        trivial = next(row for row in summary if row["run"] == "trivial")
        assert (trivial["mean"], trivial["seeds"], trivial["sd"]) == ("0.5", "", "")
        assert [row["record"] for row in summary] == ["digits/a"] * 9 + ["digits/b"] * 9
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert page.index("[Record digits/a](digits/a/README.md)") < page.index("[Record digits/b](digits/b/README.md)")
        assert "0.7200 ± 0.0200 (3)" in page
        report.write_summary(tmp_path)
        assert (tmp_path / "README.md").read_text(encoding="utf-8") == page
