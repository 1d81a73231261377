"""Axes of plots: ticks with room for their labels, logarithmic axes, and axes of epochs. Imported when drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.axis import XAxis
from matplotlib.ticker import MaxNLocator

__all__ = ["CHARACTER", "LINE", "Ticks", "epochs_axis", "fit_log", "panel_size", "spaced"]

#: Width of a character of a tick label (8 points) in inches, and height of its line.
CHARACTER, LINE = 0.074, 0.15
#: Distance between two tick labels in inches.
APART = 0.08


class Ticks(MaxNLocator):
    """Round numbers: on an x axis as many as their labels have room for where it is drawn.

    Args:
        most: Number of ticks at most.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most, steps=[1, 2, 2.5, 5, 10], min_n_ticks=2)
        self._most = most

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """Return the ticks of an axis with these limits."""
        ticks: list[float] = []
        for most in range(self._most, 0, -1):
            self.set_params(nbins=most)
            ticks = [float(tick) for tick in super().tick_values(vmin, vmax)]
            if not isinstance(self.axis, XAxis) or _fit(ticks, abs(vmax - vmin), _length(self.axis)):
                break
        return ticks


def _length(axis: XAxis) -> float:
    """Return the length of an axis in inches."""
    figure = axis.axes.get_figure(root=True)
    assert figure is not None
    return float(axis.axes.get_window_extent().width / figure.dpi)


def _fit(ticks: Sequence[float], span: float, room: float) -> bool:
    """Return whether the labels of evenly spaced ticks do not touch on an axis of this length."""
    if len(ticks) < 2 or not span:
        return True
    step = ticks[1] - ticks[0]
    decimals = len(f"{step:.9f}".rstrip("0").partition(".")[2])
    longest = max(len(f"{tick:.{decimals}f}") for tick in ticks)
    return CHARACTER * longest + APART <= step / span * room


def panel_size(axes: Axes) -> tuple[float, float]:
    """Return width and height of the cell that axes lie in, in inches, labels included."""
    spec, figure = axes.get_subplotspec(), axes.get_figure(root=True)
    assert spec is not None
    assert figure is not None
    (wide, high), (rows, columns) = figure.get_size_inches(), spec.get_gridspec().get_geometry()
    return float(wide) / columns, float(high) / rows * len(spec.rowspan)


def epochs_axis(axes: Axes, last: float, starts: Sequence[float]) -> None:
    """Label epochs up to the last with whole numbers and mark where later phases begin."""
    bins = max(2, min(8, int(panel_size(axes)[0] / 0.45)))
    axes.xaxis.set_major_locator(MaxNLocator(bins, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, last + 0.5)
    for start in starts:
        axes.axvline(start, color="0.35", linewidth=0.8, linestyle="--", label="next phase")


def fit_log(axes: Axes, which: str) -> None:
    """Fit a logarithmic axis to what is drawn, and label it with as many numbers as fit."""
    low, high = axes.dataLim.intervalx if which == "x" else axes.dataLim.intervaly
    low, high = low / (high / low) ** 0.05, high * (high / low) ** 0.05
    for subs in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        values = [sub * 10.0**power for power in powers for sub in subs]
        ticks = {value: f"{value:g}" for value in values if low <= value <= high}
        kept = spaced(axes, which, {math.log(value): label for value, label in ticks.items()}, math.log(high / low))
        if len(kept) == len(ticks):
            break
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks([math.exp(value) for value in kept], [*kept.values()])
    axis.set_ticks([], minor=True)
    axes.set(**{f"{which}lim": (low, high)})


def spaced(axes: Axes, which: str, ticks: Mapping[float, str], span: float) -> dict[float, str]:
    """Return those labels of ticks, from the lowest on, that do not overlap on an axis that spans this much."""
    wide, high = panel_size(axes)
    room = wide - 0.8 if which == "x" else high - 0.8
    kept: dict[float, str] = {}
    end = -math.inf
    for value in sorted(ticks):
        half = CHARACTER * len(ticks[value]) / 2 if which == "x" else LINE / 2
        at = value / span * room if span else 0.0
        if at - half > end:
            kept[value], end = ticks[value], at + half + 0.06
    return kept
