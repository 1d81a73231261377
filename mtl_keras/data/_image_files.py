"""How image files are decoded, as a value, and the errors of the decoder as those of the house."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np

from mtl_keras.data import _decode
from mtl_keras.data._decode import LARGEST, MAX_PIXELS, WHITE, ImageError, ImageFacts, UndecodableImage
from mtl_keras.errors import MTLError, check_image_size, check_integer, describe, store

__all__ = ["ImageOptions", "UnreadableImage", "check_headers", "in_threads", "read_facts"]

BRIGHTEST = 255


class UnreadableImage(MTLError):
    """A file that is not a readable image.

    Args:
        message: Rule, received file and remedy.
        reason: What is wrong with it, in a few words.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class ImageOptions:
    """How image files become pixels.

    Args:
        image_size: Side, or height and width, in px to which images are resized (bilinear, antialiased); None (default) keeps
            their size.
        channels: 3 (default) for RGB, or 1 for gray.
        background: Color that transparent pixels are composited over, from 0 to 255: red, green and blue, or one number for a
            gray; default white.
        max_pixels: Largest number of pixels of a file; default 89 million.

    Raises:
        MTLError: If one of them is out of range.
    """

    image_size: int | tuple[int, int] | None = None
    channels: int = 3
    background: int | tuple[int, int, int] = WHITE
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if self.image_size is not None:
            store(self, image_size=check_image_size("image_size", self.image_size))
        store(self, max_pixels=check_integer("max_pixels", self.max_pixels, 1, LARGEST, example=MAX_PIXELS))
        if check_integer("channels", self.channels, 1, 3) == 2:
            raise MTLError("`channels` must be 3 for RGB or 1 for gray. Received: channels=2. Pass channels=3.")
        store(self, channels=int(self.channels), background=_check_color(self.background))

    def decode(self, path: str | os.PathLike[str]) -> np.ndarray:
        """Return the pixels of a file, uint8 `[height, width, channels]`.

        Raises:
            UnreadableImage: If it is not a readable image.
            MTLError: If it has too many pixels.
        """
        size: Any = self.image_size
        color: Any = self.background
        with _translated():
            return _decode.decode_image(path, size, channels=self.channels, background=color, max_pixels=self.max_pixels)

    def check_header(self, path: str | os.PathLike[str]) -> None:
        """Raise what `decode` would raise for the header of a file, without decoding its pixels."""
        with _translated():
            _decode.check_header(path, max_pixels=self.max_pixels)

    def identity(self) -> dict[str, Any]:
        """Return all that determines pixels besides the files, as plain JSON values."""
        from PIL import __version__

        # Each version of Pillow has its own libjpeg, and resizes in its own way.
        versions = {"decoder": _decode.VERSION, "pillow": __version__}
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, **versions}


def read_facts(path: str | os.PathLike[str], side: int, *, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """Return facts of an image file and a small version of it, at a fraction of the cost of decoding it for JPEG files.

    Args:
        path: The file.
        side: Height and width in px of the small version.
        max_pixels: Largest number of pixels of the file; default 89 million.

    Raises:
        UnreadableImage: If it is not a readable image; the pixels are decoded, so that a truncated file is found.
        MTLError: If it has too many pixels.
    """
    with _translated():
        return _decode.read_facts(path, side, max_pixels=max_pixels)


def check_headers(root: Path, files: Sequence[Path], options: ImageOptions) -> dict[int, str]:
    """Return what is wrong with the headers of files, by the number of the file; their pixels are not decoded."""

    def check(file: Path) -> str:
        try:
            options.check_header(root / file)
        except UnreadableImage as error:
            return error.reason
        return ""

    with in_threads() as pool:
        return {number: reason for number, reason in enumerate(pool.imap(check, files, chunksize=64)) if reason}


@contextlib.contextmanager
def in_threads() -> Iterator[ThreadPool]:
    """Return a pool in which images are decoded; threads suffice, since Pillow releases the interpreter lock."""
    from PIL import Image

    # Pillow warns of many pixels, which are an error here.
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning), ThreadPool() as pool:
        yield pool


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise the errors of the decoder, which knows nothing of this package, as those of the house."""
    try:
        yield
    except UndecodableImage as error:
        raise UnreadableImage(str(error), error.reason) from error
    except ImageError as error:
        raise MTLError(str(error)) from error


def _check_color(value: Any) -> tuple[int, int, int]:
    """Return a color as red, green and blue."""
    parts = tuple(value) if isinstance(value, list | tuple) else (value,) * 3
    if len(parts) != 3:
        raise MTLError(
            f"`background` must be one number, or red, green and blue, from 0 to 255. Received: background={describe(value)}. "
            "Pass e.g. background=(255, 255, 255)."
        )
    red, green, blue = (check_integer("background", part, 0, BRIGHTEST) for part in parts)
    return red, green, blue
