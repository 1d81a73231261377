"""Plots that compare several approaches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError
from mtl_keras.report._check import check_metrics, check_published, check_resplit, check_split
from mtl_keras.report._roles import TRIVIAL, approaches_of, baseline_of, roles_of
from mtl_keras.report._rows import MetricsRow, given_metrics
from mtl_keras.report._text import ARROWS, format_number, subtract
from mtl_keras.report._values import Values, directions_of, main_metrics, values_of
from mtl_keras.report.statistics import interval, mean, testable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mtl_keras.report._drawing import NotebookFigure

__all__ = ["plot_approaches", "plot_gains"]

#: Panels next to each other.
COLUMNS = 3
#: Marks of baselines and published values are this far below the approach's own.
BELOW = 0.28
#: Marker, color and size of what is drawn below the approach's own.
MARKS = {"single-task baseline": ("D", "C1", 4), "published": ("*", "C3", 7)}
FAR_LABEL = "published, beyond the axis"
#: Published values are far if an axis with them is longer by this factor; near ones are within one length of it.
FAR = 4


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
        a dotted line. What is so far away that it would press everything else into one line is a number: the trivial
        predictor below the axis, published values at its end.

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
        far = _mark(place, marks)
        note = _mark_trivial(place, _finite(values.get(TRIVIAL, {}).get(key, {}).values()))
        place.set_xlabel(f"{key[1]} {ARROWS.get(directions.get(key, ''), '')}{note}", fontsize=9)
        _write_far(place, far)
    legend(figure, panels)
    return figure


def plot_gains(
    metrics_rows: Iterable[MetricsRow],
    split: str = "test",
    *,
    metrics: Mapping[str, str] | None = None,
    resplit: float = 0.0,
) -> NotebookFigure:
    """Plot what each approach gains over its single-task baselines with the same seeds, at the best epoch.

    Args:
        metrics_rows: Rows as from `metrics_rows`, with those of the baselines.
        split: `"test"` (default), `"validation"` or `"train"`.
        metrics: Metric of each task; default each task's own.
        resplit: As for `plot_approaches`.

    Returns:
        One panel a task, with its metric: a dot for each seed, their mean, from 5 seeds on with its 95 % paired t
        interval. Right of 0 is better for every metric. Approaches without baselines are left out.

    Raises:
        MTLError: If no approach has a baseline with the same seed.
    """
    from mtl_keras.report._drawing import legend

    rows, split, resplit = given_metrics(metrics_rows), check_split(split), check_resplit(resplit)
    values, directions = values_of(rows, split), directions_of(rows)
    approaches = approaches_of(roles_of(row for row in rows if row["run"] in values))
    metrics = None if metrics is None else check_metrics("metrics", metrics)
    gains: dict[tuple[str, str], dict[str, list[float]]] = {}
    for key in main_metrics(rows, split, metrics):
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


def _panels(approaches: Sequence[str], titles: Sequence[str], title: str) -> tuple[NotebookFigure, list[Axes]]:
    """Return a panel for each title, with the approaches from top to bottom on one y axis.

    Raises:
        MTLError: If there is nothing to draw.
    """
    from mtl_keras.report._axis import CHARACTER, LINE
    from mtl_keras.report._drawing import cells, grid, style, wrapped

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


def _mark(place: Axes, marks: Sequence[tuple[int, str, float]]) -> dict[tuple[int, str], list[float]]:
    """Plot baselines and published values below the approach's own; return published ones that are far, by place and side."""
    far: dict[tuple[int, str], list[float]] = {}
    low, high = -math.inf, math.inf
    for wanted, (marker, color, size) in MARKS.items():
        if wanted == "published":
            low, high = _limits(place, [value for _, label, value in marks if label == wanted])
        for y, label, value in marks:
            if label == wanted and low <= value <= high:
                place.plot(value, y + BELOW, marker, color=color, markersize=size, linestyle="", label=label)
            elif label == wanted:
                far.setdefault((y, "left" if value < low else "right"), []).append(value)
    return far


def _mark_trivial(place: Axes, values: Sequence[float]) -> str:
    """Plot the trivial predictor as a line; where it is far away, return it as a second line of the axis label."""
    if not values:
        return ""
    low, high = place.get_xlim()
    at = mean(values)
    if low - (high - low) / 2 <= at <= high + (high - low) / 2:
        place.axvline(at, color="0.4", linewidth=1.0, linestyle=":", label="trivial")
        return ""
    return f"\n(trivial: {format_number(at, high)})"


def _limits(place: Axes, published: Sequence[float]) -> tuple[float, float]:
    """Return between which values published ones are drawn as marks, given what is drawn already."""
    low, high = place.dataLim.intervalx
    if not published or not math.isfinite(low):
        return -math.inf, math.inf
    span = high - low or 0.05 * abs(high) or 1.0
    if max(high, *published) - min(low, *published) <= FAR * span:
        return -math.inf, math.inf
    return low - span, high + span


def _write_far(place: Axes, far: Mapping[tuple[int, str], Sequence[float]]) -> None:
    """Write published values that are far away at the ends of the axis, which is made longer for them."""
    from mtl_keras.report._axis import CHARACTER, panel_size

    texts = {at: ", ".join(f"{value:g}" for value in sorted(values)) for at, values in far.items()}
    low, high = place.get_xlim()
    room = panel_size(place)[0] - 0.8
    parts = {
        side: (CHARACTER * max(map(len, own)) + 0.25) / room if own else 0.0
        for side in ("left", "right")
        for own in [[text for (_, at), text in texts.items() if at == side]]
    }
    whole = (high - low) / max(0.2, 1 - sum(parts.values()))
    low, high = low - parts["left"] * whole, high + parts["right"] * whole
    place.set_xlim(low, high)
    color = MARKS["published"][1]
    for (y, side), text in texts.items():
        edge, marker, sign = (low, "<", 1) if side == "left" else (high, ">", -1)
        at = edge + sign * 0.02 * (high - low)
        place.plot(at, y + BELOW, marker, color=color, markersize=4, linestyle="", label=FAR_LABEL)
        away = (sign * 9, 0)
        place.annotate(text, (edge, y + BELOW), away, textcoords="offset points", ha=side, va="center", color=color, fontsize=8)


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
