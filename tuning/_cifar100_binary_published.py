"""What the original of study 001 reports: accuracies of each run, and what they were trained and measured on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mtl_keras as mtl

from ._published import published_rows
from ._task_sweep_tables import Reports

__all__ = ["NOTES", "REPORTS", "published", "published_gains"]

#: The study's names of the tasks that values are reported of.
FIRST_TEN = ("living", "big", "equal", *(f"half_{number}" for number in range(4, 11)))

mean = mtl.report.statistics.mean


def by_task(values: Sequence[float]) -> dict[str, tuple[tuple[float, ...], float, None]]:
    """Return reports of one run each of the first tasks."""
    return {task: ((value,), value, None) for task, value in zip(FIRST_TEN, values, strict=False)}


#: Accuracies of each run, their mean and their sample SD, as the original's README has them, in the order of its tasks; which
#: classes these had is not known.
REPORTS: Reports = {
    "single-task": by_task((0.839, 0.775, 0.738, 0.722, 0.714)),
    "tasks_3": {
        "living": ((0.842, 0.84, 0.853), 0.845, 0.0070),
        "big": ((0.785, 0.790, 0.791), 0.789, 0.00321),
        "equal": ((0.754, 0.758, 0.747), 0.753, 0.0056),
    },
    "tasks_5": {
        "living": ((0.839, 0.834, 0.83), 0.834, 0.0045),
        "big": ((0.788, 0.777, 0.789), 0.785, 0.0066),
        "equal": ((0.755, 0.749, 0.754), 0.7526, 0.00321),
        "half_4": ((0.7416, 0.733, 0.736), 0.737, 0.00436),
        "half_5": ((0.744, 0.741, 0.731), 0.738, 0.0068),
    },
    "tasks_10": by_task((0.8355, 0.7761, 0.7429, 0.7358, 0.7372, 0.7290, 0.7522, 0.7265, 0.7137, 0.7443)),
}


#: Where reported values come from. Whether they are of the best or of the last epoch is not stated.
NOTES = {
    "single-task": "one run each; 50,000 images, epochs not stated; 10,000 test images",
    "tasks_3": "means of 3 runs; 50,000 images, about 100 epochs; 10,000 test images",
    "tasks_5": "means of 3 runs; 50,000 images, about 100 epochs; 10,000 test images",
    "tasks_10": "one run; 50,000 images, about 100 epochs; 10,000 test images",
}


def published(run: str) -> tuple[dict[str, Any], ...]:
    """Return what is reported of an approach or of the baselines."""
    values = {task: center for task, (_, center, _) in REPORTS.get(run, {}).items()}
    return published_rows(values, "accuracy", NOTES.get(run, ""), run=run)


def published_gains(run: str) -> str:
    """Return the differences of reported runs from those of the tasks alone, in points; printed means are partly cut."""
    alone, reported = (
        {task: mean(runs) for task, (runs, _, _) in REPORTS[approach].items()} for approach in ("single-task", run)
    )
    return ", ".join(f"{100 * (reported[task] - value):+.2f}" for task, value in alone.items() if task in reported)
