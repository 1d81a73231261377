"""The schedule of several data sets: which of them each step of training comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_keras.data._sampling_methods import SAMPLINGS, Epoch, SamplingMethod
from mtl_keras.errors import (
    MTLError,
    check_integer,
    check_mapping,
    check_seed,
    choice_config,
    describe,
    parse_choice,
    store,
    unknown,
)

__all__ = ["SINGLE_TASK", "Sampling", "parse_sampling", "parse_steps"]

#: Gives each data set the steps of a single-task baseline: one pass over its rows.
SINGLE_TASK = "single-task"
#: Largest number of prescribed steps of a data set per epoch.
MOST = 10_000_000


@dataclass(frozen=True)
class Sampling:
    """How the steps of an epoch are divided among data sets.

    Args:
        tasks: Names of the tasks of each data set, by its name and in order.
        method: Decides the data set of each step, as `parse_sampling` returns it.
        steps: Steps of each data set per epoch, by name; `"single-task"` for one pass over each; None (default) leaves
            them to the method.
        seed: Seed of the schedule, from 0; default 0.

    Raises:
        MTLError: If ratios or steps name other data sets, or steps are given and the method samples them.
    """

    tasks: Mapping[str, tuple[str, ...]]
    method: SamplingMethod
    steps: Mapping[str, int] | str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        store(self, seed=check_seed("seed", self.seed))
        for what, given in {**self.method.options_by_dataset(), "steps": self.steps}.items():
            if not isinstance(given, Mapping):
                continue
            for name in given:
                if name not in self.tasks:
                    raise unknown(f"data set in `{what}`", name, self.tasks)
            for name in self.tasks:
                if name not in given:
                    raise MTLError(
                        f"`{what}` must have a number for each data set. Received: {dict(given)} without {name!r}. Add it."
                    )
        if self.steps is not None and not self.method.accepts_counts:
            raise MTLError(
                f"`steps` must not be given with a sampling that samples them. Received: steps={self.steps!r}, "
                f"sampling={self.name!r}. Remove `steps`, or pass sampling='coin' or 'round_robin'."
            )

    @property
    def name(self) -> str:
        """Name of the method."""
        return str(choice_config(self.method, SAMPLINGS)["method"])

    def only(self, names: Sequence[str]) -> Sampling:
        """Return the sampling of some of the data sets, in the same ratios."""
        steps = {name: self.steps[name] for name in names} if isinstance(self.steps, Mapping) else self.steps
        return Sampling({name: self.tasks[name] for name in names}, self.method.only(names), steps, self.seed)

    def config(self) -> dict[str, Any]:
        """Return the sampling as plain JSON values."""
        steps = dict(self.steps) if isinstance(self.steps, Mapping) else self.steps
        tasks = {name: list(own) for name, own in self.tasks.items()}
        return {"tasks": tasks, **choice_config(self.method, SAMPLINGS), "steps": steps, "seed": self.seed}

    def steps_per_epoch(self, rows: Sequence[int], batch_size: int) -> int:
        """Return the number of steps of an epoch.

        Args:
            rows: Number of rows of each data set.
            batch_size: Rows per step.
        """
        counts = self._counts(rows, batch_size)
        return self.method.steps_per_epoch(_passes(rows, batch_size)) if counts is None else sum(counts)

    def schedule(self, rows: Sequence[int], batch_size: int, seed: int, epochs: int) -> np.ndarray:
        """Return int64 `[epochs, steps]`: the number of the data set that each step comes from.

        Row e is a function of both seeds and e and, where shares change over the epochs, of `epochs`.

        Args:
            rows: Number of rows of each data set.
            batch_size: Rows per step.
            seed: Seed of the training.
            epochs: Number of epochs of the training, at least 1.
        """
        steps, counts = self.steps_per_epoch(rows, batch_size), self._counts(rows, batch_size)
        schedule = np.empty((epochs, steps), np.int64)
        for number in range(epochs):
            rng = np.random.default_rng((self.seed, seed, number))
            schedule[number] = self.method.assign(Epoch(tuple(self.tasks), rows, steps, counts, number, epochs, rng))
        return schedule

    def describe(self, rows: Sequence[int], batch_size: int) -> str:
        """Return one line on the data sets and their steps, for a log."""
        passes = [f"{count} of {name}" for name, count in zip(self.tasks, _passes(rows, batch_size), strict=True)]
        return (
            f"Alternating {' and '.join(self.tasks)} ({self.name}): {self.steps_per_epoch(rows, batch_size)} steps per epoch; "
            f"one pass over each data set takes {' and '.join(passes)}. A data set continues in the next epoch where it "
            "stopped, and is reshuffled after its last row."
        )

    def _counts(self, rows: Sequence[int], batch_size: int) -> list[int] | None:
        """Return the prescribed steps of each data set per epoch, or None."""
        if self.steps is None:
            return None
        return [self.steps[name] for name in self.tasks] if isinstance(self.steps, Mapping) else _passes(rows, batch_size)


def parse_sampling(value: Any) -> SamplingMethod:
    """Return the method that a name, or `{"method": name, option: value}`, stands for.

    Args:
        value: Names and options are those described in `alternate`.

    Raises:
        MTLError: If the name or an option is unknown, or a value is out of range.

    Example:
        >>> parse_sampling("annealed")
        Annealed(end=0.2)
    """
    return parse_choice("sampling", value, SAMPLINGS, example="'coin' or {'method': 'proportional', 'exponent': 0.5}")


def parse_steps(value: Any) -> Mapping[str, int] | str | None:
    """Return the prescribed steps of each data set, checked.

    Args:
        value: An integer of at least 1 by data set, `"single-task"`, or None.

    Raises:
        MTLError: If it is none of these.
    """
    if value is None or (isinstance(value, str) and value == SINGLE_TASK):
        return value
    if not isinstance(value, Mapping) or not value:
        raise MTLError(
            f"`steps` must be a mapping from data set to number of steps, or {SINGLE_TASK!r}. Received: "
            f"steps={describe(value)}. "
            "Pass e.g. {'cifar10': 391, 'clothing': 391}."
        )
    given = check_mapping("steps", value)
    return {name: check_integer(f"steps[{name!r}]", count, 1, MOST) for name, count in given.items()}


def _passes(rows: Sequence[int], batch_size: int) -> list[int]:
    """Return the steps of one pass over each data set."""
    return [math.ceil(n / batch_size) for n in rows]
