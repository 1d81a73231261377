"""The task-count sweep: one network with more and more tasks, its table and its plots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

from ._seen import basis, in_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "KINDS",
    "Reports",
    "difference_at",
    "gains_of",
    "gains_table",
    "is_random",
    "mean_gains_of",
    "plot_sweep",
    "plot_sweep_losses",
    "points_of",
    "runs_table",
    "sweep_table",
    "task_sweep",
    "tasks_of",
]

#: How the names of tasks with random labels begin; `coin_` in records of 2026.
RANDOM = ("random_", "coin_")
SINGLE_TASK = "single-task"
METRIC = "accuracy"
#: The epochs that everything is told at: what is chosen on validation may differ from where training ends.
KINDS = ("best", "last")
#: Values of one run and task by seed.
BySeed = Mapping[Any, float]
#: What others report, by approach and task: the value of each run, their mean, and their SD where there are several.
Reports = Mapping[str, Mapping[str, tuple[tuple[float, ...], float, float | None]]]
#: Loss by task, seed, and phase and epoch.
Losses = dict[str, dict[Any, dict[tuple[int, int], float]]]

mean, sample_sd = mtl.report.statistics.mean, mtl.report.statistics.sample_sd


def is_random(task: str) -> bool:
    """Return whether a task of `binary_tasks` has random labels, which cannot be learned."""
    return task.startswith(RANDOM)


def task_sweep(tasks: Iterable[str], counts: Sequence[int], n_random: Mapping[int, int]) -> dict[str, tuple[str, ...]]:
    """Return the names of the tasks of each approach of a sweep.

    Args:
        tasks: Names of all tasks, in their order.
        counts: Numbers of learnable tasks; an approach has the first ones.
        n_random: Numbers of tasks with random labels, by the number of learnable tasks that they are added to.

    Returns:
        Names of tasks by the name of the approach: `tasks_5` for a count of 5, `tasks_5_random_2` for `{5: 2}`.

    Example:
        >>> task_sweep(["equal", "half_2", "half_3", "random_1"], (1, 3), {2: 1})
        {'tasks_1': ('equal',), 'tasks_3': ('equal', 'half_2', 'half_3'), 'tasks_2_random_1': ('equal', 'half_2', 'random_1')}
    """
    names = list(tasks)
    learnable, random = [name for name in names if not is_random(name)], [name for name in names if is_random(name)]
    sweep = {f"tasks_{count}": tuple(learnable[:count]) for count in counts}
    return sweep | {f"tasks_{count}_random_{more}": (*learnable[:count], *random[:more]) for count, more in n_random.items()}


def tasks_of(record: mtl.report.Record) -> dict[str, list[str]]:
    """Return the tasks of each approach."""
    own: dict[str, dict[str, None]] = {}
    for row in record.metrics:
        if row["role"] == "approach" and row["task"] != "all":
            own.setdefault(row["run"], {})[row["task"]] = None
    return {run: list(tasks) for run, tasks in own.items()}


def across(record: mtl.report.Record, run: str, tasks: Sequence[str], *, skill: bool = False) -> dict[Any, float]:
    """Return for each seed the mean accuracy, or skill, of a run over some tasks; empty if it lacks one of them."""
    own: list[BySeed] = []
    for task in tasks:
        values = record.values(run, task, METRIC)
        if skill:
            trivial = record.mean("trivial", task, METRIC)
            values = {seed: mtl.Binary(task).metric.skill(value, trivial) for seed, value in values.items()}
        own.append(values)
    seeds = set.intersection(*map(set, own)) if own else set()
    return {seed: mean([values[seed] for values in own]) for seed in sorted(seeds)}


def difference_at(
    record: mtl.report.Record, one: str, other: str, tasks: Sequence[str], kind: str
) -> mtl.report.Difference | None:
    """Return the mean difference of two runs over some tasks at one kind of epoch; None without a seed that has them all.

    Args:
        record: Of the sweep; its metrics are accuracies.
        one: Label of the run in question.
        other: Label of that which it is compared with.
        tasks: The tasks.
        kind: `"best"` or `"last"`.
    """
    mine, theirs = ([record.values(run, task, METRIC, epoch_kind=kind) for task in tasks] for run in (one, other))
    seeds = sorted(set.intersection(*map(set, [*mine, *theirs]))) if tasks else []
    values = {seed: mean([a[seed] - b[seed] for a, b in zip(mine, theirs, strict=True)]) for seed in seeds}
    subject = f"{', '.join(tasks)} {METRIC}, {kind} epoch"
    return mtl.report.Difference(one, other, subject, "max", values, record.resplit) if values else None


def gains_of(record: mtl.report.Record, kind: str = "best") -> dict[tuple[str, str], mtl.report.Difference]:
    """Return the difference of each approach from the single-task baseline of each of its tasks that has one."""
    found = {
        (run, task): difference_at(record, run, SINGLE_TASK, [task], kind)
        for run, tasks in tasks_of(record).items()
        for task in tasks
    }
    return {place: each for place, each in found.items() if each is not None}


def mean_gains_of(record: mtl.report.Record, kind: str = "best") -> dict[str, mtl.report.Difference]:
    """Return for each approach the mean difference over its learnable tasks that have single-task baselines."""
    paired = {
        run: [task for task in tasks if not is_random(task) and record.values(SINGLE_TASK, task, METRIC)]
        for run, tasks in tasks_of(record).items()
    }
    found = {run: difference_at(record, run, SINGLE_TASK, tasks, kind) for run, tasks in paired.items()}
    return {run: each for run, each in found.items() if each is not None}


def sweep_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return what each approach of a sweep reaches over its own tasks.

    Args:
        record: Of the sweep, with the trivial predictor; its metrics are accuracies.

    Returns:
        A row for each approach: how many tasks it has, learnable and random; mean accuracy and mean skill over the learnable
        ones; the difference from the single-task baselines over those tasks that have some, at the best and at the last
        epoch; mean accuracy of the random ones. Accuracies are mean ± sample SD over seeds (number of seeds) at the best
        epoch.
    """
    import pandas as pd

    gains = mean_gains_of(record)
    points = {kind: points_of(mean_gains_of(record, kind)) for kind in KINDS}
    lines = []
    for run, tasks in tasks_of(record).items():
        learnable, random = [task for task in tasks if not is_random(task)], [task for task in tasks if is_random(task)]
        paired = sum(bool(record.values(SINGLE_TASK, task, METRIC)) for task in learnable)
        lines.append(
            {
                "approach": run,
                "tasks": len(learnable),
                "random": len(random),
                "mean accuracy": spread(across(record, run, learnable)),
                "mean skill": spread(across(record, run, learnable, skill=True)),
                **{
                    f"− single-task, points, {kind} epoch": f"{own[run]} over {paired}" if run in own else "–"
                    for kind, own in points.items()
                },
                "accuracy on random labels": spread(across(record, run, random)),
            }
        )
    caption = (
        "Means over the approach's learnable tasks, and over those with random labels, at the best epoch; skill: 0 trivial, "
        f"1 perfect; − single-task: mean difference over the tasks that have baselines{_basis(list(gains.values()))}."
    )
    return mtl.report.Table(mtl.report.to_markdown(pd.DataFrame(lines)), caption)


def gains_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return what each approach gains or loses in each task that has a single-task baseline.

    Args:
        record: Of the sweep; its metrics are accuracies.

    Returns:
        A row for each approach and kind of epoch, and a column for each such task, in percentage points.
    """
    import pandas as pd

    by_kind = {kind: gains_of(record, kind) for kind in KINDS}
    points = {kind: points_of(gains) for kind, gains in by_kind.items()}
    tasks = dict.fromkeys(task for gains in by_kind.values() for _, task in gains)
    lines = [
        {"approach": run, "epoch": kind} | {task: points[kind].get((run, task), "–") for task in tasks}
        for run in tasks_of(record)
        for kind, gains in by_kind.items()
        if any(run == other for other, _ in gains)
    ]
    learnable = dict.fromkeys(task for own in tasks_of(record).values() for task in own if not is_random(task))
    without = len([task for task in learnable if task not in tasks])
    caption = (
        "Gain (+) or loss (-) of each task against its single-task network, in percentage points at the best and at the last "
        f"epoch{_basis(list(by_kind['best'].values()))}. The single-task networks have the hyperparameters of the joint ones."
        + (f" {without} other learnable tasks have no single-task network." if without else "")
    )
    return mtl.report.Table(mtl.report.to_markdown(pd.DataFrame(lines)), caption)


def runs_table(record: mtl.report.Record, reports: Reports) -> mtl.report.Table:
    """Return the accuracy of each run, with mean and SD: what others report and what the record has.

    Args:
        record: Of the sweep; its metrics are accuracies.
        reports: What others report.

    Returns:
        A row for each task that they report and each approach, or baseline, that has it here.
    """
    import pandas as pd

    tasks = dict.fromkeys(task for by_task in reports.values() for task in by_task)
    lines = []
    for task in tasks:
        for run in (SINGLE_TASK, *record.approaches):
            values = record.values(run, task, METRIC)
            theirs = reports.get(run, {}).get(task)
            if not values and theirs is None:
                continue
            runs, center, sd = theirs or ((), None, None)
            lines.append(
                {
                    "task": task,
                    "approach": run,
                    "published runs": ", ".join(map(str, runs)) or "–",
                    "published mean (SD)": "–" if center is None or sd is None else f"{center} ({sd:g})",
                    "here, by seed": ", ".join(f"{value:.4f}" for value in values.values()) or "–",
                    "here, mean (SD)": _mean_and_sd(list(values.values())),
                }
            )
    caption = (
        f"Accuracy of each run; SD: sample standard deviation over runs. Published means are as printed there, some of them "
        f"cut instead of rounded. Here: {record.split} split at the epoch that is best on validation, in the order of seeds."
    )
    return mtl.report.Table(mtl.report.to_markdown(pd.DataFrame(lines)), caption)


def points_of(gains: Mapping[Any, mtl.report.Difference]) -> dict[Any, str]:
    """Return each difference in percentage points, by its place; all are one family of tests."""
    return dict(zip(gains, in_points(gains.values()), strict=True))


def _basis(differences: Sequence[mtl.report.Difference]) -> str:
    if not differences:
        return ""
    family = "" if differences[0].p is None else " at each epoch"
    return f" ({basis(differences)}{family})"


def _mean_and_sd(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{mean(values):.4f}" + (f" ({sample_sd(values):.4f})" if len(values) > 1 else "")


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


def spread(values: BySeed) -> str:
    """Return `mean ± sample SD (number of seeds)`."""
    if not values:
        return "–"
    numbers = list(values.values())
    return f"{mean(numbers):.4f}" + (f" ± {sample_sd(numbers):.4f}" if len(numbers) > 1 else "") + f" ({len(numbers)})"


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
