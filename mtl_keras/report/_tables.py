"""Tables of results and of trials."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError, check_option
from mtl_keras.report._check import check_frame, check_resplit, check_split, check_trials
from mtl_keras.report._delta import DELTA_UNIT
from mtl_keras.report._roles import TRIVIAL, approaches_of, baseline_of, baselines_of, roles_of
from mtl_keras.report._rows import MetricsRow, given_metrics
from mtl_keras.report._text import ARROWS, format_difference, format_mean, format_number, format_range
from mtl_keras.report._values import values_of
from mtl_keras.report.statistics import mean, sample_sd, trial_skills

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["is_comparison", "scores_table", "to_markdown", "trials_table"]


#: Columns of `scores_table` that are none of a run.
COLUMNS = ("task", "metric", "unit", "better", "n", TRIVIAL)


def is_comparison(metrics_rows: Iterable[MetricsRow], published: Sequence[Mapping[str, Any]] = ()) -> bool:
    """Return whether rows need the long table: they have several approaches, or there are published values."""
    return bool(published) or len(approaches_of(roles_of(metrics_rows))) > 1


def scores_table(
    metrics_rows: Iterable[MetricsRow], split: str = "test", *, epoch_kind: str = "best", resplit: float = 0.0
) -> pd.DataFrame:
    """Return what the approaches reach on one split as text, with a row for each task and metric.

    Args:
        metrics_rows: Rows as from `metrics_rows` and `trivial_rows`.
        split: `"test"` (default), `"validation"` or `"train"`.
        epoch_kind: `"best"` (default) or `"last"`.
        resplit: Ratio of test to training rows if each seed has a random split of its own; 0 (default) if all share one. See
            `statistics.interval`.

    Returns:
        Columns `task`, `metric`, `unit`, `better` (↑ or ↓), `n` (labeled rows); for each approach and its baselines mean ±
        sample SD (number of seeds); the difference between them, paired by seed; and `trivial`. A difference over at least
        5 seeds has its 95 % paired t interval, over fewer it is called indicative. Columns without values are left out.

    Raises:
        MTLError: If two rows hold the same value, or a run is called like another column.
    """
    import pandas as pd

    rows = given_metrics(metrics_rows)
    check_split(split)
    resplit = check_resplit(resplit)
    check_option("epoch_kind", epoch_kind, ("best", "last"))
    values = values_of(rows, split, epoch_kind)
    about: dict[tuple[str, str], dict[str, Any]] = {}
    counts: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        key = (row["task"], row["metric"])
        if row["split"] == split and key in values.get(row["run"], {}):
            arrow = ARROWS[row["direction"]]
            # Rows of 2026-11 have the unit in other words.
            unit = DELTA_UNIT if key[1] == "delta_m" else row["unit"]
            about.setdefault(key, {"task": key[0], "metric": key[1], "unit": unit, "better": arrow, "n": row["n"]})
            counts.setdefault(key, set()).add(row["n"])
    for key, n in counts.items():
        about[key]["n"] = next(iter(n)) if len(n) == 1 else format_range(n)
    roles = roles_of(row for row in rows if row["run"] in values)
    approaches = approaches_of(roles)
    if taken := [run for run in (*approaches, *baselines_of(roles)) if run in COLUMNS]:
        raise MTLError(
            f"A run must not be called like another column of the table. Received: {taken[0]!r}. Rename it, or use "
            "approaches_table."
        )
    table = []
    # The sort is stable: tasks keep their order, and the whole model comes last.
    for key in sorted(about, key=lambda key: key[0] == "all"):
        own, line = {run: by_metric.get(key, {}) for run, by_metric in values.items()}, dict(about[key])
        for run in (*approaches, *baselines_of(roles)):
            line[run] = format_mean(list(own[run].values()))
        for run in approaches:
            if (baseline := baseline_of(run, values)) in values:
                line[f"{run} − {baseline}"] = format_difference(own[run], own[baseline], resplit)
        if TRIVIAL in values:
            like = next((mean(list(own[run].values())) for run in approaches if own[run]), None)
            line[TRIVIAL] = format_number(mean(list(own[TRIVIAL].values())), like)
        table.append(line)
    return pd.DataFrame(table, columns=None if table else [*COLUMNS[:-1]])


def trials_table(trial_rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the trials of a search, the best first.

    Args:
        trial_rows: Rows of trials.jsonl: `trial, execution, seed, status, hyperparameters, values, seconds, error`.

    Returns:
        One row a trial: `trial`, the means over its seeds of `skill` and of all other values, its hyperparameters, `seconds`
        (sum), `status`, and `error` if one of its trainings failed. With several seeds a trial also `seeds_per_trial` and
        `skill_sd`, the sample standard deviation over them. A trial has failed if one of its trainings has; failed trials
        come last.
    """
    import pandas as pd

    trials: dict[int, list[Mapping[str, Any]]] = {}
    all_rows = check_trials(trial_rows)
    for row in all_rows:
        trials.setdefault(row["trial"], []).append(row)
    place = {trial: number for number, trial in enumerate(trial_skills(all_rows))}
    repeated = any(len(rows) > 1 for rows in trials.values())
    taken = {name for row in all_rows for name in row["values"]}
    taken |= {"trial", "skill_sd", "seeds_per_trial", "seconds", "status", "error"}
    table = []
    for trial, rows in trials.items():
        done = [row for row in rows if row["status"] == "completed"]
        values: dict[str, list[float]] = {}
        for row in done:
            for name, value in row["values"].items():
                values.setdefault(name, []).append(float(value))
        skills = values.pop("skill", [])
        line: dict[str, Any] = {"trial": trial, "skill": mean(skills)}
        if repeated:
            line |= {"skill_sd": sample_sd(skills), "seeds_per_trial": len(done)}
        line |= {name: mean(each) for name, each in values.items() if not name.endswith("_loss") and name != "epoch"}
        line |= {_setting(name, taken): _plain(value) for name, value in rows[0]["hyperparameters"].items()}
        line |= {name: mean(each) for name, each in values.items() if name.endswith("_loss") or name == "epoch"}
        line["seconds"] = math.fsum(row.get("seconds") or 0.0 for row in rows)
        line["status"] = "completed" if trial in place else "failed"
        if errors := [row["error"] for row in rows if row.get("error")]:
            line["error"] = errors[0]
        table.append(line)
    table.sort(key=lambda line: (place.get(line["trial"], len(place)), line["trial"]))
    last = [name for name in ("seconds", "status", "error") if any(name in line for line in table)]
    names = [name for name in dict.fromkeys(name for line in table for name in line) if name not in last]
    return pd.DataFrame(table, columns=[*names, *last] if table else ["trial", "skill", "seconds", "status"])


def to_markdown(frame: pd.DataFrame) -> str:
    """Return a table as Markdown: numbers with four significant digits, aligned right; missing values empty."""
    check_frame(frame)
    cells = [[_text(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    numeric = [all(isinstance(value, int | float) for value in frame[column]) for column in frame.columns]
    lines = [
        [_text(column) for column in frame.columns],
        ["---:" if right else ":---" for right in numeric],
        *cells,
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _setting(name: str, columns: Collection[str]) -> str:
    """Return the column of a hyperparameter, which may be called like one of the results."""
    return f"{name} (hyperparameter)" if name in columns else name


def _plain(value: Any) -> Any:
    """Return a hyperparameter as a table cell, lists as text."""
    return str(value) if isinstance(value, list | tuple | dict) else value


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e6 else format_number(value)
    return str(value).replace("|", "\\|").replace("\n", " ")
