"""Rows of metrics.csv and history.csv: what an evaluation and a history become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast, get_args

from mtl_keras.errors import MTLError, check_choice, check_count, check_names, check_seed, check_text
from mtl_keras.files import damaged
from mtl_keras.report._check import check_columns, check_evaluation, check_rows_of
from mtl_keras.report._csv import read_csv
from mtl_keras.report._roles import TRIVIAL, Role, with_roles

if TYPE_CHECKING:
    from mtl_keras.evaluation import Evaluation, Score

__all__ = [
    "HISTORY_COLUMNS",
    "METRICS_COLUMNS",
    "SKILL_UNIT",
    "HistoryRow",
    "MetricsRow",
    "given_history",
    "given_metrics",
    "history_rows",
    "metrics_rows",
    "read_history",
    "read_metrics",
    "trivial_rows",
    "twice",
]

SKILL_UNIT = "share of the way from trivial to perfect"


class MetricsRow(TypedDict):
    """A row of metrics.csv: one value.

    Attributes:
        run: Label of the approach, `"single-task"`, `"{approach} single-task"` or `"trivial"`.
        seed: Seed of the training; empty for the trivial predictor.
        phase: Phase that the epoch belongs to, from 0; empty for the trivial predictor.
        epoch_kind: `"best"` (epoch on validation) or `"last"`; empty for the trivial predictor.
        split: `"train"`, `"validation"` or `"test"`.
        task: Name of the task; `"all"` for the whole model.
        metric: E.g. `"accuracy"`; for the whole model `"skill"` or `"delta_m"`.
        value: In `unit`.
        n: Number of labeled rows.
        unit: In words.
        direction: `"max"` if higher is better, else `"min"`.
        role: `"approach"`, `"single_task"` or `"trivial"`.
    """

    run: str
    seed: int | str
    phase: int | str
    epoch_kind: str
    split: str
    task: str
    metric: str
    value: float
    n: int
    unit: str
    direction: str
    role: Role


class HistoryRow(TypedDict):
    """A row of history.csv: one value after one epoch.

    Attributes:
        run: Label of the approach; of a single-task baseline followed by its task.
        seed: Seed of the training.
        phase: From 0.
        epoch: Of the phase, from 1.
        split: `"train"` or `"validation"`.
        task: Name of the task; `"all"` for what belongs to none.
        metric: E.g. `"loss"`, `"accuracy"`, `"loss_weight"`.
        value: A number.
        role: `"approach"` or `"single_task"`.
    """

    run: str
    seed: int | str
    phase: int
    epoch: int
    split: str
    task: str
    metric: str
    value: float
    role: Role


class Epoch(TypedDict):
    """What an entry of `Run.history` has at least."""

    phase: int
    epoch: int


#: Columns of metrics.csv.
METRICS_COLUMNS = tuple(MetricsRow.__annotations__)
#: Columns of history.csv.
HISTORY_COLUMNS = tuple(HistoryRow.__annotations__)
#: What columns of few values may hold: a row with another one would be left out of every table without a word.
HISTORY_VALUES = {"split": ("train", "validation"), "role": get_args(Role)}
METRICS_VALUES = {
    "epoch_kind": ("best", "last", ""),
    "split": ("train", "validation", "test"),
    "direction": ("max", "min"),
    "role": get_args(Role),
}


def given_metrics(rows: Any, name: str = "metrics_rows") -> list[MetricsRow]:
    """Return rows of metrics.csv as a list, after checking them."""
    given = check_rows_of(name, rows, MetricsRow, "metrics_rows")
    check_columns(name, given, METRICS_VALUES)
    if (fewest := min((row["n"] for row in given), default=0)) < 0:
        raise MTLError(f"`{name}` must have numbers of rows of at least 0. Received: n={fewest}. Correct it.")
    directions: dict[tuple[str, str], str] = {}
    for row in given:
        key = (row["task"], row["metric"])
        if directions.setdefault(key, row["direction"]) != row["direction"]:
            raise MTLError(
                f"A metric of `{name}` must have one direction. Received: {' '.join(key)} with 'max' and 'min'. Correct the "
                "rows of one."
            )
    return given


def given_history(rows: Any, name: str = "history_rows") -> list[HistoryRow]:
    """Return rows of history.csv as a list, after checking them."""
    given = check_rows_of(name, rows, HistoryRow, "history_rows")
    check_columns(name, given, HISTORY_VALUES)
    return given


def twice(row: MetricsRow) -> MTLError:
    """Return the error for a value that two rows hold."""
    return MTLError(
        f"Each value must be in the rows once. Received twice: {row['run']}, seed {row['seed']!r}, {row['split']} split, "
        f"{row['task']} {row['metric']}. Keep one row; for all baselines of a seed together that is the mean of theirs."
    )


def metrics_rows(
    evaluation: Evaluation, *, run: str, seed: int, phase: int, epoch_kind: str, role: Role = "approach"
) -> list[MetricsRow]:
    """Return the rows of metrics.csv for one trained model on one split.

    Args:
        evaluation: Of the model.
        run: Label of the approach, e.g. `"multi-task"` or `"single-task"`.
        seed: Seed of the training.
        phase: The phase that the epoch belongs to, from 0.
        epoch_kind: `"best"` or `"last"`.
        role: `"approach"` (default) or `"single_task"`.

    Returns:
        One row for each task and metric, and one for the whole model with task `"all"` and metric `"skill"`.
    """
    check_evaluation(evaluation)
    check_choice("epoch_kind", epoch_kind, ("best", "last"))
    head = {
        **_training(run, seed, role),
        "phase": check_count("phase", phase, minimum=0),
        "epoch_kind": epoch_kind,
        "split": evaluation.split,
    }
    rows = [{**head, **_describe(score), "value": score.value} for score in evaluation.scores]
    return _ordered([*rows, {**head, **_whole_model(evaluation), "value": evaluation.skill}])


def trivial_rows(evaluation: Evaluation) -> list[MetricsRow]:
    """Return the rows of metrics.csv for the predictor that ignores the input. A record holds them once for each split.

    Args:
        evaluation: Of any model that has all tasks.

    Returns:
        Rows as from `metrics_rows` with run and role `"trivial"` and without seed, phase or kind of epoch. The skill is 0 by
        definition.
    """
    check_evaluation(evaluation)
    head = {"run": TRIVIAL, "seed": "", "phase": "", "epoch_kind": "", "split": evaluation.split, "role": "trivial"}
    rows = [{**head, **_describe(score), "value": score.trivial} for score in evaluation.scores]
    return _ordered([*rows, {**head, **_whole_model(evaluation), "value": 0.0}])


def history_rows(
    history: Iterable[Mapping[str, Any]], tasks: Iterable[str], *, run: str, seed: int, role: Role = "approach"
) -> list[HistoryRow]:
    """Return the rows of history.csv.

    Args:
        history: One mapping an epoch, as in `Run.history`.
        tasks: Names of the model's tasks. They are matched as whole names, since a name may itself hold underscores.
        run: Label of the approach.
        seed: Seed of the training.
        role: `"approach"` (default) or `"single_task"`.

    Returns:
        One row for each epoch and entry of the log, in the order of the tasks. Loss weights have the metric `"loss_weight"`;
        what belongs to no task (`loss`, `skill`, `learning_rate`, `steps_{data set}`) has the task `"all"`.
    """
    tasks = list(check_names("tasks", [*tasks] if isinstance(tasks, Mapping) else tasks))
    training: Any = _training(run, seed, role)
    epochs = check_rows_of("history", history, Epoch, "Run.history")
    longest_first = sorted(tasks, key=len, reverse=True)
    place = {task: number for number, task in enumerate([*tasks, "all"])}
    rows: list[HistoryRow] = []
    for epoch in epochs:
        entries = [
            (*_resolve(name, longest_first), float(value)) for name, value in epoch.items() if name not in ("phase", "epoch")
        ]
        # Keras sorts its logs by name.
        entries.sort(key=lambda entry: place[entry[1]])
        rows += [
            HistoryRow(
                run=training["run"],
                seed=training["seed"],
                phase=epoch["phase"],
                epoch=epoch["epoch"],
                split=split,
                task=task,
                metric=metric,
                value=value,
                role=training["role"],
            )
            for split, task, metric, value in entries
        ]
    return rows


def read_metrics(path: Path) -> list[MetricsRow]:
    """Read a metrics.csv.

    Raises:
        MTLError: If the file has other columns, or no numbers where there must be some; the message has the line.
    """
    numbers: dict[str, Callable[[str], Any]] = {"seed": _integer, "phase": _integer, "value": float, "n": int}
    rows = _ordered(with_roles(read_csv(path, METRICS_COLUMNS, numbers)))
    return _undamaged(path, lambda: given_metrics(rows, path.name))


def read_history(path: Path) -> list[HistoryRow]:
    """Read a history.csv.

    Raises:
        MTLError: If the file has other columns, or no numbers where there must be some; the message has the line.
    """
    numbers: dict[str, Callable[[str], Any]] = {"seed": _integer, "phase": int, "epoch": int, "value": float}
    rows = with_roles(read_csv(path, HISTORY_COLUMNS, numbers))
    history = [cast(HistoryRow, {column: row[column] for column in HISTORY_COLUMNS}) for row in rows]
    return _undamaged(path, lambda: given_history(history, path.name))


def _undamaged(path: Path, check: Callable[[], list[Any]]) -> list[Any]:
    """Return the rows of a file that are checked like those of a caller; the error is about the file."""
    try:
        return check()
    except MTLError as error:
        raise damaged(path, str(error).removesuffix(".")) from error


def _training(run: Any, seed: Any, role: Any) -> dict[str, Any]:
    """Return the columns of a training, checked."""
    check_text("run", run, example="multi-task")
    check_choice("role", role, ("approach", "single_task"))
    return {"run": run, "seed": check_seed("seed", seed), "role": role}


def _integer(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _ordered(rows: Iterable[Mapping[str, Any]]) -> list[MetricsRow]:
    """Return rows with the columns of metrics.csv in their order, and no others."""
    return [cast(MetricsRow, {column: row[column] for column in METRICS_COLUMNS}) for row in rows]


def _resolve(name: str, longest_first: Sequence[str]) -> tuple[str, str, str]:
    """Return split, task and metric of an entry of the log.

    Names may hold underscores and begin alike: with the tasks `a` and `a_loss`, `a_loss` is the loss of `a` and
    `a_loss_loss` that of `a_loss`.
    """
    weighted = name.removeprefix("loss_weight_")
    if weighted != name and weighted in longest_first:
        return "train", weighted, "loss_weight"
    # The full name comes first: a task may itself be called val_something.
    for split, rest in (("train", name), ("validation", name.removeprefix("val_"))):
        for task in longest_first:
            if rest.startswith(f"{task}_"):
                return split, task, rest.removeprefix(f"{task}_")
    return ("train" if rest == name else "validation"), "all", rest


def _describe(score: Score) -> dict[str, Any]:
    """Return all of a score's row but the value."""
    return {"task": score.task, "metric": score.metric, "n": score.n, "unit": score.unit, "direction": score.direction}


def _whole_model(evaluation: Evaluation) -> dict[str, Any]:
    """Return all of the whole model's row but the value; `n` is that of the task with the most labels."""
    most = max(score.n for score in evaluation.scores)
    return {"task": "all", "metric": "skill", "n": most, "unit": SKILL_UNIT, "direction": "max"}
