"""The trainings of a comparison: every approach and every baseline from every seed, each with a folder of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtl_keras.comparison._approach import SINGLE, Approach
from mtl_keras.data import Data
from mtl_keras.evaluation import Evaluation
from mtl_keras.files import atomic, check_hdf5, damaged, read_json
from mtl_keras.model import MultiTaskModel
from mtl_keras.report import Budget, ConfusionRow, Role, confusion_rows, read_confusion, write_confusion
from mtl_keras.runs import Plan

__all__ = ["Job", "list_jobs"]


@dataclass(frozen=True, eq=False)
class Job:
    """One training.

    Attributes:
        label: Label in results: the approach's name, or that of baselines.
        seed: Number of the training.
        plan: What to build and how to train it.
        data: Returns the data, given the number.
        folder: Where its files go.
        task: The task, if this is a baseline.
    """

    label: str
    seed: int
    plan: Plan
    data: Callable[[int], Data]
    folder: Path
    task: str | None = None

    @property
    def role(self) -> Role:
        """Role of its rows in results."""
        return "approach" if self.task is None else "single_task"

    @property
    def history_label(self) -> str:
        """Label of its curves: baselines of different tasks have different ones."""
        return self.label if self.task is None else f"{self.label} {self.task}"

    @property
    def finished(self) -> bool:
        """Whether it has been trained and evaluated on validation."""
        return self.summary_file.exists()

    @property
    def summary_file(self) -> Path:
        """The file that is written last."""
        return self.folder / "summary.json"

    def summary(self) -> dict[str, Any]:
        """Return what the training gave: rows of `metrics.csv` and `history.csv`, best epoch and weighting state.

        Raises:
            MTLError: If the file is not as it was written.
        """
        return read_json(self.summary_file, ("metrics", "history", "best_epoch", "weighting_state"))

    def check_data(self) -> None:
        """Refuse other data than what a finished training had.

        Raises:
            MTLError: If it differs; the message names what differs.
        """
        self.data(self.seed).check_digests(self.summary().get("data"), self.folder)

    @functools.cached_property
    def own_plan(self) -> Plan:
        """The plan for the rows of this training."""
        return self.plan.for_data(self.data(self.seed))

    def rows(self) -> Data:
        """Return the data for the tasks of the plan."""
        return self.plan.rows(self.data(self.seed))

    def budgets(self) -> list[Budget]:
        """Return what it is trained on; views of one original count once."""
        train, epochs = self.rows().train, self.plan.epochs
        originals = np.arange(len(train)) if train.group is None else train.group
        labeled = {task: len(np.unique(originals[train.weight[task] > 0])) for task in train.tasks}
        return [Budget(self.label, (task,), rows, epochs) for task, rows in labeled.items()]

    def save_confusion(self, evaluation: Evaluation) -> None:
        """Write how often each class was predicted as which on the test split, at the best epoch."""
        rows = confusion_rows(evaluation, run=self.label, seed=self.seed, role=self.role)
        write_confusion(self._confusion_file, rows)

    def confusion(self) -> list[ConfusionRow]:
        """Return what `save_confusion` wrote; empty without a test split, and for runs of versions that wrote none."""
        return read_confusion(self._confusion_file) if self._confusion_file.exists() else []

    def save_weights(self, model: MultiTaskModel, kind: str) -> None:
        """Write the weights that the training may have changed, as those of the `"best"` or the `"last"` epoch."""
        with atomic(self._weights_file(kind)) as path:
            self._trained_part(model).save_weights(path)

    def load_weights(self, model: MultiTaskModel, kind: str) -> None:
        """Load the weights of the `"best"` or the `"last"` epoch into a model of the plan.

        Raises:
            MTLError: If the file is not as it was written.
        """
        path = self._weights_file(kind)
        check_hdf5(path)
        try:
            self._trained_part(model).load_weights(path)
        except (ValueError, OSError, KeyError) as error:
            raise damaged(path, str(error)) from error

    @property
    def _confusion_file(self) -> Path:
        return self.folder / "confusion.csv"

    def _weights_file(self, kind: str) -> Path:
        return self.folder / f"{kind}.weights.h5"

    def _trained_part(self, model: MultiTaskModel) -> keras.Model:
        """Return what follows a trunk that no phase trains, or the whole network if a phase trains it."""
        start = model.features if self.plan.stays_frozen and model.frozen_trunk else model.input
        return keras.Model(start, model.output)


def list_jobs(approaches: Sequence[Approach], place: Path) -> list[Job]:
    """Return all trainings: those of the approaches, then those of their baselines.

    Args:
        approaches: What is compared.
        place: Folder in which each training gets a folder.
    """
    jobs = [
        Job(each.name, seed, each.plan, each.data, place / f"{each.name}-{seed}") for each in approaches for seed in each.seeds
    ]
    paired = [each for each in approaches if each.baseline_tasks]
    if _have_the_same_baselines(approaches):
        first = {task: each for each in reversed(paired) for task in each.baseline_tasks}
        seeds = sorted({seed for each in paired for seed in each.seeds})
        wanted = [
            (SINGLE, task, first[task], seeds)
            for task in dict.fromkeys(task for each in paired for task in each.baseline_tasks)
        ]
    else:
        wanted = [(f"{each.name} {SINGLE}", task, each, list(each.seeds)) for each in paired for task in each.baseline_tasks]
    for label, task, each, seeds in wanted:
        plan, data = each.baseline_plan(task)
        folders = ((seed, place / f"{label}-{task}-{seed}".replace(" ", "-")) for seed in seeds)
        jobs += [Job(label, seed, plan, data, where, task) for seed, where in folders]
    return jobs


def _have_the_same_baselines(approaches: Sequence[Approach]) -> bool:
    """Return whether all approaches that have a task would have the same baseline of it.

    Otherwise a baseline without an approach in its label would be used for approaches that it does not fit.
    """
    for task in {task for each in approaches for task in each.baseline_tasks}:
        baselines = [each.baseline_plan(task) for each in approaches if task in each.plan.recipe.tasks]
        if any(baseline != baselines[0] for baseline in baselines):
            return False
    return True
