"""The table of what each approach was trained and measured on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import check_instance, check_names
from mtl_keras.report._record import Record
from mtl_keras.report._text import MISSING, join_words

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["budget_table"]

#: Of more tasks a row names their number.
NAMED = 3


def budget_table(record: Record, shown: Sequence[str]) -> pd.DataFrame:
    """Return what each approach was trained and measured on, and what is known of it where published values come from.

    Args:
        record: The record.
        shown: Names of the tasks that its page shows.

    Returns:
        Columns `approach`, `tasks`, `training rows`, `epochs`, `seeds`, `n validation` and `n test` (labeled rows), and
        `published` (the sources of published values) if there are any.
    """
    import pandas as pd

    check_instance("record", record, Record, "Pass mtl.report.Record(...).")
    shown = check_names("shown", shown)
    rows = {(row["run"], row["task"], row["split"]): row["n"] for row in record.metrics if row["task"] != "all"}
    seeds: dict[str, set[Any]] = {}
    for row in record.metrics:
        seeds.setdefault(row["run"], set()).add(row["seed"])
    sources = [row for row in record.published if row["note"] and row["task"] in shown]
    order = list(seeds)
    table = []
    for each in sorted(record.budgets, key=lambda each: order.index(each.run)):
        n = {split: _range(rows.get((each.run, task, split)) for task in each.tasks) for split in ("validation", "test")}
        line: dict[str, Any] = {"approach": each.run, "tasks": _names(each.tasks), "training rows": each.rows}
        line |= {"epochs": each.epochs, "seeds": len(seeds[each.run]), "n validation": n["validation"], "n test": n["test"]}
        notes = dict.fromkeys(row["note"] for row in sources if row["run"] == each.run and row["task"] in each.tasks)
        table.append({**line, "published": "; ".join(notes) or MISSING})
    columns = ["approach", "tasks", "training rows", "epochs", "seeds", "n validation", "n test"]
    return pd.DataFrame(table, columns=[*columns, *(["published"] if sources else [])])


def _names(tasks: Sequence[str]) -> str:
    return join_words(tasks) if len(tasks) <= NAMED else f"{len(tasks)} tasks"


def _range(counts: Iterable[int | None]) -> str:
    """Return how many rows some tasks have."""
    known = sorted({count for count in counts if count is not None})
    return " to ".join(map(str, dict.fromkeys((known[0], known[-1])))) if known else MISSING
