"""The tables of a task-count sweep: approaches over their tasks, gains of single tasks, and runs next to published ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import mtl_keras as mtl

from ._differences import KINDS, basis_at_each, points_of
from ._seen import MISSING, as_table
from ._task_sweep import METRIC, SINGLE_TASK, BySeed, across, gains_of, is_random, mean_gains_of, tasks_of

__all__ = ["Reports", "gains_table", "runs_table", "sweep_table"]

#: What others report, by approach and task: the value of each run, their mean, and their SD where there are several.
Reports = Mapping[str, Mapping[str, tuple[tuple[float, ...], float, float | None]]]

mean, sample_sd = mtl.report.statistics.mean, mtl.report.statistics.sample_sd


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
                    f"− single-task, points, {kind} epoch": f"{own[run]} over {paired}" if run in own else MISSING
                    for kind, own in points.items()
                },
                "accuracy on random labels": spread(across(record, run, random)),
            }
        )
    caption = (
        "Means over the approach's learnable tasks, and over those with random labels, at the best epoch; skill: 0 trivial, "
        f"1 perfect; − single-task: mean difference over the tasks that have baselines{_basis(gains.values())}."
    )
    return as_table(lines, caption)


def gains_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return what each approach gains or loses in each task that has a single-task baseline.

    Args:
        record: Of the sweep; its metrics are accuracies.

    Returns:
        A row for each approach and kind of epoch, and a column for each such task, in percentage points.
    """
    by_kind = {kind: gains_of(record, kind) for kind in KINDS}
    points = {kind: points_of(gains) for kind, gains in by_kind.items()}
    tasks = dict.fromkeys(task for gains in by_kind.values() for _, task in gains)
    lines = [
        {"approach": run, "epoch": kind} | {task: points[kind].get((run, task), MISSING) for task in tasks}
        for run in tasks_of(record)
        for kind, gains in by_kind.items()
        if any(run == other for other, _ in gains)
    ]
    learnable = dict.fromkeys(task for own in tasks_of(record).values() for task in own if not is_random(task))
    without = len([task for task in learnable if task not in tasks])
    caption = (
        "Gain (+) or loss (-) of each task against its single-task network, in percentage points at the best and at the last "
        f"epoch{_basis(by_kind['best'].values())}. The single-task networks have the hyperparameters of the joint ones."
        + (f" {without} other learnable tasks have no single-task network." if without else "")
    )
    return as_table(lines, caption)


def runs_table(record: mtl.report.Record, reports: Reports) -> mtl.report.Table:
    """Return the accuracy of each run, with mean and SD: what others report and what the record has.

    Args:
        record: Of the sweep; its metrics are accuracies.
        reports: What others report.

    Returns:
        A row for each task that they report and each approach, or baseline, that has it here.
    """
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
                    "published runs": ", ".join(map(str, runs)) or MISSING,
                    "published mean (SD)": MISSING if center is None or sd is None else f"{center} ({sd:g})",
                    "here, by seed": ", ".join(f"{value:.4f}" for value in values.values()) or MISSING,
                    "here, mean (SD)": _mean_and_sd(list(values.values())),
                }
            )
    caption = (
        f"Accuracy of each run; SD: sample standard deviation over runs. Published means are as printed there, some of them "
        f"cut instead of rounded. Here: {record.split} split at the epoch that is best on validation, in the order of seeds."
    )
    return as_table(lines, caption)


def spread(values: BySeed) -> str:
    """Return `mean ± sample SD (number of seeds)`."""
    if not values:
        return MISSING
    numbers = list(values.values())
    return f"{mean(numbers):.4f}" + (f" ± {sample_sd(numbers):.4f}" if len(numbers) > 1 else "") + f" ({len(numbers)})"


def _basis(differences: Collection[mtl.report.Difference]) -> str:
    return f" ({basis_at_each(differences)})" if differences else ""


def _mean_and_sd(values: Sequence[float]) -> str:
    if not values:
        return MISSING
    return f"{mean(values):.4f}" + (f" ({sample_sd(values):.4f})" if len(values) > 1 else "")
