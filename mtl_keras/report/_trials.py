"""The plot of a search."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError
from mtl_keras.report._check import check_trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_trials"]

#: Panels next to each other.
COLUMNS = 4
#: Up to this many different numbers are the ticks of their axis.
FEW = 5


def plot_trials(trial_rows: Iterable[Mapping[str, Any]]) -> Figure:
    """Plot the validation skill against each hyperparameter that varies.

    Args:
        trial_rows: Rows of trials.jsonl; the title counts those that failed.

    Returns:
        One panel for the trial number and one for each hyperparameter, with a dot for each completed training that has it.
        Those of the best trial are marked. The axis of a number that spans more than a factor of 10 is logarithmic.

    Raises:
        MTLError: If no trial is completed.
    """
    from mtl_keras.report._drawing import cells, grid, legend, style
    from mtl_keras.report.statistics import trial_skills

    rows = check_trials(trial_rows)
    done = [row for row in rows if row["status"] == "completed"]
    if not done:
        raise MTLError(
            f"`trial_rows` must hold a completed trial. Received: {len(rows)} failed. Their errors are in trials.jsonl."
        )
    settings = [{"trial": row["trial"], **row["hyperparameters"]} for row in done]
    skills = [float(row["values"]["skill"]) for row in done]
    best = next(iter(trial_skills(rows)), None)
    values: dict[str, set[str]] = {"trial": set()}
    for each in settings:
        for name, value in each.items():
            values.setdefault(name, set()).add(str(value))
    names = [name for name, different in values.items() if len(different) > 1 or name == "trial"]
    failed = f", {len(rows) - len(done)} failed" if len(done) < len(rows) else ""
    places = cells(len(names), COLUMNS, 2.4)
    figure, axes = grid(places, 3.0, 2.4, f"Search: {len(done)} completed{failed}")
    for place, name, (_, column, _) in zip(axes, names, places, strict=True):
        own = [i for i, each in enumerate(settings) if name in each]
        marked = [number for number, i in enumerate(own) if settings[i]["trial"] == best]
        style(place, "", "trial number" if name == "trial" else name, "" if column else "validation skill")
        place.sharey(axes[0])
        place.tick_params(labelleft=column == 0)
        _panel(place, [settings[i][name] for i in own], [skills[i] for i in own], marked)
    legend(figure, axes)
    return figure


def _panel(place: Axes, values: Sequence[Any], skills: Sequence[float], marked: Sequence[int]) -> None:
    """Plot skills against the values of one hyperparameter."""
    from matplotlib.ticker import MaxNLocator

    from mtl_keras.report._axis import fit_log, spaced
    from mtl_keras.report._curves import is_wide

    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    labels = [] if numeric else sorted({str(value) for value in values})
    x = [float(value) if numeric else float(labels.index(str(value))) for value in values]
    place.scatter(x, skills, s=18, alpha=0.7, linewidths=0, color="C0", label="trial")
    if marked:
        at, best = [x[i] for i in marked], [skills[i] for i in marked]
        place.scatter(at, best, s=110, marker="*", color="C3", edgecolors="white", linewidths=0.6, label="best trial", zorder=3)
    if labels:
        _name_ticks(place, labels)
        return
    if all(isinstance(value, int) for value in values):
        place.xaxis.set_major_locator(MaxNLocator(FEW, steps=[1, 2, 5, 10], integer=True))
    if is_wide(x):
        place.set_xscale("log")
        fit_log(place, "x")
    if len(set(x)) <= FEW:
        scale: Callable[[float], float] = math.log if place.get_xscale() == "log" else float
        kept = spaced(place, "x", {scale(value): f"{value:.4g}" for value in x}, scale(max(x)) - scale(min(x)))
        place.set_xticks([value for value in sorted(set(x)) if scale(value) in kept], [*kept.values()])


def _name_ticks(place: Axes, labels: Sequence[str]) -> None:
    """Name the values 0, 1, ... of an axis: next to each other if they fit, else upright."""
    from mtl_keras.report._axis import LINE, panel_size, spaced
    from mtl_keras.report._drawing import wrapped

    across = spaced(place, "x", dict(enumerate(labels)), len(labels))
    if len(across) == len(labels):
        place.set_xticks([*across], [*across.values()])
    else:
        room = (panel_size(place)[0] - 0.8) / len(labels)
        names = [wrapped(label, 16) if room > 2.2 * LINE else label[:24] for label in labels]
        every = max(1, math.ceil(LINE / room))
        place.set_xticks(range(0, len(labels), every), names[::every], rotation=90)
    place.set_xlim(-0.5, len(labels) - 0.5)
