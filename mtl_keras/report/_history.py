"""The plot of training curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mtl_keras.errors import MTLError, check_mapping, check_names
from mtl_keras.report._check import check_metrics
from mtl_keras.report._curves import Curve, Key, curves_of, is_wide, seeds_text
from mtl_keras.report._roles import label_of, roles_of, with_roles
from mtl_keras.report._rows import HistoryRow, given_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mtl_keras.report._drawing import Place

__all__ = ["plot_history"]

#: Up to how many colors are drawn on both splits.
BOTH = 3
#: Panels next to each other.
COLUMNS = 5
#: What is drawn of the whole model.
WHOLE = {"loss": "weighted loss", "skill": "skill\n(0 trivial, 1 perfect)"}
#: A task, or "all", and a metric.
Panel = tuple[str, str]
#: The curves of a panel by run and split.
Shown = dict[tuple[str, str], Curve]


def plot_history(
    history_rows: Iterable[HistoryRow], *, units: Mapping[str, str] | None = None, metrics: Mapping[str, str] | None = None
) -> Figure:
    """Plot loss and metric of each task and the mean skill against the epoch.

    Args:
        history_rows: Rows as from `history_rows`; each run has a color. The single-task baselines of all tasks share a color
            and are left out of the panels on all tasks. Baselines that belong to one approach have its color, paler.
        units: Unit of each metric in words, e.g. `{"accuracy": "fraction of rows"}`.
        metrics: Metric of each task, e.g. that of its skill; default, and where the rows do not have it, the first one.

    Returns:
        Loss above metric of each task, one panel where both are the same, then the whole model's; the axis of a loss that
        spans more than a factor of 10 is logarithmic. A line is the mean over seeds at each epoch that all seeds have, its
        band the sample SD to each side, on a logarithmic axis as far down as up; one seed has no band. Solid lines are
        validation, dotted ones training; with more than 3 colors there is validation only. The weighted loss is drawn for one
        approach alone: with other weights or tasks it is on another scale.

    Raises:
        MTLError: If there is nothing to draw.
    """
    from mtl_keras.report._axis import epochs_axis, fit_log
    from mtl_keras.report._drawing import colors_of, curve, grid, legend, style

    rows = given_history(history_rows)
    units = {} if units is None else check_mapping("units", units, example="{'accuracy': 'fraction of rows'}")
    check_names("units", [unit for unit in units.values() if not isinstance(unit, str) or unit])
    asked = {} if metrics is None else check_metrics("metrics", metrics)
    curves, labels, baselines, starts = _chosen(rows)
    drawn = {task for _, _, task, _ in curves if task != "all"}
    own = {task: _own_metric(curves, task, asked.get(task)) for task in drawn}
    stacks = _stacks(curves, labels, own)
    if not stacks:
        raise MTLError(
            "`history_rows` must hold losses or metrics. Received: rows without any. Pass the rows of report.history_rows."
        )
    shown = {panel: _shown(curves, panel) for stack in stacks for panel in stack}
    wide = {
        panel
        for panel, own in shown.items()
        if panel[1] == "loss" and is_wide(value for each in own.values() for value in each.mean)
    }
    seeds = seeds_text(curves.values(), [each for panel in wide for each in shown[panel].values()])
    splits = {split for _, split, *_ in curves}
    places = _places([len(stack) for stack in stacks])
    title = f"Training curves{f', {min(splits)} split' if len(splits) == 1 else ''}, {seeds}"
    figure, axes = grid(places, 3.2, 2.4, title)
    last, colors = max(each.epochs[-1] for each in curves.values()), colors_of(labels.values())
    for place, (row, column, _), panel in zip(axes, places, shown, strict=True):
        if panel in wide:
            place.set_yscale("log")
        for (run, split), each in shown[panel].items():
            label = labels[run] if len(splits) == 1 else f"{labels[run]}, {split}"
            line = ":" if split == "train" and len(splits) == 2 else "-"
            # Wider and below: a baseline that learns the same shows at both sides of the approach's line.
            width = 3.0 if run in baselines else 1.4
            curve(place, each.epochs, each, colors[labels[run]], label, line, width)
        upper = (row + 1, column, 1) in places and row % 2 == 0
        title = _name_whole(curves, baselines) if panel[0] == "all" else panel[0]
        style(place, "" if row % 2 else title, "" if upper else "epoch", _name(panel, curves, units, own))
        if panel in wide:
            fit_log(place, "y")
        epochs_axis(place, last, starts)
        place.tick_params(labelbottom=not upper)
    figure.align_ylabels(axes)
    legend(figure, axes)
    return figure


def _chosen(rows: Iterable[HistoryRow]) -> tuple[dict[Key, Curve], dict[str, str], set[str], list[float]]:
    """Return the curves that are drawn, the label of each run, the runs that are baselines, and where later phases begin."""
    known = with_roles(rows)
    roles, (curves, starts) = roles_of(known), curves_of(known)
    curves = {key: each for key, each in curves.items() if key[3] != "loss_weight"}
    labels = {run: label_of(run, roles[run]) for run, *_ in curves}
    several = len(set(labels.values()))
    if several > BOTH and any(split == "validation" for _, split, *_ in curves):
        curves = {key: each for key, each in curves.items() if key[1] == "validation"}
    baselines = {run for run in labels if roles[run] == "single_task"} if several > 1 else set()
    curves = {key: each for key, each in curves.items() if key[2] != "all" or key[0] not in baselines}
    return curves, labels, baselines, starts


def _shown(curves: Mapping[Key, Curve], panel: Panel) -> Shown:
    """Return the curves of a panel."""
    return {(run, split): each for (run, split, *other), each in curves.items() if (*other,) == panel}


def _stacks(curves: Mapping[Key, Curve], labels: Mapping[str, str], own: Mapping[str, str]) -> list[list[Panel]]:
    """Return the panels of each task, loss first, then those of the whole model."""
    drawn = dict.fromkeys((task, metric) for _, _, task, metric in curves)
    tasks = dict.fromkeys(task for task, _ in drawn if task != "all")
    stacks = [[panel for panel in ((task, "loss"), (task, own[task])) if panel in drawn] for task in tasks]
    stacks = [stack[:1] if len(stack) == 2 and _same(curves, *stack) else stack for stack in stacks]
    whole = {labels[run] for run, _, task, _ in curves if task == "all"}
    stacks.append(
        [("all", name) for name in ("loss", "skill") if ("all", name) in drawn and (name, len(whole) > 1) != ("loss", True)]
    )
    return [stack for stack in stacks if stack]


def _own_metric(curves: Iterable[Key], task: str, asked: str | None) -> str:
    """Return the metric of a task that is asked for, else the first one besides its loss; an empty string if there is none."""
    found = [metric for _, _, other, metric in curves if other == task and metric != "loss"]
    return asked if asked in found else next(iter(found), "")


def _name(panel: Panel, curves: Mapping[Key, Curve], units: Mapping[str, str], own: Mapping[str, str]) -> str:
    """Return the name of a panel's y axis, with the unit."""
    task, metric = panel
    if task == "all":
        return WHOLE[metric]
    name = own[task]
    if metric == "loss" and name and _same(curves, panel, (task, name)):
        return f"loss = {name}\n({units[name]})" if units.get(name) else f"loss = {name}"
    return f"{metric}\n({units[metric]})" if units.get(metric) else metric


def _same(curves: Mapping[Key, Curve], panel: Panel, another: Panel) -> bool:
    """Return whether two panels would have the same curves, as those of the loss and the metric of a reconstruction."""
    one, other = _shown(curves, panel), _shown(curves, another)
    return one.keys() == other.keys() and all(
        each.epochs == other[place].epochs
        and all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(each.mean, other[place].mean, strict=True))
        for place, each in one.items()
    )


def _name_whole(curves: Iterable[Key], baselines: Iterable[str]) -> str:
    """Return the title of the panels on all tasks: a mean over other tasks is another quantity."""
    tasks: dict[str, set[str]] = {}
    for run, _, task, _ in curves:
        if run not in baselines and task != "all":
            tasks.setdefault(run, set()).add(task)
    return "all tasks" if len({frozenset(own) for own in tasks.values()}) < 2 else "all tasks of each approach"


def _places(stacks: Sequence[int]) -> list[Place]:
    """Return the place of each panel of stacks of one or two panels, which are equally high."""
    from mtl_keras.report._drawing import cells

    return [
        (2 * row + below, column, 3 - panels)
        for (row, column, _), panels in zip(cells(len(stacks), COLUMNS, 4.8), stacks, strict=True)
        for below in range(panels)
    ]
