"""Results as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from mtl_keras.report import scores_table, trials_table

if TYPE_CHECKING:
    from mtl_keras.comparison import Comparison
    from mtl_keras.data.cache import CacheEntry
    from mtl_keras.evaluation import Evaluation
    from mtl_keras.search import StudyResult

__all__ = ["show_cache", "show_comparison", "show_evaluation", "show_result"]

#: Trials shown; all of them are in trials.jsonl.
SHOWN = 10
#: Number of tables of classes that an evaluation shows, and of classes in each.
CLASS_TABLES, CLASSES = 10, 20
#: Maximum number of runs that TensorBoard selects by default.
SELECTED = 40


def show_comparison(console: Console, result: Comparison) -> None:
    """Print the results of each approach, and where the record is."""
    console.print(_table(result.table(), f"Approaches on the {result.split} split, mean ± sample SD (seeds)"))
    console.print(f"Best on validation: {result.best}. Record: {result.output_dir}/README.md", highlight=False, markup=False)


def show_result(console: Console, result: StudyResult) -> None:
    """Print the trials, the best hyperparameters, the test results, and how to open TensorBoard."""
    names = [f"{score.task}_{score.metric}" for score in result.evaluation.scores if score.skill is not None]
    _show_trials(console, result.study, result.trials, names)
    best = Table("hyperparameter", "value", title=f"Best: trial {result.best}", title_justify="left")
    for name, value in result.hyperparameters.items():
        best.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    console.print(best)
    split = "test" if any(row["split"] == "test" for row in result.metrics) else "validation"
    scores = scores_table(result.metrics, split).drop(columns=["unit"])
    console.print(_table(scores, f"{split.capitalize()} results, best epoch on validation"))
    console.print(f"Record and model: {result.output_dir}", highlight=False, soft_wrap=True)
    logs = result.output_dir / "logs"
    console.print(f"TensorBoard: tensorboard --logdir {logs}", highlight=False, soft_wrap=True)
    if 1 + sum(path.is_dir() for path in logs.iterdir()) > SELECTED:
        console.print(
            f"With more than {SELECTED} runs, TensorBoard starts with none selected: press TOGGLE ALL RUNS.", highlight=False
        )


def show_evaluation(console: Console, evaluation: Evaluation, title: str) -> None:
    """Print every metric of one evaluation."""
    table = Table("task", "metric", "value", "trivial", "n", "unit", title=f"{evaluation.split}: {title}", title_justify="left")
    for score in evaluation.scores:
        unit = f"{score.unit}, {'higher' if score.direction == 'max' else 'lower'} is better"
        table.add_row(score.task, score.metric, f"{score.value:.4f}", f"{score.trivial:.4f}", str(score.n), unit)
    table.add_row("all", "skill", f"{evaluation.skill:.4f}", "0.0000", "", "0 trivial, 1 perfect")
    console.print(table)
    for task, counts in list(evaluation.class_counts.items())[:CLASS_TABLES]:
        if len(counts) <= CLASSES:
            console.print(_table(evaluation.class_table(task).reset_index(), f"{evaluation.split}: classes of {task}"))


def show_cache(console: Console, where: Path, entries: Sequence[CacheEntry]) -> None:
    """Print the entries of a cache folder."""
    table = Table("entry", "MB", "images", "complete", "content", title=f"Cache {where}", title_justify="left")
    for entry in entries:
        table.add_row(
            entry.key, f"{entry.bytes / 1e6:.1f}", str(entry.rows), "yes" if entry.complete else "no", _describe(entry)
        )
    table.add_row("total", f"{sum(e.bytes for e in entries) / 1e6:.1f}", "", "", "")
    console.print(table)


def _describe(entry: CacheEntry) -> str:
    """Return what an entry holds: images, their views, or features of a backbone."""
    about: Any = entry.fingerprint
    if "images" in about:
        size = about["images"].get("image_size")
        return f"images {size[0]} x {size[1]} px" if size else "images"
    if "views" in about:
        return f"{len(about['views'].get('steps', ()))} views"
    backbone = about.get("backbone", {})
    return f"{backbone.get('name', '?')} {backbone.get('image_size') or ''}".strip()


def _show_trials(console: Console, study: str, trials: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> None:
    """Print the best trials, one a line: as many columns as fit, and once what all trials have in common."""
    rows = trials_table(trials).to_dict("records")
    values = {row["trial"]: row["hyperparameters"] for row in trials}
    searched = list(dict.fromkeys(name for own in values.values() for name in own))
    same, differ = {}, []
    for name in searched:
        if all(own.get(name, ...) == values[rows[0]["trial"]].get(name) for own in values.values()):
            same[name] = values[rows[0]["trial"]][name]
        else:
            differ.append(name)
    shown = rows[:SHOWN]
    columns = {
        "trial": [str(row["trial"]) for row in shown],
        "skill": [_number(row["skill"], ".4f") for row in shown],
        **({"status": [row["status"] for row in shown]} if any(row["status"] != "completed" for row in shown) else {}),
        **{name: [_number(row.get(name), ".4f") for row in shown] for name in metrics},
        **{name: [_number(values[row["trial"]].get(name), ".3g") for row in shown] for name in differ},
        "seconds": [_number(row["seconds"], ".1f") for row in shown],
    }
    # Each column has its border and a space on both sides.
    widths = {name: 3 + max(map(len, (name, *cells))) for name, cells in columns.items()}
    fitting: list[str] = []
    for name in columns:
        if 1 + sum(widths[each] for each in (*fitting, name)) <= console.width:
            fitting.append(name)
    more = f", best {SHOWN} of {len(rows)}" if len(rows) > SHOWN else ""
    table = Table(title=f"Trials of {study} by validation skill{more}", title_justify="left")
    for name in fitting:
        table.add_column(name, no_wrap=True)
    for cells in zip(*(columns[name] for name in fitting), strict=True):
        table.add_row(*cells)
    console.print(table)
    if same:
        console.print("In all trials: " + ", ".join(f"{name} {_number(value, '.3g')}" for name, value in same.items()))
    if left := [name for name in columns if name not in fitting]:
        console.print(f"In trials.jsonl only: {', '.join(left)}")


def _number(value: Any, digits: str) -> str:
    """Return a value as text, a number with some digits and a missing one as nothing."""
    if isinstance(value, float):
        return "" if math.isnan(value) else format(value, digits)
    return "" if value is None else str(value)


def _table(frame: Any, title: str) -> Table:
    """Return a pandas frame as a table of text."""
    table = Table(*map(str, frame.columns), title=title, title_justify="left")
    for row in frame.itertuples(index=False):
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row))
    return table
