"""Checks of what the functions of this package are given: rows, trials, evaluations and numbers."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict, get_args, get_type_hints

import numpy as np

from mtl_keras.errors import MTLError, check_instance, check_mapping, check_names, check_number, check_option, describe

__all__ = [
    "check_array",
    "check_columns",
    "check_environment",
    "check_evaluation",
    "check_frame",
    "check_metrics",
    "check_numbers",
    "check_published",
    "check_resplit",
    "check_rows_of",
    "check_split",
    "check_trials",
]

#: Integers are smaller in absolute value.
LARGEST = 2**63
Split = Literal["test", "validation", "train"]


class PublishedRow(TypedDict):
    """What others report."""

    run: str
    task: str
    metric: str
    value: float | str
    note: str


class TrialRow(TypedDict):
    """What is needed of a line of trials.jsonl."""

    trial: int
    status: str
    values: dict[str, Any]
    hyperparameters: dict[str, Any]


def check_rows_of(name: str, rows: Any, kind: type, made_by: str, without: tuple[str, ...] = ("role",)) -> list[Any]:
    """Return rows as a list, after checking that each has the columns of a row type, with values of their types.

    Args:
        name: Name of the argument.
        rows: The rows received.
        kind: A `TypedDict`.
        made_by: The function that makes such rows, for the message.
        without: Columns that may be missing; earlier versions wrote no `role`.

    Raises:
        MTLError: If they are no such rows; the message has the number of the first wrong one and its column.
    """
    given = [*rows] if isinstance(rows, Iterable) and not isinstance(rows, str | bytes | Mapping) else None
    problem = "" if given is not None else describe(rows)
    columns = {column: _types(hint) for column, hint in get_type_hints(kind).items() if column not in without}
    others = [number for number, row in enumerate(given or ()) if not isinstance(row, Mapping)]
    if given is not None and others:
        problem = f"{describe(given[others[0]])} as row {others[0]}"
    elif given is not None:
        for column, types in columns.items():
            values = [row.get(column) for row in given]
            if not _all_are(values, types):
                number = next(number for number, value in enumerate(values) if not _all_are([value], types))
                problem = f"{column}={describe(values[number])} in row {number}"
                break
    if given is None or problem:
        raise MTLError(
            f"`{name}` must be rows with the columns {', '.join(columns)}. Received: {problem}. Pass the rows of {made_by}."
        )
    return given


def check_columns(name: str, rows: Sequence[Mapping[str, Any]], known: Mapping[str, Sequence[str]]) -> None:
    """Refuse rows whose columns of few values hold another one, and names that are empty or longer than a line.

    Args:
        name: Name of the argument.
        rows: Rows that `check_rows_of` has checked.
        known: The values that a column may have.

    Raises:
        MTLError: If there is such a row; the message has the number of the first one.
    """
    for column in ("run", "task", "metric"):
        for value in dict.fromkeys(row[column] for row in rows):
            if not (value.strip() and value.isprintable()):
                raise MTLError(
                    f"`{name}` must name each {column} in one line. Received: {column}={describe(value)}. Rename it."
                )
    for column, values in known.items():
        found = dict.fromkeys(row.get(column, values[0]) for row in rows)
        if wrong := [value for value in found if value not in values]:
            number = next(number for number, row in enumerate(rows) if row.get(column) == wrong[0])
            raise MTLError(
                f"`{name}` must have one of {', '.join(map(repr, values))} as {column}. Received: {column}="
                f"{describe(wrong[0])} in row {number}. Correct it."
            )


def check_trials(trial_rows: Any, without: tuple[str, ...] = (), *, name: str = "trial_rows") -> list[Any]:
    """Return rows of trials.jsonl as a list, after checking them; a completed one has a skill.

    Raises:
        MTLError: If they are no such rows.
    """
    rows = check_rows_of(name, trial_rows, TrialRow, "read_trials", without)
    for number, row in enumerate(rows):
        if row["status"] == "completed" and not _all_are([row["values"].get("skill")], (numbers.Real,)):
            raise MTLError(
                f"`{name}` must have a skill for each completed training. Received: values={describe(row['values'])} in "
                f"row {number}. Pass the rows of read_trials."
            )
    return rows


def check_published(published: Any) -> list[Any]:
    """Return rows of published.csv as a list, after checking them; the note may be missing."""
    return check_rows_of("published", published, PublishedRow, "published.csv", ("note",))


def check_metrics(name: str, metrics: Any) -> dict[str, str]:
    """Return the metric of each task, after checking that both are names."""
    given = check_mapping(name, metrics, example="{'digit': 'accuracy'}")
    check_names(name, [*given.values()])
    return given


def check_split(split: Any) -> str:
    """Return the name of a split, after checking it."""
    return str(check_option("split", split, get_args(Split)))


def check_resplit(resplit: Any) -> float:
    """Return the ratio of test to training rows of repeated splits, after checking it."""
    return check_number("resplit", resplit, minimum=0.0, example=0.25)


def check_array(name: str, value: Any, axes: tuple[str, ...]) -> np.ndarray:
    """Return an array after checking that it has finite numbers along these axes, of which those of one name are equally long.

    Raises:
        MTLError: If it has not.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    sides = dict(zip(axes, array.shape, strict=False))
    fits = len(array.shape) == len(axes) and array.size and all(sides[a] == n for a, n in zip(axes, array.shape, strict=True))
    if fits and array.dtype.kind in "iuf" and np.isfinite(array).all():
        return array
    raise MTLError(
        f"`{name}` must be finite numbers [{', '.join(axes)}]. Received: {name}={describe(value)}. Pass an array of that shape."
    )


def check_environment(environment: Mapping[str, Any]) -> None:
    """Raise an error if entries that a page shows are of other types than those of `environment`; each may be missing.

    Raises:
        MTLError: If they are; the message names the entry.
    """
    sessions = environment.get("sessions", [])
    kinds: dict[str, tuple[bool, str]] = {
        "packages": (isinstance(environment.get("packages", {}), Mapping), "an object of versions by name"),
        "gpus": (_is_list(environment.get("gpus") or [], str), "a list of names"),
        "wall_seconds": (_all_are([environment.get("wall_seconds") or 0], (numbers.Real,)), "a number, or nothing"),
        "commit": (isinstance(environment.get("commit") or "", str), "a text, or nothing"),
        "sessions": (
            _is_list(sessions, Mapping) and all(isinstance(each.get("commit") or "", str) for each in sessions),
            "a list of objects, each with a commit",
        ),
    }
    for name, (fits, rule) in kinds.items():
        if not fits:
            raise MTLError(
                f"`{name}` of an environment must be {rule}. Received: {name}={describe(environment[name])}. Pass what "
                "mtl.report.environment() returns."
            )


def check_frame(frame: Any) -> None:
    """Raise an error if something is no table of pandas."""
    import pandas as pd

    check_instance("frame", frame, pd.DataFrame, "Pass e.g. what scores_table returns.")


def check_evaluation(evaluation: Any) -> None:
    """Raise an error if something is no evaluation. Its class is not imported, which would import Keras."""
    if not all(hasattr(evaluation, name) for name in ("scores", "skill", "split")):
        raise MTLError(
            f"`evaluation` must be what mtl.evaluate returns. Received: evaluation={describe(evaluation)}. Pass "
            "mtl.evaluate(model, data)."
        )


def check_numbers(name: str, values: Any) -> list[float]:
    """Return numbers as a list of floats, after checking them; they need not be finite.

    Raises:
        MTLError: If one of them is no number.
    """
    try:
        if isinstance(values, str | bytes | Mapping) or not _all_are([*values], (numbers.Real,)):
            raise TypeError
        return [float(each) for each in values]
    except (TypeError, OverflowError):
        raise MTLError(f"`{name}` must be numbers. Received: {name}={describe(values)}. Pass e.g. [0.5, 0.75].") from None


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes) and all(isinstance(each, kind) for each in value)


def _types(hint: Any) -> tuple[type, ...]:
    """Return the classes of the values that an annotation stands for; NumPy's numbers are none of Python's."""
    abstract = {int: numbers.Integral, float: numbers.Real, dict: Mapping}
    each = get_args(hint) if type(hint).__name__ == "UnionType" else (hint,)
    return tuple(abstract.get(getattr(one, "__origin__", one), one) for one in each)


def _all_are(values: Sequence[Any], types: tuple[type, ...]) -> bool:
    """Return whether all values are of these classes; booleans are no numbers, and integers must have a float."""
    # By their classes, which are few: there may be a hundred thousand values.
    kinds = set(map(type, values))
    if not all(issubclass(kind, types) and kind is not bool for kind in kinds):
        return False
    return int not in kinds or all(-LARGEST < value < LARGEST for value in values if type(value) is int)
