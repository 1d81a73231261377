"""Alternated data sets: their shares of the steps, and their tasks' metrics against the number of steps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError
from mtl_keras.report._check import check_split
from mtl_keras.report._curves import Curve, curves_of, lines_of, over_seeds, seeds_text
from mtl_keras.report._phases import OTHER
from mtl_keras.report._rows import HistoryRow, given_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STEPS", "plot_steps"]

#: Prefix of the metrics that count the steps of a data set in an epoch.
STEPS = "steps_"
#: Panels next to each other.
COLUMNS = 4


def plot_steps(history_rows: Iterable[HistoryRow], *, split: str = "validation") -> Figure:
    """Plot each data set's share of the steps in each epoch, and each task's metric against the total number of steps.

    Args:
        history_rows: Rows as from `history_rows`. Runs that do not alternate data sets, such as single-task baselines, are
            left out.
        split: Whose metrics, `"validation"` (default) or `"train"`.

    Returns:
        A panel for each run, with a line for each data set; then one for each task, with a color for each run, against the
        mean number of steps until then. A line is the mean over seeds at each epoch that all seeds have, its band the sample
        SD to each side; one seed has no band.

    Raises:
        MTLError: If no run alternates data sets.
    """
    from mtl_keras.report._axis import epochs_axis
    from mtl_keras.report._drawing import cells, colors_of, curve, grid, legend, style

    rows = given_history(history_rows)
    check_split(split)
    alternating = {row["run"] for row in rows if row["task"] == "all" and row["metric"].startswith(STEPS)}
    rows = [row for row in rows if row["run"] in alternating]
    shares, until, starts = _steps_of(rows)
    if not shares:
        raise MTLError(
            "`history_rows` must be of a training on alternated data sets. Received: a history without steps of any data set. "
            "Train on data from mtl.data.alternate."
        )
    runs, names = (list(dict.fromkeys(names)) for names in zip(*shares, strict=True))
    metrics = {key: each for key, each in curves_of(rows)[0].items() if key[1] == split and _is_metric(key[2], key[3])}
    panels = list(dict.fromkeys((task, metric) for _, _, task, metric in metrics))
    above = cells(len(runs), COLUMNS, 4.8)
    places = [*above, *cells(len(panels), COLUMNS, 4.8, first=above[-1][0] + 1)] if panels else above
    figure, axes = grid(places, 3.4, 2.4, f"Alternated data sets, {seeds_text([*shares.values(), *metrics.values()])}")
    last, colors = max(each.epochs[-1] for each in shares.values()), colors_of(runs)
    for place, run in zip(axes, runs, strict=False):
        for (other, name), each in shares.items():
            if other == run:
                number = names.index(name)
                curve(place, each.epochs, each, f"{0.6 * number / len(names):.2f}", name, ("-", "--", ":", "-.")[number % 4])
        style(place, run, "epoch", "share of the steps")
        low, high = place.get_ylim()
        place.set_ylim(min(low, -0.03), max(high, 1.03))
        epochs_axis(place, last, starts)
    for place, (task, metric) in zip(axes[len(runs) :], panels, strict=True):
        for (run, _, *panel), each in metrics.items():
            if panel == [task, metric]:
                curve(place, [until[run].get(epoch, math.nan) for epoch in each.epochs], each, colors[run], run)
        style(place, task, "training steps, all data sets", f"{metric}, {split}")
    legend(figure, axes)
    return figure


def _is_metric(task: str, metric: str) -> bool:
    return task != "all" and metric not in OTHER


def _steps_of(rows: Iterable[HistoryRow]) -> tuple[dict[tuple[str, str], Curve], dict[str, dict[int, float]], list[float]]:
    """Return the share of each run's data sets, the mean number of steps of each run until an epoch, and where phases begin."""
    lines, starts = lines_of(rows)
    steps = {(key[0], key[3].removeprefix(STEPS)): each for key, each in lines.items() if key[3].startswith(STEPS)}
    total: dict[str, dict[Any, dict[int, float]]] = {}
    for (run, _), by_seed in steps.items():
        for seed, counts in by_seed.items():
            own = total.setdefault(run, {}).setdefault(seed, dict.fromkeys(counts, 0.0))
            for epoch, count in counts.items():
                own[epoch] += count
    shares = {
        (run, name): over_seeds(
            [{epoch: count / max(total[run][seed][epoch], 1) for epoch, count in own.items()} for seed, own in by_seed.items()]
        )
        for (run, name), by_seed in steps.items()
    }
    until = {
        run: over_seeds(
            [dict(zip(sorted(own), accumulate(own[epoch] for epoch in sorted(own)), strict=True)) for own in by_seed.values()]
        )
        for run, by_seed in total.items()
    }
    return shares, {run: dict(zip(each.epochs, each.mean, strict=True)) for run, each in until.items()}, starts
