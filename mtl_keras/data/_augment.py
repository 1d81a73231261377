"""The three ways to augment training rows: views of which an epoch shows one, views as rows, and changes in every epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mtl_keras.data._online import Online, parse_online
from mtl_keras.data._rows import RowArrays, map_rows
from mtl_keras.data._split import Split
from mtl_keras.data._stored import cache_folder
from mtl_keras.data._view_store import store_views, stream_views
from mtl_keras.data._views import parse_views
from mtl_keras.errors import MTLError, check_seed

__all__ = ["MODES"]


def _add_views(train: Split, steps: Any, seed: int | None) -> Split:
    """Return rows with several views each, of which an epoch shows one."""
    views = _compute_views(train, steps, seed)
    arrays = map_rows(lambda array: views if array is train.images else array, train.arrays())
    return train.with_arrays(arrays, sampler=replace(train.sampler, views=views.shape[1]))


def _repeat_rows(train: Split, steps: Any, seed: int | None) -> Split:
    """Return every view of a row as a row of its own, one after the other."""
    views = _compute_views(train, steps, seed)
    count, x = views.shape[1], views.reshape(-1, *views.shape[2:])
    arrays: RowArrays = {("group", ""): np.arange(len(train)), **train.arrays()}
    return train.with_arrays(map_rows(lambda array: x if array is train.images else np.repeat(array, count, axis=0), arrays))


def _augment_online(train: Split, steps: Any, seed: int | None) -> Split:
    """Return rows whose images are changed in every epoch."""
    online = Online(parse_online(steps), seed)
    images = _find_images(train)
    if images.ndim - (train.views is not None) != 4:
        raise MTLError(
            f"Online augmentation must be applied to images [n, h, w, c]. Received: inputs {list(images.shape)}. Pass images."
        )
    # Checks that every padding fits into the images.
    online.bounds(images.shape[-3:])
    return replace(train, sampler=replace(train.sampler, online=online))


#: Every mode of `Data.augment`: `(training split, steps, seed) -> training split`.
MODES: dict[str, Callable[[Split, Any, int | None], Split]] = {
    "views": _add_views,
    "repeat": _repeat_rows,
    "online": _augment_online,
}


def _compute_views(train: Split, steps: Any, seed: int | None) -> np.ndarray:
    """Return all views of the training images, `[n, V, h, w, c]`."""
    views, x = parse_views(steps), _find_images(train)
    if train.views is not None or x.ndim != 4 or x.dtype != np.uint8:
        raise MTLError(
            f"Views must be created once, from uint8 images [n, h, w, c]. Received: "
            f"{'inputs' if train.views is None else 'views'} {list(x.shape)}, {x.dtype}. Pass all views in one call; convert "
            "other images to uint8."
        )
    seed = check_seed("seed", 0 if seed is None else seed)
    if (folder := cache_folder(x)) is not None:
        return store_views(x, folder, train.dataset_slices(), views, seed)
    result = np.empty((len(x), len(views), *x.shape[1:]), np.uint8)
    start = 0
    for part in stream_views(x, train.dataset_slices(), views, seed):
        result[start : start + len(part)] = part
        start += len(part)
    return result


def _find_images(train: Split) -> np.ndarray:
    """Return the input that is augmented: the only one, or of several the one of images."""
    if train.images is None:
        raise MTLError(
            f"Data of several inputs must have images in exactly one of them to be augmented. Received: {train.input_shape}. "
            "Augment the images before."
        )
    return train.images
