"""Rows that stay on disk: read by their numbers, verified when they are first read.

`StoredRows` takes the place of an array of inputs where the rows do not fit into the memory. Selecting rows of it, or reshaping
it, changes numbers of rows only; rows are read by `np.asarray`, or where batches are read.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from mtl_keras.data._journal import checksum, lock_entry, translate_errors
from mtl_keras.data._store import DIGESTS, Entry
from mtl_keras.errors import MTLError
from mtl_keras.files import append_json, read_json_lines

__all__ = [
    "BLOCK_BYTES",
    "Stored",
    "StoredRows",
    "cache_folder",
    "concatenate",
    "is_mapped",
    "read_errors",
    "read_rows",
    "stored",
]

#: Bytes of a block: what a kill loses, and what is verified when a row of it is first read.
BLOCK_BYTES = 4 * 2**20


class RowSource(Protocol):
    """Rows that are read by their numbers."""

    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int: ...

    @property
    def identity(self) -> str | None:
        """What determines all of its rows, or None if only reading them says so."""

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return the rows `[m, ...]` with these numbers `[m]`."""


class Stored:
    """All rows of a complete entry, mapped from its file; with several rows of a kind in one, as rows of their own.

    Args:
        entry: The entry.
        mapped: Its rows, from `Entry.map`.
        several: Number of axes that count rows: 1, or 2 for views `[n, views, ...]`.
        compute: `(start, stop) -> rows` computes the rows of a block again.
    """

    def __init__(self, entry: Entry, mapped: np.ndarray, several: int, compute: Callable[[int, int], np.ndarray]) -> None:
        self.entry, self._compute = entry, compute
        self.row_shape, self.dtype = mapped.shape[several:], np.dtype(mapped.dtype)
        self._mapped, self._flat = mapped, mapped.reshape(-1, *self.row_shape)
        self._lines = entry.lines() or {}
        self._per_block = entry.block_rows * (len(self._flat) // len(mapped))
        self._verified = np.zeros(len(entry.starts), bool)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._flat)

    def __deepcopy__(self, memo: dict[int, Any]) -> Stored:
        # Rows do not change: callbacks, which are copied, may hold data.
        return self

    @property
    def identity(self) -> str:
        """What determines all of its rows: the checksums of its blocks."""
        return checksum(str([self._lines[start]["blake2b"] for start in self.entry.starts]).encode())

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return the rows with these numbers, after verifying their blocks.

        Raises:
            MTLError: If a block is damaged and cannot be computed again.
        """
        blocks = np.unique(numbers // self._per_block)
        for block in blocks[~self._verified[blocks]].tolist():
            self._verify(block)
        return np.asarray(self._flat[numbers])

    def _verify(self, block: int) -> None:
        """Compare one block with its checksum, and compute it again if they differ."""
        start = self.entry.starts[block]
        stop = min(start + self.entry.block_rows, len(self._mapped))
        expected = self._lines[start]["blake2b"]
        if checksum(self._mapped[start:stop]) != expected:
            with self._lock:
                rows = np.ascontiguousarray(self._compute(start, stop), self.dtype)
                if checksum(rows) != expected:
                    raise MTLError(
                        f"A block of the cache must be what was computed. Received: rows {start} to {stop - 1} of "
                        f"{self.entry.folder}, damaged and not the same when computed again. Remove the entry (mtl-keras cache "
                        f"clear {self.entry.folder.name}) and start again."
                    )
                self.entry.repair(start, rows)
        self._verified[block] = True


class Held:
    """Rows in memory that are read together with stored ones."""

    identity = None

    def __init__(self, array: np.ndarray) -> None:
        self._array, self.row_shape, self.dtype = array, array.shape[1:], array.dtype

    def __len__(self) -> int:
        return len(self._array)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        return self._array[numbers]


class StoredRows:
    """Numbers of rows in sources, in the place of an array `[n, ...]`, or `[n, views, ...]`.

    Args:
        sources: Where the rows are; they are numbered through all sources.
        numbers: Number of each row, int64 `[n]` or `[n, views]`.
    """

    def __init__(self, sources: Sequence[RowSource], numbers: np.ndarray) -> None:
        self.sources, self.numbers = tuple(sources), numbers
        self.shape = (*numbers.shape, *sources[0].row_shape)
        self.dtype, self.ndim = sources[0].dtype, len(self.shape)
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self.nbytes = self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, key: Any) -> Any:
        """Return other numbers of the same rows; one row is read."""
        chosen = self.numbers[key]
        return StoredRows(self.sources, chosen) if np.ndim(chosen) else self._read(np.array([chosen]))[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read all rows."""
        rows = self._read(self.numbers.reshape(-1)).reshape(self.shape)
        return rows if dtype is None else rows.astype(dtype, copy=False)

    def __repr__(self) -> str:
        return f"StoredRows {list(self.shape)} {self.dtype}"

    def reshape(self, *shape: int) -> StoredRows:
        """Return the views of all rows as rows of their own.

        Raises:
            TypeError: If another shape is asked for.
        """
        if shape != (-1, *self.sources[0].row_shape):
            raise TypeError(f"stored rows {self.shape} cannot be reshaped to {shape}: read them by np.asarray")
        return StoredRows(self.sources, self.numbers.reshape(-1))

    def remember_digest(self, compute: Callable[[], str]) -> str:
        """Return the digest of these rows, which is computed once for one content of their entries and these numbers."""
        known = [source.identity for source in self.sources]
        entries = [source.entry for source in self.sources if isinstance(source, Stored)]
        if None in known or not entries:
            return compute()
        key = checksum(f"{known} {self.shape} {checksum(self.numbers)}".encode())
        path = entries[0].folder / DIGESTS
        with contextlib.suppress(MTLError):
            for line in read_json_lines(path):
                if line.get("rows") == key:
                    return str(line["digest"])
        digest = compute()
        with contextlib.suppress(MTLError), lock_entry(path.parent), translate_errors(path.parent):
            append_json(path, {"rows": key, "digest": digest})
        return digest

    def _read(self, numbers: np.ndarray) -> np.ndarray:
        """Return the rows `[m, ...]`."""
        if len(self.sources) == 1:
            return self.sources[0].read(numbers)
        rows, start = np.empty((len(numbers), *self.sources[0].row_shape), self.dtype), 0
        for source in self.sources:
            own = (numbers >= start) & (numbers < start + len(source))
            rows[own] = source.read(numbers[own] - start)
            start += len(source)
        return rows


def stored(source: RowSource, views: int | None = None) -> np.ndarray:
    """Return all rows of a source in the place of an array; with views, `[n, views, ...]`."""
    numbers = np.arange(len(source), dtype=np.int64)
    # Used like an array wherever rows are selected, counted or read.
    return cast(np.ndarray, StoredRows([source], numbers if views is None else numbers.reshape(-1, views)))


def is_mapped(array: Any) -> bool:
    """Return whether the rows of an array are read from a file each time."""
    return isinstance(array, np.memmap | StoredRows)


def cache_folder(array: Any) -> Path | None:
    """Return the folder of the cache in which rows are stored, or None if they are not."""
    sources = array.sources if isinstance(array, StoredRows) else ()
    return next((source.entry.folder.parent for source in sources if isinstance(source, Stored)), None)


def concatenate(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return the rows of all arrays, one array after the other, which stay on disk where any of them is."""
    given: list[Any] = list(arrays)
    if not any(isinstance(array, StoredRows) for array in given):
        return np.concatenate(given)
    sources: list[RowSource] = []
    numbers, start = [], 0
    views = next(array.numbers.shape[1:] for array in given if isinstance(array, StoredRows))
    for array in given:
        if isinstance(array, StoredRows):
            own, counted = array.sources, array.numbers
        else:
            held = Held(array.reshape(-1, *array.shape[1 + len(views) :]))
            own, counted = (held,), np.arange(len(held), dtype=np.int64).reshape(-1, *views)
        numbers.append(counted + start)
        sources += own
        start += sum(map(len, own))
    return cast(np.ndarray, StoredRows(sources, np.concatenate(numbers)))


#: Errors that were raised where TensorFlow reads batches, which wraps them in its own.
_raised: list[MTLError] = []


def read_rows(array: Any, numbers: np.ndarray) -> np.ndarray:
    """Return rows of a mapped array; an error is raised by `read_errors` as it is."""
    try:
        return np.asarray(array[numbers])
    except MTLError as error:
        _raised.append(error)
        raise


@contextlib.contextmanager
def read_errors() -> Iterator[None]:
    """Raise an error of reading rows as it is, not as TensorFlow wraps it."""
    _raised.clear()
    try:
        yield
    except Exception:
        if _raised:
            raise _raised.pop() from None
        raise
