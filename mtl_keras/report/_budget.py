"""What each approach was trained and measured on, which belongs next to every value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from mtl_keras.errors import check_count, check_instances, check_names, check_text, store
from mtl_keras.report._check import check_split
from mtl_keras.report._rows import MetricsRow, given_metrics

__all__ = ["Budget", "merge_budgets", "resplit_ratio"]


@dataclass(frozen=True)
class Budget:
    """What a run was trained on for some of its tasks.

    Args:
        run: Label of an approach or of baselines.
        tasks: The tasks that have as many training rows as each other.
        rows: Number of originals in the training split with a label of the task; views of one original count once.
        epochs: Maximum number of epochs, over all phases; 0 for what is fitted without epochs, such as scikit-learn's models.
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


def resplit_ratio(metrics_rows: Iterable[MetricsRow], budgets: Iterable[Budget], split: str) -> float:
    """Return the ratio of the rows of a split to the training rows, which `statistics.interval` takes for repeated splits.

    Args:
        metrics_rows: Rows as from `metrics_rows`.
        budgets: What the runs were trained on.
        split: The split that results are about, e.g. `"test"`.

    Returns:
        The largest ratio of all runs and tasks; 0 if none is known.

    Example:
        >>> row = {"run": "a", "seed": 0, "phase": 0, "epoch_kind": "best", "split": "test", "task": "digit", "value": 0.9}
        >>> row |= {"metric": "accuracy", "n": 90, "unit": "fraction of rows", "direction": "max"}
        >>> resplit_ratio([row], [Budget("a", ("digit",), rows=360, epochs=5)], "test")
        0.25
    """
    measured: dict[tuple[str, str], int] = {}
    for row in given_metrics(metrics_rows):
        if row["split"] == check_split(split):
            measured[row["run"], row["task"]] = max(row["n"], measured.get((row["run"], row["task"]), 0))
    given = check_instances("budgets", [*budgets] if isinstance(budgets, Iterable) else budgets, Budget)
    ratios = [measured.get((each.run, task), 0) / each.rows for each in given if each.rows for task in each.tasks]
    return max(ratios, default=0.0)
