"""Digests of arrays: by them a training that goes on recognizes the data that it was started with."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._journal import checksum
from mtl_keras.data._stored import StoredRows

if TYPE_CHECKING:
    from mtl_keras.data._split import Split

__all__ = ["describe_change", "digest_array", "digest_inputs", "digest_inputs_as", "digest_json", "digest_split"]

#: Bytes of which there is one fingerprint, and of which fingerprints are computed at once.
CHUNK, PIECE = 2**12, 2**22
#: Kind of value in an array cache.
DIGEST = "digest"
#: What the arrays of a split are called in digests and messages.
NAMES = {
    "x": "inputs",
    "y": "labels",
    "weight": "label weights",
    "side": "side inputs",
    "group": "groups of rows",
    "origin": "data sets of rows",
}
SPLITS = {"train": "training", "validation": "validation", "test": "test"}


def digest_split(split: Split) -> dict[str, str]:
    """Return a digest of each array of a split, by what it is, e.g. `"labels of task 'kind'"`.

    It is computed once for each array. Arrays in memory are read in full, as are mapped ones that are copied on write; of
    others that are mapped from a file, position in the file, size and time of the last change stand for the content.
    """
    named = {
        NAMES[what] + (f" of {'task' if what in ('y', 'weight') else 'input'} {name!r}" if name else ""): array
        for (what, name), array in split.arrays().items()
    }
    return {name: _find_digest(split, array) for name, array in named.items()}


def digest_inputs(split: Split, name: str = "") -> str | None:
    """Return the digest of an input of a split if it is in memory, computed once; None if it is mapped from a file.

    Args:
        split: The split.
        name: Of several inputs, which; default `""`: the only one.
    """
    array = split.inputs[name]
    return None if isinstance(array, np.memmap) else _find_digest(split, array)


def digest_inputs_as(derived: Split, original: Split, name: str = "") -> None:
    """Let an input of a split have the digest of that which it was computed from, whether it is in memory or not."""
    derived.array_cache.keep(DIGEST, [derived.inputs[name]], _find_digest(original, original.inputs[name]))


def describe_change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return what differs between two results of `Data.digests`, e.g. "labels of task 'kind' in the training split"."""
    changed = []
    for name, text in SPLITS.items():
        old, new = before.get(name), now.get(name)
        if (old is None) != (new is None):
            changed.append(f"rows in the {text} split ({'now' if new is None else 'before'} none)")
        elif old is not None and new is not None:
            changed += [f"{what} in the {text} split" for what in {**old, **new} if old.get(what) != new.get(what)]
    return None if not changed else changed[0] + (f" and {len(changed) - 1} more" if len(changed) > 1 else "")


def digest_array(array: np.ndarray) -> str:
    """Return a digest of an array's type, shape and bytes, all of which are read; stored rows only the first time."""
    if isinstance(array, StoredRows):
        return array.remember_digest(lambda: _digest_content(array))
    return _digest_content(array)


def _digest_content(array: np.ndarray) -> str:
    """Return a digest of an array that is read."""
    # A trunk has hundreds of small arrays, for which a call of TensorFlow does not pay.
    content = np.asarray(array) if array.nbytes < PIECE else _fingerprints(array)
    return digest_json([str(array.dtype), array.shape, [checksum(content)]])


def _fingerprints(array: np.ndarray) -> bytes:
    """Return the 64-bit FarmHash fingerprints of all chunks of an array, in a third of the time of BLAKE2b.

    They tell apart what differs by chance or mistake, not what somebody has made so that it has the same ones.
    """
    step = max(1, PIECE // array[:1].nbytes)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        return b"".join(pool.map(_fingerprint, (array[i : i + step] for i in range(0, len(array), step))))


def _fingerprint(rows: np.ndarray) -> bytes:
    """Return the fingerprints of the chunks of some rows, then the bytes after the last whole chunk."""
    import tensorflow as tf

    flat = np.ascontiguousarray(np.asarray(rows)).reshape(-1).view(np.uint8)
    end = len(flat) // CHUNK * CHUNK
    with tf.device("CPU:0"):
        found = tf.fingerprint(tf.constant(flat[:end].reshape(-1, CHUNK)))
    return bytes(found.numpy().tobytes() + flat[end:].tobytes())


def digest_json(value: Any) -> str:
    """Return a digest of plain JSON values."""
    return checksum(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def _find_digest(split: Split, array: np.ndarray) -> str:
    """Return the kept digest of an array, or compute and keep it."""
    found = split.array_cache.find(DIGEST, [array])
    if found is None:
        found = split.array_cache.keep(DIGEST, [array], _digest_file(array) or digest_array(array))
    return str(found)


def _digest_file(array: np.ndarray) -> str | None:
    """Return a digest of where in which version of a file an array is, None for one whose content is not that of a file.

    Reading the content would take as long as an epoch.
    """
    # Changes of a copy-on-write array are in memory only, and a file may have been removed since it was mapped.
    if not isinstance(array, np.memmap) or array.filename is None or array.mode == "c" or not os.path.exists(array.filename):
        return None
    root = array
    while isinstance(root.base, np.memmap):
        root = root.base
    first, start = (each.__array_interface__["data"][0] for each in (root, array))
    status = os.stat(array.filename)
    layout = [str(array.dtype), array.shape, array.strides, root.offset + start - first]
    return digest_json([*layout, status.st_size, status.st_mtime_ns])
