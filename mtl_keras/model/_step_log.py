"""The log of a step as a few vectors, since TensorFlow's optimizer takes time with the square of the number of outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keras import ops

__all__ = ["StepLog"]


class StepLog:
    """Packs the scalars of a log into one vector for each dtype inside a traced function, and unpacks them outside of it.

    Keras wraps the outputs of a step in an optional. Shape inference of TensorFlow's graph optimizer takes time with the
    square of the number of values in one: about 20 s for those of 200 tasks on 2 cores.
    """

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._order: list[str] = []

    def packed(self, step: Callable[[Any], Mapping[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        """Return a step that returns its log packed."""

        def pack(data: Any) -> dict[str, Any]:
            log = {name: ops.convert_to_tensor(value) for name, value in step(data).items()}
            self._order, self._names = list(log), {}
            for name, value in log.items():
                self._names.setdefault(value.dtype.name, []).append(name)
            return {dtype: ops.stack([log[name] for name in names]) for dtype, names in self._names.items()}

        return pack

    def unpacked(self, function: Callable[[Any], Mapping[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        """Return a function of steps that returns the log of the last one by name."""

        def unpack(iterator: Any) -> dict[str, Any]:
            log = {
                name: value
                for dtype, vector in function(iterator).items()
                for name, value in zip(self._names[dtype], ops.unstack(vector, len(self._names[dtype])), strict=True)
            }
            return {name: log[name] for name in self._order}

        return unpack
