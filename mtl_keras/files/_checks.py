"""Checks of names and folders that are going to be written, and of files of weights that are going to be read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from mtl_keras.errors import MTLError, check_path
from mtl_keras.files._written import damaged

__all__ = ["check_folder", "check_hdf5", "check_name", "check_source", "writable_folder"]

#: Most bytes of a name that becomes part of a file's name, of which file systems take 255.
LONGEST_NAME = 100


def check_name(what: str, name: Any) -> str:
    """Return a name that becomes part of file names, after checking that it can.

    Args:
        what: What it is the name of, for the message, e.g. `"a study"`.
        name: The name received.

    Raises:
        MTLError: If it is no text, empty, too long, or not that of a file in its folder.
    """
    # Printable text has bytes; a lone surrogate has none.
    text = name if isinstance(name, str) and name.isprintable() and name == name.strip() else ""
    if 0 < len(text.encode()) <= LONGEST_NAME and text[0] != "." and not {"/", "\\"} & set(text):
        return text
    shown = repr(name) if len(repr(name)) <= LONGEST_NAME else f"{repr(name)[:40]}... of {len(repr(name))} characters"
    raise MTLError(
        f"The name of {what} must be a text of 1 to {LONGEST_NAME} bytes that can be part of a file's name, without slashes, "
        f"line breaks or a leading dot. Received: {shown}. Choose another name."
    )


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


def check_source(name: str, value: Any) -> Path:
    """Return the path of a folder that is read after checking that there is one; `~` is the home of the user.

    Args:
        name: Name of the argument, e.g. `"data_dir"`.
        value: The value received.

    Raises:
        MTLError: If it is no path, or there is no such folder.
    """
    path = Path(check_path(name, value)).expanduser()
    if not path.is_dir():
        raise MTLError(
            f"`{name}` must be a folder. Received: {str(value)!r}, which is none. Pass another --{name.replace('_', '-')}."
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
            f"The output folder must be writable. Received: {path} ({error.strerror or error}). Pass another --output-dir, or "
            "free some space and continue with --resume."
        ) from error
    return path


def check_hdf5(path: Path) -> None:
    """Refuse a file of weights that takes values from other files, by links or external or virtual storage.

    Raises:
        MTLError: If it does, or is no HDF5 file.
    """
    import h5py

    def visit(group: Any) -> None:
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{group.name.rstrip('/')}/{name} is a link to another place")
            if isinstance(inner := group[name], h5py.Group):
                visit(inner)
            elif inner.external or inner.is_virtual:
                raise ValueError(f"{inner.name} is stored in another file")

    try:
        with h5py.File(path) as file:
            visit(file)
    # Whatever a damaged file raises, the remedy is the same.
    except Exception as error:
        raise damaged(path, str(error)) from error
