"""What each approach was trained and measured on, which belongs next to every value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mtl_keras.errors import check_count, check_instances, check_names, check_text, store
from mtl_keras.report._rows import MetricsRow

__all__ = ["Budget", "merge_budgets", "resplit_ratio"]


@dataclass(frozen=True)
class Budget:
    """What a run was trained on for some of its tasks.

    Args:
        run: Label of an approach or of baselines.
        tasks: The tasks that have as many training rows as each other.
        rows: Number of originals in the training split with a label of the task; views of one original count once.
        epochs: Maximum number of epochs, over all phases.
    """

    run: str
    tasks: tuple[str, ...]
    rows: int
    epochs: int

    def __post_init__(self) -> None:
        of = "a budget"
        check_text("run", self.run, of=of, example="multi-task")
        store(self, tasks=check_names("tasks", self.tasks, of=of))
        for name in ("rows", "epochs"):
            store(self, **{name: check_count(name, getattr(self, name), minimum=0, of=of)})

    def config(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "tasks": list(self.tasks)}


def merge_budgets(budgets: Iterable[Budget]) -> list[Budget]:
    """Return one budget for all tasks of a run that have the same."""
    tasks: dict[tuple[str, int, int], dict[str, None]] = {}
    for each in check_instances("budgets", [*budgets] if isinstance(budgets, Iterable) else budgets, Budget):
        tasks.setdefault((each.run, each.rows, each.epochs), {}).update(dict.fromkeys(each.tasks))
    return [Budget(run, tuple(names), rows, epochs) for (run, rows, epochs), names in tasks.items()]


def resplit_ratio(metrics_rows: Iterable[MetricsRow], budgets: Sequence[Budget], split: str) -> float:
    """Return the ratio of measured to training rows, which corrects intervals over splits of one data set.

    Args:
        metrics_rows: Rows of metrics.csv.
        budgets: What the runs were trained on.
        split: The split that is measured.

    Returns:
        The ratio; 0 without budgets, which say how many rows there were.
    """
    measured = max((row["n"] for row in metrics_rows if row["split"] == split), default=0)
    return measured / max(each.rows for each in budgets) if budgets else 0.0
