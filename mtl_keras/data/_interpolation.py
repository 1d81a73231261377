"""Bilinear interpolation of uint8 images in NumPy."""

from __future__ import annotations

import numpy as np

__all__ = ["crop_and_resize", "sample_bilinear", "to_uint8"]


def sample_bilinear(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return bilinear values of every image at the same positions.

    Args:
        images: uint8 `[n, h, w, c]`.
        y: Rows `[h, w]` in px from the center of the first pixel; positions outside are moved to the edge.
        x: Columns `[h, w]`, likewise.

    Returns:
        uint8 `[n, h, w, c]`.
    """
    h, w = images.shape[1:3]
    top, below, down = _neighbors(y, h)
    left, right, across = _neighbors(x, w)
    down, across = down[..., None], across[..., None]
    flat = images.reshape(len(images), h * w, -1)
    upper = flat.take(top * w + left, 1) * (1 - across) + flat.take(top * w + right, 1) * across
    lower = flat.take(below * w + left, 1) * (1 - across) + flat.take(below * w + right, 1) * across
    return to_uint8(upper * (1 - down) + lower * down)


def crop_and_resize(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return bilinear values on a grid of rows and columns of its own for each image.

    Args:
        images: uint8 `[n, h, w, c]`.
        y: Rows `[n, h]` in px from the center of the first pixel; positions outside are moved to the edge.
        x: Columns `[n, w]`, likewise.

    Returns:
        uint8 `[n, h, w, c]`.
    """
    top, below, down = _neighbors(y, images.shape[1])
    left, right, across = _neighbors(x, images.shape[2])
    down, across = down[..., None, None], across[..., None]
    result = np.empty((len(images), y.shape[1], x.shape[1], images.shape[3]), np.uint8)
    for i, image in enumerate(images):
        rows = image.take(left[i], 1) * (1 - across[i]) + image.take(right[i], 1) * across[i]
        result[i] = to_uint8(rows.take(top[i], 0) * (1 - down[i]) + rows.take(below[i], 0) * down[i])
    return result


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Round and clip values to 0 to 255."""
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _neighbors(at: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pixels before and after each position, and its float32 distance from the first, in px."""
    at = np.clip(at, 0, side - 1)
    before = at.astype(np.intp)
    return before, np.minimum(before + 1, side - 1), (at - before).astype(np.float32)
