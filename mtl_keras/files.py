"""Files that are whole or not there: atomic writes and logs that survive a kill."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtl_keras.errors import MTLError

__all__ = ["append_json", "atomic", "read_json_lines", "write_json", "writable_folder"]


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place when the block ends well, remove it when it does not.

    Raises:
        MTLError: If the disk is full or the folder cannot be written; nothing half-written is left.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The name stays at the end: Keras chooses the file format by it. Not `mkstemp`: its files nobody else may read.
        temporary = path.parent / f".{secrets.token_hex(8)}-{path.name}"
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise MTLError(
            f"Results are written whole or not at all. Received from the disk: {error.strerror or error} at {path}. "
            "Free some space or name another --output-dir."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=True) + "\n", encoding="utf-8")


def append_json(path: Path, row: Mapping[str, Any]) -> None:
    """Append one JSON line and force it to the disk, so that a kill right after loses nothing.

    A last line that a kill or a full disk left without its end is cut off first.

    Raises:
        MTLError: If the disk is full or the file cannot be written; the file is as it was before.
    """
    line = (json.dumps(row, allow_nan=True) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what a full disk refuses would be tried again at each later flush, the cutting among them.
        with path.open("ab", buffering=0) as file:
            whole = _whole_lines(path)
            file.truncate(whole)
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(whole)
                raise
    except OSError as error:
        raise MTLError(
            f"The log {path} takes one line for each result. Received from the disk: {error.strerror or error}. "
            "Free some space and continue with --resume; nothing logged before is lost."
        ) from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log written by `append_json`; a torn last line is left out."""
    if not path.exists():
        return []
    text = path.read_bytes()[: _whole_lines(path)].decode()
    return [json.loads(line) for line in text.splitlines() if line]


def _whole_lines(path: Path) -> int:
    """Return the length in bytes up to and including the last newline."""
    return path.read_bytes().rfind(b"\n") + 1


def writable_folder(path: Path) -> Path:
    """Make `path` and prove that a file can be written in it.

    Raises:
        MTLError: If it cannot; the message names the folder and the cause.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"x" * 4096)
            probe.flush()
    except OSError as error:
        raise MTLError(
            f"The output folder can be written. Received: {path} ({error.strerror or error}). "
            "Name another --output-dir or free space."
        ) from error
    return path
