"""Where training begins within a trunk: the tensor that enters the first trained block, and the networks on both sides.

What lies in front of a cut is frozen and in inference mode, so that its output is computed once for each image. A cut at the
end of the trunk is that of a frozen trunk, whose features the heads are trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from mtl_keras.errors import MTLError, unknown
from mtl_keras.model._graph import call_again, origin

__all__ = ["Cut", "cut_position", "layers_before", "network_before", "network_behind"]

#: Skip connections that a message names.
SHOWN = 3


@dataclass(frozen=True)
class Cut:
    """A place in the trunk in front of which everything is frozen.

    Args:
        layer: The first layer of the backbone that is trained, or the beginning of its name, such as that of a block; None
            (default) for the end of the trunk.
    """

    layer: str | None = None


def _find_start(backbone: keras.Model, layer: str) -> int:
    """Return the position of a layer, or of the first one of a block, among the layers of a backbone.

    Raises:
        MTLError: If there is none.
    """
    names = [each.name for each in backbone.layers]
    # A whole name first: block1 is not block10.
    exact = next((number for number, name in enumerate(names) if name == layer), None)
    start = exact if exact is not None else next((n for n, name in enumerate(names) if name.startswith(layer)), None)
    if not layer or start is None:
        raise unknown("layer or block to train from", layer, names)
    return start


def layers_before(backbone: keras.Model, layer: str) -> list[keras.layers.Layer]:
    """Return the layers of a backbone in front of the one that training begins with."""
    return list(backbone.layers[: _find_start(backbone, layer)])


def network_before(trunk: keras.Model, layer: str) -> keras.Model:
    """Return the network from the input of a trunk to the tensor that enters a block; it shares the trunk's layers.

    Raises:
        MTLError: If there is no such layer, or several tensors enter.
    """
    backbone, entering, _ = _parts(trunk, layer)
    before = keras.Model(backbone.input, entering, name="backbone_before")
    _, node = _call_of(trunk, backbone)
    return keras.Model(trunk.input, before(node.input_tensors[0]), name="trunk_before")


def network_behind(
    trunk: keras.Model, layer: str, outputs: Mapping[str, Any], replaced: Sequence[tuple[str, Any]] = ()
) -> keras.Model:
    """Return the network from the tensor that enters a block to the outputs of a model; it shares their layers.

    Args:
        trunk: From the input to the features, a part of the model.
        layer: The first layer behind the cut.
        outputs: Symbolic outputs of the model by task.
        replaced: Names and symbolic tensors that become inputs of their own, as for `network_from`.
    """
    backbone, entering, _ = _parts(trunk, layer)
    behind = keras.Model(entering, backbone.output, name="backbone_behind")
    behind.supports_jit = backbone.supports_jit
    features, _ = _call_of(trunk, backbone)
    start = keras.Input(entering.shape[1:], dtype=entering.dtype, name="input")
    inputs = {name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name) for name, tensor in replaced}
    known = {id(features): behind(start), **{id(tensor): inputs[name] for name, tensor in replaced}}
    called = {name: call_again(output, known) for name, output in outputs.items()}
    return keras.Model({"input": start, **inputs} if inputs else start, called)


def cut_position(trunk: keras.Model, layer: str) -> int:
    """Return what tells one cut from others of the same trunk in every process: a position in the order of its operations."""
    return _parts(trunk, layer)[2]


def _parts(trunk: keras.Model, layer: str) -> tuple[keras.Model, Any, int]:
    """Return the backbone of a trunk, the tensor that enters a block of it, and the position of the operation it is made by."""
    backbone = trunk.get_layer("backbone")
    operations = list(backbone.operations)
    position = {id(each): number for number, each in enumerate(operations)}
    start = position[id(backbone.layers[_find_start(backbone, layer)])]
    entering = _entering(backbone, operations, position, start)
    if len(entering) > 1:
        raise _not_a_cut(backbone, operations, position, start, layer, entering)
    tensor = next(iter(entering.values()))[0]
    return backbone, tensor, position[id(origin(tensor)[0])]


def _entering(
    backbone: keras.Model, operations: Sequence[Any], position: Mapping[int, int], start: int
) -> dict[int, tuple[Any, Any]]:
    """Return the tensors, by identity, that operations from `start` on take from those before, each with one that takes it."""
    found: dict[int, tuple[Any, Any]] = {}
    for tensor in _reached(backbone):
        operation, node = origin(tensor)
        if position[id(operation)] < start:
            continue
        for parent in node.input_tensors:
            if position[id(origin(parent)[0])] < start:
                found.setdefault(id(parent), (parent, operation))
    return found


def _reached(backbone: keras.Model) -> list[Any]:
    """Return the symbolic tensors of a backbone, from its output back to its input."""
    found: dict[int, Any] = {}
    rest = [backbone.output]
    while rest:
        tensor = rest.pop()
        if id(tensor) not in found:
            found[id(tensor)] = tensor
            rest += origin(tensor)[1].input_tensors
    return list(found.values())


def _not_a_cut(
    backbone: keras.Model,
    operations: Sequence[Any],
    position: Mapping[int, int],
    start: int,
    layer: str,
    entering: Mapping[int, tuple[Any, Any]],
) -> MTLError:
    """Return the error for a block that several tensors enter, which names them and the nearest layers that can be named."""
    named = [position[id(each)] for each in backbone.layers]
    good = [number for number in named if number and len(_entering(backbone, operations, position, number)) == 1]
    near = [max((n for n in good if n < start), default=None), min((n for n in good if n > start), default=None)]
    remedy = " or ".join(repr(operations[number].name) for number in near if number is not None)
    ways = [f"{origin(tensor)[0].name} to {taker.name}" for tensor, taker in entering.values()]
    more = f" and {len(ways) - SHOWN} more" if len(ways) > SHOWN else ""
    return MTLError(
        f"One tensor must enter the block that training begins with. Received: train_from={layer!r}, into which "
        f"{len(ways)} lead: {', '.join(ways[:SHOWN])}{more}. Train from {remedy}, or pass cache_dir=False."
    )


def _call_of(trunk: keras.Model, backbone: keras.Model) -> tuple[Any, Any]:
    """Return the symbolic output of the backbone in a trunk, and the call it comes from."""
    tensor = trunk.output
    while (found := origin(tensor))[0] is not backbone:
        tensor = found[1].input_tensors[0]
    return tensor, found[1]
