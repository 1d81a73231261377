"""Plots of a training and of an evaluation."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.errors import MTLError, check_mapping, check_names, check_text
from mtl_keras.report._check import check_array
from mtl_keras.report._roles import label_of, roles_of, with_roles
from mtl_keras.report._rows import HistoryRow, given_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["lines_of", "plot_confusion", "plot_history", "plot_loss_weights", "plot_reconstructions"]

#: Up to how many classes the cells of a confusion matrix hold their counts, and up to how many its classes are named.
COUNTED, NAMED = 12, 40
#: Up to how many approaches are drawn on both splits.
BOTH = 5


def plot_history(history_rows: Iterable[HistoryRow], *, units: Mapping[str, str] | None = None) -> Figure:
    """Plot loss and metric of each task and the mean skill against the epoch.

    Args:
        history_rows: Rows as from `history_rows`; each run has a color, each seed a line. The single-task baselines of all
            tasks share a color and are left out of the panels on all tasks. Baselines that belong to one approach have its
            color, paler.
        units: Unit of each metric in words, e.g. `{"accuracy": "fraction of rows"}`.

    Returns:
        A column for each task and one for skill. Solid lines are validation, dotted ones training; with more than 5 colors
        there is validation only.
    """
    from mtl_keras.report._drawing import colors_of, epochs_axis, grid, legend, style

    rows = with_roles(given_history(history_rows))
    units = {} if units is None else check_mapping("units", units, example="{'accuracy': 'fraction of rows'}")
    check_names("units", [unit for unit in units.values() if not isinstance(unit, str) or unit])
    roles, (lines, starts) = roles_of(rows), lines_of(rows)
    labels = {run: label_of(run, role) for run, role in roles.items()}
    tasks = list(dict.fromkeys(task for _, _, _, task, metric in lines if task != "all" and metric != "loss_weight"))
    metrics = {
        task: next((metric for *_, other, metric in lines if other == task and metric not in ("loss", "loss_weight")), None)
        for task in tasks
    }
    columns: list[list[tuple[str, str, str]]] = [
        [(task, "loss", "loss"), *([(task, metric, _with_unit(metric, units))] if metric else [])]
        for task, metric in metrics.items()
    ]
    columns.append([("all", "loss", "weighted loss"), ("all", "skill", "skill (0 trivial, 1 perfect)")])
    colors = colors_of(labels[run] for run, *_ in lines)
    if len(colors) > BOTH and any(split == "validation" for _, _, split, *_ in lines):
        lines = {key: line for key, line in lines.items() if key[2] == "validation"}
    left_out = [run for run, role in roles.items() if role == "single_task" and len(colors) > 1]
    figure, axes = grid(2, len(columns), 3.2, 2.4, "Training curves", sharex=True)
    for column, panels in zip(axes.T, columns, strict=True):
        for place, (task, metric, label) in zip(column, panels, strict=False):
            for (run, _, split, other, measured), (x, y) in lines.items():
                approach = labels[run]
                if (other, measured) == (task, metric) and run not in (left_out if task == "all" else ()):
                    dotted = {"linestyle": ":", "linewidth": 1.0} if split == "train" else {"linewidth": 1.3}
                    marker = "" if len(x) > 2 else "x" if split == "train" else "o"
                    place.plot(
                        x, y, color=colors[approach], marker=marker, markersize=4, label=f"{approach}, {split}", **dotted
                    )
            name = "all tasks" if task == "all" else task
            style(place, name if place is column[0] else "", "epoch" if place is column[-1] else "", label)
            epochs_axis(place, starts)
        for place in column[len(panels) :]:
            place.set_visible(False)
    legend(figure, [*axes.flat])
    return figure


def plot_loss_weights(history_rows: Iterable[HistoryRow]) -> Figure:
    """Plot the weight of each task's loss against the epoch.

    Args:
        history_rows: Rows as from `history_rows`; several seeds get a line each.

    Returns:
        One panel for each run, a color for each task.
    """
    from mtl_keras.report._drawing import epochs_axis, grid, legend, style

    lines, starts = lines_of(row for row in given_history(history_rows) if row["metric"] == "loss_weight")
    tasks: dict[str, set[str]] = {}
    for run, _, _, task, _ in lines:
        tasks.setdefault(run, set()).add(task)
    most = max(map(len, tasks.values()), default=0)
    # The weight of the only task says nothing.
    runs = [run for run, own in tasks.items() if len(own) > 1 or most == 1] or [""]
    colors = {task: f"C{i}" for i, task in enumerate(dict.fromkeys(task for *_, task, _ in lines))}
    columns = min(len(runs), 3)
    figure, axes = grid(math.ceil(len(runs) / columns), columns, 4.8, 2.8, "Loss weights", sharex=True, sharey=True)
    for place in axes.flat[len(runs) :]:
        place.set_visible(False)
    for place in axes.flat[max(0, len(runs) - columns) : len(runs)]:
        place.tick_params(labelbottom=True)
    for number, (place, run) in enumerate(zip(axes.flat, runs, strict=False)):
        for (other, _, _, task, _), (x, y) in lines.items():
            if other == run:
                place.plot(x, y, color=colors[task], marker="." if len(x) < 3 else "", linewidth=1.3, label=task)
        left, bottom = number % columns == 0, number + columns >= len(runs)
        style(place, run, "epoch" if bottom else "", "weight of the task's loss" if left else "")
        epochs_axis(place, starts)
        place.set_ylim(bottom=0.0)
    legend(figure, [*axes.flat])
    return figure


def plot_confusion(counts: np.ndarray, names: Sequence[str] | None = None, title: str = "") -> Figure:
    """Plot a confusion matrix.

    Args:
        counts: `[classes, classes]`, rows = true, columns = predicted.
        names: Names of the classes; default their numbers. Up to 40 classes are named.
        title: Title of the plot, e.g. the task.

    Returns:
        Colors show the share of each true class, on a square-root scale so that rare confusions are visible. Up to 12
        classes have their counts written into the cells.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    from mtl_keras.report._drawing import grid, style

    counts = check_array("counts", counts, ("classes", "classes"))
    classes = len(counts)
    names = None if names is None else check_names("names", names)
    if names and len(names) != classes:
        raise MTLError(
            f"`names` must have one name for each class. Received: {len(names)} names for {classes} classes. Pass all of them."
        )
    if not isinstance(title, str) or title:
        check_text("title", title, maximum=200)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 4.4 if classes <= 3 else 5.0 if classes <= COUNTED else 6.0 if classes <= 20 else 7.0
    figure, axes = grid(1, 1, side * 1.12, side)
    place = axes[0, 0]
    image = place.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0.0, 1.0), interpolation="nearest")
    style(place, title, "predicted class", "true class")
    place.grid(visible=False)
    place.spines[:].set_visible(True)
    if classes <= NAMED:
        labels = [str(name) for name in (names or range(classes))]
        size = 8 if classes <= 20 else 6
        across = any(len(label) > (3 if classes > COUNTED else 6) for label in labels)
        place.set_xticks(range(classes), labels, rotation=90 if across else 0, fontsize=size)
        place.set_yticks(range(classes), labels, fontsize=size)
    else:
        for axis in (place.xaxis, place.yaxis):
            axis.set_major_locator(MaxNLocator(10, integer=True))
        place.set_xlabel("predicted class (number)", fontsize=9)
        place.set_ylabel("true class (number)", fontsize=9)
    if classes <= COUNTED:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                color = "white" if share[row, column] > 0.4 else "black"
                place.text(column, row, f"{count}", ha="center", va="center", color=color, fontsize=8)
    bar = figure.colorbar(image, ax=place, shrink=0.8, format=PercentFormatter(1.0), ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
    bar.set_label("share of the true class", fontsize=9)
    bar.ax.tick_params(labelsize=8)
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
    figure, axes = grid(2, shown, 1.0, 1.0, "Inputs and reconstructions")
    for row, (name, images) in enumerate((("input", truth), ("output", prediction))):
        for place, image in zip(axes[row], images, strict=False):
            pixels = np.clip(np.asarray(image, np.float32), 0.0, 1.0)
            flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
            place.imshow(flat, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
        axes[row, 0].set_ylabel(name, fontsize=9)
    return figure


def _with_unit(metric: str, units: Mapping[str, str] | None) -> str:
    unit = (units or {}).get(metric)
    return "\n".join([metric, *textwrap.wrap(f"({unit})", 24)]) if unit else metric


_Key = tuple[str, Any, str, str, str]


def lines_of(history_rows: Iterable[HistoryRow]) -> tuple[dict[_Key, tuple[list[int], list[float]]], list[float]]:
    """Return `{(run, seed, split, task, metric): (epochs, values)}` and where later phases begin.

    Epochs are counted through all phases. Among runs with the same phases, each phase is as long as its longest training, so
    that all runs begin the next one at the same epoch.
    """
    rows = with_roles(history_rows)
    phases: dict[str, set[int]] = {}
    for row in rows:
        phases.setdefault(label_of(row["run"], row["role"]), set()).add(row["phase"])
    group = {label: tuple(sorted(own)) for label, own in phases.items()}
    longest: dict[tuple[tuple[int, ...], int], int] = {}
    for row in rows:
        place = (group[label_of(row["run"], row["role"])], row["phase"])
        longest[place] = max(longest.get(place, 0), row["epoch"])
    before: dict[tuple[tuple[int, ...], int], int] = {}
    starts: set[float] = set()
    for own in set(group.values()):
        total = 0
        for phase in own:
            before[own, phase] = total
            if total:
                starts.add(total + 0.5)
            total += longest[own, phase]
    lines: dict[_Key, tuple[list[int], list[float]]] = {}
    for row in rows:
        key = (row["run"], row["seed"], row["split"], row["task"], row["metric"])
        x, y = lines.setdefault(key, ([], []))
        x.append(before[group[label_of(row["run"], row["role"])], row["phase"]] + row["epoch"])
        y.append(row["value"])
    return lines, sorted(starts)
