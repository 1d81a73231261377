"""Figures, curves, colors and legends in one style. Imported when drawing, as it imports matplotlib."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import AutoLocator, ScalarFormatter
from PIL import Image

from mtl_keras.report._axis import Ticks, panel_size
from mtl_keras.report._roles import SINGLE_TASK

if TYPE_CHECKING:
    from mtl_keras.report._curves import Curve

__all__ = [
    "SHADES",
    "NotebookFigure",
    "Place",
    "cells",
    "colors_of",
    "curve",
    "grid",
    "legend",
    "png",
    "style",
    "wrapped",
]

#: Pictures are committed with their records: above this size in bytes a file is reduced to a palette.
LARGE = 90_000
#: Number of colors of a color map that stay when a picture is reduced.
SHADES = 64
#: No picture is wider or higher, in inches of 100 pixels.
WIDEST, HIGHEST = 16.0, 24.0
#: Panels in a row at most, however many there are.
MOST = 8
#: Row, column and number of rows of a panel.
Place = tuple[int, int, int]


class NotebookFigure(Figure):
    """A figure that does not belong to pyplot and that notebooks display. Its texts are shown as they are, without formulas."""

    def draw(self, renderer: Any) -> None:
        # Names may hold dollars. Ticks are made while drawing, those that exist before.
        with rc_context({"text.parse_math": False}):
            for text in self.findobj(Text):
                text.set_parse_math(False)
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file. Equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi, metadata={"Software": None})
    # A small palette changes the colors of thin lines and of color bars. Images alone can bear it.
    for colors in (256, 64) if all(axes.images for axes in figure.axes) else (256,):
        if buffer.tell() > LARGE:
            with Image.open(buffer) as image:
                reduced = _reduced(image.convert("RGB"), colors, figure)
            buffer = io.BytesIO()
            reduced.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _reduced(image: Image.Image, colors: int, figure: Figure) -> Image.Image:
    """Return an image of so many colors, among them those of all lines: few pixels may have one, but a legend names it."""
    names = {to_rgb(line.get_color()) for axes in figure.axes for line in axes.lines}
    # Those of a color bar as well.
    maps = {image.cmap.name: image.cmap for axes in figure.axes for image in axes.images if image.cmap.N <= SHADES}
    names |= {to_rgb(each(number)) for each in maps.values() for number in range(each.N)}
    kept = [tuple(round(255 * part) for part in color) for color in [(1.0, 1.0, 1.0), *sorted(names)]][: colors // 2]
    reduced = image.quantize(colors - len(kept), dither=Image.Dither.NONE)
    palette = (reduced.getpalette() or [])[: 3 * (colors - len(kept))]
    numbers, pixels = np.array(reduced), np.asarray(image)
    for number, color in enumerate(kept, start=len(palette) // 3):
        numbers[(pixels == color).all(axis=-1)] = number
    exact = Image.fromarray(numbers)
    exact.putpalette([*palette, *(part for color in kept for part in color)])
    return exact


def cells(panels: int, columns: int, height: float, first: int = 0) -> list[Place]:
    """Return the place of each panel, from row `first` on, in rows of about equal length.

    More panels than fit below each other have more columns, and are drawn smaller.

    Example:
        >>> cells(4, 3, 2.4)
        [(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1)]
    """
    while columns < MOST and math.ceil(panels / columns) * height > HIGHEST:
        columns += 1
    columns = math.ceil(panels / math.ceil(panels / columns))
    return [(first + number // columns, number % columns, 1) for number in range(panels)]


def grid(places: Sequence[Place], width: float, height: float, title: str = "") -> tuple[NotebookFigure, list[Axes]]:
    """Return a figure and axes at these places, each cell `width` x `height` inches or as large as the figure allows."""
    rows, columns = max(row + rows for row, _, rows in places), 1 + max(column for _, column, _ in places)
    wide = min(columns * width, WIDEST)
    name = wrapped(title, int(wide / 0.1))
    high = min(rows * height + 0.3 * len(name.splitlines()) + 0.1, HIGHEST)
    figure = NotebookFigure(figsize=(wide, high), dpi=100)
    # Tick labels at the ends of two axes must not read as one.
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.05)
    spec = figure.add_gridspec(rows, columns)
    axes = [figure.add_subplot(spec[row : row + rows, column]) for row, column, rows in places]
    if title:
        figure.suptitle(name, fontsize=12)
    return figure, axes


def style(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Give axes their labels, in as many lines as it takes, and a light frame."""
    wide, high = panel_size(axes)
    axes.set_title(wrapped(title, int((wide - 0.3) / 0.09)), fontsize=10)
    axes.set_xlabel(wrapped(x, int((wide - 0.6) / 0.08)), fontsize=9)
    axes.set_ylabel(wrapped(y, int((high - 0.6) / 0.08)), fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for axis, most in ((axes.xaxis, (wide - 0.8) / 0.5), (axes.yaxis, (high - 0.7) / 0.3)):
        if isinstance(axis.get_major_locator(), AutoLocator):
            axis.set_major_locator(Ticks(max(2, min(6, int(most)))))
        if isinstance(formatter := axis.get_major_formatter(), ScalarFormatter):
            # A number that must be added in the mind is overlooked.
            formatter.set_useOffset(False)


def wrapped(text: str, characters: int) -> str:
    r"""Return a text in lines of this many characters at most, broken at spaces, `_`, `-` and `/`, else within words.

    Example:
        >>> wrapped("fine_then_coarse, validation", 16)
        'fine_then_\ncoarse,\nvalidation'
    """
    characters = max(characters, 8)
    lines = [""]
    for line in text.split("\n"):
        for word in re.findall(r"[^\s_/-]*[\s_/-]|[^\s_/-]+", line):
            for part in (word[i : i + characters] for i in range(0, len(word), characters)):
                if len((lines[-1] + part).rstrip()) > characters:
                    lines.append("")
                lines[-1] += part
        lines.append("")
    return "\n".join(line.strip() for line in lines if line.strip())


def colors_of(labels: Iterable[str]) -> dict[str, str]:
    """Return a color for each label: ten colors, then the same darker. Baselines of one approach have its color, paler."""
    names = list(dict.fromkeys(labels))
    own = {f"{name} {SINGLE_TASK}": name for name in names}
    colors: dict[str, str] = {}
    for number, name in enumerate(name for name in names if own.get(name) not in names):
        colors[name] = f"C{number}" if number % 20 < 10 else _mixed(f"C{number}", 0.0)
    return {name: colors[name] if name in colors else _mixed(colors[own[name]], 1.0) for name in names}


def _mixed(color: str, gray: float) -> str:
    """Return a color halfway to black (0) or white (1)."""
    red, green, blue = to_rgb(color)
    return to_hex(((red + gray) / 2, (green + gray) / 2, (blue + gray) / 2))


def curve(
    axes: Axes, x: Sequence[float], drawn: Curve, color: str, label: str, linestyle: str = "-", width: float = 1.4
) -> None:
    """Draw a line for the mean and a band of one SD to each side; few epochs are dots and bars.

    On a logarithmic axis the band reaches as far below the line as above: one that reaches 0 would fill the panel.
    """
    few = len(x) < 3
    middle, deviation = np.array(drawn.mean), np.array(drawn.sd)
    high = middle + deviation
    low = middle**2 / high if axes.get_yscale() == "log" else middle - deviation
    marker = "" if not few else "o" if linestyle == "-" else "x"
    # What is wider lies lower, so that both of two equal lines are seen.
    line: dict[str, Any] = {"color": color, "linewidth": width, "linestyle": linestyle, "zorder": 2.5 - width / 10}
    # Labels that begin with an underscore are left out of legends.
    axes.plot(x, middle, marker=marker, markersize=4, label=f" {label}" if label.startswith("_") else label, **line)
    if deviation.any() and few:
        axes.vlines(x, low, high, color=color, linewidth=1.0)
    elif deviation.any():
        axes.fill_between(x, low, high, color=color, alpha=0.13, linewidth=0)


def legend(figure: Figure, axes: Sequence[Axes], columns: int = 4, *, right: bool = False) -> None:
    """Add one legend for all axes: below them, in as many columns as fit, or in one column on the right."""
    entries: dict[str, Any] = {}
    for each in axes:
        handles, labels = each.get_legend_handles_labels()
        entries |= {label: entries.get(label, handle) for handle, label in zip(handles, labels, strict=True)}
    if entries:
        wide, high = figure.get_size_inches()
        names = [wrapped(label, 40 if right else int((wide - 0.8) / 0.08)) for label in entries]
        longest = max(len(line) for name in names for line in name.splitlines())
        columns = 1 if right else max(1, min(columns, len(entries), int(wide / (0.5 + 0.078 * longest))))
        # A last row of a single entry is overlooked.
        columns = math.ceil(len(entries) / math.ceil(len(entries) / columns))
        if not right:
            # Rows of the legend must not shrink the axes.
            lines = max(name.count("\n") + 1 for name in names) * math.ceil(len(entries) / columns)
            figure.set_size_inches(wide, min(high + 0.2 * max(0, lines - 2), HIGHEST))
        figure.legend(
            list(entries.values()),
            names,
            loc="outside right upper" if right else "outside lower center",
            ncols=columns,
            frameon=False,
            fontsize=9,
        )
