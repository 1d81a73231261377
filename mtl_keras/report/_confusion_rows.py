"""Rows of confusion.csv: how often each class was predicted as which, of each training on the test split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np

from mtl_keras.errors import MTLError, check_choice, check_count, check_path, check_seed, check_text
from mtl_keras.report._check import check_evaluation, check_rows_of
from mtl_keras.report._csv import read_csv, write_csv
from mtl_keras.report._roles import Role

if TYPE_CHECKING:
    from mtl_keras.evaluation import Evaluation

__all__ = [
    "CONFUSION_COLUMNS",
    "ConfusionRow",
    "confusion_counts",
    "confusion_rows",
    "given_confusion",
    "read_confusion",
    "write_confusion",
]


class ConfusionRow(TypedDict):
    """A row of confusion.csv: one cell of a confusion matrix that is not 0, at the epoch that is best on validation.

    Attributes:
        run: Label of the approach, `"single-task"` or `"{approach} single-task"`.
        seed: Seed of the training.
        split: `"train"`, `"validation"` or `"test"`.
        task: Name of the task.
        true: Number of the true class, from 0.
        predicted: Number of the predicted class, from 0.
        count: Number of rows.
        role: `"approach"` or `"single_task"`.
    """

    run: str
    seed: int
    split: str
    task: str
    true: int
    predicted: int
    count: int
    role: Role


#: Columns of confusion.csv.
CONFUSION_COLUMNS = tuple(ConfusionRow.__annotations__)


def given_confusion(rows: Any, name: str = "confusion") -> list[ConfusionRow]:
    """Return rows of confusion.csv as a list, after checking them.

    Raises:
        MTLError: If they are no such rows, a number is below 0, or a cell of a training is there twice.
    """
    given = check_rows_of(name, rows, ConfusionRow, "confusion_rows")
    seen: set[tuple[Any, ...]] = set()
    for row in given:
        cell = tuple(row[column] for column in ("run", "seed", "split", "task", "true", "predicted"))
        if min(row["true"], row["predicted"], row["count"]) < 0:
            raise MTLError(
                f"Classes and counts of `{name}` must be at least 0. Received: true={row['true']}, "
                f"predicted={row['predicted']}, count={row['count']}. Pass the rows of confusion_rows."
            )
        if cell in seen:
            raise MTLError(
                f"Each cell of a training must be in `{name}` once. Received twice: {row['run']}, seed {row['seed']}, "
                f"{row['split']} split, {row['task']}, class {row['true']} as {row['predicted']}. Keep one row."
            )
        seen.add(cell)
    return given


def confusion_rows(evaluation: Evaluation, *, run: str, seed: int, role: Role = "approach") -> list[ConfusionRow]:
    """Return the rows of confusion.csv for one trained model on one split.

    Args:
        evaluation: Of the model at its best epoch.
        run: Label of the approach, e.g. `"multi-task"` or `"single-task"`.
        seed: Seed of the training.
        role: `"approach"` (default) or `"single_task"`.

    Returns:
        One row for each pair of classes that occurs, of each task with classes.
    """
    check_evaluation(evaluation)
    check_text("run", run, example="multi-task")
    check_choice("role", role, ("approach", "single_task"))
    seed = check_seed("seed", seed)
    return [
        ConfusionRow(
            run=run,
            seed=seed,
            split=evaluation.split,
            task=task,
            true=int(true),
            predicted=int(predicted),
            count=int(counts[true, predicted]),
            role=role,
        )
        for task, counts in evaluation.confusion.items()
        for true, predicted in zip(*np.nonzero(counts), strict=True)
    ]


def confusion_counts(rows: Iterable[ConfusionRow], classes: int = 0) -> np.ndarray:
    """Return the confusion matrix of one approach and task on one split, summed over the seeds.

    Args:
        rows: Of confusion.csv.
        classes: At least so many classes; default as many as the rows name.

    Returns:
        Counts `[classes, classes]` int64, rows = true, columns = predicted.

    Raises:
        MTLError: If the rows are of several runs, tasks or splits.

    Example:
        >>> about = {"run": "a", "split": "test", "task": "parity", "true": 0, "role": "approach"}
        >>> confusion_counts([{**about, "seed": seed, "predicted": seed, "count": 3} for seed in (0, 1)]).tolist()
        [[3, 3], [0, 0]]
    """
    given = given_confusion(rows, "rows")
    for column in ("run", "task", "split"):
        if len(found := dict.fromkeys(row[column] for row in given)) > 1:
            raise MTLError(
                f"`rows` must be of one run, task and split. Received: {column} {', '.join(map(repr, found))}. Select the rows "
                "of one."
            )
    size = max([check_count("classes", classes, minimum=0), *(1 + max(row["true"], row["predicted"]) for row in given)])
    counts = np.zeros((size, size), np.int64)
    for row in given:
        counts[row["true"], row["predicted"]] += row["count"]
    return counts


def write_confusion(path: str | Path, rows: Iterable[ConfusionRow]) -> None:
    """Write a confusion.csv.

    Args:
        path: Of the file.
        rows: As from `confusion_rows`.
    """
    write_csv(Path(check_path("path", path)), CONFUSION_COLUMNS, given_confusion(rows, "rows"))


def read_confusion(path: str | Path) -> list[ConfusionRow]:
    """Read a confusion.csv.

    Args:
        path: Of the file.

    Raises:
        MTLError: If the file has other columns, or no numbers where there must be some; the message has the line.
    """
    numbers = dict.fromkeys(("seed", "true", "predicted", "count"), int)
    path = Path(check_path("path", path))
    if not path.is_file():
        raise MTLError(f"`path` must be that of a confusion.csv. Received: {path}, which is not a file. Name another.")
    rows: Sequence[dict[str, Any]] = read_csv(path, CONFUSION_COLUMNS, numbers)
    return [cast(ConfusionRow, {column: row[column] for column in CONFUSION_COLUMNS}) for row in rows]
