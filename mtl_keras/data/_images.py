"""Image files as one array, and the names of splits in folders and tables."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from mtl_keras.errors import MTLError, check_integer

__all__ = ["SPLITS", "read_images"]

#: The split that a name in a folder or table stands for.
SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def read_images(root: Path, files: Sequence[Path], image_size: int | tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """Decode images in threads, in the order of the files.

    Args:
        root: Folder that the paths are relative to.
        files: Paths of the images, relative to `root` or absolute.
        image_size: Side, or height and width, in px to which images are resized (bilinear, antialiased); None keeps their
            size.

    Returns:
        RGB images of the m readable files, uint8 `[m, height, width, 3]`, and whether each file is readable, bool `[n]`.

    Raises:
        MTLError: If the readable images have different sizes, or `image_size` is below 1.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    for side in size or ():
        check_integer("image_size", side, 1, example=128)
    images = np.empty((0, 0, 0, 3), np.uint8)
    readable = np.zeros(len(files), bool)
    # Threads suffice: Pillow releases the interpreter lock while it decodes.
    with ThreadPool() as pool:
        for number, pixels in enumerate(pool.imap(lambda file: _decode(root / file, size), files, chunksize=8)):
            if pixels is None:
                continue
            if not readable.any():
                images = np.empty((len(files), *pixels.shape), np.uint8)
            elif pixels.shape != images.shape[1:]:
                raise MTLError(
                    f"All images must have one size. Received: {files[int(readable.argmax())]} of {_size(images[0])} and "
                    f"{files[number]} of {_size(pixels)}. Pass image_size=, to which all are resized."
                )
            images[number] = pixels
            readable[number] = True
    return images if readable.all() else images[readable[: len(images)]], readable


def _decode(path: Path, size: tuple[int, int] | None) -> np.ndarray | None:
    """Return one image `[height, width, 3]`, or None if the file is not a readable image."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            pixels = image.convert("RGB")
    # Pillow raises an OSError for a file that is no image; a damaged one may raise a SyntaxError or claim a huge size.
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None
    if size is not None and (pixels.height, pixels.width) != size:
        pixels = pixels.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(pixels)


def _size(image: np.ndarray) -> str:
    """Return an image's height and width in words."""
    return f"{image.shape[0]} x {image.shape[1]} px"
