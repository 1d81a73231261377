"""Which runs are approaches, and which are the baselines that an approach is measured against."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

__all__ = ["TRIVIAL", "SINGLE_TASK", "approaches_of", "is_baseline", "label_of", "baseline_of"]

SINGLE_TASK, TRIVIAL = "single-task", "trivial"
#: `single-task`, `A single-task`, and of one task's training `single-task fine`, `A single-task fine`.
_BASELINE_RUN = re.compile(rf"(?:(?P<approach>.+) )?{SINGLE_TASK}(?: .+)?")


def baseline_of(approach: str, runs: Collection[str]) -> str:
    """Return the run that holds an approach's baselines: its own, `"{approach} single-task"`, else `"single-task"`.

    Args:
        approach: Label of the approach.
        runs: The labels that there are.

    Example:
        >>> runs = ["small", "small single-task", "large", "single-task"]
        >>> baseline_of("small", runs), baseline_of("large", runs)
        ('small single-task', 'single-task')
    """
    own = f"{approach} {SINGLE_TASK}"
    return own if own in runs else SINGLE_TASK


def is_baseline(run: str) -> bool:
    """Return whether a run holds baselines: the word `single-task` in a label is kept for them."""
    return _BASELINE_RUN.fullmatch(run) is not None


def label_of(run: str) -> str:
    """Return the label that a run is drawn under: trainings of baselines for one task each share theirs.

    Example:
        >>> [label_of(run) for run in ("joint", "single-task fine", "joint single-task fine")]
        ['joint', 'single-task', 'joint single-task']
    """
    found = _BASELINE_RUN.fullmatch(run)
    return run if found is None else " ".join(filter(None, [found["approach"], SINGLE_TASK]))


def approaches_of(runs: Iterable[str]) -> list[str]:
    """Return the runs that are neither baselines nor the trivial predictor, each once, in their order."""
    return [run for run in dict.fromkeys(runs) if run != TRIVIAL and not is_baseline(run)]
