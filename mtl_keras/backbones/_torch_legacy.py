"""Read a weights file in PyTorch's legacy format, without PyTorch and without executing code from the file.

Before PyTorch 1.6, `torch.save` wrote five pickles (magic number, protocol, type sizes, the state dict, the keys of its
storages) followed by the raw storages. A pickle can call anything it can import. This reader therefore allows exactly the
four globals that a state dict of float and long tensors needs, replaces each by a class of its own, and rejects all others.
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
    """Replaces `torch.FloatStorage` and `torch.LongStorage`."""

    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Storage:
    """A storage that the pickle refers to; its bytes follow after the pickles."""

    key: str
    dtype: np.dtype[Any]
    size: int


@dataclass(frozen=True)
class _Tensor:
    """Replaces a tensor: a strided view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or not all(type(n) is int and n >= 0 for n in numbers):
            raise pickle.UnpicklingError("a tensor has an offset, shape or strides that are not counts")
        count: int = math.prod(self.shape)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        # The product as well: with a stride of 0, a few bytes would expand to any size.
        if count > self.storage.size or (count and last >= self.storage.size):
            raise pickle.UnpicklingError("a tensor reaches past the end of its storage")

    def to_array(self, flat: np.ndarray) -> np.ndarray:
        """Return a copy of the tensor's values from its flat storage."""
        steps = [step * flat.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, steps).copy()


class _Dict(dict[Any, Any]):
    """Replaces `collections.OrderedDict` and drops the state that PyTorch attaches to it (`_metadata`)."""

    def __setstate__(self, state: object) -> None:
        pass


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor has no storage")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


ALLOWED: dict[tuple[str, str], Callable[..., Any] | _StorageType] = {
    ("collections", "OrderedDict"): _Dict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): _StorageType(np.dtype("<f4")),
    ("torch", "LongStorage"): _StorageType(np.dtype("<i8")),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it requests `{module}.{name}`, which weights do not need")
        return ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, size, view = pid
        if kind != "storage" or view is not None or type(size) is not int or size < 0:
            raise pickle.UnpicklingError("it refers to something other than a whole storage")
        return _Storage(key, storage_type.dtype, size)


def _parse(stream: io.BytesIO) -> dict[str, np.ndarray]:
    def load() -> Any:
        return _Unpickler(stream).load()

    if load() != MAGIC or load() != PROTOCOL:
        raise pickle.UnpicklingError("its magic number or protocol is wrong")
    if load().get("little_endian") is not True:
        raise pickle.UnpicklingError("it was written on a big-endian machine")
    state = load()
    tensors = {name: value for name, value in state.items() if isinstance(value, _Tensor)}
    if len(tensors) != len(state):
        raise pickle.UnpicklingError("it holds values other than tensors")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    flat = {}
    for key in load():
        storage = storages[key]
        header = stream.read(8)
        data = stream.read(storage.size * storage.dtype.itemsize)
        if len(header) < 8 or len(data) < storage.size * storage.dtype.itemsize:
            raise pickle.UnpicklingError(f"storage {key} is truncated")
        if struct.unpack("<q", header)[0] != storage.size:
            raise pickle.UnpicklingError(f"storage {key} does not have the size that its tensors require")
        flat[key] = np.frombuffer(data, storage.dtype)
    if stream.read(1):
        raise pickle.UnpicklingError("data follows the last storage")
    return {name: tensor.to_array(flat[tensor.storage.key]) for name, tensor in tensors.items()}


def read_state_dict(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict by name.

    Args:
        path: A file written by `torch.save(model.state_dict(), path)` with PyTorch before 1.6.
        sha256: Expected SHA-256 of the file, in hexadecimal.

    Raises:
        MTLError: If the file has a different checksum, requests a global that is not allowed, or is incomplete.
        OSError: If it cannot be read.
    """
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise MTLError(
            f"The weights file must have the SHA-256 {sha256[:12]}... Received: {found[:12]}... for {path}. "
            "Reinstall the package that contains it."
        )
    try:
        return _parse(io.BytesIO(data))
    # A malformed pickle can fail in any of these ways.
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MTLError(
            f"A weights file must be a complete legacy PyTorch state dict. Received: {path} ({error}). Use another file."
        ) from error
