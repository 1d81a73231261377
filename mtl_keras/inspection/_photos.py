"""What is known of the images of all rows, from decoding each of them once in a small size."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from mtl_keras.data import ImageFacts, ImageOptions, UnreadableImage, read_facts
from mtl_keras.errors import MTLError
from mtl_keras.inspection._hashes import SIDE, hash_images, shrink

__all__ = ["Photos", "read_photos"]

#: Images of which the pixels are in memory at a time.
CHUNK = 256
#: From this number of files on, the user is told that it takes a while.
MANY = 1000

_log = logging.getLogger("mtl_keras")


@dataclass(frozen=True, eq=False)
class Photos:
    """What is known of the image of each row; zeros for rows without a readable one.

    Args:
        readable: Whether the row has a readable image, booleans `[n]`.
        reasons: What is wrong with the others that have a file, by row.
        heights: In px, upright, int32 `[n]`.
        widths: In px, upright, int32 `[n]`.
        modes: How the file stores pixels, texts `[n]`.
        digests: Hash of the file's bytes, uint64 `[n]`.
        hashes: Perceptual hash, uint64 `[n]`.
        flat: Whether the image is of one color, which has no perceptual hash, booleans `[n]`.
        small: 8 x 8 px of color, uint8 `[n, 192]`.
    """

    readable: np.ndarray
    reasons: dict[int, str]
    heights: np.ndarray
    widths: np.ndarray
    modes: np.ndarray
    digests: np.ndarray
    hashes: np.ndarray
    flat: np.ndarray
    small: np.ndarray


def read_photos(files: Sequence[Path | None], max_pixels: int = ImageOptions.max_pixels) -> Photos:
    """Read the images of all rows, each file once, in threads.

    Args:
        files: Image of each row, None where there is none.
        max_pixels: Largest number of pixels of an image; default 89 million.
    """
    read = functools.partial(_read, max_pixels=max_pixels)
    places: dict[Path, int] = {}
    # Which file each row has; -1 for none.
    place = np.array([-1 if file is None else places.setdefault(file, len(places)) for file in files], np.int64)
    m = len(places)
    readable, flat = np.zeros(m + 1, bool), np.zeros(m + 1, bool)
    heights, widths = np.zeros(m + 1, np.int32), np.zeros(m + 1, np.int32)
    digests, hashes = np.zeros(m + 1, np.uint64), np.zeros(m + 1, np.uint64)
    small, modes, reasons = np.zeros((m + 1, 192), np.uint8), np.full(m + 1, "", "U8"), dict[int, str]()
    if m >= MANY:
        _log.info("Reading %s images.", f"{m:,}")
    every = list(places)
    # Pillow warns of many pixels, which are an error here. Threads suffice: it releases the interpreter lock.
    with warnings.catch_warnings(action="ignore"), ThreadPool() as pool:
        for start in range(0, m, CHUNK):
            facts = dict(enumerate(pool.map(read, every[start : start + CHUNK], chunksize=8), start=start))
            reasons |= {number: each for number, each in facts.items() if isinstance(each, str)}
            good = {number: each for number, each in facts.items() if isinstance(each, ImageFacts)}
            if not good:
                continue
            at, pixels = list(good), np.stack([each.pixels for each in good.values()])
            readable[at] = True
            hashes[at], flat[at] = hash_images(pixels)
            small[at] = shrink(pixels)
            for number, each in good.items():
                heights[number], widths[number] = each.height, each.width
                digests[number], modes[number] = each.digest, each.mode
    by_row = {row: reasons[number] for row, number in enumerate(place.tolist()) if number in reasons}
    arrays = (array[place] for array in (heights, widths, modes, digests, hashes, flat, small))
    return Photos(readable[place], by_row, *arrays)


def _read(file: Path, max_pixels: int) -> ImageFacts | str:
    """Return the facts of a file, or what is wrong with it."""
    try:
        return read_facts(file, SIDE, max_pixels=max_pixels)
    except UnreadableImage as error:
        return error.reason
    except MTLError as error:
        return str(error)
