"""The plot of loss weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError
from mtl_keras.report._curves import Curve, curves_of, is_wide, seeds_text
from mtl_keras.report._rows import HistoryRow, given_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_loss_weights"]

#: Length of a dash of equal lines, in widths of the line.
DASH = 5


def plot_loss_weights(history_rows: Iterable[HistoryRow]) -> Figure:
    """Plot the weight of each task's loss against the epoch.

    Args:
        history_rows: Rows as from `history_rows`.

    Returns:
        One panel for each run, a color for each task: a line for the mean over seeds at each epoch that all seeds have, with a
        band of one sample SD to each side, on a logarithmic axis as far down as up. Equal weights are one line with dashes of
        all their colors. Each panel has an axis of its own, which is logarithmic where weights span more than a factor of 10.

    Raises:
        MTLError: If the rows hold no loss weight.
    """
    from mtl_keras.report._axis import epochs_axis, fit_log
    from mtl_keras.report._drawing import cells, colors_of, curve, grid, legend, style

    curves, starts = curves_of(row for row in given_history(history_rows) if row["metric"] == "loss_weight")
    by_run: dict[str, dict[str, Curve]] = {}
    for (run, _, task, _), each in curves.items():
        by_run.setdefault(run, {})[task] = each
    if not by_run:
        raise MTLError(
            "`history_rows` must hold loss weights. Received: rows without the metric loss_weight. Pass the rows of "
            "report.history_rows."
        )
    most = max(map(len, by_run.values()))
    # The weight of the only task says nothing.
    by_run = {run: own for run, own in by_run.items() if len(own) > 1 or most == 1}
    wide = {run for run, own in by_run.items() if is_wide(value for each in own.values() for value in each.mean)}
    every = [each for own in by_run.values() for each in own.values()]
    seeds = seeds_text(every, [each for run in wide for each in by_run[run].values()])
    figure, axes = grid(cells(len(by_run), 3, 2.8), 4.8, 2.8, f"Loss weights, {seeds}")
    colors = colors_of(task for own in by_run.values() for task in own)
    for place, (run, own) in zip(axes, by_run.items(), strict=True):
        if run in wide:
            place.set_yscale("log")
        for task, each in own.items():
            curve(place, each.epochs, each, colors[task], task, _linestyle(own, task))
        style(place, run, "epoch", "weight of the task's loss")
        if run in wide:
            fit_log(place, "y")
        epochs_axis(place, max(each.epochs[-1] for each in every), starts)
    legend(figure, axes)
    for text, line in zip(figure.legends[0].get_texts(), figure.legends[0].get_lines(), strict=True):
        if text.get_text() in colors:
            # Dashes are about single panels.
            line.set_linestyle("-")
    return figure


def _linestyle(own: Mapping[str, Curve], task: str) -> Any:
    """Return a solid line, or the dashes of a task whose weight equals that of others, which fill the gaps between its own."""
    equal = [other for other, each in own.items() if _equal(each, own[task])]
    if len(equal) == 1:
        return "-"
    return DASH * equal.index(task), (DASH, DASH * (len(equal) - 1))


def _equal(one: Curve, other: Curve) -> bool:
    """Return whether two curves cannot be told apart."""
    return one.epochs == other.epochs and all(
        math.isclose(a, b, rel_tol=0.005) for a, b in zip(one.mean, other.mean, strict=True)
    )
