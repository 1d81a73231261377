"""Alternated data sets: their shares of the steps, and their tasks' metrics against the number of steps."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError
from mtl_keras.report._check import check_split
from mtl_keras.report._phases import OTHER
from mtl_keras.report._plots import lines_of
from mtl_keras.report._rows import HistoryRow, given_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STEPS", "plot_steps"]

#: Prefix of the metrics that count the steps of a data set in an epoch.
STEPS = "steps_"


def plot_steps(history_rows: Iterable[HistoryRow], *, split: str = "validation") -> Figure:
    """Plot each data set's share of the steps in each epoch, and each task's metric against the total number of steps.

    Args:
        history_rows: Rows as from `history_rows`; each seed has a line. Runs that do not alternate data sets, such as
            single-task baselines, are left out.
        split: Whose metrics, `"validation"` (default) or `"train"`.

    Returns:
        In the upper row a panel for each run, with a line for each data set; in the lower row one for each task, with a color
        for each run.

    Raises:
        MTLError: If no run alternates data sets.
    """
    from mtl_keras.report._drawing import epochs_axis, grid, legend, style

    rows = given_history(history_rows)
    check_split(split)
    alternating = {row["run"] for row in rows if row["task"] == "all" and row["metric"].startswith(STEPS)}
    lines, starts = lines_of(row for row in rows if row["run"] in alternating)
    runs = list(dict.fromkeys(run for run, *_ in lines))
    if not runs:
        raise MTLError(
            "`history_rows` must be of a training on alternated data sets. Received: a history without steps of any data set. "
            "Train on data from mtl.data.alternate."
        )
    steps = {key: line for key, line in lines.items() if key[3] == "all" and key[4].startswith(STEPS)}
    total: dict[tuple[str, Any], dict[int, float]] = {}
    for (run, seed, *_), (epochs, counts) in steps.items():
        own = total.setdefault((run, seed), dict.fromkeys(epochs, 0.0))
        for epoch, count in zip(epochs, counts, strict=True):
            own[epoch] += count
    names = list(dict.fromkeys(metric.removeprefix(STEPS) for *_, metric in steps))
    panels = list(dict.fromkeys((task, metric) for *_, task, metric in lines if task != "all" and metric not in OTHER))
    figure, axes = grid(2, max(len(runs), len(panels)), 3.4, 2.4, "Alternated data sets")
    for place, run in zip(axes[0], runs, strict=False):
        for (other, seed, _, _, metric), (epochs, counts) in steps.items():
            if other == run:
                number = names.index(metric.removeprefix(STEPS))
                share = [count / max(total[run, seed][epoch], 1) for epoch, count in zip(epochs, counts, strict=True)]
                line = {"color": f"{0.6 * number / len(names):.2f}", "linestyle": ("-", "--", ":", "-.")[number % 4]}
                place.plot(epochs, share, marker="." if len(epochs) < 3 else "", linewidth=1.3, label=names[number], **line)
        style(place, run, "epoch", "share of the epoch's steps" if place is axes[0, 0] else "")
        place.set_ylim(0.0, 1.0)
        epochs_axis(place, starts)
    for place, (task, metric) in zip(axes[1], panels, strict=False):
        for (run, seed, part, owner, measured), (epochs, values) in lines.items():
            if (part, owner, measured) == (split, task, metric):
                steps_until = dict(zip(total[run, seed], accumulate(total[run, seed].values()), strict=True))
                line = {"color": f"C{runs.index(run)}", "marker": "." if len(epochs) < 3 else ""}
                place.plot([steps_until[epoch] for epoch in epochs], values, linewidth=1.3, label=run, **line)
        style(place, task, "training steps, all data sets", f"{metric}, {split}")
    for place in (*axes[0, len(runs) :], *axes[1, len(panels) :]):
        place.set_visible(False)
    legend(figure, [*axes.flat])
    return figure
