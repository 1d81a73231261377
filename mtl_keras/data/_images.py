"""Image files as one array, and the words that folders and tables have for splits."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from mtl_keras.errors import MTLError

__all__ = ["SPLITS", "read_images"]

#: The split that a word stands for.
SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def read_images(root: Path, files: Sequence[Path], image_size: int | tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """Decode images in threads, in the order of the files.

    Args:
        root: Folder that the files lie below.
        files: Paths from there; an absolute one stands for itself.
        image_size: Side, or height and width, in px that images are brought to (bilinear, antialiased); None takes them
            as they are.

    Returns:
        RGB images of the files that can be read, uint8 `[m, height, width, 3]`, and which ones those are, bool `[n]`.

    Raises:
        MTLError: If the images that can be read are not of one size, or `image_size` is none.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if size is not None and min(size) < 1:
        raise MTLError(f"`image_size` is at least 1 px. Received: image_size={image_size}. Give e.g. 128.")
    images = np.empty((0, 0, 0, 3), np.uint8)
    readable = np.zeros(len(files), bool)
    # Threads, since Pillow decodes without holding the interpreter's lock.
    with ThreadPool() as pool:
        for number, pixels in enumerate(pool.imap(lambda file: _pixels(root / file, size), files, chunksize=8)):
            if pixels is None:
                continue
            if not readable.any():
                images = np.empty((len(files), *pixels.shape), np.uint8)
            elif pixels.shape != images.shape[1:]:
                raise MTLError(
                    f"Images are of one size. Received: {files[int(readable.argmax())]} of {_size(images[0])} and "
                    f"{files[number]} of {_size(pixels)}. Give image_size=, to which all are brought."
                )
            images[number] = pixels
            readable[number] = True
    return images if readable.all() else images[readable[: len(images)]], readable


def _pixels(path: Path, size: tuple[int, int] | None) -> np.ndarray | None:
    """Return one image `[height, width, 3]`, or None if the file holds none that can be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            pixels = image.convert("RGB")
    # Pillow's error for a file that is no image is an OSError; a torn one may be a SyntaxError or claim to be huge.
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None
    if size is not None and (pixels.height, pixels.width) != size:
        pixels = pixels.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(pixels)


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]} px"
