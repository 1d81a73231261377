"""The bytes of a table's file, unpacked where it is packed."""

from __future__ import annotations

import difflib
import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from mtl_keras.errors import MTLError

__all__ = ["FORMATS", "format_of", "name_of", "read_bytes"]

#: Formats of tables, by the ending of the file, in front of `.gz` or `.zip`.
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "json",
}
PACKED = (".gz", ".zip")
#: Largest table in bytes, unpacked: what is larger does not fit in the memory of most machines.
LARGEST = 4 * 2**30


class _Stream(Protocol):
    """What is read piece by piece."""

    def read(self, size: int, /) -> bytes: ...


def format_of(path: Path) -> str | None:
    """Return the format of a table by the name of its file: csv, parquet, lines or json; None for other files.

    Example:
        >>> format_of(Path("yeast.csv.gz")), format_of(Path("notes.txt"))
        ('csv', None)
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def name_of(path: Path) -> str:
    """Return the name of a table: that of its file without the endings of its format.

    Example:
        >>> name_of(Path("data/yeast.v2.csv.gz"))
        'yeast.v2'
    """
    plain = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return plain.stem or path.name


def read_bytes(path: Path) -> bytes:
    """Return the content of a table's file, unpacked.

    Raises:
        MTLError: If there is no such file, or it cannot be read, is empty, larger than 4 GiB, or packed and damaged.
    """
    if not path.is_file():
        raise MTLError(f"A table must be a file. Received: {path}, which {_what_is_there(path)}")
    try:
        if path.stat().st_size > LARGEST:
            raise _too_large(path)
        data = _unpack(path)
    except EOFError as error:
        raise MTLError(f"A table must be complete. Received: {path}, which ends early. Copy or download it again.") from error
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise MTLError(
            f"A table must be readable. Received: {path}: {' '.join(str(reason).split())}. Correct its permissions, or copy or "
            "download it again."
        ) from error
    if not data[:4096].strip() and not data.strip():
        raise MTLError(f"A table must have content. Received: {path}, which is empty. Copy or download it again.")
    return data


def _unpack(path: Path) -> bytes:
    """Return the content of a file, unpacked by the ending of its name."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        with gzip.open(path) as packed:
            return _read(packed, path)
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [
                member for member in archive.namelist() if not member.endswith("/") and not member.startswith("__MACOSX")
            ]
            if len(members) != 1:
                raise MTLError(
                    f"A zipped table must be the only file of its archive. Received: {path} with {len(members)} files. Unpack "
                    "it and name the table."
                )
            with archive.open(members[0]) as packed:
                return _read(packed, path)
    with path.open("rb") as plain:
        return _read(plain, path)


def _read(stream: _Stream, path: Path) -> bytes:
    """Return what a stream holds, at most `LARGEST` bytes, whatever a packed file says about its size."""
    content = io.BytesIO()
    while piece := stream.read(2**24):
        content.write(piece)
        if content.tell() > LARGEST:
            raise _too_large(path)
    return content.getvalue()


def _too_large(path: Path) -> MTLError:
    """Return the error for a table that is too large."""
    return MTLError(
        f"A table must have at most {LARGEST >> 30} GiB. Received: {path}, which has more. Pass a part of its rows or columns."
    )


def _what_is_there(path: Path) -> str:
    """Return what is in the place of a missing table, and the remedy."""
    if path.is_dir():
        return "is a folder. Name the file in it."
    folder = path.parent
    if not folder.is_dir():
        return f"does not exist, nor does the folder {folder}. Correct the path."
    names = [each.name for each in folder.iterdir()]
    if near := difflib.get_close_matches(path.name, names, n=3, cutoff=0.5):
        return f"does not exist. Did you mean {' or '.join(repr(name) for name in near)}?"
    return "does not exist. Correct the path."
