"""A ladder: the same network with more and more tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.report._baselines import SINGLE_TASK, TRIVIAL, approaches_of, baseline_of, is_baseline
from mtl_keras.report._figures import lines_of
from mtl_keras.report._statistics import mean, sample_sd

from mtl_keras.errors import MTLError
from mtl_keras.report._text import NOTHING, difference, mean_and_sd, paired
from mtl_keras.report._values import Values, chosen_figures, directions_of, values_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from mtl_keras.report._picture import Picture

__all__ = ["is_ladder", "ladder_table", "plot_ladder", "plot_ladder_losses"]

#: Approaches with so many different numbers of tasks are a ladder.
RUNGS = 3


def is_ladder(metrics_rows: Iterable[Mapping[str, Any]], split: str) -> bool:
    """Return whether the approaches are rungs: three numbers of tasks at least, all measured by one metric."""
    rows = list(metrics_rows)
    own = _tasks_of(values_of(rows, split), _own_metrics(rows, split))
    return len({len(tasks) for tasks in own.values()}) >= RUNGS and len(set(_own_metrics(rows, split).values())) == 1


def ladder_table(
    metrics_rows: Iterable[Mapping[str, Any]], split: str = "test", *, controls: Collection[str] = ()
) -> pd.DataFrame:
    """Return what each rung reaches over its tasks, as text.

    Args:
        metrics_rows: Rows as from `metrics_rows` and `trivial_rows`; all tasks have one metric, whose perfect value is 1.
        split: `"test"` (default), `"validation"` or `"train"`.
        controls: Tasks that cannot be learned.

    Returns:
        A row for each rung: `approach`, `tasks` and `controls` (how many), then over the tasks that can be learned their
        `mean` and mean `skill` ((value - trivial) / (1 - trivial)), `− single-task` over those of them that have baselines, and
        the mean over `controls`; mean ± sample SD over seeds (number of seeds), at the best epoch.

    Raises:
        MTLError: If two rows give the same figure.
    """
    import pandas as pd

    rows = list(metrics_rows)
    values, metrics = values_of(rows, split), _own_metrics(rows, split)
    table = []
    for run, tasks in _tasks_of(values, metrics).items():
        learned, drawn = [task for task in tasks if task not in controls], [task for task in tasks if task in controls]
        own, baselines = values[run], values.get(baseline_of(run, values), {})
        trivial = {task: mean(list(values.get(TRIVIAL, {}).get((task, metrics[task]), {}).values())) for task in learned}
        skills = {
            task: {seed: (value - trivial[task]) / (1 - trivial[task]) for seed, value in own[task, metrics[task]].items()}
            for task in learned
        }
        both = [task for task in learned if paired(own[task, metrics[task]], baselines.get((task, metrics[task]), {}))]
        gained = [_means([by_run[task, metrics[task]] for task in both]) for by_run in (own, baselines)] if both else [{}, {}]
        table.append(
            {
                "approach": run,
                "tasks": len(learned),
                "controls": len(drawn),
                "mean": mean_and_sd(list(_means([own[task, metrics[task]] for task in learned]).values())),
                "skill": mean_and_sd(list(_means([*skills.values()]).values())),
                "− single-task": f"{difference(*gained)} over {len(both)}" if both else NOTHING,
                "mean of controls": mean_and_sd(list(_means([own[task, metrics[task]] for task in drawn]).values())),
            }
        )
    return pd.DataFrame(table)


def plot_ladder(metrics_rows: Iterable[Mapping[str, Any]], split: str = "test", *, controls: Collection[str] = ()) -> Picture:
    """Draw what tasks reach against the number of tasks that are trained together.

    Args:
        metrics_rows: Rows as from `metrics_rows`, those of baselines among them: they are 1 task.
        split: `"test"` (default), `"validation"` or `"train"`.
        controls: Tasks that cannot be learned; rungs that hold some are drawn as hollow marks.

    Returns:
        One panel: a line for each task that most rungs without controls have, the mean over seeds ± their sample SD; black
        is the mean over those of these tasks that every rung has.

    Raises:
        MTLError: If the rows are no ladder.
    """
    from mtl_keras.report._picture import colors_of, grid, legend, style

    rows = list(metrics_rows)
    if not is_ladder(rows, split):
        raise MTLError(
            "A ladder has at least three numbers of tasks, all measured alike. Received: other rows, or none on the "
            f"{split} split. Use plot_approaches."
        )
    values, metrics = values_of(rows, split), _own_metrics(rows, split)
    own = _tasks_of(values, metrics)
    pure = {run: tasks for run, tasks in own.items() if not set(tasks) & set(controls)}
    shown = [task for task in metrics if sum(task in tasks for tasks in pure.values()) > len(pure) / 2]
    colors = colors_of(shown)
    arrow = {"max": "higher is better", "min": "lower is better"}[next(iter(directions_of(rows).values()))]
    figure, axes = grid(1, 1, 6.4, 4.0, f"More tasks on one network, {split} split")
    place = axes[0, 0]
    baselines = values.get(SINGLE_TASK, {})
    for task in shown:
        key = (task, metrics[task])
        line = {1: list(baselines[key].values())} if key in baselines else {}
        line |= {len(tasks): list(values[run][key].values()) for run, tasks in pure.items() if task in tasks}
        _points(place, line, colors[task], task)
        mixed = {len(tasks): list(values[run][key].values()) for run, tasks in own.items() if run not in pure and task in tasks}
        for count, seeds in mixed.items():
            place.plot(count, mean(seeds), "o", color=colors[task], fillstyle="none", markersize=5)
    everywhere = [task for task in shown if all(task in tasks for tasks in pure.values())]
    if everywhere:
        line = {1: _across(baselines, everywhere, metrics)} if all((t, metrics[t]) in baselines for t in everywhere) else {}
        line |= {len(tasks): _across(values[run], everywhere, metrics) for run, tasks in pure.items()}
        _points(place, line, "0.1", f"mean of {', '.join(everywhere)}", width=2.0)
    if len(pure) < len(own):
        place.plot([], [], "o", color="0.4", fillstyle="none", markersize=5, label="with coins among the tasks")
    counts = sorted({1, *(len(tasks) for tasks in own.values())})
    place.set_xscale("log")
    place.set_xticks(counts, [str(count) for count in counts], minor=False)
    place.minorticks_off()
    style(place, "", "tasks trained together (1: each alone)", f"{next(iter(metrics.values()))}, {arrow}")
    legend(figure, [place], columns=3)
    return figure


def plot_ladder_losses(
    history_rows: Iterable[Mapping[str, Any]], *, controls: Collection[str] = (), split: str = "validation"
) -> Picture:
    """Draw the unweighted losses of each rung's own tasks against the epoch: their sum, and their average.

    Args:
        history_rows: Rows as from `history_rows`; trainings of baselines are left out.
        controls: Tasks that cannot be learned; a rung that holds some has its average over the others dashed, and over them
            dotted.
        split: `"validation"` (default) or `"train"`.

    Returns:
        Two panels with a color for each rung, means over seeds.

    Raises:
        MTLError: If no row holds a loss of a task on the split.
    """
    from mtl_keras.report._picture import colors_of, epochs_axis, grid, legend, style

    losses: dict[str, dict[str, dict[int, list[float]]]] = {}
    lines, starts = lines_of(row for row in history_rows if row["metric"] == "loss" and row["task"] != "all")
    for (run, _, part, task, _), (x, y) in lines.items():
        if part == split and not is_baseline(run):
            by_epoch = losses.setdefault(run, {}).setdefault(task, {})
            for epoch, value in zip(x, y, strict=True):
                by_epoch.setdefault(epoch, []).append(value)
    if not losses:
        raise MTLError(f"Losses are drawn of tasks that have some. Received: none on the {split} split. Give other rows.")
    colors = colors_of(losses)
    figure, axes = grid(1, 2, 4.6, 3.4, f"Losses of all tasks, {split}")
    for place, how in zip(axes[0], ("sum", "average"), strict=True):
        for run, by_task in losses.items():
            look = {"color": colors[run], "linewidth": 1.5, "marker": "." if len(next(iter(by_task.values()))) < 3 else ""}
            _curve(place, list(by_task.values()), how, label=run, **look)
            drawn = [task for task in by_task if task in controls]
            if drawn and how == "average" and len(drawn) < len(by_task):
                rest = [series for task, series in by_task.items() if task not in controls]
                _curve(place, rest, how, label="without its coins", linestyle="--", **look)
                _curve(place, [by_task[task] for task in drawn], how, label="its coins alone", linestyle=":", **look)
        style(place, f"{how} over the tasks", "epoch", f"{how} of losses")
        epochs_axis(place, starts)
    legend(figure, [*axes[0]])
    return figure


def _own_metrics(rows: Sequence[Mapping[str, Any]], split: str) -> dict[str, str]:
    """Return the metric that stands for each task."""
    return {task: metric for task, metric in chosen_figures(rows, split) if task != "all"}


def _tasks_of(values: Values, metrics: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the tasks of each approach."""
    return {run: [t for t, metric in metrics.items() if (t, metric) in values[run]] for run in approaches_of(values)}


def _means(figures: Sequence[Mapping[Any, float]]) -> dict[Any, float]:
    """Return for each seed that all figures have their mean."""
    common = set.intersection(*map(set, figures)) if figures else set()
    return {seed: mean([figure[seed] for figure in figures]) for seed in sorted(common)}


def _across(by_figure: Mapping[Any, Mapping[Any, float]], tasks: Sequence[str], metrics: Mapping[str, str]) -> list[float]:
    return list(_means([by_figure[task, metrics[task]] for task in tasks]).values())


def _points(place: Axes, line: Mapping[int, Sequence[float]], color: str, label: str, width: float = 1.0) -> None:
    """Draw means over seeds with their sample SD, from the fewest tasks to the most."""
    counts = sorted(line)
    spread = [sample_sd(line[count]) if len(line[count]) > 1 else 0.0 for count in counts]
    middle = [mean(line[count]) for count in counts]
    place.errorbar(
        counts, middle, spread, color=color, linewidth=width, elinewidth=0.8, marker="o", markersize=4, capsize=2, label=label
    )


def _curve(place: Axes, series: Sequence[Mapping[int, Sequence[float]]], how: str, **look: Any) -> None:
    """Draw the sum or average over tasks of their means over seeds."""
    common = sorted(set.intersection(*map(set, series)))
    totals = [sum(mean(by_epoch[epoch]) for by_epoch in series) for epoch in common]
    place.plot(common, [total / (len(series) if how == "average" else 1) for total in totals], **look)
