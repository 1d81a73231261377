"""The layer at which the gradients of the tasks are compared: the last trained one that all of them share.

It is the last layer of the shared stack, or else of the trunk. A sharing method may name another layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from mtl_keras.model._graph import origin

__all__ = ["SharedPoint", "find_shared_point", "variables_of"]


@dataclass(frozen=True, eq=False)
class SharedPoint:
    """Where the gradients of the tasks are compared.

    Attributes:
        layer: Name of the layer, for the log.
        tensor: Symbolic output of the last trained layer that all tasks share.
        variables: The trained variables of that layer. Of a trunk these are the ones of its last layer with a kernel.
    """

    layer: str
    tensor: Any
    variables: tuple[Any, ...]


def find_shared_point(
    network: keras.Model,
    tasks: Sequence[str],
    heads: Mapping[str, Iterable[keras.layers.Layer]],
    representation: str | None = None,
) -> SharedPoint | None:
    """Return the last trained layer that all tasks share, or None if they share none.

    Args:
        network: Its output is a dict by task.
        tasks: Names of the trained tasks.
        heads: The layers that belong to one task only, by task. They are never shared points, also where another task is
            derived from the output of such a head.
        representation: Name of the layer whose output a sharing method declares to be the shared representation. Default:
            the last tensor that all paths from the input to the tasks pass through.
    """
    own = {id(layer) for layers in heads.values() for layer in layers}
    paths = [_dominators(network.output[task], {}) for task in tasks]
    common = [tensor for tensor in paths[0].values() if all(id(tensor) in path for path in paths[1:])]
    candidates = [tensor for tensor in common if id(_origin(tensor)[0]) not in own]
    if representation is not None:
        named = [
            next((t for t in _ancestors(network.output[task]).values() if _origin(t)[0].name == representation), None)
            for task in tasks
        ]
        if all(tensor is not None for tensor in named):
            candidates.append(named[0])
    return _last_trained(candidates[-1]) if candidates else None


def _origin(tensor: Any) -> tuple[Any, list[Any]]:
    """Return the operation that computes a symbolic tensor, and the tensors that it passes a gradient back to."""
    operation, node = origin(tensor)
    passes = type(operation).__name__ != "StopGradient"
    return operation, list(node.input_tensors) if passes else []


def _dominators(tensor: Any, known: dict[int, dict[int, Any]]) -> dict[int, Any]:
    """Return, by identity and in order, the symbolic tensors that every gradient from `tensor` to an input passes through."""
    if id(tensor) not in known:
        operation, parents = _origin(tensor)
        above = [_dominators(parent, known) for parent in parents]
        # No gradient passes through a stopped parent, so that it cannot bypass what dominates the others.
        above = [path for path in above if path]
        common = {key: value for key, value in above[0].items() if all(key in path for path in above)} if above else {}
        stopped = not parents and not isinstance(operation, keras.layers.InputLayer)
        known[id(tensor)] = {} if stopped or (parents and not above) else {**common, id(tensor): tensor}
    return known[id(tensor)]


def _ancestors(tensor: Any) -> dict[int, Any]:
    """Return a symbolic tensor and all that it passes a gradient back to, by identity."""
    found: dict[int, Any] = {}
    stack = [tensor]
    while stack:
        tensor = stack.pop()
        if id(tensor) not in found:
            found[id(tensor)] = tensor
            stack += _origin(tensor)[1]
    return found


def variables_of(tensor: Any) -> list[Any]:
    """Return the trained variables that a symbolic tensor passes a gradient back to."""
    operations = [_origin(ancestor)[0] for ancestor in _ancestors(tensor).values()]
    return [v for op in operations if isinstance(op, keras.layers.Layer) for v in op.trainable_variables]


def _last_trained(tensor: Any) -> SharedPoint | None:
    """Return the point of the last trained layers before, or at, a symbolic tensor."""
    operation, parents = _origin(tensor)
    if isinstance(operation, keras.layers.Layer) and operation.trainable_variables:
        return SharedPoint(operation.name, tensor, tuple(_last_layer(operation).trainable_variables))
    if len(parents) == 1:
        return _last_trained(parents[0])
    # Several layers end here, such as the experts of a mixture.
    points = [point for point in map(_last_trained, parents) if point is not None]
    variables = {id(v): v for point in points for v in point.variables}
    return SharedPoint(operation.name, tensor, tuple(variables.values())) if points else None


def _last_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return a layer, or of a nested network the last trained one with a kernel, or the last trained one if none has."""
    if not isinstance(layer, keras.Model):
        return layer
    trained = [_last_layer(inner) for inner in layer.layers if inner.trainable_variables]
    if not trained:
        return layer
    with_kernel = [inner for inner in trained if getattr(inner, "kernel", None) is not None]
    return (with_kernel or trained)[-1]
