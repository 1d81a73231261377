"""Image files as one array, and the names of splits in folders and tables."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from mtl_keras.data._decode import UnreadableImage, check_header, decode_image
from mtl_keras.errors import MTLError, check_image_size

__all__ = ["SPLITS", "check_headers", "read_images"]

#: The split that a name in a folder or table stands for.
SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def read_images(
    root: Path, files: Sequence[Path], image_size: int | tuple[int, int] | None
) -> tuple[np.ndarray, dict[int, str]]:
    """Decode images in threads, in the order of the files.

    Args:
        root: Folder that the paths are relative to.
        files: Paths of the images, relative to `root` or absolute.
        image_size: Side, or height and width, in px to which images are resized (bilinear, antialiased); None keeps their
            size.

    Returns:
        RGB images of the m readable files, uint8 `[m, height, width, 3]`, and what is wrong with each of the others, by the
        number of the file.

    Raises:
        MTLError: If the readable images have different sizes or too many pixels, or `image_size` is not a size.
    """
    size = None if image_size is None else check_image_size("image_size", image_size)
    images = np.empty((0, 0, 0, 3), np.uint8)
    first, unreadable = 0, {}

    def decode(file: Path) -> np.ndarray | str:
        try:
            return decode_image(root / file, size)
        except UnreadableImage as error:
            return error.reason

    # Threads suffice: Pillow releases the interpreter lock while it decodes.
    with _without_warning(), ThreadPool() as pool:
        for number, pixels in enumerate(pool.imap(decode, files, chunksize=8)):
            if isinstance(pixels, str):
                unreadable[number] = pixels
                continue
            if not images.size:
                images, first = np.empty((len(files), *pixels.shape), np.uint8), number
            elif pixels.shape != images.shape[1:]:
                raise MTLError(
                    f"All images must have one size. Received: {files[first]} of {_describe_size(images[first])} and "
                    f"{files[number]} of {_describe_size(pixels)}. Pass image_size=, to which all are resized."
                )
            images[number] = pixels
    if unreadable and images.size:
        images = np.delete(images, list(unreadable), axis=0)
    return images, unreadable


def check_headers(root: Path, files: Sequence[Path]) -> dict[int, str]:
    """Return what is wrong with the headers of files, by the number of the file; their pixels are not decoded."""

    def check(file: Path) -> str:
        try:
            check_header(root / file)
        except UnreadableImage as error:
            return error.reason
        return ""

    with _without_warning(), ThreadPool() as pool:
        return {number: reason for number, reason in enumerate(pool.imap(check, files, chunksize=64)) if reason}


def _without_warning() -> warnings.catch_warnings[None]:
    """Return a context in which Pillow does not warn of many pixels, which are an error here."""
    from PIL import Image

    return warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning)


def _describe_size(image: np.ndarray) -> str:
    """Return an image's height and width in words."""
    return f"{image.shape[0]} x {image.shape[1]} px"
