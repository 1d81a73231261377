"""A finished comparison: its tables, plots and differences."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtl_keras import report
from mtl_keras.comparison._results import Results
from mtl_keras.errors import MTLError, unknown
from mtl_keras.evaluation import Evaluation
from mtl_keras.model import MultiTaskModel

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Comparison"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A finished comparison.

    Attributes:
        output_dir: Its folder, which is a record.
        results: What the trainings gave.
        published: Published values to be shown next to them, rows of `run`, `task`, `metric`, `value` and `note`.
        split_per_seed: Whether each seed has a random split, or a fold, of its own, for which intervals and tests are
            corrected.
    """

    output_dir: Path
    results: Results
    published: Sequence[Mapping[str, Any]] = ()
    split_per_seed: bool = False

    @property
    def metrics(self) -> list[report.MetricsRow]:
        """Rows of `metrics.csv`."""
        return self.results.metrics

    @property
    def history(self) -> list[report.HistoryRow]:
        """Rows of `history.csv`."""
        return self.results.history

    @property
    def best(self) -> str:
        """Name of the approach with the highest mean skill on validation, over the tasks that most approaches have."""
        return self.results.best

    @property
    def model(self) -> MultiTaskModel:
        """The model of the best approach's training that is best on validation."""
        return self.results.model

    @property
    def evaluation(self) -> Evaluation:
        """The evaluation of that model on validation."""
        return self.results.evaluation

    @property
    def split(self) -> str:
        """`"test"` if the data has that split, else `"validation"`."""
        return "test" if any(row["split"] == "test" for row in self.metrics) else "validation"

    @property
    def resplit(self) -> float:
        """The ratio of test to training rows if each seed has a split of its own, else 0; see `report.statistics.interval`."""
        return report.resplit_ratio(self.metrics, self.results.budgets, self.split) if self.split_per_seed else 0.0

    @property
    def record(self) -> report.Record:
        """The record in `output_dir`, as `report.read_record` reads it."""
        return report.read_record(self.output_dir)

    def difference(self, one: str, other: str, task: str | Sequence[str], metric: str | None = None) -> report.Difference:
        """Return one approach minus another on `split` at the best epoch, paired by seed.

        Args:
            one: Label of the approach in question.
            other: Label of the approach that it is compared with; may be `"single-task"`.
            task: A task, or `"all"`; of several tasks the mean of their differences is taken for each seed.
            metric: A metric of the task; None (default) is the task's own, for `"all"` the skill.

        Returns:
            The difference, with `points`, `verdict`, `mean`, `interval` and `p`.

        Raises:
            MTLError: If they have no seed in common.
        """
        return report.difference(self.metrics, one, other, task, metric, self.split, self.resplit)

    def table(self, split: str | None = None) -> pd.DataFrame:
        """Return a row for each approach, task and metric: best and last epoch, gain over the baseline, paired test."""
        return report.approaches_table(self.metrics, split or self.split, published=self.published, resplit=self.resplit)

    def plot(self, what: str | None = None) -> Figure:
        """Plot the approaches against each other.

        Args:
            what: `"task/metric"` plots that metric; `"history"` all curves; None (default) each task's own metric.

        Raises:
            MTLError: If there is no such task or metric.
        """
        if what == "history":
            units = {row["metric"]: row["unit"] for row in self.metrics}
            # The first row of a task is that of its own metric.
            own = {row["task"]: row["metric"] for row in reversed(self.metrics) if row["task"] != "all"}
            return report.plot_history(self.history, units=units, metrics=own)
        if what is None:
            return report.plot_approaches(self.metrics, self.split, published=self.published, resplit=self.resplit)
        known = sorted({f"{row['task']}/{row['metric']}" for row in self.metrics})
        if what not in known:
            raise unknown("metric to plot", what, [*known, "history"])
        published = [row for row in self.published if f"{row['task']}/{row['metric']}" == what]
        metrics = dict([what.split("/")])
        return report.plot_approaches(self.metrics, self.split, metrics=metrics, published=published, resplit=self.resplit)

    def save(self, folder: str | Path) -> None:
        """Copy the record, without model and logs, to another folder.

        Raises:
            MTLError: If that folder exists and is not empty.
        """
        folder = Path(folder)
        if folder.exists() and any(folder.iterdir()):
            raise MTLError(f"A record must not replace another. Received: {folder}, which is not empty. Name another folder.")
        ignored = shutil.ignore_patterns("logs", "jobs", "*.keras", "*.h5", "tasks.json", ".lock")
        shutil.copytree(self.output_dir, folder, ignore=ignored, dirs_exist_ok=True)
