"""The sheet that pictures are drawn on; the only module that imports matplotlib at its top, and imported when drawing."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

__all__ = ["Picture", "epochs_axis", "grid", "legend", "png", "style"]

#: Pictures are committed with their records: a larger file is reduced to a palette.
LARGE = 90_000


class Picture(Figure):
    """A figure outside of pyplot that a notebook shows all the same."""

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi, metadata={"Software": None})
    for colours in (256, 64, 16):
        if buffer.tell() > LARGE:
            with Image.open(buffer) as image:
                reduced = image.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
            buffer = io.BytesIO()
            reduced.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def grid(rows: int, columns: int, width: float, height: float, title: str = "", **kwargs: Any) -> tuple[Picture, np.ndarray]:
    """Return a figure and its axes `[rows, columns]`, each `width` x `height` inches, in one style."""
    figure = Picture(figsize=(columns * width, rows * height + (0.4 if title else 0.0)), dpi=100, layout="constrained")
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


def epochs_axis(axes: Axes, starts: Sequence[float]) -> None:
    """Count epochs in whole numbers and mark where later phases begin."""
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.5), max(high, 1.5))
    for start in starts:
        axes.axvline(start, color="0.35", linewidth=0.8, linestyle="--", label="next phase")


def legend(figure: Figure, axes: Sequence[Axes], columns: int = 4) -> None:
    """Put one legend for all axes below them."""
    entries: dict[str, Any] = {}
    for each in axes:
        handles, labels = each.get_legend_handles_labels()
        entries |= {label: entries.get(label, handle) for handle, label in zip(handles, labels, strict=True)}
    if entries:
        figure.legend(
            list(entries.values()),
            list(entries),
            loc="outside lower center",
            ncols=min(columns, len(entries)),
            frameon=False,
            fontsize=9,
        )
