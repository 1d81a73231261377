"""Rows of float32 on disk, computed once, block by block, and used only if their checksums agree.

An entry is a folder named after its key: `rows.npy` (`rows.partial` until it is complete) and `journal.jsonl`. The first
line of the journal says what the rows are, each other line holds the checksum of one block. A block is written and synced
before its line is. After a kill, writing therefore resumes after the last whole block, and the same code finds and repairs
a file that was truncated or changed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from mtl_keras.errors import MTLError

__all__ = ["DONE", "FILES", "checksum", "checksums", "load_rows", "lock_path", "read_header"]

DONE, PARTIAL, JOURNAL, NEW_JOURNAL = "rows.npy", "rows.partial", "journal.jsonl", "journal.new"

#: Every file that an entry may consist of.
FILES = (DONE, PARTIAL, JOURNAL, NEW_JOURNAL)

#: Version of the layout; entries of another version are computed again.
FORMAT = 1

#: Largest number of rows and bytes of a block: what a kill loses, and what is held in memory while writing.
BLOCK_ROWS, BLOCK_BYTES = 1024, 32 * 2**20

_log = logging.getLogger("mtl_keras")


def load_rows(
    folder: Path,
    header: Mapping[str, Any],
    shape: tuple[int, ...],
    compute: Callable[[int, int], np.ndarray],
    *,
    dtype: str = "float32",
    in_memory: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return the rows of an entry, after computing those that are not on disk.

    Several processes may call this for one entry at the same time: one writes, the others wait and then read.

    Args:
        folder: The entry's folder, named after its key; created if missing.
        header: What the rows are, as plain JSON values; kept in the journal.
        shape: `[n, ...]` of all rows.
        compute: `(start, stop) -> rows`, the rows from `start` to before `stop`.
        dtype: Their type, such as `"float16"` or `"float32"` (default).
        in_memory: Whether to return an array in memory (default), else one mapped from the file, read-only.
        progress: Called with the rows done and the total, at least once.

    Returns:
        `[n, ...]`.

    Raises:
        MTLError: If the folder cannot be written or the disk is full; no partial file remains.
    """
    entry = _Entry(folder, header, shape, dtype)
    with _lock(folder):
        with _translate_errors(folder):
            array = entry.load(in_memory)
        if array is None:
            entry.fill(compute, progress)
            with _translate_errors(folder):
                array = entry.load(in_memory)
    if array is None:
        raise MTLError(
            f"A file must be read back as it was written. Received: other bytes from {folder}. Choose another cache folder."
        )
    if progress:
        progress(shape[0], shape[0])
    return array


class _Entry:
    """One entry: its files and their required layout."""

    def __init__(self, folder: Path, header: Mapping[str, Any], shape: tuple[int, ...], dtype: str) -> None:
        self.folder, self.shape, self.dtype = folder, shape, np.dtype(dtype).newbyteorder("<")
        self.row_bytes = self.dtype.itemsize * math.prod(shape[1:])
        self.block_rows = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(self.row_bytes, 1)))
        self.starts = range(0, shape[0], self.block_rows)
        layout = {"shape": shape, "dtype": str(np.dtype(dtype)), "block_rows": self.block_rows}
        # Through JSON and back, so that it equals the first line of the journal as it is read.
        self.header = json.loads(json.dumps({"format": FORMAT, **header, **layout}))
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": self.dtype.str, "fortran_order": False, "shape": shape})
        self.head = head.getvalue()
        self.bytes = len(self.head) + shape[0] * self.row_bytes

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
            if dict(zip(self.starts, found, strict=True)) == self._sums():
                return rows
        _log.warning("Feature cache: %s was truncated or altered; damaged blocks are computed again.", self.folder)
        os.replace(path, self.folder / PARTIAL)
        return None

    def fill(self, compute: Callable[[int, int], np.ndarray], progress: Callable[[int, int], None] | None) -> None:
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
        _log.info("Feature cache: %s at %s, %d rows to compute.", size, self.folder, n - done)
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
                    _write(file, rows.data)
                    _write(journal, _line({"start": start, "blake2b": checksum(rows)}))
                done += stop - start
        with self._writing():
            os.replace(partial, self.folder / DONE)

    def _sums(self) -> dict[int, str] | None:
        """Return the checksum of each block by its first row, or None if the journal is of other rows."""
        header, lines = _read_journal(self.folder)
        if header != self.header:
            return None
        return {line["start"]: line["blake2b"] for line in lines if line.get("start") in self.starts and "blake2b" in line}

    def _kept(self) -> dict[int, str]:
        """Return the blocks of an incomplete file whose checksums agree with the journal."""
        path = self.folder / PARTIAL
        sums = self._sums() if path.exists() else None
        if not sums or self._head(path) != self.head:
            return {}
        kept = {}
        with path.open("rb") as file:
            for start in sorted(sums):
                file.seek(len(self.head) + start * self.row_bytes)
                if checksum(file.read(min(self.block_rows, self.shape[0] - start) * self.row_bytes)) == sums[start]:
                    kept[start] = sums[start]
        return kept

    def _head(self, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(len(self.head))

    def _write_journal(self, kept: Mapping[int, str]) -> None:
        with (self.folder / NEW_JOURNAL).open("wb", buffering=0) as file:
            _write(file, _line(self.header) + b"".join(_line({"start": s, "blake2b": c}) for s, c in kept.items()))
        os.replace(self.folder / NEW_JOURNAL, self.folder / JOURNAL)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Translate an error of the disk into an MTLError, after removing the entry to free its space."""
        with _translate_errors(self.folder):
            try:
                yield
            except OSError:
                for name in FILES:
                    with contextlib.suppress(OSError):
                        (self.folder / name).unlink()
                with contextlib.suppress(OSError):
                    self.folder.rmdir()
                raise


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the entry's lock, which the system releases when a process is killed."""
    lock = filelock.FileLock(lock_path(folder))
    with _translate_errors(folder):
        lock_path(folder).parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            _log.info("Another process writes or reads %s: waiting for it.", folder)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def read_header(folder: Path) -> dict[str, Any]:
    """Return the first line of an entry's journal, or an empty dict if its layout is of another version."""
    header = _read_journal(folder)[0]
    return header if header.get("format") == FORMAT else {}


def lock_path(folder: Path) -> Path:
    """Return the lock file of an entry, which lies outside its folder so that it survives its removal."""
    return folder.parent / ".locks" / f"{folder.name}.lock"


def checksum(data: bytes | np.ndarray) -> str:
    """Return 32 hexadecimal digits: the BLAKE2b digest of bytes, or of those of an array."""
    view = data if isinstance(data, bytes) else np.ascontiguousarray(data).reshape(-1).view(np.uint8).data
    return hashlib.blake2b(view, digest_size=16).hexdigest()


def checksums(pieces: Iterable[np.ndarray]) -> list[str]:
    """Return the checksum of each piece, computed in threads."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        return list(pool.map(checksum, pieces))


def _read_journal(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the first line of an entry's journal and the others; empty if there is none."""
    try:
        text = (folder / JOURNAL).read_bytes()
    except FileNotFoundError:
        return {}, []
    lines = []
    for line in text.splitlines():
        # A line cut off by a kill, or altered, counts as empty: its block is computed again.
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            lines.append(value if isinstance(value, dict) else {})
            continue
        lines.append({})
    return (lines[0], lines[1:]) if lines else ({}, [])


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"


def _write(file: io.FileIO, data: bytes | memoryview) -> None:
    """Write all bytes, which may take several calls, and sync them to the disk."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


@contextlib.contextmanager
def _translate_errors(folder: Path) -> Iterator[None]:
    """Translate an error of the disk into an MTLError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise MTLError(
            f"The feature cache must {'have enough space on the disk' if full else 'be readable and writable'}. "
            f"Received: {error.strerror or error} at {folder.parent}. Free space (`mtl-keras cache clear`) or choose another "
            "folder (cache_dir=, --cache-dir or MTL_KERAS_CACHE_DIR)."
        ) from error
