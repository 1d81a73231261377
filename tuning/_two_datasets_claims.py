"""What a record of study 004 says: claims, finding, and a table of what goes up and down, at the best and at the last epoch."""

from __future__ import annotations

from collections.abc import Mapping

import mtl_keras as mtl

from ._differences import KINDS, SIGNIFICANT, basis, corrected_of, difference_at, points_of
from ._seen import MISSING, as_table, measured_on
from ._two_datasets_published import REPORTS, published_change

__all__ = ["change_table", "claims", "finding"]

TASKS = ("class", "garment")
#: What is compared: an approach, another one, and the question that their difference answers.
PAIRS = (
    ("coin", "single-task", "random alternation against alone"),
    ("equal_steps", "single-task", "sharing with as many steps as alone"),
    ("coin", "equal_steps", "fewer or more steps, both shared"),
)
#: The name of each task's data set in the history.
DATASETS = {"class": "cifar10", "garment": "clothing"}
#: Task, approach, other approach, kind of epoch.
Place = tuple[str, str, str, str]


def differences(record: mtl.report.Record) -> dict[Place, mtl.report.Difference]:
    """Return all differences that the claims are about, at the best and at the last epoch; they are one family of tests."""
    found = {
        (task, one, other, kind): difference_at(record, one, other, [task], kind)
        for task in TASKS
        for one, other, _ in PAIRS
        for kind in KINDS
    }
    return {place: each for place, each in found.items() if each is not None}


def steps_of(record: mtl.report.Record, run: str, task: str) -> float | None:
    """Return how many steps of a task's data set an epoch of a run has, the mean over epochs and seeds; None without a log."""
    name = f"steps_{DATASETS[task]}"
    steps = [row["value"] for row in record.history if (row["run"], row["metric"]) == (run, name)]
    return mtl.report.statistics.mean(steps) if steps else None


def steps_against_alone(record: mtl.report.Record, task: str) -> str:
    """Return the steps of random alternation beside those of a training alone, which `equal_steps` has by definition."""
    random, alone = (steps_of(record, run, task) for run in ("coin", "equal_steps"))
    if random is None or alone is None:
        return ""
    name = "CIFAR-10" if task == "class" else "clothing"
    return f"{random:.1f} steps of {name}, {random / alone:.2f} times the {alone:.0f} that it has alone"


def claims(record: mtl.report.Record) -> list[dict[str, str]]:
    """Compare the original's findings with these results, at the best and at the last epoch."""
    found = differences(record)
    points = points_of(found)

    def verdict(task: str) -> str:
        parts = []
        for one, other, question in PAIRS:
            own = [
                f"{points[task, one, other, kind]} at the {kind} epoch" for kind in KINDS if (task, one, other, kind) in points
            ]
            parts += [f"{question} ({one} − {other}): {', '.join(own)}"] if own else []
        on = measured_on(record, task)
        of = {place: each for place, each in found.items() if place[0] == task}
        steps = steps_against_alone(record, task)
        return (
            f"Here, in points: {'; '.join(parts)} ({basis(found.values())}{f'; {on}' if on else ''})."
            f"{f' An epoch of coin has {steps} and by equal_steps.' if steps else ''} {judged(of, found)}"
        )

    return [
        {"claim": published_change(task), "verdict": verdict(task)} for task in TASKS if any(task == key[0] for key in found)
    ]


def judged(of: Mapping[Place, mtl.report.Difference], family: Mapping[Place, mtl.report.Difference]) -> str:
    """Return which differences of a task are shown, corrected for all of the family, and which their intervals alone would."""
    p = corrected_of(family)
    if all(p[place] is None for place in of):
        return "So few seeds decide none of it."
    shown: list[str] = []
    alone: list[str] = []
    for place, each in of.items():
        own, name = p[place], f"{place[1]} is {each.judgment} than {place[2]} at the {place[3]} epoch"
        if own is not None and each.judgment:
            (shown if own < SIGNIFICANT else alone).append(name)
    text = f"Shown after the correction: {', '.join(shown) or 'none'}."
    return text + (f" By the interval alone, not after the correction: {', '.join(alone)}." if alone else "")


def change_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return what each task reaches alone and together, and by how many points it goes up or down, published and here."""
    found = differences(record)
    points = points_of(found)
    lines: list[tuple[str, ...]] = []
    for task in TASKS:
        kinds = ("published, original's README", "published, best epochs of its logs")
        for alone, together, kind in zip(REPORTS["single-task", task], REPORTS["coin", task], kinds, strict=True):
            change = f"{arrow(together - alone)} {100 * (together - alone):+.1f}"
            lines.append((task, kind, "coin", f"{alone:g}", f"{together:g}", change, MISSING))
        for place, each in found.items():
            if place[0] == task and place[2] == "single-task":
                one, kind = place[1], place[3]
                reached = [f"{record.mean(run, task, epoch_kind=kind):.3f}" for run in ("single-task", one)]
                change, steps = f"{arrow(each.mean)} {points[place]}", steps_of(record, one, task)
                lines.append((task, f"here, {kind} epoch", one, *reached, change, MISSING if steps is None else f"{steps:.1f}"))
    columns = ["task", "measured", "together by", "alone", "together", "up or down, points", "steps an epoch"]
    on = f" ({basis(found.values())})" if found else ""
    caption = (
        "Accuracy alone and together; arrows show the sign of the change. Published: one run each; the joint values of the "
        "original's README are those of the last epoch, and its garments those of FashionRGB. Here: means over seeds"
        f"{on}. The single-task networks have the hyperparameters of the joint one. Steps are those of the task's data set, as "
        "in the joint training; equal_steps has as many as a training alone."
    )
    return as_table(lines, caption, columns)


def arrow(change: float) -> str:
    """Return the direction of a change."""
    return "⬆" if change > 0 else "⬇" if change < 0 else "="


def finding(record: mtl.report.Record) -> str:
    """Return what each task gains or loses by training on both, at the best and at the last epoch."""
    found = differences(record)
    points = points_of(found)
    steps = [each for task in TASKS if (each := steps_against_alone(record, task))]
    counted = f" (an epoch has {', and '.join(steps)})" if steps else ""
    parts = []
    for run, name in (("coin", f"random alternation{counted}"), ("equal_steps", "as many steps as alone")):
        own = [
            f"{task} {points[task, run, 'single-task', kind]} at the {kind} epoch"
            for task in TASKS
            for kind in KINDS
            if (task, run, "single-task", kind) in points
        ]
        parts += [f"with {name} {', '.join(own)}"] if own else []
    return (
        f"Change of the test accuracy by training on both data sets instead of alone, in points: {'; '.join(parts)} "
        f"({basis(found.values())})."
    )
