"""What holds for every picture, whatever it shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

#: Largest width and height in pixels.
WIDEST, HIGHEST = 1600, 2400
#: Labels of ticks next to each other that are closer read as one, in pixels.
APART = 4


def faults(figure: Figure) -> list[str]:
    """Return what must not be in a picture: empty panels, overlaps, cut texts, values outside of an axis, a large size.

    A band is cut as a line is: what reaches 0 on a logarithmic axis would fill the panel.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer: Any = canvas.get_renderer()
    wide, high = figure.get_size_inches() * figure.dpi
    found = [f"{wide:.0f} x {high:.0f} pixels"] if wide > WIDEST + 0.5 or high > HIGHEST + 0.5 else []
    panels = [axes for axes in figure.axes if axes.get_visible()]
    boxes = [axes.get_tightbbox(renderer) for axes in panels]
    for axes in panels:
        name = f"panel {axes.get_title() or axes.get_xlabel()!r}"
        found += [f"{name} is empty"] if not has_data(axes) else []
        found += [f"{name} cuts {line.get_label()}" for line in lines_of(axes) if is_cut(axes, np.asarray(line.get_xydata()))]
        bands = [path.vertices for each in axes.collections if isinstance(each, PolyCollection) for path in each.get_paths()]
        found += [f"{name} cuts a band" for band in bands if is_cut(axes, np.asarray(band, float))]
        for axis in (axes.xaxis, axes.yaxis):
            found += [f"{name}: {one} and {other} overlap" for one, other in overlapping(axis, renderer)]
    labels = [label for axes in panels for label in shown_labels(axes.xaxis) if label.get_rotation() == 0]
    areas = [(label.get_text(), label.get_window_extent(renderer)) for label in labels]
    found += [f"{one} and {other} read as one" for (one, a), (other, b) in itertools.combinations(areas, 2) if touch(a, b)]
    pairs = itertools.combinations([*boxes, *(legend.get_window_extent(renderer) for legend in figure.legends)], 2)
    found += [
        f"{one} and {other} overlap" for one, other in pairs if one is not None and other is not None and overlap(one, other)
    ]
    for text in texts(figure):
        box = text.get_window_extent(renderer)
        if box.x0 < -1 or box.y0 < -1 or box.x1 > wide + 1 or box.y1 > high + 1:
            found.append(f"{text.get_text()!r} is cut")
    return found


def lines_of(axes: Axes) -> Iterator[Any]:
    """Every line of values; not those that cross the whole panel."""
    for line in axes.lines:
        if line.get_transform() == axes.transData:
            yield line


def has_data(axes: Axes) -> bool:
    """Whether some finite value is drawn."""
    values = [np.asarray(line.get_xydata(), float) for line in lines_of(axes)]
    values += [np.asarray(each.get_offsets(), float) for each in axes.collections]
    if any(np.isfinite(each).all(axis=1).any() for each in values if each.size):
        return True
    return bool(axes.images) or any(len(each.get_paths()) for each in axes.collections)


def is_cut(axes: Axes, points: np.ndarray) -> bool:
    finite = points[np.isfinite(points).all(axis=1)]
    limits = (axes.get_xlim(), axes.get_ylim())
    return any(
        (finite[:, i] < min(limit) - 1e-9).any() or (finite[:, i] > max(limit) + 1e-9).any() for i, limit in enumerate(limits)
    )


def shown_labels(axis: Axis) -> list[Text]:
    """The labels of the ticks within the limits."""
    low, high = sorted(axis.get_view_interval())
    margin = 1e-6 * (high - low)
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    inside = [tick for tick in ticks if low - margin <= tick.get_loc() <= high + margin]
    return [tick.label1 for tick in inside if tick.label1.get_visible() and tick.label1.get_text()]


def overlapping(axis: Axis, renderer: Any) -> list[tuple[str, str]]:
    labels = [(label.get_text(), label.get_window_extent(renderer)) for label in shown_labels(axis)]
    return [(one, other) for (one, a), (other, b) in itertools.combinations(labels, 2) if overlap(a, b, 0.0)]


def touch(one: Bbox, other: Bbox) -> bool:
    """Whether two labels on one line are so close that they read as one."""
    gap = max(one.x0, other.x0) - min(one.x1, other.x1)
    return gap < APART and min(one.y1, other.y1) - max(one.y0, other.y0) > 1


def overlap(one: Bbox, other: Bbox, tolerance: float = 1.0) -> bool:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    return width > tolerance and min(one.y1, other.y1) - max(one.y0, other.y0) > tolerance


def texts(figure: Figure) -> Iterator[Text]:
    """Every text that is drawn; ticks keep the labels of what lies outside of the limits."""
    ticks = [tick for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in (*axis.majorTicks, *axis.minorTicks)]
    labels = {id(label) for tick in ticks for label in (tick.label1, tick.label2)}
    yield from (text for text in figure.findobj(Text) if text.get_visible() and text.get_text() and id(text) not in labels)
    for axes in figure.axes:
        yield from (label for axis in (axes.xaxis, axes.yaxis) for label in shown_labels(axis))
