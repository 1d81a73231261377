"""One approach of a comparison, as a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mtl_keras.data import Data
from mtl_keras.runs import Plan

__all__ = ["SINGLE", "Approach"]

#: Label of baselines.
SINGLE = "single-task"


@dataclass(frozen=True, eq=False)
class Approach:
    """One configuration to be trained from several seeds.

    Args:
        name: Label in results.
        plan: What to build and how to train it.
        seeds: Numbers of the trainings.
        data: Returns the data of a training, given its number.
        baselines: Whether to train a single-task baseline of every task (default), or the names of the tasks to train one of.
        baseline_data: Returns the data of a baseline, which uses the rows of its task only; None (default) is `data`.
    """

    name: str
    plan: Plan
    seeds: Sequence[int]
    data: Callable[[int], Data]
    baselines: bool | Sequence[str] = True
    baseline_data: Callable[[int], Data] | None = None

    @property
    def baseline_tasks(self) -> tuple[str, ...]:
        """The tasks that get a baseline; none if the approach has one task only."""
        tasks = self.plan.recipe.tasks
        if len(tasks) == 1:
            return ()
        return tuple(name for name in tasks if self.baselines is True or (self.baselines and name in self.baselines))

    def baseline_plan(self, task: str) -> tuple[Plan, Callable[[int], Data]]:
        """Return the plan and data of a task's baseline. Two baselines are the same if both are equal."""
        return self.plan.only(task), self.baseline_data or self.data
