"""A picture of a network: boxes for the input, the backbone, the shared layers and each head."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError, describe
from mtl_keras.report._text import count_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mtl_keras.model import MultiTaskModel
    from mtl_keras.report._drawing import NotebookFigure

__all__ = ["plot_network"]

#: Up to how many heads each has a box of its own, and how many boxes of heads there are at most.
EACH, MOST = 6, 12
#: Up to how many changes of shape the layers of a part are listed one by one.
LISTED = 10
#: Of a group of equal heads, the first names are given, up to so many characters.
NAMES = 60
#: Width of the columns in inches, of the gaps between them and of the frame inside a box.
WIDTHS, GAP, FRAME = {"input": 1.2, "backbone": 2.8, "shared": 2.6, "heads": 3.0}, 0.4, 0.12
#: Height of a line, distance between boxes, and width of a character, in inches.
LINE, BETWEEN, CHARACTER = 0.175, 0.16, 0.071
#: How far an arrow between heads leaves their column, in inches.
OUT = 0.2
#: A space at which no line ends.
TIED = "\N{NO-BREAK SPACE}"
COLORS = {"input": "0.93", "backbone": "#dbe7f3", "shared": "#dff0dc", "heads": "#fbe9d3"}


@dataclass
class Part:
    """A box of the picture.

    Attributes:
        column: Key of `WIDTHS`.
        title: First line, bold.
        lines: What it consists of, a line each, before they are wrapped.
        names: Tasks of a head, or of a group of equal heads.
        sources: Names of the tasks that a head takes the output of.
        reads: Column whose output it takes; empty if it takes outputs of other heads only.
        several: Whether it stands for several heads.
        left: Left edge in inches.
        middle: Height of its middle in inches.
    """

    column: str
    title: str
    lines: list[str]
    names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    reads: str = ""
    several: bool = False
    left: float = 0.0
    middle: float = 0.0

    def __post_init__(self) -> None:
        room = int((self.width - 2 * FRAME) / CHARACTER)
        self.lines = [
            piece.replace(TIED, " ")
            for line in self.lines
            for piece in textwrap.wrap(line, room, subsequent_indent="   ", break_on_hyphens=False)
        ]

    @property
    def width(self) -> float:
        return WIDTHS[self.column]

    @property
    def height(self) -> float:
        return LINE * (1 + len(self.lines)) + 2 * FRAME


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
    shared, heads = _shared(model), _heads(model)
    parts = [_input(model), _backbone(model), *shared, *heads]
    wide, high = _place(parts)
    axes = _canvas(wide, high, f"{count_of(len(model.recipe.tasks), 'task')}, {_count(model.layers)}")
    for part in parts:
        _draw(axes, part)
    _connect(axes, parts)
    figure: Any = axes.get_figure()
    return figure


def _input(model: Any) -> Part:
    return Part("input", "input", [_shape(model.input.shape)])


def _backbone(model: Any) -> Part:
    """Return the network from the images to the features, with the layers of the nested backbone."""
    layers: list[Any] = []
    for layer in model.trunk.layers:
        layers += layer.layers if hasattr(layer, "layers") else [layer]
    lines = [*_listed(layers, model.input.shape), _count([model.trunk])]
    return Part("backbone", f"backbone {model.recipe.backbone.name}", lines)


def _shared(model: Any) -> list[Part]:
    """Return the layers that several tasks share behind the backbone, if there are any."""
    layers = model.layers_by_name("shared")
    if not layers:
        return []
    lines = [*_listed(layers, model.features.shape), _count(layers)]
    return [Part("shared", "shared layers", lines, reads="backbone")]


def _heads(model: Any) -> list[Part]:
    """Return a box for each head, or for each group of equal ones if there are many; those that skip shared layers last."""
    recipe, by_task = model.recipe, model.head_layers
    through = "shared" if model.layers_by_name("shared") else "backbone"
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, task in recipe.tasks.items():
        layers, source = by_task[name], task.source or recipe.stack.get(name)
        reads = "" if task.source else through if name in recipe.sharing_tasks else "backbone"
        start = model.features.shape if reads != "shared" else model.layers_by_name("shared")[-1].output.shape
        lines = [*_listed(layers, start), _count(layers)]
        key = (type(task).__name__, tuple(lines), (source,) if source else (), reads)
        groups.setdefault(key if len(recipe.tasks) > EACH else (name, *key), []).append(name)
    parts: list[Part] = []
    for key, names in groups.items():
        kind, own, sources, reads = key[-4:]
        parts.append(Part("heads", f"{names[0]} ({kind})", [*own], (names[0],), sources, reads))
        if len(names) > 1:
            more = f"{count_of(len(names) - 1, 'head')} like {names[0]}"
            parts.append(Part("heads", more, [_some(names[1:])], tuple(names[1:]), sources, reads, several=True))
    parts.sort(key=lambda part: part.reads != through)
    if len(parts) > MOST:
        rest = [name for part in parts[MOST - 1 :] for name in part.names]
        count = _count(layer for name in rest for layer in by_task[name])
        parts = [
            *parts[: MOST - 1],
            Part("heads", f"{len(rest)} more heads", [_some(rest), count], tuple(rest), (), through, several=True),
        ]
    return parts


def _listed(layers: Sequence[Any], before: Sequence[int | None]) -> list[str]:
    """Return a line for each layer that has a kernel or changes the shape, with an arrow and its shape; others follow it.

    Of many lines only the number of layers is given, and the shape of the last one.
    """
    lines: list[list[str]] = []
    for layer in layers:
        shape = getattr(layer.output, "shape", None)
        if type(layer).__name__ == "InputLayer" or shape is None:
            continue
        alone = tuple(shape) != tuple(before) or hasattr(layer, "kernel")
        if alone or not lines:
            lines.append([])
        lines[-1].append(_layer(layer) + (f" → {_shape(shape)}" if alone else ""))
        before = shape
    if len(lines) > LISTED:
        return [f"{count_of(len(layers), 'layer')} → {_shape(before)}"]
    return [", ".join(words) for words in lines]


def _layer(layer: Any) -> str:
    """Return a layer in a few words, e.g. `"Conv2D 3×3, stride 2"` or `"Dense (relu)"`."""
    words = type(layer).__name__
    if (kernel := getattr(layer, "kernel_size", None)) is not None:
        words += f" {'×'.join(map(str, kernel))}"
        if (strides := set(layer.strides)) != {1}:
            words += f", stride {'×'.join(map(str, sorted(strides)))}"
    if (rate := getattr(layer, "rate", None)) is not None:
        words += f"{TIED}{rate:g}"
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return words if activation == "linear" else f"{words} ({activation})"


def _shape(shape: Sequence[int | None]) -> str:
    """Return a shape without its batch axis, e.g. `"32×32×3"`."""
    return "×".join("?" if side is None else str(side) for side in shape[1:]) or "1"


def _count(layers: Iterable[Any]) -> str:
    """Return how many parameters some layers have, and how many of them are trained."""
    each = list(layers)
    total = sum(layer.count_params() for layer in each)
    trained = sum(math.prod(weight.shape) for layer in each for weight in layer.trainable_weights)
    if not total:
        return "no parameters"
    note = "" if trained == total else ", frozen" if not trained else f", {trained:,} trained"
    return count_of(total, "parameter").replace(str(total), f"{total:,}") + note


def _some(names: Sequence[str]) -> str:
    """Return the first names, and the last one if some are left out."""
    kept = [*names]
    while len(", ".join(kept)) > NAMES and len(kept) > 2:
        kept.pop(-2)
    return ", ".join(kept if len(kept) == len(names) else [*kept[:-1], "…", kept[-1]])


def _place(parts: Sequence[Part]) -> tuple[float, float]:
    """Set where each part is, and return width and height of the picture in inches.

    Heads that take the shared features are next to the shared layers; the others are below, so that their arrows, which
    begin at the backbone, cross nothing.
    """
    columns: dict[str, list[Part]] = {}
    for part in parts:
        columns.setdefault(part.column, []).append(part)
    left = GAP / 3
    for name, own in columns.items():
        for part in own:
            part.left = left
        left += WIDTHS[name] + GAP
    heads, shared = columns["heads"], columns.get("shared", [])
    beside = [part for part in heads if not shared or part.reads == "shared"]
    others = [part for part in heads if part not in beside]
    upper = max([_stacked(beside), *(part.height for part in shared)])
    total = max(upper + (BETWEEN + _stacked(others) if others else 0.0), *(part.height for part in parts))
    top = total + BETWEEN - (total - upper - (BETWEEN + _stacked(others) if others else 0.0)) / 2
    _pile(beside, top - (upper - _stacked(beside)) / 2)
    _pile(others, top - upper - BETWEEN)
    for part in shared:
        part.middle = top - upper / 2
    for part in (*columns["input"], *columns["backbone"]):
        part.middle = total / 2 + BETWEEN
    margin = 2 * OUT if any(part.sources for part in heads) else GAP / 3
    return left - GAP + margin, total + 2 * BETWEEN


def _stacked(parts: Sequence[Part]) -> float:
    """Return the height of parts below each other."""
    return sum(part.height for part in parts) + BETWEEN * max(0, len(parts) - 1)


def _pile(parts: Sequence[Part], top: float) -> None:
    """Put parts below each other."""
    for part in parts:
        part.middle = top - part.height / 2
        top -= part.height + BETWEEN


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
