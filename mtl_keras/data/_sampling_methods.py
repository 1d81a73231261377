"""Methods that decide which of several data sets each step of an epoch comes from.

To add a method, write a frozen dataclass here whose fields are its options, and add it to `SAMPLINGS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from mtl_keras.errors import MTLError, check_fraction, check_mapping, check_number, describe, store

__all__ = ["SAMPLINGS", "Epoch", "SamplingMethod"]


@dataclass(frozen=True)
class Epoch:
    """An epoch whose steps are to be assigned to data sets.

    Args:
        names: Names of the data sets.
        rows: Number of rows of each data set.
        steps: Number of steps of the epoch.
        counts: Steps of each data set, if they are prescribed; else None.
        number: Number of the epoch, from 0.
        total: Number of epochs of the training.
        rng: Random generator of this epoch.
    """

    names: Sequence[str]
    rows: Sequence[int]
    steps: int
    counts: Sequence[int] | None
    number: int
    total: int
    rng: np.random.Generator


@dataclass(frozen=True)
class SamplingMethod:
    """Base of all methods."""

    #: Whether the steps of each data set may be prescribed, so that the method decides only their order.
    accepts_counts: ClassVar[bool] = False

    def steps_per_epoch(self, passes: Sequence[int]) -> int:
        """Return the number of steps of an epoch, given the steps of one pass over each data set."""
        return sum(passes)

    def assign(self, epoch: Epoch) -> np.ndarray:
        """Return int64 `[steps]`: the number of the data set that each step comes from."""
        raise NotImplementedError

    def options_by_dataset(self) -> dict[str, Mapping[str, Any]]:
        """Return the options that have a value for each data set."""
        return {}

    def only(self, names: Sequence[str]) -> SamplingMethod:
        """Return the method for some of the data sets."""
        return self


@dataclass(frozen=True)
class Coin(SamplingMethod):
    """Toss a fair coin for every data set in each iteration; heads is a step of that data set."""

    accepts_counts: ClassVar[bool] = True

    def steps_per_epoch(self, passes: Sequence[int]) -> int:
        # As many iterations as the largest data set has batches; half of the coins come up heads.
        return max(1, round(max(passes) * len(passes) / 2))

    def assign(self, epoch: Epoch) -> np.ndarray:
        if epoch.counts:
            order = np.argsort(epoch.rng.random(epoch.steps), kind="stable")
            return np.repeat(np.arange(len(epoch.counts)), epoch.counts)[order]
        steps = np.empty(0, np.int64)
        while len(steps) < epoch.steps:
            heads = epoch.rng.random((epoch.steps, len(epoch.rows))) < 0.5
            steps = np.concatenate([steps, np.nonzero(heads)[1]])
        return steps[: epoch.steps]


@dataclass(frozen=True)
class RoundRobin(SamplingMethod):
    """Take the data sets in turn; with prescribed counts, spread the steps of each evenly over the epoch."""

    accepts_counts: ClassVar[bool] = True

    def assign(self, epoch: Epoch) -> np.ndarray:
        if not epoch.counts:
            return (epoch.number * epoch.steps + np.arange(epoch.steps)) % len(epoch.rows)
        places = [(np.arange(count) + 0.5) / count for count in epoch.counts]
        numbers = np.repeat(np.arange(len(epoch.counts)), epoch.counts)
        return numbers[np.argsort(np.concatenate(places), kind="stable")]


@dataclass(frozen=True)
class _Shares(SamplingMethod):
    """Sample the data set of each step independently, with given shares."""

    def shares(self, epoch: Epoch) -> np.ndarray:
        """Return numbers `[datasets]` in proportion to which data sets are sampled."""
        raise NotImplementedError

    def assign(self, epoch: Epoch) -> np.ndarray:
        ends = np.cumsum(self.shares(epoch))
        return np.searchsorted(ends, epoch.rng.random(epoch.steps) * ends[-1], side="right")


@dataclass(frozen=True)
class Proportional(_Shares):
    """Sample in proportion to `rows ** exponent`.

    Args:
        exponent: From 0 (equal shares) to 1 (default).
    """

    exponent: float = 1.0

    def __post_init__(self) -> None:
        store(self, exponent=check_fraction("exponent", self.exponent, bounds="[]", of="sampling 'proportional'"))

    def shares(self, epoch: Epoch) -> np.ndarray:
        return _powers(epoch.rows, self.exponent)


@dataclass(frozen=True)
class Annealed(_Shares):
    """Sample in proportion to `rows ** exponent`, with an exponent that goes linearly from 1 to `end` over the epochs.

    Args:
        end: Exponent in the last epoch, from 0 to 1; default 0.2.

    Reference:
        A. C. Stickland and I. Murray, BERT and PALs: projected attention layers for efficient adaptation in multi-task
        learning, ICML 2019.
    """

    end: float = 0.2

    def __post_init__(self) -> None:
        store(self, end=check_fraction("end", self.end, bounds="[]", of="sampling 'annealed'"))

    def shares(self, epoch: Epoch) -> np.ndarray:
        progress = epoch.number / (epoch.total - 1) if epoch.total > 1 else 0.0
        return _powers(epoch.rows, 1 - (1 - self.end) * progress)


@dataclass(frozen=True)
class Fixed(_Shares):
    """Sample in proportion to given ratios.

    Args:
        ratios: A number of at least 0 by the name of each data set, not all of them 0.
    """

    ratios: Mapping[str, float]

    def __post_init__(self) -> None:
        if not isinstance(self.ratios, Mapping):
            raise MTLError(
                f"`ratios` of sampling 'fixed' must be a mapping from data set to number. Received: "
                f"ratios={describe(self.ratios)}. "
                "Pass e.g. {'method': 'fixed', 'ratios': {'cifar10': 3, 'clothing': 1}}."
            )
        given = check_mapping("ratios", self.ratios, of="sampling 'fixed'")
        of = "sampling 'fixed'"
        store(self, ratios={name: check_number(f"ratios[{name!r}]", ratio, 0, 1e9, of=of) for name, ratio in given.items()})
        if not any(self.ratios.values()):
            raise MTLError(
                f"`ratios` of sampling 'fixed' must not all be 0. Received: ratios={dict(self.ratios)!r}. Pass e.g. "
                "{'method': 'fixed', 'ratios': {'cifar10': 3, 'clothing': 1}}."
            )

    def shares(self, epoch: Epoch) -> np.ndarray:
        return np.array([self.ratios[name] for name in epoch.names], float)

    def options_by_dataset(self) -> dict[str, Mapping[str, Any]]:
        return {"ratios": self.ratios}

    def only(self, names: Sequence[str]) -> SamplingMethod:
        return replace(self, ratios={name: self.ratios[name] for name in names})


#: Every method, by name.
SAMPLINGS: dict[str, type[SamplingMethod]] = {
    "coin": Coin,
    "round_robin": RoundRobin,
    "proportional": Proportional,
    "annealed": Annealed,
    "fixed": Fixed,
}


def _powers(rows: Sequence[int], exponent: float) -> np.ndarray:
    """Return `rows ** exponent` up to a factor; relative to the largest, so that no power overflows."""
    return (np.array(rows, float) / max(rows)) ** exponent
