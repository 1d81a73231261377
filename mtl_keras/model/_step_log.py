"""The log of a step as a few vectors, since TensorFlow's optimizer takes time with the square of the number of outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
from keras import ops

__all__ = ["pack_log", "unpack_log"]

#: Key of what is not packed; the names of vectors are JSON lists.
OTHERS = "others"


def pack_log(step: Callable[[Any], Mapping[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Return a step whose log has one vector for all scalars of a dtype; `unpack_log` undoes it outside of a traced function.

    Keras wraps the outputs of a step in an optional. Shape inference of TensorFlow's graph optimizer takes time with the
    square of the number of values in one: about 20 s for those of 200 tasks on 2 cores.

    Names and order are part of the structure of what is returned, since a step that is traced again may have another log.
    What is no scalar tensor, which a subclass may add to the log, is left as it is.
    """

    def packed(data: Any) -> dict[str, Any]:
        log = step(data)
        names: dict[str, list[str]] = {}
        for name, value in log.items():
            if isinstance(value, tf.Tensor) and value.shape.rank == 0:
                names.setdefault(value.dtype.name, []).append(name)
        vectors = {json.dumps(each): ops.stack([log[name] for name in each]) for each in names.values()}
        scalars = {name for each in names.values() for name in each}
        others = {name: value for name, value in log.items() if name not in scalars}
        return {json.dumps([*log]): vectors, OTHERS: others}

    return packed


def unpack_log(function: Callable[[Any], Mapping[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Return a function that returns by name, in its order, the log that a function of packed steps returns."""

    def unpacked(iterator: Any) -> dict[str, Any]:
        found = dict(function(iterator))
        log = dict(found.pop(OTHERS))
        ((order, vectors),) = found.items()
        for key, vector in vectors.items():
            names = json.loads(key)
            log |= zip(names, ops.unstack(vector, len(names)), strict=True)
        return {name: log[name] for name in json.loads(order)}

    return unpacked
