"""Rows of float32 on disk, computed once, block by block, and never used unless their checksums agree.

An entry is a folder named after its key: `rows.npy` (`rows.partial` while it is being filled) and `journal.jsonl`,
whose first line says what the rows are and whose other lines hold one checksum a block. A block is written and synced
before its line is. A killed filling therefore goes on after its last whole block, and a file that was cut or changed
is found out and mended by the same code.
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

__all__ = ["DONE", "FILES", "checksum", "checksums", "lock_path", "read_header", "stored"]

DONE, PARTIAL, JOURNAL, NEW_JOURNAL = "rows.npy", "rows.partial", "journal.jsonl", "journal.new"

#: Every file that an entry may consist of.
FILES = (DONE, PARTIAL, JOURNAL, NEW_JOURNAL)

#: Layout of an entry; another one is computed anew.
FORMAT = 1

#: A block's rows and bytes at most: what a kill costs, and what filling holds in memory.
BLOCK_ROWS, BLOCK_BYTES = 1024, 32 * 2**20

_log = logging.getLogger("mtl_keras")


def stored(
    folder: Path,
    identity: Mapping[str, Any],
    shape: tuple[int, ...],
    compute: Callable[[int, int], np.ndarray],
    *,
    in_memory: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return the rows of an entry, computing those that are not on disk yet.

    Several processes may call this for one entry at the same time: one fills, the others wait and then read.

    Args:
        folder: The entry's folder, named after its key; made if missing.
        identity: What the rows are, as plain JSON values; kept in the journal.
        shape: `[n, ...]` of the whole.
        compute: Gives the float32 rows from a start to before a stop.
        in_memory: Whether to return an array in memory, else one mapped from the file, read-only.
        progress: Called with rows done and rows in total, at least once.

    Raises:
        MTLError: If the folder cannot be written or the disk is full; nothing half-written is left.
    """
    entry = _Entry(folder, identity, shape)
    with _locked(folder):
        with _told(folder):
            array = entry.load(in_memory)
        if array is None:
            entry.fill(compute, progress)
            with _told(folder):
                array = entry.load(in_memory)
    if array is None:
        raise MTLError(f"A disk gives back what was written. Received: other bytes from {folder}. Choose another cache folder.")
    if progress:
        progress(shape[0], shape[0])
    return array


class _Entry:
    """One entry: its files, and the layout that they must have."""

    def __init__(self, folder: Path, identity: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        self.folder, self.shape = folder, shape
        self.row_bytes = 4 * math.prod(shape[1:])
        self.block_rows = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(self.row_bytes, 1)))
        self.starts = range(0, shape[0], self.block_rows)
        # Through JSON and back, so that it equals what the journal's first line reads as.
        header = {"format": FORMAT, "identity": identity, "shape": shape, "dtype": "float32", "block_rows": self.block_rows}
        self.header = json.loads(json.dumps(header))
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
        self.head = head.getvalue()
        self.bytes = len(self.head) + shape[0] * self.row_bytes

    def load(self, in_memory: bool) -> np.ndarray | None:
        """Return the rows if they are whole; else turn the finished file into an unfinished one and return None."""
        path = self.folder / DONE
        if not path.exists():
            return None
        if path.stat().st_size == self.bytes and self._head(path) == self.head:
            rows: np.ndarray = np.memmap(path, "<f4", "r", len(self.head), self.shape)
            if in_memory:
                rows = np.array(rows)
            found = checksums(rows[start : start + self.block_rows] for start in self.starts)
            if dict(zip(self.starts, found, strict=True)) == self._sums():
                return rows
        _log.warning("Feature cache: %s was truncated or altered; what is wrong in it is computed again.", self.folder)
        os.replace(path, self.folder / PARTIAL)
        return None

    def fill(self, compute: Callable[[int, int], np.ndarray], progress: Callable[[int, int], None] | None) -> None:
        """Compute the blocks that are missing and move the file into place."""
        partial, n = self.folder / PARTIAL, self.shape[0]
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            kept = self._kept()
            done = sum(min(self.block_rows, n - start) for start in kept)
            if shutil.disk_usage(self.folder).free < (n - done) * self.row_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._new_journal(kept)
            # Unbuffered: what a full disk refused must not be tried again when the file is closed.
            file, journal = partial.open("r+b" if kept else "w+b", buffering=0), (self.folder / JOURNAL).open("ab", buffering=0)
        size = f"{list(self.shape)} float32, {self.bytes / 1e6:.1f} MB"
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
                rows = np.ascontiguousarray(compute(start, stop), "<f4")
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
        """Return the journal's checksum of each block by its first row, or None if the journal is not of these rows."""
        header, lines = _read_journal(self.folder)
        if header != self.header:
            return None
        return {line["start"]: line["blake2b"] for line in lines if line.get("start") in self.starts and "blake2b" in line}

    def _kept(self) -> dict[int, str]:
        """Return the blocks of an unfinished file that are what the journal says."""
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

    def _new_journal(self, kept: Mapping[int, str]) -> None:
        with (self.folder / NEW_JOURNAL).open("wb", buffering=0) as file:
            _write(file, _line(self.header) + b"".join(_line({"start": s, "blake2b": c}) for s, c in kept.items()))
        os.replace(self.folder / NEW_JOURNAL, self.folder / JOURNAL)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn an error of the disk into one line, and give its room back."""
        with _told(self.folder):
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
def _locked(folder: Path) -> Iterator[None]:
    """Hold the entry's lock, which the system takes back from a process that is killed."""
    lock = filelock.FileLock(lock_path(folder))
    with _told(folder):
        lock_path(folder).parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            _log.info("Another process fills or reads %s: waiting for it.", folder)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def read_header(folder: Path) -> dict[str, Any]:
    """Return the first line of an entry's journal, or an empty dictionary if it is not one of this layout."""
    header = _read_journal(folder)[0]
    return header if header.get("format") == FORMAT else {}


def lock_path(folder: Path) -> Path:
    """Return the lock file of an entry, which lies outside its folder and outlives it."""
    return folder.parent / ".locks" / f"{folder.name}.lock"


def checksum(data: bytes | np.ndarray) -> str:
    """Return 32 hexadecimal digits for some bytes, or for those of an array."""
    view = data if isinstance(data, bytes) else np.ascontiguousarray(data).reshape(-1).view(np.uint8).data
    return hashlib.blake2b(view, digest_size=16).hexdigest()


def checksums(pieces: Iterable[np.ndarray]) -> list[str]:
    """Return the checksum of each piece, several at a time."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        return list(pool.map(checksum, pieces))


def _read_journal(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        text = (folder / JOURNAL).read_bytes()
    except FileNotFoundError:
        return {}, []
    lines = []
    for line in text.splitlines():
        # A line torn by a kill, or altered, counts as empty: its block is computed again.
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            lines.append(value if isinstance(value, dict) else {})
            continue
        lines.append({})
    return (lines[0], lines[1:]) if lines else ({}, [])


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"


def _write(file: io.FileIO, data: bytes | memoryview) -> None:
    """Write all of it, which one call need not do, and have it on the disk."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn an error of the disk into one line."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise MTLError(
            f"The feature cache {'needs more room on the disk' if full else 'must be readable and writable'}. "
            f"Received: {error.strerror or error} at {folder.parent}. "
            f"Make room (`mtl-keras cache clear`) or choose another folder (cache_dir=, --cache-dir or MTL_KERAS_CACHE_DIR)."
        ) from error
