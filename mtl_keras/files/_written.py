"""Files that mtl-keras writes and reads again: JSON documents and logs."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mtl_keras.errors import MTLError

__all__ = [
    "append_json",
    "atomic",
    "damaged",
    "read_json",
    "read_json_lines",
    "read_text",
    "remove_leftovers",
    "seal",
    "unseal",
    "write_json",
]

#: Key of a checksum in a document or a line, where it is the last one.
CHECKSUM = "checksum"
SEAL = re.compile(rb'(?:, )?"checksum": "([0-9a-f]{16})"\}$')
CHANGED = "it was changed after it was written: its checksum is of other content"
#: Names of files that `atomic` has not moved into place yet.
TEMPORARY = re.compile(r"\.[0-9a-f]{16}-.+")
#: Most characters of its own name that a temporary file keeps; with what is put in front, 4 bytes each are a valid name.
KEPT = 50
#: Errors that no free space helps against.
WRONG_PLACE = (
    *(errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
)


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; move it to `path` if the block succeeds, remove it if it fails.

    A file that is there keeps its permissions. A link is replaced, not followed: a folder from elsewhere may link to any file.

    Raises:
        MTLError: If the disk is full or the file cannot be written; no partial file remains.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = _find_mode(path)
        # Keras chooses the format by the suffix. Not `mkstemp`, whose files only their owner can read.
        temporary = path.parent / f".{secrets.token_hex(8)}-{path.name[-KEPT:]}"
        if mode is not None:
            temporary.touch(mode | stat.S_IRUSR | stat.S_IWUSR)
        yield temporary
        if mode is not None:
            temporary.chmod(mode)
        os.replace(temporary, path)
    except OSError as error:
        raise MTLError(
            f"Results must be written completely. Received: {error.strerror or error} at {path}. "
            + _remedy(error, "continue with --resume, or pass another --output-dir.")
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def remove_leftovers(folder: Path, *, below: bool = False) -> None:
    """Remove what processes that were killed have left of files that they wrote with `atomic`.

    Args:
        folder: In which no other process writes.
        below: Whether also those in folders below it; default False.
    """
    for path in folder.rglob(".*-*") if below else folder.glob(".*-*"):
        if TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=True) + "\n", encoding="utf-8")


def read_json(path: Path, keys: Collection[str] = ()) -> dict[str, Any]:
    """Return the object in a JSON file that mtl-keras wrote, without its checksum.

    Args:
        path: The file.
        keys: Which it must have.

    Raises:
        MTLError: If the file is not as it was written; the message has file and line.
    """
    text = read_text(path)
    try:
        value = unseal(json.loads(text))
        _check_keys(value, keys)
    except json.JSONDecodeError as error:
        raise damaged(path, error.msg, error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, str(error)) from error
    return value


def read_text(path: Path) -> str:
    """Return the text of a file that mtl-keras wrote.

    Raises:
        MTLError: If it cannot be read; the message has file and line.
    """
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise damaged(path, "it is not UTF-8", error.object[: error.start].count(b"\n") + 1) from error
    except OSError as error:
        raise damaged(path, error.strerror or str(error)) from error


def seal(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain JSON values with a checksum of all of them, which `unseal` removes."""
    return {**value, CHECKSUM: _checksum(json.dumps(value).encode())}


def unseal(value: Any) -> dict[str, Any]:
    """Return an object as it was before `seal`; one without a checksum as it is.

    Raises:
        ValueError: If it is no object, or was changed.
    """
    if not isinstance(value, dict):
        raise ValueError(f"it is a {type(value).__name__}, not an object")
    own = {key: each for key, each in value.items() if key != CHECKSUM}
    if CHECKSUM in value and value != seal(own):
        raise ValueError(CHANGED)
    return own


def append_json(path: Path, row: Mapping[str, Any]) -> None:
    """Append one JSON line with a checksum and sync it to the disk, so that a kill afterward loses nothing.

    An incomplete last line, left by a kill or a full disk, is removed first. Only one process at a time may append to a log:
    callers hold the lock of its folder.

    Raises:
        MTLError: If the disk is full or the file cannot be written; the file is then unchanged.
    """
    body = json.dumps(row, allow_nan=True).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: bytes that a full disk refuses would be written again at each later flush, also that of truncate.
        with path.open("ab", buffering=0) as file:
            lines = _whole_lines(path)
            whole = sum(len(line) + 1 for line in lines)
            checksum = _checksum((lines[-1] if lines else b"") + body)
            line = body[:-1] + (b", " if row else b"") + f'"{CHECKSUM}": "{checksum}"}}\n'.encode()
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
            f"The log {path} must be writable. Received: {error.strerror or error}. "
            + _remedy(error, "continue with --resume; earlier lines are intact.")
        ) from error


def read_json_lines(
    path: Path, keys: Collection[str] = (), check: Callable[[dict[str, Any]], object] = lambda row: None
) -> list[dict[str, Any]]:
    """Return the complete lines of a log written by `append_json`; an incomplete last line is ignored.

    Whether lines are missing at its end cannot be told.

    Args:
        path: The file; if there is none, there are no lines.
        keys: Which each line must have.
        check: Raises a KeyError, TypeError or ValueError for a line that is not one of this log.

    Raises:
        MTLError: If a line is not as it was written; the message has file and line.
    """
    try:
        lines = _whole_lines(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise damaged(path, error.strerror or str(error)) from error
    rows, before, sealed, unsealed = [], b"", False, set()
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        found = SEAL.search(line)
        body = line if found is None else line[: found.start()] + b"}"
        try:
            if found is None and (sealed or line in unsealed):
                raise ValueError("it has no checksum, unlike the line before" if sealed else "it is there twice")
            if found is not None and found[1].decode() != _checksum(before + body):
                raise ValueError(f"{CHANGED}, or the line before is not the one that was there")
            row = json.loads(body.decode())
            if not isinstance(row, dict):
                raise TypeError(f"it is a {type(row).__name__}, not an object")
            _check_keys(row, keys)
            check(row)
        except UnicodeDecodeError as error:
            raise damaged(path, "it is not UTF-8", number) from error
        except json.JSONDecodeError as error:
            raise damaged(path, error.msg, number) from error
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise damaged(path, str(error), number) from error
        rows.append(row)
        before, sealed = line, found is not None
        unsealed |= set() if sealed else {line}
    return rows


def damaged(path: Path, what: str, line: int | None = None) -> MTLError:
    """Return the error for a file that is not as mtl-keras wrote it.

    Args:
        path: The file.
        what: What is wrong with it.
        line: Number of the line, from 1; None (default) for the whole file.
    """
    where = path if line is None else f"{path}, line {line}"
    return MTLError(
        f"A file must be as mtl-keras wrote it. Received: {where}: {' '.join(what.split())[:300]}. Restore it from a copy, or "
        "start again in another folder."
    )


def _check_keys(value: Mapping[str, Any], keys: Collection[str]) -> None:
    if missing := [key for key in keys if key not in value]:
        raise ValueError(f"it has no {missing[0]!r}")


def _checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _find_mode(path: Path) -> int | None:
    """Return the permissions of a file that is going to be replaced, None if there is none.

    Raises:
        OSError: If nothing can be written there, which is known before the work.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return stat.S_IMODE(status.st_mode)


def _remedy(error: OSError, then: str) -> str:
    """Return what to do about a file that cannot be written; `then` follows where free space helps."""
    return "Pass another path." if error.errno in WRONG_PLACE else f"Free some space and {then}"


def _whole_lines(path: Path) -> list[bytes]:
    """Return the complete lines of a file."""
    return path.read_bytes().split(b"\n")[:-1]
