"""Atomic writes, logs that survive a kill, and the one reader of what was written.

Each line of a log ends with a checksum of itself and the line before, and some JSON documents with one of their content: a line
that was edited or repeated is noticed, and one that was removed in front of others; lines that were removed at the end are not.
Files of earlier versions, without checksums, are read.
"""

from __future__ import annotations

from mtl_keras.files._checks import check_folder, check_hdf5, check_name, check_source, writable_folder
from mtl_keras.files._written import (
    append_json,
    atomic,
    damaged,
    read_json,
    read_json_lines,
    read_text,
    remove_leftovers,
    seal,
    unseal,
    write_json,
)

__all__ = [
    "append_json",
    "atomic",
    "check_folder",
    "check_hdf5",
    "check_name",
    "check_source",
    "damaged",
    "read_json",
    "read_json_lines",
    "read_text",
    "remove_leftovers",
    "seal",
    "unseal",
    "writable_folder",
    "write_json",
]
