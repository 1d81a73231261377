"""Configurations of a study, and what its functions build plans from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mtl_keras.errors import (
    MTLError,
    check_count,
    check_function,
    check_input_shape,
    check_instance,
    check_instances,
    check_mapping,
    check_names,
    check_number,
    check_text,
    describe,
    store,
)
from mtl_keras.runs import Plan
from mtl_keras.tables import Column
from mtl_keras.tasks import Tasks

__all__ = ["Configuration", "Context", "check_columns"]


def check_columns(columns: Any, *, of: str) -> Any:
    """Return columns, or those of each of several inputs by name, as `Data.columns` has them, after checking their types."""
    if not isinstance(columns, Mapping):
        return check_instances("columns", columns, Column, of=of)
    return {name: check_instances(f"columns[{name!r}]", own, Column, of=of) for name, own in columns.items()}


@dataclass(frozen=True)
class Context:
    """What a space function builds a plan from.

    Attributes:
        tasks: What is predicted.
        settings: The study's settings after all changes.
        image_shape: Shape of one input, of several by name.
        columns: Of rows of numbers, what a network must know of each column, `data.columns`; default none. Of several inputs,
            the columns of each that has some, by name.
    """

    tasks: Tasks
    settings: Any
    image_shape: Any  # a tuple, or tuples by name
    columns: Any = ()  # columns, or columns by name

    def __post_init__(self) -> None:
        check_instance("tasks", self.tasks, Tasks, "Pass those of the study.", of="a context")
        store(self, image_shape=check_input_shape("image_shape", self.image_shape, of="a context"))
        store(self, columns=check_columns(self.columns, of="a context"))


@dataclass(frozen=True)
class Configuration:
    """A named configuration of a study, for instance a published one.

    Args:
        summary: A description in one line.
        plan: A function `(context) -> Plan`; or values of the study's hyperparameters, from which its space builds the plan.
        changes: Changes of the study's settings that belong to it; the study checks them.
        seeds: Trainings in a reproduction; None (default) is the study's `n_final_seeds`.
        baselines: Whether a reproduction trains single-task baselines (default False), or the names of the tasks to train one
            of.
        published: Published values to be shown next to the results: `{"task": ..., "metric": ..., "value": ..., "note": ...}`
            each. The note, which may be omitted, names the source. `"run": "single-task"` assigns one to the baselines.

    Raises:
        MTLError: If `seeds` is below 1, or a published row lacks an entry or has one too many.
    """

    summary: str
    plan: Callable[[Context], Plan] | Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    seeds: int | None = None
    baselines: bool | Sequence[str] = False
    published: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        of = "a configuration"
        check_text("summary", self.summary, of=of, example="As published.")
        if callable(self.plan):
            check_function("plan", self.plan, "context", of=of)
        else:
            example = "{'shared_depth': 1}, or a function (context) -> Plan"
            store(self, plan=check_mapping("plan", self.plan, of=of, example=example))
        store(self, changes=check_mapping("changes", self.changes, of=of, example="{'epochs': 3}"))
        if self.seeds is not None:
            store(self, seeds=check_count("seeds", self.seeds, of=of, example=3))
        if isinstance(self.baselines, bool | np.bool_):
            store(self, baselines=bool(self.baselines))
        else:
            store(self, baselines=check_names("baselines", self.baselines, of=of))
        if not isinstance(self.published, Sequence) or not all(isinstance(row, Mapping) for row in self.published):
            raise MTLError(
                f"`published` of {of} must be a sequence of rows. Received: published={describe(self.published)}. Pass e.g. "
                "[{'task': 'fine', 'metric': 'accuracy', 'value': 0.76}]."
            )
        for row in self.published:
            if {"note", "run", *row} != {"task", "metric", "value", "note", "run"}:
                raise MTLError(
                    "A published row must have task, metric and value, and may have note and run. Received: "
                    f"{dict(row)}. Pass e.g. {{'task': 'fine', 'metric': 'accuracy', 'value': 0.76, 'note': 'Table 2'}}."
                )
            check_number("published", row["value"], of=of, example=0.76)
