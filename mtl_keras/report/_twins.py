"""Which runs are approaches, and which are the twins that an approach is measured against."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

__all__ = ["TRIVIAL", "TWIN", "approaches_of", "is_twin", "label_of", "twin_of"]

TWIN, TRIVIAL = "single-task", "trivial"
#: `single-task`, `A single-task`, and of one task's training `single-task fine`, `A single-task fine`.
_TWIN_RUN = re.compile(rf"(?:(?P<approach>.+) )?{TWIN}(?: .+)?")


def twin_of(approach: str, runs: Collection[str]) -> str:
    """Return the run that holds an approach's twins: its own, `"{approach} single-task"`, else `"single-task"`.

    Args:
        approach: Label of the approach.
        runs: The labels that there are.

    Example:
        >>> runs = ["small", "small single-task", "large", "single-task"]
        >>> twin_of("small", runs), twin_of("large", runs)
        ('small single-task', 'single-task')
    """
    own = f"{approach} {TWIN}"
    return own if own in runs else TWIN


def is_twin(run: str) -> bool:
    """Return whether a run holds twins: the word `single-task` in a label is kept for them."""
    return _TWIN_RUN.fullmatch(run) is not None


def label_of(run: str) -> str:
    """Return the label that a run is drawn under: trainings of twins for one task each share theirs.

    Example:
        >>> [label_of(run) for run in ("joint", "single-task fine", "joint single-task fine")]
        ['joint', 'single-task', 'joint single-task']
    """
    found = _TWIN_RUN.fullmatch(run)
    return run if found is None else " ".join(filter(None, [found["approach"], TWIN]))


def approaches_of(runs: Iterable[str]) -> list[str]:
    """Return the runs that are neither twins nor the trivial predictor, each once, in their order."""
    return [run for run in dict.fromkeys(runs) if run != TRIVIAL and not is_twin(run)]
