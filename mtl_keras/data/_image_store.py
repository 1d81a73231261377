"""Image files decoded once into the cache, in threads, and decoded again where a block of them is damaged."""

from __future__ import annotations

import logging
import math
import os
from collections import deque
from collections.abc import Mapping, Sequence
from multiprocessing.pool import AsyncResult, ThreadPool
from pathlib import Path
from typing import Any

import numpy as np

from mtl_keras.data._digest import digest_json
from mtl_keras.data._image_files import ImageOptions, UnreadableImage, in_threads
from mtl_keras.data._journal import CacheError, checksum, lock_entry
from mtl_keras.data._loading import current_loading
from mtl_keras.data._store import Entry
from mtl_keras.data._stored import BLOCK_BYTES, Stored, stored
from mtl_keras.errors import MTLError

__all__ = ["MEMORY_SHARE", "ImageFiles", "load_images"]

#: Images and features are held in memory up to this fraction of it.
MEMORY_SHARE = 0.25
#: Images that are decoded ahead of the block that is written, in blocks.
AHEAD = 2

_log = logging.getLogger("mtl_keras")


class ImageFiles:
    """Image files as they lie on the disk.

    Args:
        root: Folder that the paths are relative to.
        files: Different paths, relative to the root or absolute.
        options: How they are decoded.
    """

    def __init__(self, root: Path, files: Sequence[Path], options: ImageOptions) -> None:
        self.root, self.files, self.options = root, files, options
        self.states = [self._state(number) for number in range(len(files))]
        self.bytes = sum(size for size, _ in self.states)
        self._first: tuple[int, tuple[int, ...]] | None = None

    def identity(self) -> dict[str, Any]:
        """Return what determines the pixels of all files, as plain JSON values."""
        root = os.path.abspath(self.root)
        listed = [
            [os.path.normpath(os.path.join(root, file)), *state] for file, state in zip(self.files, self.states, strict=True)
        ]
        return {"files": len(listed), "listed": checksum(str(listed).encode()), **self.options.identity()}

    def decode(self, number: int) -> np.ndarray | str:
        """Return the pixels of a file, or what is wrong with it."""
        try:
            return self.options.decode(self.root / self.files[number])
        except UnreadableImage as error:
            return error.reason

    def checked(self, number: int, pixels: np.ndarray) -> np.ndarray:
        """Return pixels after checking that they have the size of the first ones.

        Raises:
            MTLError: If they have not.
        """
        if self._first is None:
            self._first = number, pixels.shape
        if pixels.shape != self._first[1]:
            first, shape = self._first
            raise MTLError(
                f"All images must have one size. Received: {self.files[first]} of {_describe_size(shape)} and "
                f"{self.files[number]} of {_describe_size(pixels.shape)}. Pass image_size=, to which all are resized."
            )
        return pixels

    def find_shape(self) -> tuple[int, ...] | None:
        """Return the shape of the readable images, or None if there is none."""
        size: Any = self.options.image_size
        if size is not None:
            return (*size, self.options.channels)
        with in_threads():
            for number in range(len(self.files)):
                if not isinstance(pixels := self.decode(number), str):
                    return self.checked(number, pixels).shape
        return None

    def fits_in_memory(self, shape: tuple[int, ...]) -> bool:
        """Return whether all images are held in memory."""
        import psutil

        return len(self.files) * math.prod(shape) < MEMORY_SHARE * psutil.virtual_memory().total

    def warn_without_cache(self, folder: Path) -> None:
        """Say that the images are decoded each time."""
        _log.warning("The cache %s cannot be written: images are decoded to memory, each time.", folder)

    def check_unchanged(self, start: int, stop: int) -> None:
        """Raise an error if one of some files is not what it was."""
        for number in range(start, stop):
            if self._state(number) != self.states[number]:
                raise MTLError(
                    f"Images must stay as they are while they are used. Received: a damaged block of the cache with "
                    f"{self.root / self.files[number]}, which was changed since. Load the data again."
                )

    def _state(self, number: int) -> tuple[int, int]:
        """Return size and time of the last change of a file, zeros if there is none."""
        try:
            status = os.stat(os.path.join(self.root, self.files[number]))
        except OSError:
            return 0, 0
        return status.st_size, status.st_mtime_ns


class _Decoder:
    """Computes blocks of images, in order and `AHEAD` blocks ahead of the one that is asked for."""

    def __init__(self, listed: ImageFiles, shape: tuple[int, ...], pool: ThreadPool) -> None:
        self.listed, self.shape, self._pool = listed, shape, pool
        self.reasons: dict[int, str] = {}
        self.told = False
        self._pending: deque[tuple[int, AsyncResult[np.ndarray | str]]] = deque()

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Return the images from `start` to before `stop`; those of unreadable files are black."""
        rows = np.zeros((stop - start, *self.shape), np.uint8)
        while self._pending and self._pending[0][0] < start:
            self._pending.popleft()
        if not self._pending or self._pending[0][0] != start:
            self._pending.clear()
        following = self._pending[-1][0] + 1 if self._pending else start
        for number in range(following, min(stop + AHEAD * (stop - start), len(self.listed.files))):
            self._pending.append((number, self._pool.apply_async(self.listed.decode, (number,))))
        for number in range(start, stop):
            pixels = self._pending.popleft()[1].get()
            if isinstance(pixels, str):
                self.reasons[number] = pixels
            else:
                rows[number - start] = self.listed.checked(number, pixels)
        return rows

    def notes(self, start: int, stop: int) -> Mapping[str, Any]:
        """Return what is wrong with the files of a block."""
        return {str(number): self.reasons[number] for number in range(start, stop) if number in self.reasons}


def load_images(folder: Path, listed: ImageFiles, shape: tuple[int, ...]) -> tuple[np.ndarray, dict[int, str]]:
    """Return the images of all files, after decoding those that are not in the cache.

    Args:
        folder: Folder of the cache.
        listed: The files.
        shape: Shape of the images `[height, width, channels]`.

    Returns:
        uint8 `[n, height, width, channels]`, in memory if they need less than a quarter of it, else read from the file by
        number, and what is wrong with the files that are not readable, by the number of the file.

    Raises:
        CacheError: If the folder cannot be written or the disk is full.
        MTLError: If images have different sizes or too many pixels; nothing of them remains in the cache.
    """
    identity, told = {"images": listed.identity()}, current_loading()
    whole = (len(listed.files), *shape)
    with in_threads() as pool:
        decoder = _Decoder(listed, shape, pool)
        entry = Entry(
            folder / digest_json(identity), {"identity": identity}, whole, "uint8", block_bytes=BLOCK_BYTES, notes=decoder.notes
        )
        in_memory = listed.fits_in_memory(shape)

        def announced(start: int, stop: int) -> np.ndarray:
            if told.stage and not decoder.told:
                told.stage(f"Decoding {len(listed.files):,} images once: {entry.bytes / 1e6:,.0f} MB at {entry.folder}")
            decoder.told = True
            return decoder(start, stop)

        try:
            found = entry.ensure(lambda: entry.load(True) if in_memory else entry.map(), announced, told.progress)
        except MTLError as error:
            if not isinstance(error, CacheError):
                entry.remove()
            raise
    if told.progress and decoder.told:
        told.progress(whole[0], whole[0])
    reasons = {
        int(number): reason for line in (entry.lines() or {}).values() for number, reason in line.get("notes", {}).items()
    }
    if not decoder.told and any(not isinstance(listed.decode(number), str) for number in reasons):
        # What was wrong was not the file, but for instance a disk that was away.
        with lock_entry(entry.folder):
            entry.remove()
        return load_images(folder, listed, shape)

    def again(start: int, stop: int) -> np.ndarray:
        listed.check_unchanged(start, stop)
        # One after the other: it is called where batches are read.
        rows = np.zeros((stop - start, *shape), np.uint8)
        for number in range(start, stop):
            if not isinstance(pixels := listed.decode(number), str):
                rows[number - start] = listed.checked(number, pixels)
        return rows

    return (found if in_memory else stored(Stored(entry, found, 1, again))), reasons


def _describe_size(shape: tuple[int, ...]) -> str:
    """Return height and width in words."""
    return f"{shape[0]} x {shape[1]} px"
