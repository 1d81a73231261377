"""The plot of alternated data sets: shares of the steps by epoch, metrics by steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from mtl_keras import report
from mtl_keras.errors import MTLError


def history(run: str, taken: list[tuple[int, int]], seed: int = 0, phase: int = 0) -> list[Any]:
    """An accuracy of epoch / 10 for `class` and of epoch / 20 for `garment`, whose data set may have no step."""
    log = []
    for epoch, (long, short) in enumerate(taken, start=1):
        row = {"phase": phase, "epoch": epoch, "class_loss": 1, "class_accuracy": epoch / 10, "val_class_accuracy": epoch / 10}
        row |= {"val_garment_accuracy": epoch / 20, "skill": 0.1, "steps_long": long, "steps_short": short}
        log.append(row | ({"garment_loss": 1, "garment_accuracy": epoch / 20} if short else {}))
    return report.history_rows(log, ["class", "garment"], run=run, seed=seed)


def lines(place: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
        for line in place.lines
    }


def test_shares_and_steps_are_those_of_the_log() -> None:
    rows = history("coin", [(3, 1), (2, 2), (4, 0)]) + history("equal", [(5, 5)] * 3)
    baselines = [row for row in history("single-task class", [(0, 0)]) if not row["metric"].startswith("steps_")]
    coin, equal, classes, garments = report.plot_steps(rows + baselines).axes
    assert [place.get_title() for place in (coin, equal, classes, garments)] == ["coin", "equal", "class", "garment"]
    assert lines(coin) == {"long": ([1, 2, 3], [0.75, 0.5, 1.0]), "short": ([1, 2, 3], [0.25, 0.5, 0.0])}
    assert lines(equal)["short"] == ([1, 2, 3], [0.5, 0.5, 0.5])
    assert lines(classes) == {"coin": ([4, 8, 12], [0.1, 0.2, 0.3]), "equal": ([10, 20, 30], [0.1, 0.2, 0.3])}
    assert lines(garments)["coin"] == ([4, 8, 12], [0.05, 0.1, 0.15])
    assert garments.get_ylabel() == "accuracy, validation"


def test_an_epoch_without_a_metric_is_skipped() -> None:
    *_, garments = report.plot_steps(history("coin", [(3, 1), (4, 0), (2, 2)]), split="train").axes
    assert lines(garments)["coin"] == ([4, 12], [0.05, 0.15])


def test_steps_count_on_through_phases() -> None:
    rows = history("coin", [(3, 1), (2, 2)]) + history("coin", [(1, 1)], phase=1)
    _, classes, _ = report.plot_steps(rows).axes
    assert lines(classes)["coin"][0] == [4, 8, 10]


def test_lines_are_means_over_seeds() -> None:
    rows = history("coin", [(3, 1), (2, 2), (1, 3)]) + history("coin", [(1, 3), (1, 1)], seed=1)
    shares, classes, _ = report.plot_steps(rows).axes
    assert lines(shares) == {"long": ([1, 2], [0.5, 0.5]), "short": ([1, 2], [0.5, 0.5])}
    assert lines(classes) == {"coin": ([4, 7], [0.1, 0.2])}, "4 and 8 steps of one seed, 4 and 6 of the other"
    assert len(shares.collections) == 2


def test_a_split_without_metrics_has_no_panels_of_tasks() -> None:
    rows = [row for row in history("coin", [(3, 1), (2, 2)]) if row["split"] == "train" or row["task"] == "all"]
    assert [place.get_title() for place in report.plot_steps(rows).axes] == ["coin"]


def test_a_history_of_one_data_set_is_refused() -> None:
    rows = [row for row in history("one", [(1, 1)]) if not row["metric"].startswith("steps_")]
    with pytest.raises(MTLError, match="a history without steps of any data set"):
        report.plot_steps(rows)


def test_steps_are_no_metric_of_other_pictures() -> None:
    rows = history("coin", [(3, 1), (2, 2)])
    titles = [place.get_title() for place in report.plot_history(rows).axes]
    assert [title for title in titles if title] == ["class", "garment", "all tasks"]
    assert set(report.phases_table(rows)["metric"]) == {"accuracy"}
