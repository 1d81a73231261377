"""A picture of a network: boxes for the input, the backbone, the shared layers and each head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError, describe
from mtl_keras.report._network_layout import FRAME, GAP, LINE, OUT, WIDTHS, Part, place
from mtl_keras.report._network_parts import count_parameters, describe_network
from mtl_keras.report._text import count_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mtl_keras.model import MultiTaskModel
    from mtl_keras.report._drawing import NotebookFigure

__all__ = ["plot_network"]

COLORS = {"input": "0.93", "backbone": "#dbe7f3", "shared": "#dff0dc", "heads": "#fbe9d3"}


def plot_network(model: MultiTaskModel) -> NotebookFigure:
    """Draw a network as boxes and arrows: the input, the backbone, the shared layers, and each head with its layers.

    Args:
        model: From `build_model`, or loaded. The trained weights play no role.

    Returns:
        A box for each part, from left to right, with its layers (those that keep the shape in one line, an arrow before the
        shape of what they return), the shape of its output and the number of its parameters. Of more than six heads, equal
        ones are drawn once, with their number and the first names. A head that takes the output of another one has an arrow
        from it.

    Raises:
        MTLError: If the model is not one of mtl_keras.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> figure = plot_network(mtl.build_model(tasks, "SmallCNN", image_shape=(8, 8, 1), shared=(64,)))
    """
    if not all(hasattr(model, name) for name in ("recipe", "head_layers", "features")):
        raise MTLError(f"`model` must be a model of mtl_keras. Received: {describe(model)}. Pass what mtl.build_model returns.")
    parts = describe_network(model)
    wide, high = place(parts)
    axes = _canvas(wide, high, f"{count_of(len(model.recipe.tasks), 'task')}, {count_parameters(model.layers)}")
    for part in parts:
        _draw(axes, part)
    _connect(axes, parts)
    figure: Any = axes.get_figure()
    return figure


def _canvas(wide: float, high: float, title: str) -> Axes:
    """Return axes whose units are inches."""
    from mtl_keras.report._drawing import NotebookFigure

    figure = NotebookFigure(figsize=(wide, high + 0.35), dpi=100)
    axes = figure.add_axes((0.0, 0.0, 1.0, high / (high + 0.35)))
    axes.set(xlim=(0.0, wide), ylim=(0.0, high))
    axes.set_axis_off()
    axes.set_title(title, fontsize=12)
    return axes


def _draw(axes: Axes, part: Part) -> None:
    """Draw a box with its text."""
    from matplotlib.patches import FancyBboxPatch

    bottom = part.middle - part.height / 2
    box = FancyBboxPatch(
        (part.left, bottom),
        part.width,
        part.height,
        boxstyle="round,pad=0,rounding_size=0.06",
        facecolor=COLORS[part.column],
        edgecolor="0.35",
        linewidth=0.9,
        linestyle="--" if part.several else "-",
    )
    axes.add_patch(box)
    for number, line in enumerate([part.title, *part.lines]):
        y = bottom + part.height - FRAME - LINE * (number + 0.5)
        weight = "normal" if number else "bold"
        axes.text(part.left + FRAME, y, line, fontsize=9, va="center", weight=weight)


def _connect(axes: Axes, parts: Sequence[Part]) -> None:
    """Draw the arrows: from each part to those that take its output."""
    by_column = {part.column: part for part in parts}
    owner = {name: part for part in parts for name in part.names}
    backbone = by_column["backbone"]
    _arrow(axes, by_column["input"], backbone)
    for part in parts:
        if part.reads == "shared" or (part.reads and part.left - backbone.left < WIDTHS["backbone"] + 1.5 * GAP):
            _arrow(axes, by_column[part.reads], part)
        elif part.reads:
            # Below the shared layers.
            down = backbone.middle - backbone.height / 2
            x = backbone.left + (backbone.width if part.middle > down else backbone.width / 2)
            if part.middle <= down:
                _bend(axes, [(x, down), (x, part.middle)])
            _line(axes, (x, part.middle), (part.left, part.middle))
        for source in part.sources:
            right = part.left + part.width
            _bend(axes, [(right, owner[source].middle), (right + OUT, owner[source].middle), (right + OUT, part.middle)])
            _line(axes, (right + OUT, part.middle), (right, part.middle))


def _arrow(axes: Axes, one: Part, other: Part) -> None:
    """Draw an arrow between the facing edges of two parts."""
    _line(axes, (one.left + one.width, one.middle), (other.left, other.middle))


def _line(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a straight arrow."""
    arrow = {"arrowstyle": "-|>", "color": "0.35", "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=arrow)


def _bend(axes: Axes, corners: Sequence[tuple[float, float]]) -> None:
    """Draw the part of an arrow that comes before its last straight piece."""
    axes.plot(*zip(*corners, strict=True), color="0.35", linewidth=1.0, solid_capstyle="butt")
