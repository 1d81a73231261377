"""Axes, colors and legends in one style. The only module that imports matplotlib at its top; imported when drawing."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from mtl_keras.report._roles import SINGLE_TASK

__all__ = ["NotebookFigure", "colors_of", "epochs_axis", "grid", "legend", "png", "style"]

#: Pictures are committed with their records: above this size in bytes a file is reduced to a palette.
LARGE = 90_000


class NotebookFigure(Figure):
    """A figure that does not belong to pyplot and that notebooks display."""

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file. Equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi, metadata={"Software": None})
    # Fewer would give two lines one color.
    for colors in (256, 64):
        if buffer.tell() > LARGE:
            with Image.open(buffer) as image:
                reduced = image.convert("RGB").quantize(colors, dither=Image.Dither.NONE)
            buffer = io.BytesIO()
            reduced.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def grid(
    rows: int, columns: int, width: float, height: float, title: str = "", **kwargs: Any
) -> tuple[NotebookFigure, np.ndarray]:
    """Return a figure and its axes `[rows, columns]`, each `width` x `height` inches, in one style."""
    figure = NotebookFigure(figsize=(columns * width, rows * height + (0.4 if title else 0.0)), dpi=100, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure, axes


def style(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Give axes their labels and a light frame."""
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


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


def epochs_axis(axes: Axes, starts: Sequence[float]) -> None:
    """Label epochs with whole numbers and mark where later phases begin."""
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.5), max(high, 1.5))
    for start in starts:
        axes.axvline(start, color="0.35", linewidth=0.8, linestyle="--", label="next phase")


def legend(figure: Figure, axes: Sequence[Axes], columns: int = 4, *, right: bool = False) -> None:
    """Add one legend for all axes: below them, in as many columns as fit, or in one column on the right."""
    entries: dict[str, Any] = {}
    for each in axes:
        handles, labels = each.get_legend_handles_labels()
        entries |= {label: entries.get(label, handle) for handle, label in zip(handles, labels, strict=True)}
    if entries:
        wide, high = figure.get_size_inches()
        room = int(wide / (0.5 + 0.075 * max(map(len, entries))))
        columns = 1 if right else max(1, min(columns, len(entries), room))
        if not right:
            # Rows of the legend must not shrink the axes.
            figure.set_size_inches(wide, high + 0.2 * max(0, math.ceil(len(entries) / columns) - 2))
        figure.legend(
            list(entries.values()),
            list(entries),
            loc="outside right upper" if right else "outside lower center",
            ncols=columns,
            frameon=False,
            fontsize=9,
        )
