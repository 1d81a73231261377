"""The difference between two approaches over the seeds that both have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtl_keras.errors import MTLError, check_names, check_text, unknown
from mtl_keras.report._check import check_split
from mtl_keras.report._rows import MetricsRow, given_metrics
from mtl_keras.report._text import count_of, format_p, subtract
from mtl_keras.report._values import directions_of, own_metrics, split_of, values_of
from mtl_keras.report.statistics import ENOUGH_SEEDS, interval, mean, paired_test

__all__ = ["Difference", "difference", "judge"]


@dataclass(frozen=True, eq=False)
class Difference:
    """One approach minus another, paired by seed, at the best epoch.

    Attributes:
        one: Label of the approach in question.
        other: Label of the approach that it is compared with.
        subject: Task and metric in words, e.g. `"fine accuracy"`.
        direction: `"max"` if higher is better, else `"min"`.
        values: Difference by seed.
    """

    one: str
    other: str
    subject: str
    direction: str
    values: Mapping[Any, float]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return mean(list(self.values.values()))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Limits of the 95 % paired t interval; None with one seed. It is wide below five."""
        return interval(list(self.values.values())) if len(self.values) > 1 else None

    @property
    def p(self) -> float | None:
        """The p value of the paired t test; None with one seed."""
        return paired_test(list(self.values.values())) if len(self.values) > 1 else None

    @property
    def judgment(self) -> str:
        """`"better"` or `"worse"` where at least five seeds give an interval that excludes 0, else an empty string."""
        return judge(*self.interval, self.direction) if self.interval and len(self.values) >= ENOUGH_SEEDS else ""

    @property
    def points(self) -> str:
        """The mean difference in percentage points, from two seeds on with its interval, e.g. `"+2.0 [-0.5, +4.5]"`."""
        text = f"{100 * self.mean:+.1f}"
        if self.interval is None:
            return text
        low, high = self.interval
        return f"{text} [{100 * low:+.1f}, {100 * high:+.1f}]"

    @property
    def verdict(self) -> str:
        """One sentence on whether the one is better. Below five seeds the difference is called indicative."""
        n = len(self.values)
        if n < ENOUGH_SEEDS or self.interval is None or self.p is None:
            return f"{self.one} − {self.other} in {self.subject}: {self.mean:+.3g} over {count_of(n, 'seed')}, indicative."
        low, high = self.interval
        p = format_p(self.p)
        result = (
            f"{self.one} is {self.judgment} than {self.other} in {self.subject}"
            if self.judgment
            else f"{self.one} and {self.other}: no difference shown in {self.subject}"
        )
        shown = f"95 % interval {low:+.3g} to {high:+.3g}, p {p if p.startswith('<') else f'= {p}'}, {n} seeds"
        return f"{result}: {self.mean:+.3g} ({shown})."


def difference(
    metrics_rows: Iterable[MetricsRow],
    one: str,
    other: str,
    task: str | Sequence[str],
    metric: str | None = None,
    split: str | None = None,
) -> Difference:
    """Return the difference between two approaches, at the best epoch, over the seeds that both have.

    Args:
        metrics_rows: Rows as from `metrics_rows`.
        one: Label of the approach in question.
        other: Label of the approach that it is compared with; may be `"single-task"`.
        task: A task, or `"all"`; of several tasks the mean of their differences is taken for each seed.
        metric: A metric of the task; None (default) is the task's own, for `"all"` the skill.
        split: None (default) is `"test"` where there are rows of it.

    Raises:
        MTLError: If they share no seed, or two rows hold the same value.
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
    by_task: list[dict[Any, float]] = []
    for name in tasks:
        key = (name, metric or own.get(name, ""))
        mine, theirs = (values.get(run, {}).get(key, {}) for run in (one, other))
        by_task.append(subtract(mine, theirs))
        if not by_task[-1]:
            raise MTLError(
                f"Compared runs must share a seed. Received: {' '.join(key).strip()} on the {split} split with seeds "
                f"{sorted(mine)} of {one!r} and {sorted(theirs)} of {other!r}. Compare runs with rows of the same seeds."
            )
    seeds = [seed for seed in by_task[0] if all(seed in each for each in by_task)]
    name = metric or own.get(tasks[0], "")
    subject = name if tasks == ["all"] else f"{', '.join(tasks)} {name}"
    means = {seed: mean([each[seed] for each in by_task]) for seed in seeds}
    return Difference(one, other, subject, directions[tasks[0], name], means)


def judge(low: float, high: float, direction: str) -> str:
    """Return `"better"` or `"worse"`, or an empty string where the interval holds 0 or has no limits."""
    if not (low > 0 or high < 0):
        return ""
    return "better" if (low > 0) == (direction == "max") else "worse"
