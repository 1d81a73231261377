"""The plot of the unweighted totals of approaches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError, check_names, check_option
from mtl_keras.report._check import check_split
from mtl_keras.report._curves import Curve, is_wide, lines_of, over_seeds, seeds_text
from mtl_keras.report._roles import label_of, roles_of, with_roles
from mtl_keras.report._rows import HistoryRow, given_history

if TYPE_CHECKING:
    from mtl_keras.report._drawing import NotebookFigure

__all__ = ["plot_totals"]

#: Of more tasks a title has their number.
NAMED = 5


def plot_totals(
    history_rows: Iterable[HistoryRow],
    *,
    how: str = "sum",
    tasks: Sequence[str] | None = None,
    split: str = "validation",
) -> NotebookFigure:
    """Plot the sum or mean of all tasks' unweighted losses against the epoch.

    Approaches with different loss weights can be compared by it. Their weighted totals are not on one scale: halving all
    weights halves the total without learning anything.

    Args:
        history_rows: Rows as from `history_rows`. The baselines of all tasks add up to one total.
        how: `"sum"` (default) or `"mean"` over tasks.
        tasks: The tasks to average over; default all that have a loss. A run that lacks one of them is left out.
        split: `"validation"` (default) or `"train"`.

    Returns:
        One panel: a line for the mean over seeds at each epoch that all seeds have, with a band of one sample SD to each side;
        one seed has no band. The axis is logarithmic, and the band reaches as far down as up, if totals span more than a
        factor of 10.

    Raises:
        MTLError: If `how` or a task is unknown, or no run has all tasks.
    """
    check_option("how", how, ("sum", "mean"))
    check_split(split)
    rows = with_roles(row for row in given_history(history_rows) if row["metric"] == "loss" and row["task"] != "all")
    lines, starts = lines_of(rows)
    known = list(dict.fromkeys(task for _, _, task, _ in lines))
    wanted = known if tasks is None else list(check_names("tasks", tasks))
    if not wanted or not set(wanted) <= set(known):
        raise MTLError(
            f"`tasks` must name tasks whose loss is in `history_rows`. Received: {', '.join(wanted) or 'none'}. "
            f"The rows hold {', '.join(known) or 'no loss of a task'}."
        )
    roles = roles_of(rows)
    parts: dict[str, dict[Any, dict[str, dict[int, float]]]] = {}
    for (run, part, task, _), by_seed in lines.items():
        for seed, values in by_seed.items() if part == split and task in wanted else ():
            parts.setdefault(label_of(run, roles[run]), {}).setdefault(seed, {})[task] = values
    totals = {
        label: over_seeds(each)
        for label, by_seed in parts.items()
        if (each := [_total(by_task, how) for by_task in by_seed.values() if len(by_task) == len(set(wanted))])
    }
    totals = {label: each for label, each in totals.items() if any(map(math.isfinite, each.mean))}
    if not totals:
        raise MTLError(
            f"One run must have the losses of all `tasks`. Received: runs that lack some of {', '.join(wanted)} on the {split} "
            "split. Give fewer `tasks`, or another `split`."
        )
    which = ", ".join(wanted) if len(wanted) <= NAMED else f"{len(wanted)} tasks"
    title = f"{'Sum' if how == 'sum' else 'Mean'} of the unweighted losses of {which}"
    return _draw(totals, starts, title, f"{how} of task losses, {split}")


def _draw(totals: Mapping[str, Curve], starts: Sequence[float], title: str, axis: str) -> NotebookFigure:
    """Return one panel of the totals, with its legend on the right: with many runs it is as high as the panel."""
    from mtl_keras.report._axis import epochs_axis, fit_log
    from mtl_keras.report._drawing import colors_of, curve, grid, legend, style, wrapped

    wide, high = 6.4 + 0.078 * min(40, max(map(len, totals))), max(3.6, 0.22 * (len(totals) + 2))
    figure, (place,) = grid([(0, 0, 1)], wide, high)
    log = is_wide(value for each in totals.values() for value in each.mean)
    if log:
        place.set_yscale("log")
    colors = colors_of(totals)
    for label, total in totals.items():
        curve(place, total.epochs, total, colors[label], label)
    seeds = seeds_text(totals.values(), totals.values() if log else ())
    style(place, f"{wrapped(title, 56)}\n{wrapped(seeds, 56)}", "epoch", axis)
    if log:
        fit_log(place, "y")
    epochs_axis(place, max(each.epochs[-1] for each in totals.values()), starts)
    legend(figure, [place], right=True)
    return figure


def _total(by_task: Mapping[str, Mapping[int, float]], how: str) -> dict[int, float]:
    """Return the total at each epoch that all tasks have."""
    common = sorted(set.intersection(*map(set, by_task.values())))
    return {
        epoch: math.fsum(losses[epoch] for losses in by_task.values()) / (len(by_task) if how == "mean" else 1)
        for epoch in common
    }
