"""Plots that compare several approaches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError, check_names, check_option
from mtl_keras.report._check import check_metrics, check_published, check_resplit, check_split
from mtl_keras.report._curves import lines_of, over_seeds, seeds_text
from mtl_keras.report._roles import TRIVIAL, approaches_of, baseline_of, label_of, roles_of, with_roles
from mtl_keras.report._rows import HistoryRow, MetricsRow, given_history, given_metrics
from mtl_keras.report._text import ARROWS, format_number, subtract
from mtl_keras.report._values import Values, directions_of, main_metrics, values_of
from mtl_keras.report.statistics import interval, mean, testable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mtl_keras.report._drawing import NotebookFigure

__all__ = ["plot_approaches", "plot_gains", "plot_totals"]

#: Panels next to each other.
COLUMNS = 3
#: Marks of baselines and published values are this far below the approach's own.
BELOW = 0.28
#: Of more tasks a title has their number.
NAMED = 5
#: Marker, color and size of what is drawn below the approach's own.
MARKS = {"single-task baseline": ("D", "C1", 4), "published": ("*", "C3", 7)}


def plot_approaches(
    metrics_rows: Iterable[MetricsRow],
    split: str = "test",
    *,
    metrics: Mapping[str, str] | None = None,
    published: Iterable[Mapping[str, Any]] = (),
    resplit: float = 0.0,
) -> NotebookFigure:
    """Plot what each approach reaches at its best epoch.

    Args:
        metrics_rows: Rows as from `metrics_rows` and `trivial_rows`.
        split: `"test"` (default), `"validation"` or `"train"`.
        metrics: Metric of each task, or of `"all"`; default each task's own.
        published: What others report, as for `approaches_table`; text values are not drawn.
        resplit: Ratio of test to training rows if each seed has a random split of its own; 0 (default) if all share one. See
            `statistics.interval`.

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
    resplit = check_resplit(resplit)
    values, directions = values_of(rows, split), directions_of(rows)
    approaches = approaches_of(roles_of([row for row in rows if row["run"] in values], reported))
    whole = (metrics or {}).get("all")
    shown = [key for key in main_metrics(rows, split, metrics, reported) if key[0] != "all" or key[1] == whole]
    drawn = {key: _of_key(key, approaches, values, reported) for key in shown}
    drawn = {key: marks for key, marks in drawn.items() if marks}
    figure, panels = _panels(approaches, [task for task, _ in drawn], f"Results of each approach, {split} split")
    for place, (key, marks) in zip(panels, drawn.items(), strict=True):
        for y, run in enumerate(approaches):
            _spread(place, y, list(values.get(run, {}).get(key, {}).values()), resplit)
        for y, label, value in marks:
            if label in MARKS:
                marker, color, size = MARKS[label]
                place.plot(value, y + BELOW, marker, color=color, markersize=size, linestyle="", label=label)
        arrow = ARROWS.get(directions.get(key, ""), "")
        trivial = _finite(values.get(TRIVIAL, {}).get(key, {}).values())
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


def plot_gains(metrics_rows: Iterable[MetricsRow], split: str = "test", *, resplit: float = 0.0) -> NotebookFigure:
    """Plot what each approach gains over its single-task baselines with the same seeds, at the best epoch.

    Args:
        metrics_rows: Rows as from `metrics_rows`, with those of the baselines.
        split: `"test"` (default), `"validation"` or `"train"`.
        resplit: As for `plot_approaches`.

    Returns:
        One panel a task, with its own metric: a dot for each seed, their mean, from 5 seeds on with its 95 % paired t
        interval. Right of 0 is better for every metric. Approaches without baselines are left out.

    Raises:
        MTLError: If no approach has a baseline with the same seed.
    """
    from mtl_keras.report._drawing import legend

    rows, split, resplit = given_metrics(metrics_rows), check_split(split), check_resplit(resplit)
    values, directions = values_of(rows, split), directions_of(rows)
    approaches = approaches_of(roles_of(row for row in rows if row["run"] in values))
    gains: dict[tuple[str, str], dict[str, list[float]]] = {}
    for key in main_metrics(rows, split):
        sign = -1.0 if directions[key] == "min" else 1.0
        for run in approaches:
            pairs = subtract(values[run].get(key, {}), values.get(baseline_of(run, values), {}).get(key, {}))
            if _finite(pairs.values()) and key[0] != "all":
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
            _spread(place, y, by_run.get(run, []), resplit)
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
        One panel: a line for the mean over seeds at each epoch that all seeds have, with a band of one sample SD to each side;
        one seed has no band. The axis is logarithmic if totals span more than a factor of 10.

    Raises:
        MTLError: If `how` or a task is unknown, or no run has all tasks.
    """
    from mtl_keras.report._drawing import colors_of, curve, epochs_axis, grid, legend, log_if_wide, style, wrapped

    check_option("how", how, ("sum", "mean"))
    check_split(split)
    rows = with_roles(row for row in given_history(history_rows) if row["metric"] == "loss" and row["task"] != "all")
    roles, (lines, starts) = roles_of(rows), lines_of(rows)
    known = list(dict.fromkeys(task for _, _, task, _ in lines))
    wanted = known if tasks is None else list(check_names("tasks", tasks))
    if not wanted or not set(wanted) <= set(known):
        raise MTLError(
            f"`tasks` must name tasks whose loss is in `history_rows`. Received: {', '.join(wanted) or 'none'}. "
            f"The rows hold {', '.join(known) or 'no loss of a task'}."
        )
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
    # The legend is on the right: with many runs it is as high as the panel.
    wide, high = 6.4 + 0.078 * min(40, max(map(len, totals))), max(3.6, 0.22 * (len(totals) + 2))
    which = ", ".join(wanted) if len(wanted) <= NAMED else f"{len(wanted)} tasks"
    title = f"{'Sum' if how == 'sum' else 'Mean'} of the unweighted losses of {which}"
    figure, (place,) = grid([(0, 0, 1)], wide, high)
    colors = colors_of(totals)
    for label, total in totals.items():
        curve(place, total.epochs, total, colors[label], label)
    style(place, f"{wrapped(title, 56)}\n{seeds_text(totals.values())}", "epoch", f"{how} of task losses, {split}")
    log_if_wide(place, "y", [value for each in totals.values() for value in each.mean])
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


def _panels(approaches: Sequence[str], titles: Sequence[str], title: str) -> tuple[NotebookFigure, list[Axes]]:
    """Return a panel for each title, with the approaches from top to bottom on one y axis.

    Raises:
        MTLError: If there is nothing to draw.
    """
    from mtl_keras.report._drawing import CHARACTER, LINE, cells, grid, style, wrapped

    if not approaches or not titles:
        raise MTLError(
            "`metrics_rows` must hold results of `metrics` on the split. Received: no row on this split. Give another `split`."
        )
    names = [wrapped(name, 32) for name in approaches]
    longest = max(len(line) for name in names for line in name.splitlines())
    high = 1.5 + sum(max(0.3, LINE * len(name.splitlines())) for name in names)
    places = cells(len(titles), COLUMNS, high)
    # Only the first column has names, and constrained layout gives all columns the same panels.
    figure, axes = grid(places, 2.9 + CHARACTER * longest / (1 + max(column for _, column, _ in places)), high, title)
    for place, name, (_, column, _) in zip(axes, titles, places, strict=True):
        style(place, name)
        place.set_yticks(range(len(names)), names)
        place.set_ylim(len(names) - 0.4, -0.6)
        place.tick_params(labelleft=column == 0)
    return figure, axes


def _of_key(
    key: tuple[str, str], approaches: Sequence[str], values: Values, reported: Iterable[Mapping[str, Any]]
) -> list[tuple[int, str, float]]:
    """Return place, label and value of the means, baselines and published values of one panel."""
    found = []
    for y, run in enumerate(approaches):
        own, baselines = (_finite(values.get(name, {}).get(key, {}).values()) for name in (run, baseline_of(run, values)))
        if own:
            found.append((y, "mean", mean(own)))
        if own and baselines:
            found.append((y, "single-task baseline", mean(baselines)))
        here = [row for row in reported if (row["run"], row["task"], row["metric"]) == (run, *key)]
        found += [(y, "published", value) for row in here if (value := _float(row["value"])) is not None]
    return found


def _spread(place: Axes, y: int, values: Sequence[float], resplit: float) -> None:
    """Plot a dot for each seed and their mean, with its interval if there are enough; a seed without a value has no mean."""
    finite = _finite(values)
    if not finite:
        return
    place.plot(finite, [y] * len(finite), "o", color="C0", alpha=0.45, markersize=4, markeredgewidth=0, label="one seed")
    if len(finite) < len(values):
        return
    middle = mean(finite)
    if testable(finite):
        low, high = interval(finite, resplit)
        place.plot([low, high], [y, y], color="0.15", linewidth=1.2, label="95 % interval")
    place.plot(middle, y, "|", color="0.15", markersize=11, markeredgewidth=1.8, label="mean")


def _finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _float(value: Any) -> float | None:
    """Return a published value as a number, if it is one."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
