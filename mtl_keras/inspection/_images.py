"""Images that are tiny, of one color, of several sizes, or of another shape than the model's input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import count, name_some

__all__ = ["check_images"]

#: Side in px below which little can be seen in an image.
TINY = 16
#: Ratio of the image's to the model's proportions from which resizing distorts it.
DISTORTED = 2.0
#: Share of a mode below which it is an exception.
RARE = 0.1


def check_images(rows: Rows) -> Iterator[Finding]:
    """Find images that are likely mistakes, or that resizing harms."""
    if not len(rows.files) or not rows.photos.readable.any():
        return
    photos = rows.photos
    readable, side = photos.readable, np.minimum(photos.heights, photos.widths)
    yield from _check_sizes(rows, np.flatnonzero(readable))
    tiny = np.flatnonzero(readable & (side < TINY))
    if tiny.size:
        sizes = name_some(list(dict.fromkeys(f"{photos.heights[row]} x {photos.widths[row]} px" for row in tiny)))
        yield Finding(
            "images",
            "warning",
            "size",
            f"{count(tiny.size, 'image')} {'is' if tiny.size == 1 else 'are'} tiny: {sizes}.",
            "Look at them: they may be icons or previews instead of the images.",
            tuple(tiny),
        )
    flat = np.flatnonzero(readable & photos.flat)
    if flat.size:
        yield Finding(
            "images",
            "warning",
            "content",
            f"{count(flat.size, 'image')} {'is' if flat.size == 1 else 'are'} of one color.",
            "Look at them: they may be placeholders or failed exports.",
            tuple(flat),
        )
    yield from _check_modes(rows)


def _check_sizes(rows: Rows, at: np.ndarray) -> Iterator[Finding]:
    """Find several sizes where there must be one, images that are enlarged, and images that are distorted."""
    heights, widths = rows.photos.heights, rows.photos.widths
    sizes = np.unique(np.stack([heights[at], widths[at]], axis=1), axis=0)
    if rows.image_size is None:
        if len(sizes) > 1:
            yield Finding(
                "images",
                "error",
                "size",
                f"Images must have one size, and have {len(sizes):,}: {name_some([f'{h} x {w} px' for h, w in sizes])}.",
                "Give image_size, to which all are resized.",
            )
        return
    height, width = rows.image_size
    # The smallest first, which the page shows.
    at = at[np.argsort(heights[at] * widths[at], kind="stable")]
    small = at[(heights[at] < height) & (widths[at] < width)]
    if small.size:
        yield Finding(
            "images",
            "note",
            "size",
            f"{count(small.size, 'image')} of {at.size:,} {'is' if small.size == 1 else 'are'} smaller than {height} x {width} "
            "px and would be enlarged.",
            "A smaller image_size loses nothing of them and trains faster; a pretrained network may want this one.",
            tuple(small),
        )
    ratio = (widths[at] / heights[at]) / (width / height)
    odd = at[np.maximum(ratio, 1 / ratio) >= DISTORTED]
    if odd.size:
        yield Finding(
            "images",
            "note",
            "proportions",
            f"{count(odd.size, 'image')} of {at.size:,} {'is' if odd.size == 1 else 'are'} at least {DISTORTED:.0f} times as "
            f"wide or as high as {height} x {width} px, and would be squeezed.",
            "Crop them, or give another image_size.",
            tuple(odd),
        )


def _check_modes(rows: Rows) -> Iterator[Finding]:
    """Find the exceptions among gray and color images."""
    photos = rows.photos
    gray = photos.readable & np.isin(photos.modes, ("1", "L", "LA", "I", "I;16", "I;16B", "F"))
    share = gray.sum() / photos.readable.sum()
    few, what = (gray, "gray, the others in color") if share <= 0.5 else (photos.readable & ~gray, "in color, the others gray")
    if 0 < min(share, 1 - share) <= RARE:
        at = np.flatnonzero(few)
        yield Finding(
            "images",
            "note",
            "mode",
            f"{count(at.size, 'image')} {'is' if at.size == 1 else 'are'} {what}.",
            "All are read as RGB; look whether these are of another source.",
            tuple(at),
        )
