"""Generated photos, and copies of them as they occur in data sets."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

__all__ = ["COPIES", "photo"]


def photo(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """A smooth image with details, of other content for each seed."""
    rng = np.random.default_rng(seed)
    large, small = (
        Image.fromarray(rng.integers(0, 256, (side, side + 2, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        for side in (4, 12)
    )
    return Image.blend(large, small, 0.4)


def recompress(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


#: What happens to a photo that is uploaded again.
COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed": lambda image: recompress(image, 45),
    "reduced": lambda image: image.resize((image.width // 3, image.height // 3), Image.Resampling.BILINEAR),
    "enlarged": lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.LANCZOS),
    "brightened": lambda image: image.point(lambda value: min(round(value * 1.08) + 6, 255)),
    "all of it": lambda image: recompress(image.resize((150, 110)).point(lambda value: min(value + 8, 255)), 60),
}
