"""One image file as pixels: the only place that decodes files, so that every use sees the same pixels.

What a file says about its pixels is followed: values are scaled by bit depth, the EXIF orientation is applied, and
transparent pixels are composited over a color. Whatever a decoder raises becomes an `UndecodableImage` that names the file.

This file imports nothing but the standard library, NumPy and Pillow, so that a service can run a copy of it.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")

__all__ = [
    "FORMATS",
    "LARGEST",
    "MAX_PIXELS",
    "SUFFIXES",
    "VERSION",
    "WHITE",
    "ImageError",
    "ImageFacts",
    "UndecodableImage",
    "check_header",
    "decode_image",
    "read_facts",
]

#: Version of the pixels: it is raised when any file is decoded to others than before.
VERSION = 1

#: The formats that are admitted, whatever the name of the file: others of Pillow's start programs or are hardly tested.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")

#: Largest number of pixels of an image, that from which Pillow warns: about 0.4 GB while it is decoded.
MAX_PIXELS = 89_478_485

#: Largest limit, that above which Pillow refuses an image.
LARGEST = 2 * MAX_PIXELS

#: What transparent pixels are composited over, unless another color is asked for.
WHITE = (255, 255, 255)

#: Turns that exchange height and width.
ON_ITS_SIDE = ("TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")

#: Numbers of TIFF tags.
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """What is known of an image without decoding it in full size.

    Args:
        pixels: A small square version, RGB, uint8 `[side, side, 3]`; the proportions are lost.
        height: Height of the upright image in px.
        width: Its width in px.
        mode: How the file stores pixels, in Pillow's words, e.g. `"RGB"`, `"L"` (gray) or `"CMYK"`.
        digest: Hash of the bytes of the file, from 0 to 2^64 - 1.
    """

    pixels: np.ndarray
    height: int
    width: int
    mode: str
    digest: int


class ImageError(ValueError):
    """An image that is not decoded; the text is one line of rule, received file and remedy."""


class UndecodableImage(ImageError):
    """A file that is not a readable image.

    Args:
        path: The file.
        reason: What is wrong with it, in a few words.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(
            f"An image must be a readable JPEG, PNG, WebP, GIF, BMP or TIFF file. Received: {path}: {reason}. Replace it."
        )
        self.reason = reason


def decode_image(
    path: str | os.PathLike[str],
    size: tuple[int, int] | None = None,
    *,
    channels: int = 3,
    background: tuple[int, int, int] = WHITE,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Decode one image file, of several frames the first.

    Args:
        path: The file; its format is taken from its content.
        size: Height and width in px to which the image is resized (bilinear, antialiased); None (default) keeps its size.
        channels: 3 (default) for RGB, or 1 for gray: colors by their luma (ITU-R 601-2).
        background: RGB color that transparent pixels are composited over, from 0 to 255; default white.
        max_pixels: Largest number of pixels of the file, up to `LARGEST`; default `MAX_PIXELS`.

    Returns:
        uint8 `[height, width, channels]`: of 16 bits a channel the upper 8, upright by the EXIF orientation.

    Raises:
        UndecodableImage: If it is not a readable image of one of the `FORMATS`.
        ImageError: If it has more than `max_pixels` pixels, or the memory does not suffice.
    """
    return _read(path, lambda image, _: _to_pixels(image, size, channels, background), max_pixels)


def read_facts(path: str | os.PathLike[str], side: int, *, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """Return facts of an image file and a small version of it, at a fraction of the cost of `decode_image` for JPEG files.

    Args:
        path: The file.
        side: Height and width in px of the small version.
        max_pixels: As for `decode_image`.

    Raises:
        UndecodableImage, ImageError: As `decode_image`; the pixels are decoded, so that a truncated file is found.
    """
    return _read(path, partial(_find_facts, side=side), max_pixels)


def check_header(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> None:
    """Raise what `decode_image` would raise for the header of a file, without decoding its pixels."""
    _read(path, lambda image, _: None, max_pixels)


def _read(path: str | os.PathLike[str], use: Callable[[Image.Image, BufferedReader], T], max_pixels: int) -> T:
    """Return what `use` makes of the image and of its file, with every error of Pillow translated."""
    from PIL import Image, UnidentifiedImageError

    try:
        # Not by its path: of files that Pillow maps into memory, it mistakes height for width if they are on their side.
        with open(path, "rb") as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise _too_large(path, f"{image.height} x {image.width} px", max_pixels)
            return use(image, file)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, str(error), max_pixels) from error
    except MemoryError as error:
        raise ImageError(f"An image must fit into the memory. Received: {path}. Free memory, or reduce the image.") from error
    except UnidentifiedImageError as error:
        empty = os.path.getsize(path) == 0
        raise UndecodableImage(path, "it is empty" if empty else "its content is of another kind") from error
    # A damaged file makes a decoder raise anything: SyntaxError, ValueError, TypeError, struct.error, EOFError ...
    except Exception as error:
        text = " ".join(str(getattr(error, "strerror", None) or error).split())[:120].rstrip(".")
        said = text and isinstance(error, OSError | SyntaxError | ValueError)
        raise UndecodableImage(path, text if said else f"{type(error).__name__} {text}".rstrip()) from error


def _too_large(path: str | os.PathLike[str], received: str, max_pixels: int) -> ImageError:
    return ImageError(f"An image must have at most {max_pixels:,} pixels. Received: {path}: {received}. Reduce it.")


def _find_facts(image: Image.Image, file: BufferedReader, side: int) -> ImageFacts:
    """Return the facts of an opened image."""
    height, width, mode, turn = image.height, image.width, image.mode, _find_turn(image)
    # A JPEG is decoded at the smallest of its sizes that is not below the one asked for, with room for the resizing.
    image.draft(None, (2 * side, 2 * side))
    pixels = _to_pixels(image, (side, side), 3, WHITE)
    if turn is not None and turn.name in ON_ITS_SIDE:
        height, width = width, height
    file.seek(0)
    digest = hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=8)).digest()
    return ImageFacts(pixels, height, width, mode, int.from_bytes(digest))


def _to_pixels(image: Image.Image, size: tuple[int, int] | None, channels: int, background: tuple[int, int, int]) -> np.ndarray:
    """Return the pixels of an opened image; see `decode_image`."""
    from PIL import Image

    clear = _find_clear_color(image)
    image.load()
    if clear is not None:
        image.info["transparency"] = clear
    # Before anything is converted, which may lose it.
    turn = _find_turn(image)
    upright = _composite(_reduce_depth(image), background)
    if channels == 1:
        upright = upright.convert("L")
    if turn is not None:
        upright = upright.transpose(turn)
    if size is not None and (upright.height, upright.width) != size:
        upright = upright.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(upright)
    return pixels if pixels.ndim > 2 else pixels[..., None]


def _find_clear_color(image: Image.Image) -> int | tuple[int, ...] | None:
    """Return the transparent color of a PNG that Pillow expands or reduces to 8 bits, in 8 bits; None for other files."""
    clear = image.info.get("transparency")
    tiles = getattr(image, "tile", ())
    rawmode = str(tiles[0].args) if image.format == "PNG" and tiles else ""
    if rawmode in ("L;2", "L;4") and isinstance(clear, int):
        return clear * 255 // (2 ** int(rawmode[-1]) - 1)
    if rawmode == "RGB;16B" and isinstance(clear, tuple):
        # The lower bits of the pixels are gone.
        return tuple(value >> 8 for value in clear)
    return None


def _find_turn(image: Image.Image) -> Image.Transpose | None:
    """Return what makes the image upright by its EXIF orientation, or None."""
    from PIL import ExifTags, Image

    turn = Image.Transpose
    turns = (turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM, turn.TRANSPOSE, turn.ROTATE_270, turn.TRANSVERSE)
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    # A damaged EXIF block gives no orientation, and the pixels are as good as without one.
    except (LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error):
        return None
    return dict(enumerate((*turns, turn.ROTATE_90), start=2)).get(orientation)  # type: ignore[arg-type]


def _reduce_depth(image: Image.Image) -> Image.Image:
    """Return the image with 8 bits a channel, the upper ones. Pillow does so for colors, but clips gray values."""
    from PIL import Image

    if not image.mode.startswith(("I", "F")):
        return image
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F" or (tags and image.mode == "I"):
        raise ValueError("its pixels are signed, or of 32 bits; convert them to 8 or 16 bits")
    values = np.asarray(image)
    gray = (values >> (tags.get(BITS_PER_SAMPLE, (16,))[0] - 8)).astype(np.uint8)
    # Of more than 8 bits, Pillow does not invert values that run from white to black.
    reduced = Image.fromarray(255 - gray if tags.get(PHOTOMETRIC) == 0 else gray)
    if (clear := image.info.get("transparency")) is not None:
        reduced.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return reduced


def _composite(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Return the image as RGB, with transparent pixels composited over the background."""
    from PIL import Image

    if image.mode not in ("LA", "La", "PA", "RGBA", "RGBa") and "transparency" not in image.info:
        return image.convert("RGB")
    pixels = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", pixels.size, (*background, 255)), pixels).convert("RGB")
