"""Atomic writes, and logs that survive a kill."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtl_keras.errors import MTLError, check_path

__all__ = ["append_json", "atomic", "check_folder", "read_json_lines", "writable_folder", "write_json"]


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; move it to `path` if the block succeeds, remove it if it fails.

    Raises:
        MTLError: If the disk is full or the folder cannot be written; no partial file remains.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Keras chooses the format by the suffix. Not `mkstemp`, whose files only their owner can read.
        temporary = path.parent / f".{secrets.token_hex(8)}-{path.name}"
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise MTLError(
            f"Results must be written completely. Received: {error.strerror or error} at {path}. Free some space or pass "
            "another --output-dir."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=True) + "\n", encoding="utf-8")


def append_json(path: Path, row: Mapping[str, Any]) -> None:
    """Append one JSON line and sync it to the disk, so that a kill afterward loses nothing.

    An incomplete last line, left by a kill or a full disk, is removed first.

    Raises:
        MTLError: If the disk is full or the file cannot be written; the file is then unchanged.
    """
    line = (json.dumps(row, allow_nan=True) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: bytes that a full disk refuses would be written again at each later flush, also that of truncate.
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
            f"The log {path} must be writable. Received: {error.strerror or error}. Free some space and continue with "
            "--resume; earlier lines are intact."
        ) from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a log written by `append_json`; an incomplete last line is ignored."""
    if not path.exists():
        return []
    text = path.read_bytes()[: _whole_lines(path)].decode()
    return [json.loads(line) for line in text.splitlines() if line]


def _whole_lines(path: Path) -> int:
    """Return the number of bytes up to and including the last newline."""
    return path.read_bytes().rfind(b"\n") + 1


def check_folder(name: str, value: Any) -> Path:
    """Return the path of a folder after checking that it can be written or made; nothing is made.

    Args:
        name: Name of the argument, e.g. `"output_dir"`.
        value: The value received.

    Raises:
        MTLError: If it is no path, it or a folder above it is a file, or it may not be written.
    """
    path = Path(check_path(name, value))
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if os.path.lexists(folder))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        problem = "may not be written" if there.is_dir() else "is no folder"
        raise MTLError(
            f"`{name}` must be a folder that can be written. Received: {path}, where {there} {problem}. Pass another "
            f"--{name.replace('_', '-')}."
        )
    return path


def writable_folder(path: Path) -> Path:
    """Create `path` if it is missing, check that files can be written in it, and return it.

    Raises:
        MTLError: If it cannot be created or written; the message has the cause.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"x" * 4096)
            probe.flush()
    except OSError as error:
        raise MTLError(
            f"The output folder must be writable. Received: {path} ({error.strerror or error}). Pass another --output-dir or "
            "free some space."
        ) from error
    return path
