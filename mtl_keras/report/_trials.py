"""The plot of a search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.report._check import check_trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_trials"]

COLUMNS = 4
#: Values that span more than this factor are drawn on a logarithmic axis.
WIDE = 30


def plot_trials(trial_rows: Iterable[Mapping[str, Any]]) -> Figure:
    """Plot the validation skill against each hyperparameter that varies.

    Args:
        trial_rows: Rows of trials.jsonl; the title counts those that failed.

    Returns:
        One panel for the trial number and one for each hyperparameter, with a dot for each completed training that has it.
        Those of the best trial are marked.
    """
    from mtl_keras.report._drawing import grid, legend, style
    from mtl_keras.report.statistics import trial_skills

    rows = check_trials(trial_rows)
    done = [row for row in rows if row["status"] == "completed"]
    settings = [{"trial": row["trial"], **row["hyperparameters"]} for row in done]
    skills = [float(row["values"]["skill"]) for row in done]
    best = next(iter(trial_skills(rows)), None)
    values: dict[str, set[str]] = {"trial": set()}
    for each in settings:
        for name, value in each.items():
            values.setdefault(name, set()).add(str(value))
    names = [name for name, different in values.items() if len(different) > 1 or name == "trial"]
    failed = f", {len(rows) - len(done)} failed" if len(done) < len(rows) else ""
    columns = min(len(names), COLUMNS)
    height = math.ceil(len(names) / columns)
    figure, axes = grid(height, columns, 3.0, 2.4, f"Search: {len(done)} completed{failed}", sharey=True)
    for number, place in enumerate(axes.flat):
        if number >= len(names):
            place.set_visible(False)
            continue
        name = names[number]
        own = [i for i, each in enumerate(settings) if name in each]
        marked = [number for number, i in enumerate(own) if settings[i]["trial"] == best]
        _panel(place, [settings[i][name] for i in own], [skills[i] for i in own], marked)
        style(place, "", name if number else "trial number", "validation skill" if number % columns == 0 else "")
    legend(figure, [*axes.flat])
    return figure


def _panel(place: Axes, values: Sequence[Any], skills: Sequence[float], marked: Sequence[int]) -> None:
    """Plot skills against the values of one hyperparameter."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        x = [float(value) for value in values]
        if x and min(x) > 0 and max(x) / min(x) > WIDE:
            place.set_xscale("log")
        elif len(set(x)) <= 5:
            place.set_xticks(sorted(set(x)), [f"{value:g}" for value in sorted(set(x))])
        else:
            place.locator_params(axis="x", nbins=5)
    else:
        labels = sorted({str(value) for value in values})
        x = [float(labels.index(str(value))) for value in values]
        place.set_xticks(range(len(labels)), labels)
        place.set_xlim(-0.5, len(labels) - 0.5)
    place.scatter(x, skills, s=18, alpha=0.7, linewidths=0, color="C0", label="trial")
    if marked:
        at, best = [x[i] for i in marked], [skills[i] for i in marked]
        place.scatter(at, best, s=110, marker="*", color="C3", edgecolors="white", linewidths=0.6, label="best trial", zorder=3)
