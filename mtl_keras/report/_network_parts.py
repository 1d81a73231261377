"""What a picture of a network says: a box for the input, the backbone, the shared layers and each head, with its lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from mtl_keras.report._network_layout import TIED, Part
from mtl_keras.report._text import count_of

__all__ = ["count_parameters", "describe_network"]

#: Up to how many heads each has a box of its own, and how many boxes of heads there are at most.
EACH, MOST = 6, 12
#: Up to how many changes of shape the layers of a part are listed one by one.
LISTED = 10
#: Of a group of equal heads, the first names are given, up to so many characters.
NAMES = 60


def describe_network(model: Any) -> list[Part]:
    """Return the boxes of a model, from the input to the heads."""
    return [_input(model), _backbone(model), *_shared(model), *_heads(model)]


def _input(model: Any) -> Part:
    if model.recipe.inputs:
        return Part("input", "inputs", [f"{name} {_shape(tensor.shape)}" for name, tensor in model.input.items()])
    return Part("input", "input", [_shape(model.input.shape)])


def _backbone(model: Any) -> Part:
    """Return the network from the images to the features, with the layers of the nested backbone."""
    if model.recipe.inputs:
        # A line for each trunk: the layers of several networks are no sequence.
        trunks = model.recipe.backbone.trunks
        lines = [f"{name}: {trunks[name].name}, {count_parameters([own])}" for name, own in model.backbones.items()]
        return Part("backbone", "backbones, joined", [*lines, _shape(model.features.shape)])
    layers: list[Any] = []
    for layer in model.trunk.layers:
        layers += layer.layers if hasattr(layer, "layers") else [layer]
    lines = [*_listed(layers, model.input.shape), count_parameters([model.trunk])]
    return Part("backbone", f"backbone {model.recipe.backbone.name}", lines)


def _shared(model: Any) -> list[Part]:
    """Return the layers that several tasks share behind the backbone, if there are any."""
    layers = model.layers_by_name("shared")
    if not layers:
        return []
    lines = [*_listed(layers, model.features.shape), count_parameters(layers)]
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
        lines = [*_listed(layers, start), count_parameters(layers)]
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
        count = count_parameters(layer for name in rest for layer in by_task[name])
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


def count_parameters(layers: Iterable[Any]) -> str:
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
