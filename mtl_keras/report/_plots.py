"""Plots of a training, and reconstructions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.errors import MTLError, check_mapping, check_names
from mtl_keras.report._check import check_array
from mtl_keras.report._curves import Curve, Key, curves_of, seeds_text
from mtl_keras.report._roles import label_of, roles_of, with_roles
from mtl_keras.report._rows import HistoryRow, given_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mtl_keras.report._drawing import Place

__all__ = ["plot_history", "plot_loss_weights", "plot_reconstructions"]

#: Up to how many colors are drawn on both splits.
BOTH = 3
#: Panels next to each other.
COLUMNS = 5
#: Lines of tasks that have the same weight lie on each other: the lower one shows beside the upper one.
WIDTHS = (4.2, 2.6, 1.2)
#: What is drawn of the whole model.
WHOLE = {"loss": "weighted loss", "skill": "skill\n(0 trivial, 1 perfect)"}
#: A task, or "all", and a metric.
Panel = tuple[str, str]


def plot_history(history_rows: Iterable[HistoryRow], *, units: Mapping[str, str] | None = None) -> Figure:
    """Plot loss and metric of each task and the mean skill against the epoch.

    Args:
        history_rows: Rows as from `history_rows`; each run has a color. The single-task baselines of all tasks share a color
            and are left out of the panels on all tasks. Baselines that belong to one approach have its color, paler.
        units: Unit of each metric in words, e.g. `{"accuracy": "fraction of rows"}`.

    Returns:
        Loss above metric of each task, then the whole model's; the axis of a loss that spans more than a factor of 10 is
        logarithmic. A line is the mean over seeds at each epoch that all seeds have, its band the sample SD to each side; one
        seed has no band. Solid lines are validation, dotted ones training; with more than 3 colors there is validation only.
        The weighted loss is drawn for one approach alone: with other weights or tasks it is on another scale.

    Raises:
        MTLError: If there is nothing to draw.
    """
    from mtl_keras.report._drawing import colors_of, curve, epochs_axis, grid, legend, log_if_wide, style

    rows = with_roles(given_history(history_rows))
    units = {} if units is None else check_mapping("units", units, example="{'accuracy': 'fraction of rows'}")
    check_names("units", [unit for unit in units.values() if not isinstance(unit, str) or unit])
    roles, (curves, starts) = roles_of(rows), curves_of(rows)
    curves = {key: each for key, each in curves.items() if key[3] != "loss_weight"}
    labels = {run: label_of(run, roles[run]) for run, *_ in curves}
    colors = colors_of(labels.values())
    if len(colors) > BOTH and any(split == "validation" for _, split, *_ in curves):
        curves = {key: each for key, each in curves.items() if key[1] == "validation"}
    baselines = {run for run in labels if roles[run] == "single_task"} if len(colors) > 1 else set()
    stacks = _stacks({key: each for key, each in curves.items() if key[2] != "all" or key[0] not in baselines}, labels)
    if not stacks:
        raise MTLError(
            "`history_rows` must hold losses or metrics. Received: rows without any. Pass the rows of report.history_rows."
        )
    splits = {split for _, split, *_ in curves}
    title = f"Training curves{f', {min(splits)} split' if len(splits) == 1 else ''}, {seeds_text(curves.values())}"
    places = _places([len(stack) for stack in stacks])
    figure, axes = grid(places, 3.2, 2.4, title)
    last = max(each.epochs[-1] for each in curves.values())
    for place, (row, column, _), (task, metric) in zip(axes, places, [each for stack in stacks for each in stack], strict=True):
        shown = {
            (run, split): each
            for (run, split, *panel), each in curves.items()
            if panel == [task, metric] and (task != "all" or run not in baselines)
        }
        for (run, split), each in shown.items():
            label = labels[run] if len(splits) == 1 else f"{labels[run]}, {split}"
            line = ":" if split == "train" and len(splits) == 2 else "-"
            # Wider and below: a baseline that learns the same shows at both sides of the approach's line.
            width = 3.0 if run in baselines else 1.4
            curve(place, each.epochs, each, colors[labels[run]], label, line, width)
        upper = (row + 1, column, 1) in places and row % 2 == 0
        name = WHOLE[metric] if task == "all" else _with_unit(metric, units)
        style(place, "" if row % 2 else "all tasks" if task == "all" else task, "" if upper else "epoch", name)
        if metric == "loss":
            log_if_wide(place, "y", [value for each in shown.values() for value in each.mean])
        epochs_axis(place, last, starts)
        place.tick_params(labelbottom=not upper)
    legend(figure, axes)
    return figure


def _stacks(curves: Mapping[Key, Curve], labels: Mapping[str, str]) -> list[list[Panel]]:
    """Return the panels of each task, loss first, then those of the whole model."""
    drawn = dict.fromkeys((task, metric) for _, _, task, metric in curves)
    tasks = dict.fromkeys(task for task, _ in drawn if task != "all")
    own = {task: next((name for other, name in drawn if other == task and name != "loss"), "") for task in tasks}
    stacks = [[panel for panel in ((task, "loss"), (task, own[task])) if panel in drawn] for task in tasks]
    whole = {labels[run] for run, _, task, _ in curves if task == "all"}
    stacks.append(
        [("all", name) for name in ("loss", "skill") if ("all", name) in drawn and (name, len(whole) > 1) != ("loss", True)]
    )
    return [stack for stack in stacks if stack]


def _places(stacks: Sequence[int]) -> list[Place]:
    """Return the place of each panel of stacks of one or two panels, which are equally high."""
    from mtl_keras.report._drawing import cells

    return [
        (2 * row + below, column, 3 - panels)
        for (row, column, _), panels in zip(cells(len(stacks), COLUMNS, 4.8), stacks, strict=True)
        for below in range(panels)
    ]


def plot_loss_weights(history_rows: Iterable[HistoryRow]) -> Figure:
    """Plot the weight of each task's loss against the epoch.

    Args:
        history_rows: Rows as from `history_rows`.

    Returns:
        One panel for each run, a color for each task: a line for the mean over seeds at each epoch that all seeds have, with a
        band of one sample SD to each side. Each panel has an axis of its own, which is logarithmic where weights span more
        than a factor of 10.

    Raises:
        MTLError: If the rows hold no loss weight.
    """
    from mtl_keras.report._drawing import cells, colors_of, curve, epochs_axis, grid, legend, log_if_wide, style

    curves, starts = curves_of(row for row in given_history(history_rows) if row["metric"] == "loss_weight")
    tasks: dict[str, set[str]] = {}
    for run, _, task, _ in curves:
        tasks.setdefault(run, set()).add(task)
    if not tasks:
        raise MTLError(
            "`history_rows` must hold loss weights. Received: rows without the metric loss_weight. Pass the rows of "
            "report.history_rows."
        )
    most = max(map(len, tasks.values()))
    # The weight of the only task says nothing.
    runs = [run for run, own in tasks.items() if len(own) > 1 or most == 1]
    colors = colors_of(task for run, _, task, _ in curves if run in runs)
    drawn = {key: each for key, each in curves.items() if key[0] in runs}
    figure, axes = grid(cells(len(runs), 3, 2.8), 4.8, 2.8, f"Loss weights, {seeds_text(drawn.values())}")
    last = max(each.epochs[-1] for each in drawn.values())
    for place, run in zip(axes, runs, strict=True):
        for (other, _, task, _), each in drawn.items():
            if other == run:
                curve(place, each.epochs, each, colors[task], task, width=WIDTHS[[*colors].index(task) % len(WIDTHS)])
        style(place, run, "epoch", "weight of the task's loss")
        log_if_wide(place, "y", [value for key, each in drawn.items() if key[0] == run for value in each.mean])
        epochs_axis(place, last, starts)
    legend(figure, axes)
    return figure


def plot_reconstructions(truth: np.ndarray, prediction: np.ndarray) -> Figure:
    """Plot images above their reconstructions.

    Args:
        truth: `[n, height, width, channels]` in `[0, 1]`, 1 or 3 channels; the first 10 are shown.
        prediction: The same shape.
    """
    from mtl_keras.report._drawing import grid

    axes_of = ("n", "height", "width", "channels")
    truth, prediction = check_array("truth", truth, axes_of), check_array("prediction", prediction, axes_of)
    if truth.shape != prediction.shape:
        raise MTLError(
            f"`prediction` must have the shape of `truth`. Received: {list(prediction.shape)} and {list(truth.shape)}. Pass "
            "the same rows."
        )
    shown = min(len(truth), 10)
    figure, axes = grid([(row, column, 1) for row in (0, 1) for column in range(shown)], 1.0, 1.0, "Inputs and reconstructions")
    for row, (name, images) in enumerate((("input", truth), ("output", prediction))):
        for place, image in zip(axes[row * shown : (row + 1) * shown], images, strict=False):
            pixels = np.clip(np.asarray(image, np.float32), 0.0, 1.0)
            flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
            place.imshow(flat, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
        axes[row * shown].set_ylabel(name, fontsize=9)
    return figure


def _with_unit(metric: str, units: Mapping[str, str]) -> str:
    return f"{metric}\n({units[metric]})" if units.get(metric) else metric
