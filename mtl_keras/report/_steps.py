"""Alternated data sets: the shares that they really had, and what their tasks came to after how many steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.errors import MTLError
from mtl_keras.report._figures import lines_of
from mtl_keras.report._phases import OTHER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STEPS", "plot_steps"]

#: Begins the metric of a row that holds the steps of a data set in an epoch.
STEPS = "steps_"


def plot_steps(history_rows: Iterable[Mapping[str, Any]], *, split: str = "validation") -> Figure:
    """Draw the share of steps that each data set had in each epoch, and each task's metric against steps in all.

    Args:
        history_rows: Rows as from `history_rows`. Runs without steps of several data sets, such as single-task twins, are left
            out; several seeds get a line each.
        split: Whose metrics, `"validation"` (default) or `"train"`.

    Returns:
        A row for each run: shares by data set, and a panel for each task.

    Raises:
        MTLError: If no run alternates data sets.
    """
    from mtl_keras.report._picture import epochs_axis, grid, legend, style

    rows = list(history_rows)
    alternating = {row["run"] for row in rows if row["task"] == "all" and row["metric"].startswith(STEPS)}
    lines, starts = lines_of(row for row in rows if row["run"] in alternating)
    runs = list(dict.fromkeys(run for run, *_ in lines))
    if not runs:
        raise MTLError(
            "Shares are drawn of a training that alternates data sets. Received: a history without steps of any. Train on "
            "what mtl.data.alternate returns."
        )
    steps = {key: line for key, line in lines.items() if key[3] == "all" and key[4].startswith(STEPS)}
    total: dict[tuple[str, Any], np.ndarray] = {}
    for (run, seed, *_), (_, counts) in steps.items():
        total[run, seed] = total.get((run, seed), 0) + np.array(counts, float)
    panels = list(dict.fromkeys((task, metric) for *_, task, metric in lines if task != "all" and metric not in OTHER))
    names = list(dict.fromkeys(metric.removeprefix(STEPS) for *_, metric in steps))
    figure, axes = grid(len(runs), 1 + len(panels), 3.4, 2.4, "Alternated data sets")
    for place, run in zip(axes, runs, strict=True):
        bottom = place is axes[-1]
        for (other, seed, _, _, metric), (epochs, counts) in steps.items():
            if other == run:
                name = metric.removeprefix(STEPS)
                share = np.array(counts) / np.maximum(total[run, seed], 1)
                colour = f"C{names.index(name)}"
                place[0].plot(epochs, share, color=colour, marker="." if len(epochs) < 3 else "", linewidth=1.3, label=name)
        style(place[0], run, "epoch" if bottom else "", "share of the epoch's steps")
        place[0].set_ylim(0.0, 1.0)
        epochs_axis(place[0], starts)
        for column, (task, metric) in zip(place[1:], panels, strict=True):
            for (other, seed, part, owner, measured), (_, values) in lines.items():
                if (other, part, owner, measured) == (run, split, task, metric):
                    x = list(accumulate(total[run, seed]))[: len(values)]
                    column.plot(x, values, color="0.25", marker="." if len(values) < 3 else "", linewidth=1.3)
            style(column, task, "steps of all data sets" if bottom else "", f"{metric}, {split}")
    legend(figure, [*axes.flat])
    return figure
