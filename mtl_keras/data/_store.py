"""Rows of one type on disk, computed once, block by block, and used only if their checksums agree.

An entry is a folder named after its key: `rows.npy` (`rows.partial` until it is complete) and `journal.jsonl`. The first
line of the journal says what the rows are, each other line holds the checksum of one block and perhaps notes on it. A block
is written and synced before its line is. After a kill, writing therefore resumes after the last whole block, and the same
code finds and repairs a file that was truncated or changed.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from mtl_keras.data._journal import (
    FORMAT,
    JOURNAL,
    CacheError,
    checksum,
    checksums,
    line_of,
    lock_entry,
    read_header,
    read_journal,
    seal_notes,
    translate_errors,
)

__all__ = ["DIGESTS", "DONE", "FILES", "Entry", "load_rows"]

DONE, PARTIAL, NEW_JOURNAL, DIGESTS = "rows.npy", "rows.partial", "journal.new", "digests.jsonl"

#: Every file that an entry may consist of.
FILES = (DONE, PARTIAL, JOURNAL, NEW_JOURNAL, DIGESTS)

#: Largest number of rows and bytes of a block: what a kill loses, and what is held in memory while writing.
BLOCK_ROWS, BLOCK_BYTES = 1024, 32 * 2**20

_log = logging.getLogger("mtl_keras")

T = TypeVar("T")
#: `(start, stop) -> rows`, the rows from `start` to before `stop`.
Compute = Callable[[int, int], np.ndarray]
Progress = Callable[[int, int], None]


def load_rows(
    folder: Path,
    header: Mapping[str, Any],
    shape: tuple[int, ...],
    compute: Compute,
    *,
    dtype: str = "float32",
    in_memory: bool = True,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the rows of an entry, after computing those that are not on disk.

    Several processes may call this for one entry at the same time: one writes, the others wait and then read.

    Args:
        folder: The entry's folder, named after its key; created if missing.
        header: What the rows are, as plain JSON values; kept in the journal.
        shape: `[n, ...]` of all rows.
        compute: `(start, stop) -> rows`, the rows from `start` to before `stop`.
        dtype: Their type, such as `"uint8"`, `"float16"` or `"float32"` (default).
        in_memory: Whether to return an array in memory (default), else one mapped from the file, read-only.
        progress: Called with the rows done and the total, at least once.

    Returns:
        `[n, ...]`.

    Raises:
        CacheError: If the folder cannot be written or the disk is full; no partial file remains.
    """
    entry = Entry(folder, header, shape, dtype)
    array = entry.ensure(lambda: entry.load(in_memory), compute, progress)
    if progress:
        progress(shape[0], shape[0])
    return array


class Entry:
    """One entry: its files and their required layout.

    Args:
        folder: See `load_rows`.
        header: See there.
        shape: See there.
        dtype: See there.
        block_bytes: Largest number of bytes of a block; None (default) is `BLOCK_BYTES`.
        block_rows: Rows of a block; None (default) for as many as `BLOCK_ROWS` and `block_bytes` allow.
        notes: `(start, stop) -> notes`, what the journal says of a block besides its checksum, as plain JSON values.
    """

    def __init__(
        self,
        folder: Path,
        header: Mapping[str, Any],
        shape: tuple[int, ...],
        dtype: str = "float32",
        *,
        block_bytes: int | None = None,
        block_rows: int | None = None,
        notes: Callable[[int, int], Mapping[str, Any]] | None = None,
    ) -> None:
        self.folder, self.shape, self.notes = folder, shape, notes
        # Little-endian on every machine, like the header of the file.
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.row_bytes = self.dtype.itemsize * math.prod(shape[1:])
        self.block_rows = block_rows or max(1, min(BLOCK_ROWS, (block_bytes or BLOCK_BYTES) // max(self.row_bytes, 1)))
        self.starts = range(0, shape[0], self.block_rows)
        layout = {"shape": shape, "dtype": str(np.dtype(dtype)), "block_rows": self.block_rows}
        # Through JSON and back, so that it equals the first line of the journal as it is read.
        self.header = json.loads(json.dumps({"format": FORMAT, **header, **layout}))
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": self.dtype.str, "fortran_order": False, "shape": shape})
        self.head = head.getvalue()
        self.bytes = len(self.head) + shape[0] * self.row_bytes

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return the entry that lies in a folder; None if its journal cannot be read."""
        header = read_header(folder)
        try:
            layout = {name: header.pop(name) for name in ("shape", "dtype", "block_rows")}
            header.pop("format")
            shape, block_rows = tuple(map(int, layout["shape"])), int(layout["block_rows"])
            return cls(folder, header, shape, layout["dtype"], block_rows=block_rows)
        except (KeyError, TypeError, ValueError):
            return None

    def ensure(self, load: Callable[[], T | None], compute: Compute, progress: Progress | None) -> T:
        """Return what `load` makes of the complete file, after computing the blocks that are not on disk.

        Raises:
            CacheError: If the folder cannot be written or the disk is full.
        """
        with lock_entry(self.folder):
            with translate_errors(self.folder):
                found = load()
            if found is None:
                self.fill(compute, progress)
                with translate_errors(self.folder):
                    found = load()
        if found is None:
            raise CacheError(
                f"A file must be read back as it was written. Received: other bytes from {self.folder}. Choose another cache "
                "folder."
            )
        return found

    def map(self) -> np.ndarray | None:
        """Return the rows mapped read-only if the file has its size and a checksum for each block, which are not compared.

        Else mark it as incomplete and return None.
        """
        path = self.folder / DONE
        if not path.exists():
            return None
        lines = self.lines()
        if path.stat().st_size == self.bytes and self._head(path) == self.head and lines and len(lines) == len(self.starts):
            return np.memmap(path, self.dtype, "r", len(self.head), self.shape)
        self._mark_damaged()
        return None

    def verify(self) -> bool:
        """Return whether the complete file is intact; one that is not is marked as incomplete."""
        with lock_entry(self.folder), translate_errors(self.folder):
            return self.load(False) is not None

    def repair(self, start: int, rows: np.ndarray) -> None:
        """Write one block anew into the complete file."""
        with lock_entry(self.folder), translate_errors(self.folder), (self.folder / DONE).open("r+b", buffering=0) as file:
            file.seek(len(self.head) + start * self.row_bytes)
            _write(file, np.ascontiguousarray(rows, self.dtype).reshape(-1).view(np.uint8).data)

    def load(self, in_memory: bool) -> np.ndarray | None:
        """Return the rows if the file is intact; else mark it as incomplete and return None."""
        path = self.folder / DONE
        if not path.exists():
            return None
        if path.stat().st_size == self.bytes and self._head(path) == self.head:
            rows: np.ndarray = np.memmap(path, self.dtype, "r", len(self.head), self.shape)
            if in_memory:
                rows = np.array(rows)
            found = checksums(rows[start : start + self.block_rows] for start in self.starts)
            lines = self.lines() or {}
            if dict(zip(self.starts, found, strict=True)) == {start: line["blake2b"] for start, line in lines.items()}:
                return rows
        self._mark_damaged()
        return None

    def _mark_damaged(self) -> None:
        """Mark a file as incomplete: its intact blocks are kept when it is filled."""
        _log.warning("Cache: %s was truncated or altered; damaged blocks are computed again.", self.folder)
        os.replace(self.folder / DONE, self.folder / PARTIAL)

    def fill(self, compute: Compute, progress: Progress | None) -> None:
        """Compute the missing blocks and move the file into place."""
        partial, n = self.folder / PARTIAL, self.shape[0]
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            kept = self._kept()
            done = sum(min(self.block_rows, n - start) for start in kept)
            if shutil.disk_usage(self.folder).free < (n - done) * self.row_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._write_journal(kept)
            # Unbuffered: bytes that a full disk refused must not be written again when the file is closed.
            file, journal = partial.open("r+b" if kept else "w+b", buffering=0), (self.folder / JOURNAL).open("ab", buffering=0)
        size = f"{list(self.shape)} {self.header['dtype']}, {self.bytes / 1e6:.1f} MB"
        _log.info("Cache: %s at %s, %d rows to compute.", size, self.folder, n - done)
        with file, journal:
            with self._writing():
                _write(file, self.head)
                file.truncate(self.bytes)
            for start in self.starts:
                if start in kept:
                    continue
                if progress:
                    progress(done, n)
                stop = min(start + self.block_rows, n)
                rows = np.ascontiguousarray(compute(start, stop), self.dtype)
                if rows.shape != (stop - start, *self.shape[1:]):
                    raise RuntimeError(f"rows {start} to {stop} of {self.shape} were computed as {rows.shape}")
                with self._writing():
                    file.seek(len(self.head) + start * self.row_bytes)
                    _write(file, rows.reshape(-1).view(np.uint8).data)
                    notes = {} if self.notes is None else self.notes(start, stop)
                    _write(journal, line_of({"start": start, "blake2b": checksum(rows), **seal_notes(notes)}))
                done += stop - start
        with self._writing():
            os.replace(partial, self.folder / DONE)

    def lines(self) -> dict[int, dict[str, Any]] | None:
        """Return the line of each block by its first row, or None if the journal is of other rows."""
        header, lines = read_journal(self.folder)
        if header != self.header:
            return None
        whole = [line for line in lines if line.get("start") in self.starts and "blake2b" in line]
        return {line["start"]: line for line in whole if line == {**line, **seal_notes(line.get("notes", {}))}}

    def _kept(self) -> dict[int, dict[str, Any]]:
        """Return the lines of the blocks of an incomplete file whose checksums agree with the journal."""
        path = self.folder / PARTIAL
        lines = self.lines() if path.exists() else None
        if not lines or self._head(path) != self.head:
            return {}
        kept = {}
        with path.open("rb") as file:
            for start in sorted(lines):
                file.seek(len(self.head) + start * self.row_bytes)
                if checksum(file.read(min(self.block_rows, self.shape[0] - start) * self.row_bytes)) == lines[start]["blake2b"]:
                    kept[start] = lines[start]
        return kept

    def _head(self, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(len(self.head))

    def _write_journal(self, kept: Mapping[int, Mapping[str, Any]]) -> None:
        with (self.folder / NEW_JOURNAL).open("wb", buffering=0) as file:
            _write(file, line_of(self.header) + b"".join(map(line_of, kept.values())))
        os.replace(self.folder / NEW_JOURNAL, self.folder / JOURNAL)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Translate an error of the disk into an MTLError, after removing the entry to free its space."""
        with translate_errors(self.folder):
            try:
                yield
            except OSError:
                self.remove()
                raise

    def remove(self) -> None:
        """Remove the files of the entry."""
        for name in FILES:
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def _write(file: io.FileIO, data: bytes | memoryview) -> None:
    """Write all bytes, which may take several calls, and sync them to the disk."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())
