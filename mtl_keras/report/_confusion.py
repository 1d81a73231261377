"""Plots of confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.errors import MTLError, check_mapping, check_names, check_text
from mtl_keras.report._check import check_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_confusion", "plot_confusions"]

#: Up to how many classes the cells of a confusion matrix hold their counts, and up to how many its classes are named.
COUNTED, NAMED = 12, 40
#: What the name of a class and the labels next to a matrix take, in inches.
MARGIN = 1.5
#: Panels may be smaller by this factor where more of them fit next to each other.
NEARLY = 0.9
#: Width of the color bar, and what it leaves of the largest picture, in inches.
BAR, ROOM, HIGH = 1.0, 15.0, 23.4


def plot_confusion(counts: np.ndarray, names: Sequence[str] | None = None, title: str = "") -> Figure:
    """Plot a confusion matrix.

    Args:
        counts: `[classes, classes]` of at least 0, rows = true, columns = predicted; of one model, or summed over seeds or
            splits.
        names: Names of the classes; default their numbers. Up to 40 classes are named.
        title: What was counted, e.g. `"digit, test split, 3 seeds"`. The number of rows is added to it.

    Returns:
        Colors show the share of each true class, on a square-root scale so that rare confusions are visible. Up to 12
        classes have their counts written into the cells.
    """
    return _figure({"": _checked("counts", counts)}, names, title)


def plot_confusions(by_label: Mapping[str, np.ndarray], names: Sequence[str] | None = None, title: str = "") -> Figure:
    """Plot the confusion matrices of several approaches next to each other.

    Args:
        by_label: Counts of each approach by its label, as for `plot_confusion`, with the same classes.
        names: Names of the classes; default their numbers.
        title: What was counted, e.g. `"digit, test split, 3 seeds"`.

    Returns:
        One panel for each approach with the number of rows counted, all with one color scale.

    Raises:
        MTLError: If there is no matrix, or they have different classes.

    Example:
        >>> import numpy as np
        >>> from mtl_keras import report
        >>> counts = {"joint": np.array([[9, 1], [2, 8]]), "single-task": np.array([[8, 2], [3, 7]])}
        >>> figure = report.plot_confusions(counts, ["cat", "dog"], "animal, test split, 1 seed")
    """
    given = check_mapping("by_label", by_label, example="{'joint': counts}")
    checked = {label: _checked(f"by_label[{label!r}]", each) for label, each in given.items()}
    if len({len(each) for each in checked.values()}) != 1:
        raise MTLError(
            "`by_label` must hold matrices of the same classes. Received: "
            f"{', '.join(f'{label} {list(each.shape)}' for label, each in checked.items()) or 'none'}. "
            "Plot each task on its own."
        )
    return _figure(checked, names, title)


def _checked(name: str, counts: Any) -> np.ndarray:
    """Return a confusion matrix after checking it."""
    matrix = check_array(name, counts, ("classes", "classes"))
    if matrix.min() < 0:
        raise MTLError(f"`{name}` must be counts of at least 0. Received: {matrix.min()}. Pass those of confusion_counts.")
    return matrix


def _figure(by_label: Mapping[str, np.ndarray], names: Sequence[str] | None, title: str) -> Figure:
    """Return one panel for each matrix."""
    from matplotlib.ticker import PercentFormatter

    from mtl_keras.report._axis import CHARACTER
    from mtl_keras.report._drawing import cells, grid

    classes = max(map(len, by_label.values()))
    names = list(check_names("names", () if names is None else names))
    if names and len(names) != classes:
        raise MTLError(
            f"`names` must have one name for each class. Received: {len(names)} names for {classes} classes. Pass all of them."
        )
    if not isinstance(title, str) or title:
        check_text("title", title, maximum=200)
    labels = [str(name) for name in names or range(classes)]
    digits = max(len(_number(count)) for counts in by_label.values() for count in counts.flat)
    square = max(0.24 if classes <= NAMED else 0.06, CHARACTER * digits + 0.08 if classes <= COUNTED else 0.0)
    outside = MARGIN + (0.9 * CHARACTER * max(map(len, labels)) if classes <= NAMED else 0.0)
    side = max(3.0 if len(by_label) == 1 else 2.0, square * classes) + outside
    columns = _columns(len(by_label), side)
    side = min(side, ROOM / columns, HIGH / math.ceil(len(by_label) / columns))
    places = cells(len(by_label), columns, side)
    figure, axes = grid(places, side + BAR / columns, side, title if len(by_label) > 1 else "")
    # For panels of a fixed shape, with room between a label and the title below it.
    figure.set_layout_engine("compressed", h_pad=0.1)
    for place, (label, counts) in zip(axes, by_label.items(), strict=True):
        image = _matrix(place, counts, labels, f"{label or title}\n{_number(counts.sum())} rows counted".strip(), outside)
    rows, form = 1 + places[-1][0], PercentFormatter(1.0)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=20 * rows, format=form, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
    bar.set_label("share of the true class", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return figure


def _columns(panels: int, side: float) -> int:
    """Return the largest number of columns with which square panels are nearly as large as they can be."""
    sides = {n: min(side, ROOM / n, HIGH / math.ceil(panels / n)) for n in range(1, panels + 1)}
    columns = max(n for n, each in sides.items() if each > NEARLY * max(sides.values()))
    # In rows of about equal length.
    return math.ceil(panels / math.ceil(panels / columns))


def _matrix(place: Axes, counts: np.ndarray, labels: Sequence[str], title: str, outside: float) -> Any:
    """Draw one matrix, whose labels take `outside` inches of the panel, and return its image."""
    from matplotlib import colormaps
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import MaxNLocator

    from mtl_keras.report._axis import CHARACTER, panel_size
    from mtl_keras.report._drawing import SHADES, style

    classes = len(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = place.imshow(
        share, cmap=colormaps["Blues"].resampled(SHADES), norm=PowerNorm(0.5, 0.0, 1.0), interpolation="nearest"
    )
    square = (min(panel_size(place)) - outside) / classes
    named = classes <= NAMED and square > 0.105
    number = "" if named else " (number)"
    style(place, title, f"predicted class{number}", f"true class{number}")
    place.grid(visible=False)
    place.spines[:].set_visible(True)
    if named:
        size = 8 if square > 0.16 else 6
        across = max(map(len, labels)) * CHARACTER > square
        place.set_xticks(range(classes), labels, rotation=90 if across else 0, fontsize=size)
        place.set_yticks(range(classes), labels, fontsize=size)
    else:
        for axis in (place.xaxis, place.yaxis):
            axis.set_major_locator(MaxNLocator(10, integer=True))
    if classes <= COUNTED:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                color = "white" if share[row, column] > 0.4 else "black"
                place.text(column, row, _number(count), ha="center", va="center", color=color, fontsize=8)
    return image


def _number(count: Any) -> str:
    """Return a count with all its digits, in groups of three."""
    return f"{count:,.15g}"
