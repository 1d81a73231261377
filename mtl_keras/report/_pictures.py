"""The pictures that a record has."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError
from mtl_keras.report._approach_plots import plot_approaches, plot_gains
from mtl_keras.report._confusion import plot_confusion, plot_confusions
from mtl_keras.report._confusion_rows import confusion_counts
from mtl_keras.report._history import plot_history
from mtl_keras.report._loss_weights import plot_loss_weights
from mtl_keras.report._reconstructions import plot_reconstructions
from mtl_keras.report._record import Picture, Record
from mtl_keras.report._roles import label_of, with_roles
from mtl_keras.report._rows import HistoryRow
from mtl_keras.report._steps import STEPS, plot_steps
from mtl_keras.report._tables import is_comparison
from mtl_keras.report._text import format_range
from mtl_keras.report._totals import plot_totals
from mtl_keras.report._trials import plot_trials
from mtl_keras.report._values import own_metrics, shown_tasks

if TYPE_CHECKING:
    from mtl_keras.evaluation import Evaluation

__all__ = ["pictures"]

#: Tasks whose training curves fit next to each other.
CURVES = 6
#: Bytes of a task's name in the name of a file.
NAME = 80


def pictures(record: Record) -> list[Picture]:
    """Return a record's pictures, the first of which its page shows.

    Its own plots come first. Of more than a dozen tasks, the usual ones show those that most approaches have.
    """
    shown = shown_tasks(record.metrics)
    few = replace(
        record,
        metrics=[row for row in record.metrics if row["task"] in (*shown, "all")],
        history=[row for row in record.history if row["task"] in (*shown[:CURVES], "all")],
        published=[row for row in record.published if row["task"] in (*shown, "all")],
    )
    every = len(_tasks(record.metrics))
    comparison = _of_approaches(few, every) if is_comparison(record.metrics, record.published) else []
    usual = [*comparison, *_of_training(few, every)]
    by_name = {picture.name: picture for picture in record.plots}
    for picture in usual:
        own = by_name.get(picture.name)
        by_name[picture.name] = own if own and own.draw else picture
    return list(by_name.values())


def skill_metrics(record: Record) -> dict[str, str]:
    """Return the metric that the skill of each task is made of."""
    known = {(row["task"], row["metric"]) for row in record.metrics if row["split"] == record.split}
    # It is the first of a task's rows, but was not in earlier versions.
    tasks = [each for each in record.config.get("tasks", ()) if isinstance(each, Mapping)]
    said = {str(each.get("name")): str(each.get("skill")) for each in tasks}
    first = own_metrics(record.metrics, record.split)
    return {task: said[task] if (task, said.get(task)) in known else metric for task, metric in first.items()}


def _tasks(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    return {row["task"] for row in rows} - {"all"}


def _named(caption: str, rows: Iterable[Mapping[str, Any]], every: int) -> str:
    """Return a caption that says if it is of some of all tasks."""
    shown = len(_tasks(rows))
    return f"{caption}, {shown} of {every} tasks" if shown < every else caption


def _of_approaches(record: Record, every: int) -> list[Picture]:
    """Return the pictures that a record of several approaches opens with."""
    metrics, split, common, own = record.metrics, record.split, _common_tasks(record.history), skill_metrics(record)
    candidates = [
        Picture(
            "approaches.png",
            _named("approaches", metrics, every),
            lambda: plot_approaches(metrics, split, metrics=own, published=record.published, resplit=record.resplit),
        ),
        Picture(
            "gains.png",
            "gains on the single-task baselines",
            lambda: plot_gains(metrics, split, metrics=own, resplit=record.resplit),
        ),
    ]
    if 2 * len(common) > len(_tasks(record.history)):
        candidates.append(Picture("totals.png", "unweighted totals", lambda: plot_totals(record.history, tasks=common)))
    return _drawable(candidates)


def _drawable(candidates: Iterable[Picture]) -> list[Picture]:
    """Return the pictures that there is something to draw for: gains need baselines, totals and curves need losses."""
    found = []
    for picture in candidates:
        with suppress(MTLError):
            figure = picture.draw() if picture.draw else None
            found.append(replace(picture, draw=partial(_same, figure)))
    return found


def _of_training(record: Record, every: int) -> list[Picture]:
    """Return the pictures of curves, of the delivered model, of the search, of steps and of loss weights."""
    history = record.history
    units = {row["metric"]: row["unit"] for row in record.metrics}
    caption = _named("training curves", history, every)
    own = skill_metrics(record)
    found = _drawable([Picture("curves.png", caption, lambda: plot_history(history, units=units, metrics=own))])
    found += _of_confusion(record)
    if record.evaluation:
        found += _of_model(record.evaluation, _tasks(record.metrics), {picture.name for picture in found})
    if any(row["status"] == "completed" for row in record.trials):
        found.append(Picture("trials.png", "trials", lambda: plot_trials(record.trials)))
    if any(row["task"] == "all" and row["metric"].startswith(STEPS) for row in history):
        found.append(Picture("steps.png", "steps of each data set", lambda: plot_steps(history)))
    weights: dict[tuple[Any, ...], set[float]] = {}
    for row in history:
        if row["metric"] == "loss_weight":
            weights.setdefault((row["run"], row["seed"], row["task"]), set()).add(row["value"])
    if any(len(values) > 1 for values in weights.values()):
        found.append(Picture("loss_weights.png", "loss weights", lambda: plot_loss_weights(history)))
    return found


def _of_confusion(record: Record) -> list[Picture]:
    """Return the confusion matrices of all approaches on the record's split, summed over their seeds."""
    found, of_split = [], [row for row in record.confusion if row["split"] == record.split]
    for task in dict.fromkeys(row["task"] for row in of_split if row["task"] in _tasks(record.metrics)):
        rows = [row for row in of_split if row["task"] == task]
        names = record.class_names.get(task, ())
        classes = max(len(names), *(1 + max(row["true"], row["predicted"]) for row in rows))
        seeds: dict[str, set[int]] = {}
        for row in rows:
            seeds.setdefault(row["run"], set()).add(row["seed"])
        by_run = {run: confusion_counts([row for row in rows if row["run"] == run], classes) for run in seeds}
        numbers = {len(own) for own in seeds.values()}
        title = f"{task}, {record.split} split, {format_range(numbers)} seed{'' if numbers == {1} else 's'}"
        if len(by_run) > 1:
            draw: Any = partial(plot_confusions, by_run, names or None, title)
            found.append(Picture(_file("confusion", task), f"confusion matrices of {title}", draw))
            continue
        (run, counts), *_ = by_run.items()
        # Of several approaches the only one with the task is named.
        title = f"{run}: {title}" if len(record.approaches) > 1 else title
        draw = partial(plot_confusion, counts, names or None, title)
        found.append(Picture(_file("confusion", task), f"confusion matrix of {title}", draw))
    return found


def _of_model(evaluation: Evaluation, shown: Collection[str], drawn: Collection[str]) -> list[Picture]:
    """Return the confusion matrices and reconstructions of the delivered model, without those that are drawn already."""
    found = []
    for task, counts in evaluation.confusion.items():
        if task in shown and _file("confusion", task) not in drawn:
            title, names = f"{task}, {evaluation.split} split, delivered model", evaluation.class_names.get(task)
            draw = partial(plot_confusion, counts, names, title)
            found.append(Picture(_file("confusion", task), f"confusion matrix of {title}", draw))
    for task, (truth, prediction) in evaluation.examples.items():
        draw = partial(plot_reconstructions, truth, prediction)
        found.append(Picture(_file("reconstruction", task), f"reconstructions of {task}", draw))
    return found


def _file(kind: str, task: str) -> str:
    """Return the name of the file of a task's picture; a long name of a task ends in a digest of it."""
    name = task.encode()
    if len(name) > NAME:
        task = f"{name[: NAME - 17].decode(errors='ignore')}-{hashlib.blake2b(name, digest_size=8).hexdigest()}"
    return f"{kind}_{task}.png"


def _same(figure: Any) -> Any:
    return figure


def _common_tasks(history: Iterable[HistoryRow]) -> list[str]:
    """Return the tasks with a loss that all runs have; the baselines of all tasks count as one run."""
    runs: dict[str, dict[str, None]] = {}
    for row in with_roles(history):
        if row["task"] != "all" and row["metric"] == "loss":
            runs.setdefault(label_of(row["run"], row["role"]), {})[row["task"]] = None
    every = [task for tasks in runs.values() for task in tasks]
    return [task for task in dict.fromkeys(every) if all(task in tasks for tasks in runs.values())]
