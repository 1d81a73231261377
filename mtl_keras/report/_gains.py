"""What approaches gain over their single-task baselines, and the tests of it that one table holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtl_keras.report._roles import baseline_of
from mtl_keras.report._text import subtract
from mtl_keras.report._values import BySeed, TaskMetric, Values
from mtl_keras.report.statistics import holm, paired_test, testable

__all__ = ["Gain", "gains_of"]


@dataclass(frozen=True, eq=False)
class Gain:
    """The difference of an approach from its baselines in one metric.

    Attributes:
        own: Value of the approach by seed.
        baselines: Value of its baselines by seed.
        p: The p value of the paired t test; None where `statistics.testable` is False.
        corrected: The same after Holm's correction for all tests of the family.
    """

    own: BySeed
    baselines: BySeed
    p: float | None = None
    corrected: float | None = None

    @property
    def differences(self) -> list[float]:
        """Differences over the seeds that both have."""
        return list(subtract(self.own, self.baselines).values())


def gains_of(
    values: Values, approaches: Sequence[str], keys: Sequence[TaskMetric], resplit: float
) -> dict[tuple[str, TaskMetric], Gain]:
    """Return the gain of each approach in each metric where both it and its baselines have values of a common seed.

    The tests of all approaches in all tasks are one family. delta_m and the mean skill are summaries of these; the tests of
    each are a family of their own.

    Args:
        values: All values of a split.
        approaches: Labels of the approaches.
        keys: The tasks and metrics of the table.
        resplit: Ratio of test to training rows if each seed has a random split of its own, else 0.
    """
    pairs = {
        (run, key): Gain(values.get(run, {}).get(key, {}), _baseline_values(values, run, key))
        for run in approaches
        for key in keys
    }
    found = {place: gain for place, gain in pairs.items() if gain.differences}
    families: dict[str, dict[tuple[str, TaskMetric], float]] = {}
    for (run, key), gain in found.items():
        if testable(gain.differences):
            family = key[1] if key[0] == "all" else ""
            families.setdefault(family, {})[run, key] = paired_test(gain.differences, resplit)
    for tests in families.values():
        for (place, p), corrected in zip(tests.items(), holm(list(tests.values())), strict=True):
            found[place] = Gain(found[place].own, found[place].baselines, p, corrected)
    return found


def _baseline_values(values: Values, run: str, key: TaskMetric) -> BySeed:
    """Return the values by seed that an approach's are compared with."""
    if key == ("all", "delta_m"):
        # A mean of differences already.
        return dict.fromkeys(values.get(run, {}).get(key, {}), 0.0)
    baselines = values.get(baseline_of(run, values), {})
    if key == ("all", "skill") and _tasks(values.get(run, {})) != _tasks(baselines):
        # A mean over other tasks is another quantity.
        return {}
    return baselines.get(key, {})


def _tasks(by_metric: Mapping[TaskMetric, BySeed]) -> set[str]:
    return {task for task, _ in by_metric if task != "all"}
