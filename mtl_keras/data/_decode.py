"""One image file as RGB pixels: the only place that decodes files, without TensorFlow, so that every use sees the same pixels.

What a file says about its pixels is followed: values are scaled by bit depth, the EXIF orientation is applied, and
transparent pixels are composited over white. Whatever a decoder raises becomes an `UnreadableImage` that names the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FORMATS", "MAX_PIXELS", "SUFFIXES", "UnreadableImage", "check_header", "decode_image"]

#: The formats that are admitted, whatever the name of the file: others of Pillow's start programs or are hardly tested.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")

#: Largest number of pixels of an image, that from which Pillow warns: about 0.4 GB while it is decoded.
MAX_PIXELS = 89_478_485

#: What transparent pixels are composited over: white.
BACKGROUND = (255, 255, 255, 255)

#: Numbers of TIFF tags.
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262


class UnreadableImage(MTLError):
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


def decode_image(path: str | os.PathLike[str], size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode one image file, of several frames the first.

    Args:
        path: The file; its format is taken from its content.
        size: Height and width in px to which the image is resized (bilinear, antialiased); None (default) keeps its size.

    Returns:
        RGB, uint8 `[height, width, 3]`: of 16 bits a channel the upper 8, upright by the EXIF orientation, over white.

    Raises:
        UnreadableImage: If it is not a readable image of one of the `FORMATS`.
        MTLError: If it has more than `MAX_PIXELS` pixels.
    """
    return _read(path, lambda image: _to_pixels(image, size))


def check_header(path: str | os.PathLike[str]) -> None:
    """Raise what `decode_image` would raise for the header of a file, without decoding its pixels."""
    _read(path, lambda image: np.empty(0))


def _read(path: str | os.PathLike[str], use: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    """Return what `use` makes of the opened file, with every error of Pillow translated."""
    from PIL import Image, UnidentifiedImageError

    try:
        # Not by its path: of files that Pillow maps into memory, it mistakes height for width if they are on their side.
        with open(path, "rb") as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(path, f"{image.height} x {image.width} px")
            return use(image)
    except MTLError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, str(error)) from error
    except MemoryError as error:
        raise MTLError(f"An image must fit into the memory. Received: {path}. Free memory, or reduce the image.") from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(path, "its content is of another kind") from error
    # A damaged file makes a decoder raise anything: SyntaxError, ValueError, TypeError, struct.error, EOFError ...
    except Exception as error:
        text = " ".join(str(getattr(error, "strerror", None) or error).split())[:120].rstrip(".")
        said = text and isinstance(error, OSError | SyntaxError | ValueError)
        raise UnreadableImage(path, text if said else f"{type(error).__name__} {text}".rstrip()) from error


def _too_large(path: str | os.PathLike[str], received: str) -> MTLError:
    return MTLError(f"An image must have at most {MAX_PIXELS:,} pixels. Received: {path}: {received}. Reduce it.")


def _to_pixels(image: Image.Image, size: tuple[int, int] | None) -> np.ndarray:
    """Return the pixels of an opened image; see `decode_image`."""
    from PIL import Image

    clear = _find_clear_color(image)
    image.load()
    if clear is not None:
        image.info["transparency"] = clear
    # Before anything is converted, which may lose it.
    turn = _find_turn(image)
    upright = _composite(_reduce_depth(image))
    if turn is not None:
        upright = upright.transpose(turn)
    if size is not None and (upright.height, upright.width) != size:
        upright = upright.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(upright)


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


def _composite(image: Image.Image) -> Image.Image:
    """Return the image as RGB, with transparent pixels composited over the background."""
    from PIL import Image

    if image.mode not in ("LA", "La", "PA", "RGBA", "RGBa") and "transparency" not in image.info:
        return image.convert("RGB")
    pixels = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", pixels.size, BACKGROUND), pixels).convert("RGB")
