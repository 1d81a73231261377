"""Which of several data sets a step of training is of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_keras.data._views import check_seed
from mtl_keras.errors import MTLError, unknown

__all__ = ["SAMPLINGS", "SINGLE", "Sampling", "parse_sampling", "parse_steps"]

#: Every way to share out steps, by its word, with its options and their defaults; `fixed` has none for its ratios.
SAMPLINGS: dict[str, dict[str, Any]] = {
    "coin": {},
    "round_robin": {},
    "proportional": {"exponent": 1.0},
    "annealed": {"end": 0.2},
    "fixed": {"ratios": None},
}
#: Those that say in which order steps come rather than how many there are.
ORDERS = ("coin", "round_robin")
#: Gives each data set the steps that it has when it is trained on alone.
SINGLE = "single-task"


@dataclass(frozen=True)
class Sampling:
    """How the steps of an epoch are shared out among data sets.

    Args:
        tasks: For each data set, by name and in order, the names of its tasks.
        method: As `parse_sampling` returns it.
        steps: Steps of each data set in an epoch, by name; `"single-task"` for those of a training on it alone; or None.
        seed: Of the schedule, from 0.

    Raises:
        MTLError: If ratios or steps name other data sets or are no shares, or steps are given where the method has its own.
    """

    tasks: Mapping[str, tuple[str, ...]]
    method: Mapping[str, Any]
    steps: Mapping[str, int] | str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        for what, given in (("ratios", self.method.get("ratios")), ("steps", self.steps)):
            if not isinstance(given, Mapping):
                continue
            for name in given:
                if name not in self.tasks:
                    raise unknown(f"data set in `{what}`", name, self.tasks)
            for name in self.tasks:
                if name not in given:
                    raise MTLError(
                        f"`{what}` has a number for each data set. Received: {dict(given)} without {name!r}. Add it."
                    )
        if self.steps is not None and self.method["method"] not in ORDERS:
            raise MTLError(
                f"Steps are stated or drawn. Received: steps={self.steps!r} and sampling={self.method['method']!r}, which "
                "draws them. Leave `steps` out, or give sampling='coin' or 'round_robin'."
            )

    def only(self, names: Sequence[str]) -> Sampling:
        """Return the sampling of these data sets alone, in the same ratios."""
        method = dict(self.method)
        if "ratios" in method:
            method["ratios"] = {name: method["ratios"][name] for name in names}
        steps = {name: self.steps[name] for name in names} if isinstance(self.steps, Mapping) else self.steps
        return Sampling({name: self.tasks[name] for name in names}, method, steps, self.seed)

    def config(self) -> dict[str, Any]:
        """Return the sampling as plain JSON values."""
        steps = dict(self.steps) if isinstance(self.steps, Mapping) else self.steps
        return {"tasks": {n: list(t) for n, t in self.tasks.items()}, **self.method, "steps": steps, "seed": self.seed}

    def steps_an_epoch(self, rows: Sequence[int], batch_size: int) -> int:
        """Return how many steps an epoch has.

        Args:
            rows: Of each data set.
            batch_size: Rows a step.
        """
        stated = self._stated(rows, batch_size)
        if stated is not None:
            return sum(stated)
        passes = [math.ceil(n / batch_size) for n in rows]
        # As many iterations as the longest has batches; in each of them every coin is heads half of the time.
        return max(1, round(max(passes) * len(passes) / 2)) if self.method["method"] == "coin" else sum(passes)

    def schedule(self, rows: Sequence[int], batch_size: int, seed: int, epochs: int) -> np.ndarray:
        """Return int64 `[epochs, steps]`, which data set each step is of, by its number.

        Row e is a function of both seeds and e, and where shares change over the epochs of their number.

        Args:
            rows: Of each data set.
            batch_size: Rows a step.
            seed: Of the training.
            epochs: Of the training, at least 1.
        """
        steps, count = self.steps_an_epoch(rows, batch_size), len(rows)
        stated = self._stated(rows, batch_size)
        method = self.method["method"]
        made = np.empty((epochs, steps), np.int64)
        for epoch in range(epochs):
            rng = np.random.default_rng((self.seed, seed, epoch))
            if method == "round_robin":
                made[epoch] = _spread(stated) if stated else (epoch * steps + np.arange(steps)) % count
            elif stated:
                made[epoch] = np.repeat(np.arange(count), stated)[np.argsort(rng.random(steps), kind="stable")]
            elif method == "coin":
                made[epoch] = _coins(rng, count, steps)
            else:
                ends = np.cumsum(self._shares(rows, epoch, epochs))
                made[epoch] = np.searchsorted(ends, rng.random(steps) * ends[-1], side="right")
        return made

    def said(self, rows: Sequence[int], batch_size: int) -> str:
        """Return in a line what is alternated, and what becomes of the longer and of the shorter data set."""
        passes = [f"{math.ceil(n / batch_size)} of {name}" for name, n in zip(self.tasks, rows, strict=True)]
        return (
            f"Alternating {' and '.join(self.tasks)} ({self.method['method']}): {self.steps_an_epoch(rows, batch_size)} steps "
            f"an epoch, where whole passes take {' and '.join(passes)}. A data set goes on in each epoch where it was in the "
            "one before, and at the end of its rows it is shuffled anew and started again."
        )

    def _stated(self, rows: Sequence[int], batch_size: int) -> list[int] | None:
        """Return the steps of each data set in every epoch, where they are stated."""
        if self.steps is None:
            return None
        if isinstance(self.steps, Mapping):
            return [self.steps[name] for name in self.tasks]
        return [math.ceil(n / batch_size) for n in rows]

    def _shares(self, rows: Sequence[int], epoch: int, epochs: int) -> np.ndarray:
        """Return numbers in the ratio of which data sets are drawn in an epoch."""
        if self.method["method"] == "fixed":
            return np.array([self.method["ratios"][name] for name in self.tasks], float)
        if self.method["method"] == "annealed":
            exponent = 1 - (1 - self.method["end"]) * (epoch / (epochs - 1) if epochs > 1 else 0.0)
        else:
            exponent = self.method["exponent"]
        # Of the largest, so that no power leaves the range of numbers.
        return (np.array(rows, float) / max(rows)) ** exponent


def parse_sampling(value: Any) -> dict[str, Any]:
    """Return a sampling as a mapping of its word and every option, fit for JSON.

    Args:
        value: A word of `SAMPLINGS`, or `{"method": word, option: value}`.

    Raises:
        MTLError: If the word or an option is unknown, or a value is out of range.

    Example:
        >>> parse_sampling("annealed")
        {'method': 'annealed', 'end': 0.2}
    """
    given = {"method": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or "method" not in given:
        raise MTLError(
            f"`sampling` is a word or a mapping with `method`. Received: sampling={value!r}. Give e.g. 'coin' or "
            "{'method': 'proportional', 'exponent': 0.5}."
        )
    word = given["method"]
    if word not in SAMPLINGS:
        raise unknown("sampling", word, SAMPLINGS)
    for name in given:
        if name != "method" and name not in SAMPLINGS[word]:
            raise unknown(f"option of sampling {word!r}", name, SAMPLINGS[word])
    made = {**SAMPLINGS[word], **given}
    for name in ("exponent", "end"):
        if name in made and not (_is_number(made[name]) and 0 <= made[name] <= 1):
            raise MTLError(f"`{name}` of sampling {word!r} lies in [0, 1]. Received: {name}={made[name]!r}. Give e.g. 0.5.")
    if word == "fixed":
        ratios = made["ratios"]
        fits = isinstance(ratios, Mapping) and all(_is_number(r) and r >= 0 for r in ratios.values())
        if not fits or not any(ratios.values()):
            raise MTLError(
                f"`ratios` are numbers of at least 0, not all of them 0. Received: ratios={ratios!r}. Give e.g. "
                "{'method': 'fixed', 'ratios': {'cifar10': 3, 'clothing': 1}}."
            )
        made["ratios"] = dict(ratios)
    return made


def parse_steps(value: Any) -> Mapping[str, int] | str | None:
    """Return stated steps as they are given.

    Raises:
        MTLError: If they are neither a whole number of at least 1 for each data set nor `"single-task"` nor None.
    """
    if value is None or value == SINGLE:
        return value
    if not isinstance(value, Mapping) or not value or not all(type(count) is int and count >= 1 for count in value.values()):
        raise MTLError(
            f"`steps` are whole numbers of at least 1 by data set, or {SINGLE!r}. Received: steps={value!r}. Give e.g. "
            "{'cifar10': 391, 'clothing': 391}."
        )
    return dict(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _coins(rng: np.random.Generator, count: int, steps: int) -> np.ndarray:
    """Return the first steps of iterations in each of which every data set throws a coin, and heads is a step of it."""
    taken = np.empty(0, np.int64)
    while len(taken) < steps:
        taken = np.concatenate([taken, np.nonzero(rng.random((steps, count)) < 0.5)[1]])
    return taken[:steps]


def _spread(counts: Sequence[int]) -> np.ndarray:
    """Return so many steps of each data set, each evenly spread over the epoch; in turn where they are equally many."""
    places = [((np.arange(count) + 0.5) / count, np.full(count, number)) for number, count in enumerate(counts)]
    where, which = (np.concatenate(parts) for parts in zip(*places, strict=True))
    return which[np.argsort(where, kind="stable")]
