"""The difference between two approaches over the seeds that both have, and what several of them show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtl_keras.errors import (
    MTLError,
    check_instances,
    check_names,
    check_option,
    check_text,
    describe,
    store,
    unknown,
)
from mtl_keras.report._check import check_numbers, check_resplit, check_split
from mtl_keras.report._rows import MetricsRow, given_metrics
from mtl_keras.report._text import ARROWS, count_of, format_relation, subtract
from mtl_keras.report._values import directions_of, own_metrics, split_of, values_of
from mtl_keras.report.statistics import ENOUGH_SEEDS, SIGNIFICANT, holm, interval, mean, paired_test, testable

__all__ = ["Difference", "difference", "judge", "verdicts"]


@dataclass(frozen=True, eq=False)
class Difference:
    """One approach minus another, paired by seed, at the best epoch.

    Attributes:
        one: Label of the approach in question.
        other: Label of the approach that it is compared with.
        subject: Task and metric in words, e.g. `"fine accuracy"`.
        direction: `"max"` if higher is better, else `"min"`.
        values: Difference by seed, of at least one seed.
        resplit: Ratio of test to training rows if each seed has a random split of its own, else 0; see `statistics.interval`.

    Raises:
        MTLError: If there is no value, one is no number, the direction is unknown, or the ratio is negative.
    """

    one: str
    other: str
    subject: str
    direction: str
    values: Mapping[Any, float]
    resplit: float = 0.0

    def __post_init__(self) -> None:
        for name in ("one", "other", "subject"):
            check_text(name, getattr(self, name), of="a difference")
        check_option("direction", self.direction, tuple(ARROWS), of="a difference")
        store(self, resplit=check_resplit(self.resplit))
        if not isinstance(self.values, Mapping) or not check_numbers("values", [*self.values.values()]):
            raise MTLError(
                "`values` of a difference must map each seed to its difference. Received: "
                f"values={describe(self.values)}. Pass e.g. {{0: 0.01, 1: 0.02}}."
            )

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return mean(list(self.values.values()))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Limits of the 95 % paired t interval; None where `statistics.testable` is False, e.g. with fewer than five seeds."""
        given = list(self.values.values())
        return interval(given, self.resplit) if testable(given) else None

    @property
    def p(self) -> float | None:
        """The p value of the paired t test, not corrected for other tests; None as for `interval`."""
        given = list(self.values.values())
        return paired_test(given, self.resplit) if testable(given) else None

    @property
    def judgment(self) -> str:
        """`"better"` or `"worse"` where the interval excludes 0, else, and with fewer than five seeds, an empty string."""
        return judge(*self.interval, self.direction) if self.interval else ""

    @property
    def points(self) -> str:
        """The mean difference in percentage points, from five seeds on with its interval, e.g. `"+2.0 [-0.5, +4.5]"`."""
        text = f"{100 * self.mean:+.1f}"
        if self.interval is None:
            return text
        low, high = self.interval
        return f"{text} [{100 * low:+.1f}, {100 * high:+.1f}]"

    @property
    def verdict(self) -> str:
        """One sentence on whether the one is better, tested by itself. Below five seeds the difference is called indicative."""
        return verdicts([self])[0]


def verdicts(differences: Iterable[Difference]) -> list[str]:
    """Return one sentence for each of several differences: whether the one is better, tested together.

    Args:
        differences: All that one table or one list of claims judges. Their p values are corrected by Holm's method; one
            alone needs no correction. Those over fewer than five seeds are called indicative and are not tested.

    Example:
        >>> gains = {0: 0.03, 1: 0.01, 2: 0.05, 3: 0.04, 4: 0.02}
        >>> print(verdicts([Difference("joint", "single-task", "fine accuracy", "max", gains)])[0])
        joint is better than single-task in fine accuracy: +0.03 (95 % interval +0.0104 to +0.0496, p = 0.013, 5 seeds).
    """
    given = check_instances("differences", [*differences] if isinstance(differences, Iterable) else differences, Difference)
    tested = [each for each in given if each.p is not None]
    corrected = dict(zip(map(id, tested), holm([each.p for each in tested if each.p is not None]), strict=True))
    return [_sentence(each, corrected.get(id(each)), len(tested)) for each in given]


def _sentence(each: Difference, corrected: float | None, tests: int) -> str:
    """Return what a difference shows.

    Args:
        each: The difference.
        corrected: Its corrected p value; None if it is not tested.
        tests: Number of tests that it is corrected for.
    """
    n = len(each.values)
    if n >= ENOUGH_SEEDS and not all(map(math.isfinite, each.values.values())):
        return f"{each.one} and {each.other}: no difference shown in {each.subject}: not all values are finite ({n} seeds)."
    if corrected is None or each.p is None or each.interval is None:
        over = (
            f"in each of {n} seeds, no spread to test it by" if n >= ENOUGH_SEEDS else f"over {count_of(n, 'seed')}, indicative"
        )
        return f"{each.one} − {each.other} in {each.subject}: {each.mean:+.3g} {over}."
    low, high = each.interval
    if corrected < SIGNIFICANT and each.judgment:
        result = f"{each.one} is {each.judgment} than {each.other} in {each.subject}"
    else:
        result = f"{each.one} and {each.other}: no difference shown in {each.subject}"
    p = f"p {format_relation(each.p)}"
    if tests > 1:
        p += f", p after Holm's correction for {tests} tests {format_relation(corrected)}"
    return f"{result}: {each.mean:+.3g} (95 % interval {low:+.3g} to {high:+.3g}, {p}, {n} seeds)."


def difference(
    metrics_rows: Iterable[MetricsRow],
    one: str,
    other: str,
    task: str | Sequence[str],
    metric: str | None = None,
    split: str | None = None,
    resplit: float = 0.0,
) -> Difference:
    """Return the difference between two approaches, at the best epoch, over the seeds that both have.

    Args:
        metrics_rows: Rows as from `metrics_rows`.
        one: Label of the approach in question.
        other: Label of the approach that it is compared with; may be `"single-task"`.
        task: A task, or `"all"`; of several tasks the mean of their differences is taken for each seed.
        metric: A metric of the task; None (default) is the task's own, for `"all"` the skill.
        split: None (default) is `"test"` where there are rows of it.
        resplit: Ratio of test to training rows if each seed has a random split of its own; 0 (default) if all share one.

    Raises:
        MTLError: If they share no seed, tasks have different metrics, units or directions, or two rows hold the same value.
    """
    rows = given_metrics(metrics_rows)
    split = split_of(rows) if split is None else check_split(split)
    tasks = [task] if isinstance(task, str) and task else list(check_names("task", task))
    if not tasks:
        raise MTLError("`task` must name at least one task. Received: none. Pass e.g. 'all'.")
    own = {"all": "skill"} | own_metrics(rows, split)
    values, directions = values_of(rows, split), directions_of(rows)
    for name in tasks:
        known = [measured for owner, measured in directions if owner == name]
        if not known:
            raise unknown("task in `metrics_rows`", name, dict.fromkeys(owner for owner, _ in directions))
        if metric is not None and (not isinstance(metric, str) or metric not in known):
            raise unknown(f"metric of {name!r}", metric, known)
    for name, run in (("one", one), ("other", other)):
        check_text(name, run, example="multi-task")
        if run not in values:
            raise unknown(f"approach on the {split} split", run, values, f"`{name}` must be in `metrics_rows`.")
    kinds = {name: _kind(rows, name, metric or own.get(name, "")) for name in tasks}
    if len(set(kinds.values())) > 1:
        shown = "; ".join(f"{name}: {' in '.join(kind[:2])}, {kind[2]}" for name, kind in kinds.items())
        raise MTLError(
            f"Tasks whose differences are averaged must have one metric, unit and direction. Received: {shown}. Compare "
            "them one by one, or by task='all'."
        )
    by_task: list[dict[Any, float]] = []
    for name in tasks:
        key = (name, metric or own.get(name, ""))
        mine, theirs = (values.get(run, {}).get(key, {}) for run in (one, other))
        by_task.append(subtract(mine, theirs))
        if not by_task[-1]:
            raise MTLError(
                f"Compared runs must share a seed. Received: {' '.join(key).strip()} on the {split} split with seeds "
                f"{[*mine]} of {one!r} and {[*theirs]} of {other!r}. Compare runs with rows of the same seeds."
            )
    seeds = [seed for seed in by_task[0] if all(seed in each for each in by_task)]
    if not seeds:
        shown = "; ".join(f"{name}: {[*each]}" for name, each in zip(tasks, by_task, strict=True))
        raise MTLError(f"Tasks whose differences are averaged must share a seed. Received: {shown}. Compare them one by one.")
    name = metric or own.get(tasks[0], "")
    subject = name if tasks == ["all"] else f"{', '.join(tasks)} {name}"
    means = {seed: mean([each[seed] for each in by_task]) for seed in seeds}
    return Difference(one, other, subject, directions[tasks[0], name], means, resplit)


def _kind(rows: Iterable[MetricsRow], task: str, metric: str) -> tuple[str, str, str]:
    """Return metric, unit and direction of a task."""
    found = next((row for row in rows if (row["task"], row["metric"]) == (task, metric)), None)
    return (metric, str(found["unit"]), str(found["direction"])) if found else (metric, "", "")


def judge(low: float, high: float, direction: str) -> str:
    """Return `"better"` or `"worse"`, or an empty string where the interval holds 0 or has no limits."""
    if not (low > 0 or high < 0):
        return ""
    return "better" if (low > 0) == (direction == "max") else "worse"
