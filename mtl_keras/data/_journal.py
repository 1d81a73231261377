"""The files of an entry of the cache: its journal, its lock, checksums, and errors of the disk."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from mtl_keras.errors import MTLError

__all__ = [
    "FORMAT",
    "JOURNAL",
    "CacheError",
    "checksum",
    "checksums",
    "line_of",
    "lock_entry",
    "lock_path",
    "read_header",
    "read_journal",
    "seal_notes",
    "translate_errors",
]

JOURNAL = "journal.jsonl"

#: Version of the layout; entries of another version are computed again.
FORMAT = 1

_log = logging.getLogger("mtl_keras")


class CacheError(MTLError):
    """A folder of the cache that cannot be read or written."""


@contextlib.contextmanager
def lock_entry(folder: Path) -> Iterator[None]:
    """Hold the entry's lock, which the system releases when a process is killed."""
    lock = filelock.FileLock(lock_path(folder))
    with translate_errors(folder):
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


def read_header(folder: Path) -> dict[str, Any]:
    """Return the first line of an entry's journal, or an empty dict if its layout is of another version."""
    header = read_journal(folder)[0]
    return header if header.get("format") == FORMAT else {}


def read_journal(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
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


def seal_notes(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a line of the journal says of notes: nothing of none, else also their checksum."""
    return {"notes": notes, "notes_blake2b": checksum(json.dumps(notes, sort_keys=True).encode())} if notes else {}


def line_of(values: Mapping[str, Any]) -> bytes:
    """Return values as a line of a journal."""
    return json.dumps(values).encode() + b"\n"


@contextlib.contextmanager
def translate_errors(folder: Path) -> Iterator[None]:
    """Translate an error of the disk into an MTLError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise CacheError(
            f"The cache must {'have enough space on the disk' if full else 'be readable and writable'}. "
            f"Received: {error.strerror or error} at {folder.parent}. Free space (`mtl-keras cache clear`) or choose another "
            "folder (cache_dir=, --cache-dir or MTL_KERAS_CACHE_DIR)."
        ) from error
