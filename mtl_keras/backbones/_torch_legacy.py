"""Read one known weights file in torch's legacy format, without torch and without running what is in it.

Before torch 1.6 `torch.save` wrote five pickles (magic number, protocol, type sizes, the state dict, the keys of its
storages) followed by the raw storages. A pickle can call anything it can import, so this reader admits exactly the four
globals that a state dict of float and long tensors needs, each as a stand-in of its own, and refuses every other one.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtl_keras.errors import MTLError

__all__ = ["read_state_dict"]

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


@dataclass(frozen=True)
class _StorageType:
    """Stands for `torch.FloatStorage` and `torch.LongStorage`."""

    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Storage:
    """A storage that the pickle refers to; its bytes come after the pickles."""

    key: str
    dtype: np.dtype[Any]
    size: int


@dataclass(frozen=True)
class _Tensor:
    """Stands for a tensor: a strided view into a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or not all(type(n) is int and n >= 0 for n in numbers):
            raise pickle.UnpicklingError("a tensor's offset, shape and strides are not counts")
        count: int = math.prod(self.shape)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        # The product as well: with a stride of 0 a few bytes would stand for any number of them.
        if count > self.storage.size or (count and last >= self.storage.size):
            raise pickle.UnpicklingError("a tensor reaches past the end of its storage")

    def view(self, flat: np.ndarray) -> np.ndarray:
        steps = [step * flat.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, steps).copy()


class _Dict(dict[Any, Any]):
    """Stands for `collections.OrderedDict`; the state that torch hangs on it (`_metadata`) is dropped."""

    def __setstate__(self, state: object) -> None:
        pass


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


ADMITTED: dict[tuple[str, str], Callable[..., Any] | _StorageType] = {
    ("collections", "OrderedDict"): _Dict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): _StorageType(np.dtype("<f4")),
    ("torch", "LongStorage"): _StorageType(np.dtype("<i8")),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it asks for `{module}.{name}`, which a file of weights has no need of")
        return ADMITTED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, size, view = pid
        if kind != "storage" or view is not None or type(size) is not int or size < 0:
            raise pickle.UnpicklingError("a reference to something other than a whole storage")
        return _Storage(key, storage_type.dtype, size)


def _parse(stream: io.BytesIO) -> dict[str, np.ndarray]:
    def load() -> Any:
        return _Unpickler(stream).load()

    if load() != MAGIC or load() != PROTOCOL:
        raise pickle.UnpicklingError("its magic number or protocol is another one")
    if load().get("little_endian") is not True:
        raise pickle.UnpicklingError("it was written on a big-endian machine")
    state = load()
    tensors = {name: value for name, value in state.items() if isinstance(value, _Tensor)}
    if len(tensors) != len(state):
        raise pickle.UnpicklingError("it holds something other than tensors")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    flat = {}
    for key in load():
        storage = storages[key]
        header = stream.read(8)
        data = stream.read(storage.size * storage.dtype.itemsize)
        if len(header) < 8 or len(data) < storage.size * storage.dtype.itemsize:
            raise pickle.UnpicklingError(f"storage {key} is truncated")
        if struct.unpack("<q", header)[0] != storage.size:
            raise pickle.UnpicklingError(f"storage {key} has another size than the tensors say")
        flat[key] = np.frombuffer(data, storage.dtype)
    if stream.read(1):
        raise pickle.UnpicklingError("something follows the last storage")
    return {name: tensor.view(flat[tensor.storage.key]) for name, tensor in tensors.items()}


def read_state_dict(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict by name.

    Args:
        path: A file written by `torch.save(model.state_dict(), path)` with a torch older than 1.6.
        sha256: What the file's SHA-256 must be, in hexadecimal.

    Raises:
        MTLError: If the file has another checksum, asks for any global but the four admitted, or is not whole.
        OSError: If it cannot be read.
    """
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise MTLError(
            f"The weights file must have the SHA-256 {sha256[:12]}... Received: {found[:12]}... for {path}. "
            "Install the package it comes with again."
        )
    try:
        return _parse(io.BytesIO(data))
    # A pickle of the wrong shape fails in any of these ways; none of them is worth a traceback.
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MTLError(
            f"A weights file must be a whole legacy torch state dict. Received: {path}: {error}. Use another file."
        ) from error
