"""The search space of a study that defines none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mtl_keras.backbones import Backbone
from mtl_keras.errors import MTLError, check_integer, check_mapping, check_number, describe, unknown
from mtl_keras.model import Recipe
from mtl_keras.runs import Plan
from mtl_keras.search._configuration import Context
from mtl_keras.search._space import dense_stack, loss_weights
from mtl_keras.training import Phase

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["RANGES", "check_ranges", "default_space"]

#: Ranges of the default space. Two numbers of a rate or ratio are the smallest and the largest, searched on a log scale; all
#: others are lists of values to choose from, whose first one is the default.
RANGES: dict[str, tuple[float, ...]] = {
    "learning_rate": (3e-4, 1e-2),
    "loss_ratio": (0.1, 10.0),
    "backbone_depth": (2, 1, 3),
    "backbone_width": (128, 64, 256),
    "backbone_dropout": (0.0, 0.1, 0.3),
    "shared_depth": (1, 0, 2),
    "shared_width": (128, 64, 256),
    "shared_dropout": (0.0, 0.2, 0.5),
    "head_depth": (0, 1),
    "head_width": (64,),
}
#: Ranges with a smallest and a largest value.
SPANS = ("learning_rate", "loss_ratio")
DEFAULT_RATE = 1e-3


def check_ranges(ranges: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """Return ranges of the default space as tuples of numbers.

    Args:
        ranges: By name; see `RANGES`.

    Raises:
        MTLError: If a name is unknown, or a range is none.
    """
    checked: dict[str, tuple[float, ...]] = {}
    for name, values in check_mapping("ranges", ranges, example="{'learning_rate': [1e-4, 1e-2]}").items():
        if name not in RANGES:
            raise unknown("range of the default space", name, RANGES)
        given = values if isinstance(values, list | tuple) else [values]
        whole = all(isinstance(value, int) for value in RANGES[name])
        if whole:
            found: tuple[float, ...] = tuple(check_integer(name, value, 0, 2**20, example=1) for value in given)
        elif name in SPANS:
            found = tuple(check_number(name, value, 0, bounds="(]", example=0.001) for value in given)
        else:
            found = tuple(check_number(name, value, 0, 1, bounds="[)", example=0.2) for value in given)
        if not found or (name in SPANS and (len(found) > 2 or found[0] > found[-1])):
            rule = "one number, or the smallest and the largest" if name in SPANS else "a list of at least one value"
            raise MTLError(
                f"`{name}` of the space must be {rule}. Received: {name}={describe(values)}. Pass e.g. "
                f"{name}={list(RANGES[name])}."
            )
        checked[name] = found
    return checked


def default_space(hp: HyperParameters, context: Context, *, ranges: Mapping[str, Sequence[float]] | None = None) -> Plan:
    """Ask for depth, width and dropout of a shared dense stack, a dense layer per head, loss weights and the learning rate.

    The backbone, whether it is frozen, the number of epochs and the batch size are those of the settings. Over a frozen trunk,
    loss weights are searched only where the shared stack has layers: without one, every task trains alone. Of an `MLP`, depth,
    width and dropout are searched as well, except those that `backbone_options` has.

    Args:
        hp: The hyperparameters to ask.
        context: Tasks, settings, image shape and columns.
        ranges: What to choose from instead of the defaults, by name: `learning_rate`, `loss_ratio` (smallest and largest),
            `shared_depth`, `shared_width`, `shared_dropout`, `head_depth`, `head_width`, and of an MLP `backbone_depth`,
            `backbone_width`, `backbone_dropout` (lists).

    Returns:
        A plan with one phase that trains all tasks with Adam.

    Example:
        >>> import keras_tuner, mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> hp = keras_tuner.HyperParameters()
        >>> plan = default_space(hp, mtl.search.Context(tasks, mtl.search.Settings(), (8, 8, 1)))
        >>> sorted(hp.values)[:3]
        ['digit_depth', 'learning_rate', 'loss_ratio_parity']
    """
    settings, chosen = context.settings, {**RANGES, **check_ranges(ranges or {})}
    depth, width = ([int(value) for value in chosen[f"shared_{part}"]] for part in ("depth", "width"))
    backbone = settings.new_backbone()
    if backbone.name == "MLP":
        backbone = _ask_mlp(hp, backbone.replace(columns=context.columns), chosen, settings.backbone_options)
    shared = dense_stack(
        hp,
        "shared",
        depth=sorted(depth),
        width=sorted(width),
        dropout=chosen["shared_dropout"],
        default_depth=depth[0],
        default_width=width[0],
    )
    head = {part: [int(value) for value in chosen[f"head_{part}"]] for part in ("depth", "width")}
    recipe = Recipe(
        tasks=context.tasks,
        backbone=backbone,
        image_shape=context.image_shape,
        shared=shared,
        heads={name: dense_stack(hp, name, depth=head["depth"], width=head["width"]) for name in context.tasks},
        freeze=settings.freeze,
    )
    # The squared error of pixels in [0, 1] is about a hundred times smaller than a cross-entropy.
    low, most = chosen["loss_ratio"][0], chosen["loss_ratio"][-1]
    high = {name: 10 * most if task.from_input else most for name, task in context.tasks.items()}
    conditional = settings.freeze is True and 0 in depth and len(depth) > 1
    only_if = ("shared_depth", [each for each in sorted(depth) if each]) if conditional else None
    weighting = loss_weights(hp, context, low=low, high=high, only_if=only_if)
    slowest, fastest = chosen["learning_rate"][0], chosen["learning_rate"][-1]
    learning_rate = slowest
    if slowest < fastest:
        default = min(max(DEFAULT_RATE, slowest), fastest)
        learning_rate = hp.Float("learning_rate", slowest, fastest, sampling="log", default=default)
    phase = Phase(
        epochs=settings.epochs,
        # What is in front of the block is computed once, unless each epoch has other images.
        train_from=settings.freeze if isinstance(settings.freeze, str) and not settings.online else None,
        batch_size=settings.batch_size,
        weighting=weighting,
        optimizer={"class_name": "Adam", "config": {"learning_rate": learning_rate}},
        patience=settings.patience,
    )
    return Plan(recipe, (phase,))


def _ask_mlp(
    hp: HyperParameters, backbone: Backbone, chosen: Mapping[str, Sequence[float]], given: Mapping[str, Any]
) -> Backbone:
    """Return an MLP with depth, width and dropout that were asked for, except those that are given."""
    options: dict[str, Any] = {}
    for name in ("depth", "width", "dropout"):
        values = [*chosen[f"backbone_{name}"]]
        if name not in given:
            single = len(values) == 1
            options[name] = values[0] if single else hp.Choice(f"backbone_{name}", sorted(values), default=values[0])
    return backbone.replace(**options)
