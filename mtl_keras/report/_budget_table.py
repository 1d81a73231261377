"""The table of what each approach was trained and measured on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import check_instance, check_names
from mtl_keras.report._record import Record
from mtl_keras.report._text import MISSING, format_range, join_words

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
    rows: dict[tuple[str, str, str], set[int]] = {}
    seeds: dict[str, set[Any]] = {}
    for row in record.metrics:
        rows.setdefault((row["run"], row["task"], row["split"]), set()).add(row["n"])
        seeds.setdefault(row["run"], set()).add(row["seed"])
    sources = [row for row in record.published if row["note"] and row["task"] in shown]
    order = list(dict.fromkeys([*seeds, *(each.run for each in record.budgets)]))
    table = []
    for each in sorted(record.budgets, key=lambda each: order.index(each.run)):
        n = [
            format_range(count for task in each.tasks for count in rows.get((each.run, task, split), ()))
            for split in ("validation", "test")
        ]
        own = [row for row in sources if row["run"] == each.run and row["task"] in (*each.tasks, "all")]
        # What is fitted without epochs, such as a model of scikit-learn, has none.
        trained = (each.rows, each.epochs or MISSING, len(seeds.get(each.run, ())))
        table.append((each.run, _names(each.tasks), *trained, *n, _notes(own)))
    table += _published_only(record, sources)
    columns = ["approach", "tasks", "training rows", "epochs", "seeds", "n validation", "n test", "published"]
    frame = pd.DataFrame(table, columns=columns)
    return frame if sources else frame.drop(columns="published")


def _published_only(record: Record, sources: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Return the rows of published values that no run of the record stands beside."""
    here = {(each.run, task) for each in record.budgets for task in (*each.tasks, "all")}
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for row in sources:
        if (row["run"], row["task"]) not in here:
            runs.setdefault(row["run"], []).append(row)
    unknown = (MISSING,) * 5
    return [(run, _names([*dict.fromkeys(row["task"] for row in own)]), *unknown, _notes(own)) for run, own in runs.items()]


def _names(tasks: Sequence[str]) -> str:
    return join_words(tasks) if len(tasks) <= NAMED else f"{len(tasks)} tasks"


def _notes(published: Iterable[Mapping[str, Any]]) -> str:
    """Return where published values come from; of several sources each with its values."""
    values: dict[str, dict[str, None]] = {}
    for row in published:
        values.setdefault(row["note"], {})[str(row["value"])] = None
    if len(values) < 2:
        return "".join(values) or MISSING
    return " / ".join(f"{', '.join(own)}: {note}" for note, own in values.items())
