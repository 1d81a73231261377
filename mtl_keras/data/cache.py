"""The cache: decoded images, their views, and a frozen trunk's features of them are computed once and kept on disk.

Decoded images are a function of their files and of how they are decoded; features of a frozen trunk one of the images, the
trunk's weights, how it is applied and the version of Keras. A digest of these is the name of an entry, so that an entry never
becomes invalid. Entries lie in `default_cache_dir()` unless a folder is given, and may be written and read by several processes
at once. Features are verified each time they are loaded, images that stay on the disk when they are first read.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import filelock
import numpy as np

from mtl_keras.data import _store
from mtl_keras.data._digest import digest_array, digest_json
from mtl_keras.data._image_store import MEMORY_SHARE
from mtl_keras.data._journal import lock_path, read_header
from mtl_keras.data._loading import default_cache_dir
from mtl_keras.errors import MTLError, check_unique, unknown

if TYPE_CHECKING:
    import keras

__all__ = ["CacheEntry", "clear", "default_cache_dir", "digest_trunk", "entries", "features", "verify"]

#: Key of the fingerprint in digests and journals; the entries on disk have it.
IDENTITY = "identity"


@dataclass(frozen=True)
class CacheEntry:
    """One entry of the cache.

    Args:
        key: Its name, 32 hexadecimal digits.
        path: Its folder.
        bytes: Its size on disk.
        rows: Number of images or views; 0 if its journal cannot be read.
        complete: Whether all rows are computed.
        fingerprint: What determines the rows: of features what was passed to `features`, of images `"images"` and of their
            views `"views"`, with the options.
        modified: Time of the last change, in seconds since 1970.
    """

    key: str
    path: Path
    bytes: int
    rows: int
    complete: bool
    fingerprint: Mapping[str, Any]
    modified: float


def digest_trunk(trunk: keras.Model, fingerprint: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits that identify a trunk: a digest of its weights in order, and of its fingerprint.

    Names of layers have no influence, since Keras numbers them anew in every process.
    """
    import keras

    weights = [digest_array(keras.ops.convert_to_numpy(weight)) for weight in trunk.weights]
    return digest_json({"weights": weights, IDENTITY: fingerprint})


def features(
    trunk: keras.Model,
    images: np.ndarray,
    fingerprint: Mapping[str, Any],
    cache_dir: str | os.PathLike[str],
    *,
    batch_size: int = 128,
    progress: Callable[[int, int], None] | None = None,
    digest: str | None = None,
    dtype: Literal["float32", "float16"] = "float32",
) -> np.ndarray:
    """Return the trunk's features of all images, computing only those that are not in the cache.

    Args:
        trunk: Model from a batch of images to one tensor of features; called with `training=False`.
        images: `[n, ...]`, inputs of the trunk.
        fingerprint: What determines the features besides weights and images, as plain JSON values.
        cache_dir: Folder of the cache; created if missing.
        batch_size: Images per call; default 128.
        progress: Called with the rows done and the total.
        digest: Of the images, by `digest_array`; None (default) computes it.
        dtype: Type in which they are kept: `"float32"` (default) or `"float16"`, in which numbers above 65,504 are cut to it.

    Returns:
        `[n, ...]`, in memory if smaller than a quarter of it, else mapped read-only from the file.

    Raises:
        MTLError: If the folder cannot be written or the disk is full; no partial file remains.
    """
    import keras
    import psutil

    row_shape = trunk.output_shape[1:]
    if None in row_shape:
        row_shape = trunk.compute_output_shape((1, *images.shape[1:]))[1:]
    shape = (len(images), *row_shape)
    parts = [digest_trunk(trunk, fingerprint), digest or digest_array(images), dtype, keras.__version__]
    folder = Path(cache_dir).expanduser() / digest_json(parts)
    in_memory = np.dtype(dtype).itemsize * math.prod(shape) < MEMORY_SHARE * psutil.virtual_memory().total
    compute = _forward(trunk, images, batch_size, dtype)
    header = {IDENTITY: fingerprint}
    return _store.load_rows(folder, header, shape, compute, dtype=dtype, in_memory=in_memory, progress=progress)


def entries(cache_dir: str | os.PathLike[str]) -> list[CacheEntry]:
    """Return the entries of a cache folder, newest first; none if there is no such folder."""
    found = []
    for folder in Path(cache_dir).expanduser().glob("*"):
        stats = []
        for path in _files(folder):
            # Another process may remove a file in between.
            with contextlib.suppress(FileNotFoundError):
                stats.append(path.stat())
        if stats:
            header = read_header(folder)
            rows = header.get("shape", [0])[0]
            size, modified = sum(stat.st_size for stat in stats), max(stat.st_mtime for stat in stats)
            complete = (folder / _store.DONE).exists()
            found.append(CacheEntry(folder.name, folder, size, rows, complete, header.get(IDENTITY, {}), modified))
    return sorted(found, key=lambda entry: -entry.modified)


def verify(cache_dir: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None) -> list[CacheEntry]:
    """Read all complete entries and return those that are damaged; only their damaged blocks are computed again on next use.

    Args:
        cache_dir: Folder of the cache.
        progress: Called with the entries read and their number.

    Raises:
        MTLError: If the folder cannot be read or written.
    """
    complete = [entry for entry in entries(cache_dir) if entry.complete]
    damaged = []
    for done, entry in enumerate(complete):
        if progress:
            progress(done, len(complete))
        found = _store.Entry.read(entry.path)
        if found is None or not found.verify():
            damaged.append(entry)
    if progress:
        progress(len(complete), len(complete))
    return damaged


def clear(cache_dir: str | os.PathLike[str], keys: Iterable[str] | None = None) -> int:
    """Remove entries, all of them unless `keys` are given, and return the number of bytes freed.

    Only files of the cache are removed.

    Raises:
        MTLError: If a key is not in the cache, is repeated, or another process is writing or reading an entry.
    """
    found = {entry.key: entry for entry in entries(cache_dir)}
    keys = [*found] if keys is None else [*keys]
    check_unique("keys", keys)
    freed = 0
    for key in keys:
        if key not in found:
            raise unknown("cache entry", key, found, "" if found else f"The cache {cache_dir} is empty.")
    for key in keys:
        folder = found[key].path
        try:
            with filelock.FileLock(lock_path(folder), timeout=0):
                for path in _files(folder):
                    path.unlink(missing_ok=True)
                folder.rmdir()
        except filelock.Timeout:
            raise MTLError(
                f"A cache entry must not be in use when it is removed. Received: {key}, which another process holds. Try again "
                "later."
            ) from None
        freed += found[key].bytes
    return freed


def _files(folder: Path) -> list[Path]:
    """Return the paths of an entry's possible files, or none for a folder that is not named like an entry."""
    return [folder / name for name in _store.FILES] if re.fullmatch("[0-9a-f]{32}", folder.name) else []


def _forward(trunk: keras.Model, images: np.ndarray, batch_size: int, dtype: str) -> Callable[[int, int], np.ndarray]:
    """Return a function `(start, stop)` that computes the features of the images from `start` to before `stop`."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, *images.shape[1:]], images.dtype)], autograph=False)
    def call(batch: tf.Tensor) -> tf.Tensor:
        features = tf.cast(trunk(batch, training=False), tf.float32)
        return features if dtype == "float32" else tf.cast(tf.clip_by_value(features, tf.float16.min, tf.float16.max), dtype)

    @functools.cache
    def trace() -> Callable[[tf.Tensor], tf.Tensor]:
        # Not by calling, which TensorFlow would count as retracing after those of other trunks.
        return call.get_concrete_function()

    def compute(start: int, stop: int) -> np.ndarray:
        # Traced where rows are missing only, since this takes as long as many rows of features do.
        traced = trace()
        # All batches are queued first: an accelerator computes one batch while the next is transferred.
        parts = [traced(tf.constant(np.asarray(images[i : min(i + batch_size, stop)]))) for i in range(start, stop, batch_size)]
        return np.concatenate([part.numpy() for part in parts])

    return compute
