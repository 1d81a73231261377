"""Image files as one array, in memory or decoded once into the cache, and the names of splits in folders and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtl_keras.data._image_files import ImageOptions, in_threads
from mtl_keras.data._image_store import ImageFiles, load_images
from mtl_keras.data._journal import CacheError
from mtl_keras.data._loading import CacheDir, current_loading, default_cache_dir
from mtl_keras.errors import check_path

__all__ = ["SPLITS", "ImageReader"]

#: The split that a name in a folder or table stands for.
SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}

#: Files of fewer bytes, and fewer of them, are decoded in about a second, which is not worth a copy on the disk.
SMALL_BYTES, SMALL_COUNT = 16 * 2**20, 4000


class ImageReader:
    """Reads image files, each of them once.

    Args:
        root: Folder that the paths are relative to.
        options: How they are decoded.
        cache_dir: Folder of the cache, or False to decode to memory; None is that of the loading, else the user's.
    """

    def __init__(self, root: Path, options: ImageOptions, cache_dir: CacheDir = None) -> None:
        self.root, self.options = root, options
        self._cache_dir = current_loading().cache_dir if cache_dir is None else cache_dir
        if self._cache_dir is not None and self._cache_dir is not False:
            check_path("cache_dir", self._cache_dir)
        self._places: dict[Path, int] = {}
        self._reasons: dict[int, str] = {}
        # The row of each place; -1 for a file that is not readable.
        self._rows = np.empty(0, np.int64)
        self._images = np.empty((0, 0, 0, options.channels), np.uint8)

    def read(self, files: Sequence[Path]) -> tuple[np.ndarray, dict[int, str]]:
        """Return images in the order of the files.

        Args:
            files: Paths of the images, relative to the root or absolute. Files that were read before, or some of them, are not
                read again.

        Returns:
            Images of the m readable files, uint8 `[m, height, width, channels]`, and what is wrong with each of the others, by
            the number of the file.

        Raises:
            MTLError: If the readable images have different sizes or too many pixels.
        """
        if not all(file in self._places for file in files):
            self._read(list(dict.fromkeys(files)))
        places = np.array([self._places[file] for file in files], np.int64)
        unreadable = {number: self._reasons[place] for number, place in enumerate(places.tolist()) if place in self._reasons}
        rows = self._rows[places] if len(places) else places
        rows = rows[rows >= 0]
        images = self._images
        if len(rows) != len(images) or (rows != np.arange(len(rows))).any():
            images = images[rows]
        return images, unreadable

    def _read(self, files: list[Path]) -> None:
        """Read files, which are all different."""
        self._places = {file: place for place, file in enumerate(files)}
        listed = ImageFiles(self.root, files, self.options)
        images = self._read_stored(listed)
        if images is None:
            images, self._reasons = _decode_to_memory(listed)
        self._images = images
        good = np.array([place not in self._reasons for place in range(len(files))], bool)
        # Stored rows have one for each file, those in memory for each readable one.
        self._rows = np.where(good, np.arange(len(files)) if len(images) == len(files) else np.cumsum(good) - 1, -1)

    def _read_stored(self, listed: ImageFiles) -> np.ndarray | None:
        """Return the images of all files from the cache, those of unreadable ones black; None if they are decoded to memory."""
        small = listed.bytes < SMALL_BYTES and len(listed.files) < SMALL_COUNT
        if self._cache_dir is False or small or (shape := listed.find_shape()) is None:
            return None
        folder = default_cache_dir() if self._cache_dir is None else Path(self._cache_dir).expanduser()
        try:
            images, self._reasons = load_images(folder, listed, shape)
        except CacheError:
            if not listed.fits_in_memory(shape):
                raise
            listed.warn_without_cache(folder)
            return None
        return images


def _decode_to_memory(listed: ImageFiles) -> tuple[np.ndarray, dict[int, str]]:
    """Return the images of the readable files, and what is wrong with the others, by the number of the file."""
    files, options = listed.files, listed.options
    images = np.empty((0, 0, 0, options.channels), np.uint8)
    unreadable: dict[int, str] = {}
    with in_threads() as pool:
        for number, pixels in enumerate(pool.imap(listed.decode, range(len(files)), chunksize=8)):
            if isinstance(pixels, str):
                unreadable[number] = pixels
                continue
            if not images.size:
                images = np.empty((len(files), *pixels.shape), np.uint8)
            images[number] = listed.checked(number, pixels)
    if unreadable and images.size:
        images = np.delete(images, list(unreadable), axis=0)
    return images, unreadable
