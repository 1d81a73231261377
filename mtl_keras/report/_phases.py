"""Metrics after each phase, which show what a later phase did to what an earlier one had learned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mtl_keras.report._check import check_split
from mtl_keras.report._rows import HistoryRow, given_history
from mtl_keras.report._text import format_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["phases_table"]

#: Entries of the log that are not metrics.
OTHER = ("loss", "loss_weight", "learning_rate")


def phases_table(history_rows: Iterable[HistoryRow], split: str = "validation") -> pd.DataFrame:
    """Return each task's metrics at the last epoch of each phase. Forgetting is a decrease from one column to the next.

    Args:
        history_rows: Rows as from `history_rows`, of one or several runs and seeds.
        split: `"validation"` (default) or `"train"`.

    Returns:
        A row for each run, task and metric; a column for each phase with mean ± sample SD (number of seeds), as text.

    Example:
        >>> about = {"run": "swap", "seed": 0, "split": "validation", "task": "fine", "metric": "accuracy"}
        >>> rows = [{**about, "phase": p, "epoch": 1, "value": value} for p, value in enumerate((0.7, 0.4))]
        >>> phases_table(rows)[["phase 1", "phase 2"]].values.tolist()
        [['0.7000 (1)', '0.4000 (1)']]
    """
    import pandas as pd

    ends: dict[tuple[str, str, str], dict[int, dict[Any, tuple[int, float]]]] = {}
    check_split(split)
    for row in given_history(history_rows):
        if row["split"] != split or row["task"] == "all" or row["metric"] in OTHER:
            continue
        by_seed = ends.setdefault((row["run"], row["task"], row["metric"]), {}).setdefault(int(row["phase"]), {})
        if row["seed"] not in by_seed or int(row["epoch"]) >= by_seed[row["seed"]][0]:
            by_seed[row["seed"]] = (int(row["epoch"]), float(row["value"]))
    phases = sorted({phase for by_phase in ends.values() for phase in by_phase})
    table = [
        {
            "approach": run,
            "task": task,
            "metric": metric,
            **{f"phase {phase + 1}": format_mean([value for _, value in by_phase.get(phase, {}).values()]) for phase in phases},
        }
        for (run, task, metric), by_phase in ends.items()
    ]
    return pd.DataFrame(table, columns=["approach", "task", "metric", *(f"phase {phase + 1}" for phase in phases)])
