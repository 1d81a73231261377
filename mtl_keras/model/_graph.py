"""Walks over the graph of a functional model: which layers lie on a path, and networks that start in its middle.

Keras has no public way to ask either, so this module reads `KerasTensor._keras_history` and `Operation._inbound_nodes`.
`tests/test_keras_internals.py` fails where Keras changes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

__all__ = ["call_again", "layers_on_path", "network_from", "origin", "repeated_names"]


def layers_on_path(end: Any, stops: Iterable[Any] = ()) -> tuple[str, ...]:
    """Return the names of the layers that a symbolic tensor is computed by, in the order of the computation.

    Args:
        end: Symbolic tensor.
        stops: Symbolic tensors that are taken as given: what they are computed by is left out.
    """
    names: dict[str, None] = {}
    seen = {id(tensor) for tensor in stops}

    def visit(tensor: Any) -> None:
        if id(tensor) in seen:
            return
        seen.add(id(tensor))
        operation, node = origin(tensor)
        for parent in node.input_tensors:
            visit(parent)
        if isinstance(operation, keras.layers.Layer) and not isinstance(operation, keras.layers.InputLayer):
            names[operation.name] = None

    visit(end)
    return tuple(names)


def repeated_names(ends: Iterable[Any]) -> list[str]:
    """Return the names that several operations have, of those by which symbolic tensors are computed; Keras refuses them."""
    operations: dict[int, Any] = {}
    rest = [*ends]
    while rest:
        operation, node = origin(rest.pop())
        if id(operation) not in operations:
            operations[id(operation)] = operation
            rest += node.input_tensors
    counts = Counter(operation.name for operation in operations.values())
    return sorted(name for name, count in counts.items() if count > 1)


def network_from(start: Any, outputs: Mapping[str, Any], replaced: Sequence[tuple[str, Any]] = ()) -> keras.Model:
    """Return the network between symbolic tensors of one graph; it shares their layers.

    Args:
        start: Where it starts: the images, or the features.
        outputs: Symbolic outputs by task.
        replaced: Names and symbolic tensors that follow from `start` and become inputs of their own. The network then takes
            a dict of `"input"` and these.
    """
    if not replaced:
        return keras.Model(start, dict(outputs))
    # Keras cannot cut a graph at a tensor that follows from another input, so its operations are called again.
    cuts = {"input": start, **dict(replaced)}
    inputs = {name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name) for name, tensor in cuts.items()}
    known = {id(tensor): inputs[name] for name, tensor in cuts.items()}
    return keras.Model(inputs, {name: call_again(output, known) for name, output in outputs.items()})


def call_again(tensor: Any, known: dict[int, Any]) -> Any:
    """Return what a symbolic tensor becomes where those in `known`, by identity, are others."""
    if id(tensor) not in known:
        operation, node = origin(tensor)
        for parent in node.input_tensors:
            call_again(parent, known)
        args, kwargs = node.arguments.fill_in(known)
        known.update(zip(map(id, node.outputs), keras.tree.flatten(operation(*args, **kwargs)), strict=True))
    return known[id(tensor)]


def origin(tensor: Any) -> tuple[Any, Any]:
    """Return the operation that a symbolic tensor is an output of, and its call."""
    operation, index, _ = tensor._keras_history
    return operation, operation._inbound_nodes[index]
