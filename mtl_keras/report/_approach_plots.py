"""Plots that compare several approaches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError, check_names, check_option
from mtl_keras.report._check import check_metrics, check_published, check_split
from mtl_keras.report._plots import lines_of
from mtl_keras.report._roles import TRIVIAL, approaches_of, baseline_of, label_of, roles_of, with_roles
from mtl_keras.report._rows import HistoryRow, MetricsRow, given_history, given_metrics
from mtl_keras.report._text import ARROWS, format_number, subtract
from mtl_keras.report._values import directions_of, main_metrics, values_of
from mtl_keras.report.statistics import ENOUGH_SEEDS, interval, mean

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from mtl_keras.report._drawing import NotebookFigure

__all__ = ["plot_approaches", "plot_gains", "plot_totals"]

COLUMNS = 3
#: Totals that span more than this factor are drawn on a logarithmic axis.
WIDE = 3
#: Marks of baselines and published values are this far below the approach's own.
BELOW = 0.28


def plot_approaches(
    metrics_rows: Iterable[MetricsRow],
    split: str = "test",
    *,
    metrics: Mapping[str, str] | None = None,
    published: Iterable[Mapping[str, Any]] = (),
) -> NotebookFigure:
    """Plot what each approach reaches at its best epoch.

    Args:
        metrics_rows: Rows as from `metrics_rows` and `trivial_rows`.
        split: `"test"` (default), `"validation"` or `"train"`.
        metrics: Metric of each task, or of `"all"`; default each task's own.
        published: What others report, as for `approaches_table`; text values are not drawn.

    Returns:
        One panel a task, approaches from top to bottom: a dot for each seed, their mean, from 5 seeds on with its 95 % t
        interval; the mean of the approach's single-task baselines and the published value as marks; the trivial predictor as
        a dotted line, or as a number if it is far away.

    Raises:
        MTLError: If no row is on the split or has a requested metric.
    """
    from mtl_keras.report._drawing import legend

    rows, reported = given_metrics(metrics_rows), check_published(published)
    split, metrics = check_split(split), None if metrics is None else check_metrics("metrics", metrics)
    values, directions = values_of(rows, split), directions_of(rows)
    approaches = approaches_of(roles_of([row for row in rows if row["run"] in values], reported))
    whole = (metrics or {}).get("all")
    shown = [key for key in main_metrics(rows, split, metrics, reported) if key[0] != "all" or key[1] == whole]
    figure, panels = _panels(approaches, [task for task, _ in shown], f"Results of each approach, {split} split")
    for place, key in zip(panels, shown, strict=True):
        for y, run in enumerate(approaches):
            _spread(place, y, list(values.get(run, {}).get(key, {}).values()))
            baselines = list(values.get(baseline_of(run, values), {}).get(key, {}).values())
            marks = [("single-task baseline", "D", "C1", mean(baselines))] if baselines and run in values else []
            here = [row for row in reported if (row["run"], row["task"], row["metric"]) == (run, *key)]
            marks += [("published", "*", "C3", value) for row in here if (value := _float(row["value"])) is not None]
            for label, marker, color, value in marks:
                size = 7 if marker == "*" else 4
                place.plot(value, y + BELOW, marker, color=color, markersize=size, linestyle="", label=label)
        arrow = ARROWS.get(directions.get(key, ""), "")
        trivial = list(values.get(TRIVIAL, {}).get(key, {}).values())
        note = ""
        if trivial:
            low, high = place.get_xlim()
            at = mean(trivial)
            # Far away, it would press everything else into one line.
            if low - (high - low) / 2 <= at <= high + (high - low) / 2:
                place.axvline(at, color="0.4", linewidth=1.0, linestyle=":", label="trivial")
            else:
                note = f"\n(trivial: {format_number(at, high)})"
        place.set_xlabel(f"{key[1]} {arrow}{note}", fontsize=9)
    legend(figure, panels)
    return figure


def plot_gains(metrics_rows: Iterable[MetricsRow], split: str = "test") -> NotebookFigure:
    """Plot what each approach gains over its single-task baselines with the same seeds, at the best epoch.

    Args:
        metrics_rows: Rows as from `metrics_rows`, with those of the baselines.
        split: `"test"` (default), `"validation"` or `"train"`.

    Returns:
        One panel a task, with its own metric: a dot for each seed, their mean, from 5 seeds on with its 95 % paired t
        interval. Right of 0 is better for every metric. Approaches without baselines are left out.

    Raises:
        MTLError: If no approach has a baseline with the same seed.
    """
    from mtl_keras.report._drawing import legend

    rows, split = given_metrics(metrics_rows), check_split(split)
    values, directions = values_of(rows, split), directions_of(rows)
    approaches = approaches_of(roles_of(row for row in rows if row["run"] in values))
    gains: dict[tuple[str, str], dict[str, list[float]]] = {}
    for key in main_metrics(rows, split):
        sign = -1.0 if directions[key] == "min" else 1.0
        for run in approaches:
            pairs = subtract(values[run].get(key, {}), values.get(baseline_of(run, values), {}).get(key, {}))
            if pairs and key[0] != "all":
                gains.setdefault(key, {})[run] = [sign * value for value in pairs.values()]
    if not gains:
        raise MTLError(
            "`metrics_rows` must hold single-task baselines with the same seeds. Received: rows of "
            f"{', '.join(values) or 'no run'} on the {split} split. Add the baselines' rows, or use plot_approaches."
        )
    runs = [run for run in approaches if any(run in by_run for by_run in gains.values())]
    figure, panels = _panels(runs, [task for task, _ in gains], f"Gain over the single-task baselines, {split} split")
    for place, (key, by_run) in zip(panels, gains.items(), strict=True):
        for y, run in enumerate(runs):
            _spread(place, y, by_run.get(run, []))
        place.axvline(0.0, color="0.4", linewidth=1.0, linestyle=":", label="single-task baseline")
        place.set_xlabel(f"{'increase' if directions[key] == 'max' else 'decrease'} in {key[1]}", fontsize=9)
    legend(figure, panels)
    return figure


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
        One panel: a thick line for the mean over seeds, at the epochs that all seeds have, and a thin line for each seed.

    Raises:
        MTLError: If `how` or a task is unknown, or no run has all tasks.
    """
    from matplotlib.ticker import LogLocator, NullLocator

    from mtl_keras.report._drawing import colors_of, epochs_axis, grid, legend, style

    check_option("how", how, ("sum", "mean"))
    check_split(split)
    rows = with_roles(row for row in given_history(history_rows) if row["metric"] == "loss" and row["task"] != "all")
    roles, (lines, starts) = roles_of(rows), lines_of(rows)
    known = list(dict.fromkeys(task for *_, task, _ in lines))
    wanted = known if tasks is None else list(check_names("tasks", tasks))
    if not wanted or not set(wanted) <= set(known):
        raise MTLError(
            f"`tasks` must name tasks whose loss is in `history_rows`. Received: {', '.join(wanted) or 'none'}. "
            f"The rows hold {', '.join(known) or 'no loss of a task'}."
        )
    parts: dict[str, dict[Any, dict[str, dict[int, float]]]] = {}
    for (run, seed, part, task, _), (x, y) in lines.items():
        if part == split and task in wanted:
            parts.setdefault(label_of(run, roles[run]), {}).setdefault(seed, {})[task] = dict(zip(x, y, strict=True))
    totals = {
        label: [_total(by_task, how) for by_task in by_seed.values() if len(by_task) == len(set(wanted))]
        for label, by_seed in parts.items()
    }
    totals = {label: kept for label, each in totals.items() if (kept := [total for total in each if total])}
    if not totals:
        raise MTLError(
            f"One run must have the losses of all `tasks`. Received: runs that lack some of {', '.join(wanted)} on the {split} "
            "split. Give fewer `tasks`, or another `split`."
        )
    name = "Sum" if how == "sum" else "Mean"
    # The legend is on the right: with many runs it is as high as the panel.
    wide, high = 6.4 + 0.075 * max(map(len, totals)), max(3.6, 0.22 * (len(totals) + 2))
    figure, axes = grid(1, 1, wide, high)
    place, colors = axes[0, 0], colors_of(totals)
    for label, each in totals.items():
        for total in each:
            if len(each) > 1:
                place.plot(list(total), list(total.values()), color=colors[label], linewidth=0.6, alpha=0.4)
        common = sorted(set.intersection(*map(set, each)))
        middle = [mean([total[epoch] for total in each]) for epoch in common]
        marker = "" if len(common) > 2 else "o"
        place.plot(common, middle, color=colors[label], linewidth=1.8, marker=marker, markersize=4, label=label)
    style(place, f"{name} of the unweighted losses of {', '.join(wanted)}", "epoch", f"{how} of task losses, {split}")
    epochs_axis(place, starts)
    values = [value for each in totals.values() for total in each for value in total.values()]
    if min(values) > 0 and max(values) / min(values) > WIDE:
        # Runs differ late, where losses are low.
        place.set_yscale("log")
        place.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        place.yaxis.set_major_formatter("{x:g}")
        place.yaxis.set_minor_locator(NullLocator())
    legend(figure, [place], right=True)
    return figure


def _total(by_task: Mapping[str, Mapping[int, float]], how: str) -> dict[int, float]:
    """Return the total at each epoch that all tasks have."""
    common = sorted(set.intersection(*map(set, by_task.values())))
    return {
        epoch: math.fsum(losses[epoch] for losses in by_task.values()) / (len(by_task) if how == "mean" else 1)
        for epoch in common
    }


def _panels(approaches: Sequence[str], titles: Sequence[str], title: str) -> tuple[NotebookFigure, list[Axes]]:
    """Return a panel for each title, with the approaches from top to bottom on one y axis.

    Raises:
        MTLError: If there is nothing to draw.
    """
    from mtl_keras.report._drawing import grid, style

    if not approaches or not titles:
        raise MTLError(
            "`metrics_rows` must hold results of `metrics` on the split. Received: no row on this split. Give another `split`."
        )
    columns = min(len(titles), COLUMNS)
    height = math.ceil(len(titles) / columns)
    names = 0.075 * max(map(len, approaches)) / columns
    figure, axes = grid(height, columns, 2.9 + names, 0.9 + 0.3 * len(approaches), title, sharey=True)
    places: np.ndarray = axes.ravel()
    for place, name in zip(places, titles, strict=False):
        style(place, name)
        place.locator_params(axis="x", nbins=4)
    for place in places[len(titles) :]:
        place.set_visible(False)
    places[0].set_yticks(range(len(approaches)), approaches)
    places[0].set_ylim(len(approaches) - 0.4, -0.6)
    return figure, list(places[: len(titles)])


def _spread(place: Axes, y: int, values: Sequence[float]) -> None:
    """Plot a dot for each seed and their mean, with its interval if there are enough."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return
    place.plot(finite, [y] * len(finite), "o", color="C0", alpha=0.45, markersize=4, markeredgewidth=0, label="one seed")
    middle = mean(finite)
    if len(finite) >= ENOUGH_SEEDS:
        low, high = interval(finite)
        place.plot([low, high], [y, y], color="0.15", linewidth=1.2, label="95 % interval")
    place.plot(middle, y, "|", color="0.15", markersize=11, markeredgewidth=1.8, label="mean")


def _float(value: Any) -> float | None:
    """Return a published value as a number, if it is one."""
    try:
        return float(value)
    except ValueError:
        return None
