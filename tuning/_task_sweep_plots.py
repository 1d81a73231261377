"""The plots of a task-count sweep: accuracy against the number of tasks, and mean losses against the epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

from ._task_sweep import METRIC, SINGLE_TASK, BySeed, across, is_random, tasks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_sweep", "plot_sweep_losses"]

#: Loss by task, seed, and phase and epoch.
Losses = dict[str, dict[Any, dict[tuple[int, int], float]]]

mean, sample_sd = mtl.report.statistics.mean, mtl.report.statistics.sample_sd


def plot_sweep(record: mtl.report.Record) -> Figure:
    """Plot the accuracy of each task against the number of tasks that are trained together.

    Args:
        record: Of the sweep; its baselines are the case of 1 task.

    Returns:
        A line for each task that most approaches without random labels have, mean ± sample SD over seeds; black is the mean
        over those that all have. Approaches with random labels are hollow marks.
    """
    axes = new_axes(1)[0]
    own = tasks_of(record)
    pure = {run: tasks for run, tasks in own.items() if not any(map(is_random, tasks))}
    every = dict.fromkeys(task for tasks in pure.values() for task in tasks)
    shown = [task for task in every if 2 * sum(task in tasks for tasks in pure.values()) > len(pure)]
    for number, task in enumerate(shown):
        color = f"C{number}"
        line = {len(tasks): record.values(run, task, METRIC) for run, tasks in pure.items() if task in tasks}
        draw_line(axes, {1: record.values(SINGLE_TASK, task, METRIC)} | line, color, task)
        for run, tasks in own.items():
            if run not in pure and task in tasks:
                axes.plot(len(tasks), record.mean(run, task, METRIC), "o", color=color, fillstyle="none", markersize=5)
    everywhere = [task for task in shown if all(task in tasks for tasks in pure.values())]
    if everywhere:
        line = {len(tasks): across(record, run, everywhere) for run, tasks in pure.items()}
        draw_line(axes, {1: across(record, SINGLE_TASK, everywhere)} | line, "0.1", f"mean of {listed(everywhere)}", 2.0)
    if len(pure) < len(own):
        axes.plot([], [], "o", color="0.4", fillstyle="none", markersize=5, label="with random labels")
    counts = sorted({1, *(len(tasks) for tasks in own.values())})
    axes.set_xscale("log")
    axes.set_xticks(labeled(counts), [str(count) for count in labeled(counts)])
    axes.minorticks_off()
    axes.set_xlabel("number of tasks trained together (1: single-task)")
    axes.set_ylabel(f"{METRIC}, {record.split} split, best epoch")
    return finish(axes)


def plot_sweep_losses(record: mtl.report.Record, split: str = "validation") -> Figure:
    """Plot the mean of the unweighted losses of several tasks against the epoch.

    The sum of an approach's losses is this mean times its number of tasks. It shows little but that number, and next to the
    sum over fifty tasks every other one looks flat.

    Args:
        record: Of the sweep; trainings of baselines are left out.
        split: `"validation"` (default) or `"train"`.

    Returns:
        Two panels with a color for each approach: the mean over its own tasks, and that over the tasks that all approaches
        have, which is of equally difficult tasks. A line is the mean over seeds, its band the sample SD to each side. For an
        approach with random labels, the mean over its learnable tasks is dashed and that over the random ones dotted.
    """
    losses: dict[str, Losses] = {}
    for row in record.history:
        if (row["split"], row["metric"], row["role"]) == (split, "loss", "approach") and row["task"] != "all":
            by_seed = losses.setdefault(row["run"], {}).setdefault(row["task"], {})
            by_seed.setdefault(row["seed"], {})[row["phase"], row["epoch"]] = row["value"]
    shared = [task for task in next(iter(losses.values()), {}) if all(task in own for own in losses.values())]
    panels = new_axes(2 if shared else 1)
    for number, (run, own) in enumerate(losses.items()):
        learnable, random = [task for task in own if not is_random(task)], [task for task in own if is_random(task)]
        draw_losses(panels[0], own, list(own), f"C{number}", "-", run)
        if random:
            draw_losses(panels[0], own, learnable, f"C{number}", "--")
            draw_losses(panels[0], own, random, f"C{number}", ":")
        if shared:
            draw_losses(panels[1], own, shared, f"C{number}", "-", run)
    if any(map(is_random, [task for own in losses.values() for task in own])):
        for line, label in (("--", "without random labels"), (":", "random labels only")):
            panels[0].plot([], [], line, color="0.4", label=label)
    for axes, title in zip(panels, ("each approach's own tasks", f"what all approaches have: {listed(shared)}"), strict=False):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"mean loss of a task, {split}")
    return finish(*panels)


def listed(tasks: Sequence[str]) -> str:
    """Return names of tasks, or how many they are if that is shorter than a line."""
    names = ", ".join(tasks)
    return names if len(names) <= 25 else f"{len(tasks)} task{'s' * (len(tasks) != 1)}"


def labeled(counts: Sequence[int]) -> list[int]:
    """Return the counts, from the lowest on, whose labels do not overlap on a logarithmic axis over all of them."""
    kept = [counts[0]]
    for count in counts[1:]:
        if count / kept[-1] > (counts[-1] / counts[0]) ** 0.06:
            kept.append(count)
    return kept


def draw_line(axes: Axes, by_count: Mapping[int, BySeed], color: str, label: str, width: float = 1.0) -> None:
    """Draw means over seeds with their sample SD against the number of tasks."""
    counts = sorted(count for count, values in by_count.items() if values)
    values = [list(by_count[count].values()) for count in counts]
    deviations = [sample_sd(each) if len(each) > 1 else 0.0 for each in values]
    middle = [mean(each) for each in values]
    axes.errorbar(counts, middle, deviations, color=color, linewidth=width, marker="o", markersize=4, capsize=2, label=label)


def draw_losses(axes: Axes, losses: Losses, tasks: Sequence[str], color: str, line: str, label: str = "") -> None:
    """Draw the mean over tasks, at the epochs that all seeds have, with the sample SD over seeds."""
    if not tasks:
        return
    seeds = set.intersection(*(set(losses[task]) for task in tasks))
    epochs = sorted(set.intersection(*(set(losses[task][seed]) for task in tasks for seed in seeds)))
    values = [[mean([losses[task][seed][epoch] for task in tasks]) for seed in sorted(seeds)] for epoch in epochs]
    middle = [mean(each) for each in values]
    x = range(1, len(epochs) + 1)
    axes.plot(x, middle, line, color=color, linewidth=1.5, marker="." if len(epochs) < 3 else "", label=label or "_")
    if len(seeds) > 1:
        deviations = [sample_sd(each) for each in values]
        low, high = ([m + sign * d for m, d in zip(middle, deviations, strict=True)] for sign in (-1, 1))
        axes.fill_between(x, low, high, color=color, alpha=0.13, linewidth=0)


def new_axes(columns: int) -> list[Axes]:
    """Return the axes of a new figure, next to each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 if columns == 1 else 4.6 * columns, 4.0), layout="constrained")
    return list(figure.subplots(1, columns, squeeze=False)[0])


def finish(*panels: Axes) -> Figure:
    """Add grids and one legend below all panels, and return their figure."""
    entries: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        entries = dict(zip(labels, handles, strict=True)) | entries
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure = panels[0].get_figure(root=True)
    assert figure is not None
    wide, high = figure.get_size_inches()
    columns = max(1, min(3, int(wide / (0.6 + 0.08 * max(map(len, entries))))))
    # Rows of the legend must not shrink the axes.
    figure.set_size_inches(wide, high + 0.2 * math.ceil(len(entries) / columns))
    figure.legend([*entries.values()], [*entries], loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    return figure
