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
    y, x = np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)
    top, left = y.astype(np.intp), x.astype(np.intp)
    below, right = np.minimum(top + 1, h - 1), np.minimum(left + 1, w - 1)
    down, across = (y - top).astype(np.float32)[..., None], (x - left).astype(np.float32)[..., None]
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
    h, w = images.shape[1:3]
    y, x = np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)
    top, left = y.astype(np.intp), x.astype(np.intp)
    below, right = np.minimum(top + 1, h - 1), np.minimum(left + 1, w - 1)
    down, across = (y - top).astype(np.float32)[..., None, None], (x - left).astype(np.float32)[..., None]
    result = np.empty((len(images), y.shape[1], x.shape[1], images.shape[3]), np.uint8)
    for i, image in enumerate(images):
        rows = image.take(left[i], 1) * (1 - across[i]) + image.take(right[i], 1) * across[i]
        result[i] = to_uint8(rows.take(top[i], 0) * (1 - down[i]) + rows.take(below[i], 0) * down[i])
    return result


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Round and clip values to 0 to 255."""
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
