"""One approach of a comparison, as a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_keras.data import Data
from mtl_keras.errors import MTLError, check_count, check_function, check_instance, check_names, describe, store
from mtl_keras.files import check_name
from mtl_keras.runs import Plan

__all__ = ["SINGLE", "Approach", "check_approach"]

#: Label of baselines.
SINGLE = "single-task"
#: Labels that results use themselves, in addition to every one that contains `single-task`.
RESERVED = ("trivial", "all", "task", "metric", "unit", "better", "n")


def check_approach(what: str, name: Any) -> str:
    """Return the name of an approach, after checking that it can be part of a file's name and a label in results.

    Args:
        what: What it is the name of, for the message, e.g. `"an approach"`.
        name: The name received.

    Raises:
        MTLError: If it cannot.
    """
    name = check_name(what, name)
    if name in RESERVED or SINGLE in name:
        raise MTLError(
            f"The name of {what} must not be one that results use. Received: {what} called {name!r}. Choose another name, "
            f"without {SINGLE!r}."
        )
    return name


@dataclass(frozen=True, eq=False)
class Approach:
    """One configuration to be trained from several seeds.

    Args:
        name: Label in results.
        plan: What to build and how to train it.
        seeds: Numbers of the trainings, each once.
        data: Returns the data of a training, given its number.
        baselines: Whether to train a single-task baseline of every task (default), or the names of the tasks to train one of.
        baseline_data: Returns the data of a baseline, which uses the rows of its task only; None (default) is `data`.

    Raises:
        MTLError: If a value is of another type, or a training is there twice.
    """

    name: str
    plan: Plan
    seeds: Sequence[int]
    data: Callable[[int], Data]
    baselines: bool | Sequence[str] = True
    baseline_data: Callable[[int], Data] | None = None

    def __post_init__(self) -> None:
        of = "an approach"
        check_approach(of, self.name)
        check_instance("plan", self.plan, Plan, "Pass mtl.Plan(recipe, phases).", of=of)
        several = isinstance(self.seeds, Sequence | np.ndarray) and not isinstance(self.seeds, str | bytes)
        seeds = tuple(check_count("seeds", each, minimum=0, of=of) for each in self.seeds) if several else ()
        if not seeds or len(set(seeds)) < len(seeds):
            raise MTLError(
                f"`seeds` of {of} must be different numbers of trainings. Received: seeds={describe(self.seeds)}. Pass e.g. "
                "range(5)."
            )
        check_function("data", self.data, "seed", of=of)
        if self.baseline_data is not None:
            check_function("baseline_data", self.baseline_data, "seed", of=of)
        single = isinstance(self.baselines, bool | np.bool_)
        baselines = bool(self.baselines) if single else check_names("baselines", self.baselines, of=of)
        store(self, seeds=seeds, baselines=baselines)

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
