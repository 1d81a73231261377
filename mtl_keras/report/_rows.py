"""Evaluations and histories as flat rows: what stands in metrics.csv and history.csv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtl_keras.evaluation import Evaluation, Score

__all__ = ["HISTORY_COLUMNS", "METRICS_COLUMNS", "SKILL_UNIT", "history_rows", "metrics_rows", "trivial_rows"]

#: Columns of metrics.csv.
METRICS_COLUMNS = ("run", "seed", "phase", "epoch_kind", "split", "task", "metric", "value", "n", "unit", "direction")
#: Columns of history.csv.
HISTORY_COLUMNS = ("run", "seed", "phase", "epoch", "split", "task", "metric", "value")
SKILL_UNIT = "share of the way from trivial to perfect"


def metrics_rows(evaluation: Evaluation, *, run: str, seed: int, phase: int, epoch_kind: str) -> list[dict[str, Any]]:
    """Return the rows of metrics.csv for one trained model on one split.

    Args:
        evaluation: What the model reaches.
        run: Label of the approach, e.g. `"multi-task"` or `"single-task"`.
        seed: Seed of the training.
        phase: The phase that the epoch belongs to, from 0.
        epoch_kind: `"best"` or `"last"`.

    Returns:
        One dict with the keys `METRICS_COLUMNS` for each task and metric, and one for the whole model: task `"all"`,
        metric `"skill"`.
    """
    head = {"run": run, "seed": seed, "phase": phase, "epoch_kind": epoch_kind, "split": evaluation.split}
    rows = [{**head, **_about(score), "value": score.value} for score in evaluation.scores]
    rows.append({**head, **_whole_model(evaluation), "value": evaluation.skill})
    return [{column: row[column] for column in METRICS_COLUMNS} for row in rows]


def trivial_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the rows of metrics.csv for the predictor that ignores the input; a record holds them once for each split.

    Args:
        evaluation: Of any model that has all tasks.

    Returns:
        Dicts as from `metrics_rows` with run `"trivial"` and no seed, phase or kind of epoch; its skill is 0 by definition.
    """
    head = {"run": "trivial", "seed": "", "phase": "", "epoch_kind": "", "split": evaluation.split}
    rows = [{**head, **_about(score), "value": score.trivial} for score in evaluation.scores]
    rows.append({**head, **_whole_model(evaluation), "value": 0.0})
    return [{column: row[column] for column in METRICS_COLUMNS} for row in rows]


def history_rows(history: Iterable[Mapping[str, Any]], tasks: Iterable[str], *, run: str, seed: int) -> list[dict[str, Any]]:
    """Return the rows of history.csv.

    Args:
        history: One row an epoch, as in `Run.history`.
        tasks: Names of the model's tasks; entries of the log are told apart by them, never by their underscores.
        run: Label of the approach.
        seed: Seed of the training.

    Returns:
        One dict with the keys `HISTORY_COLUMNS` for each epoch and entry of the log, an epoch's in the order of the tasks,
        which Keras' logs have lost. Loss weights have the metric
        `"loss_weight"`; what belongs to no task (`loss`, `skill`, `learning_rate`, `steps_{data set}`) has the task `"all"`.
    """
    tasks = list(tasks)
    longest_first = sorted(tasks, key=len, reverse=True)
    place = {task: number for number, task in enumerate([*tasks, "all"])}
    rows = []
    for epoch in history:
        head = {"run": run, "seed": seed, "phase": epoch["phase"], "epoch": epoch["epoch"]}
        entries = [
            (*_resolve(name, longest_first), float(value)) for name, value in epoch.items() if name not in ("phase", "epoch")
        ]
        entries.sort(key=lambda entry: place[entry[1]])
        rows += [
            {**head, "split": split, "task": task, "metric": metric, "value": value} for split, task, metric, value in entries
        ]
    return rows


def _resolve(name: str, longest_first: Sequence[str]) -> tuple[str, str, str]:
    """Return split, task and metric of an entry of the log.

    Names may hold underscores and begin alike: with the tasks `a` and `a_loss`, `a_loss` is the loss of `a` and
    `a_loss_loss` that of `a_loss`.
    """
    weighted = name.removeprefix("loss_weight_")
    if weighted != name and weighted in longest_first:
        return "train", weighted, "loss_weight"
    # As it stands first: a task may itself be called val_something.
    for split, rest in (("train", name), ("validation", name.removeprefix("val_"))):
        for task in longest_first:
            if rest.startswith(f"{task}_"):
                return split, task, rest.removeprefix(f"{task}_")
    return ("train" if rest == name else "validation"), "all", rest


def _about(score: Score) -> dict[str, Any]:
    """Return what a row says of a score apart from the value."""
    return {"task": score.task, "metric": score.metric, "n": score.n, "unit": score.unit, "direction": score.direction}


def _whole_model(evaluation: Evaluation) -> dict[str, Any]:
    """Return what the row on all tasks says apart from the value; its n is that of the task with the most labels."""
    most = max(score.n for score in evaluation.scores)
    return {"task": "all", "metric": "skill", "n": most, "unit": SKILL_UNIT, "direction": "max"}
