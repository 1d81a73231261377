"""Views of images, computed as a stream, in memory or in the cache."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mtl_keras.data._digest import digest_array, digest_json
from mtl_keras.data._loading import current_loading
from mtl_keras.data._store import Entry
from mtl_keras.data._stored import BLOCK_BYTES, Stored, stored
from mtl_keras.data._views import STEPS, Step, apply_view
from mtl_keras.errors import choice_config

__all__ = ["store_views", "stream_views"]

Views = Sequence[Sequence[Step]]


def stream_views(x: np.ndarray, datasets: Sequence[slice], views: Views, seed: int) -> Iterator[np.ndarray]:
    """Return all views of the next images, `[m, V, h, w, c]`, one part after the other.

    Args:
        x: Images, uint8 `[n, h, w, c]`.
        datasets: Rows of each data set, by itself, so that its views are those that it has alone.
        views: Steps of each view.
        seed: Of the random values.
    """
    for rows in datasets:
        streams = (apply_view(x[rows], view, (seed, number)) for number, view in enumerate(views))
        for parts in zip(*streams, strict=True):
            yield np.stack(parts, axis=1)


def store_views(x: np.ndarray, folder: Path, datasets: Sequence[slice], views: Views, seed: int) -> np.ndarray:
    """Return all views `[n, V, h, w, c]` of images, after computing those that are not in a folder of the cache."""
    steps = [[choice_config(step, STEPS) for step in view] for view in views]
    about = {"steps": steps, "seed": seed, "datasets": [[rows.start, rows.stop] for rows in datasets]}
    identity = {"views": {**about, "images": digest_array(x), "numpy": np.__version__}}
    whole = (len(x), len(views), *x.shape[1:])
    told = current_loading()
    entry = Entry(folder / digest_json(identity), {"identity": identity}, whole, "uint8", block_bytes=BLOCK_BYTES)
    compute = _Computation(x, datasets, views, seed)

    def announced(start: int, stop: int) -> np.ndarray:
        if told.stage and not compute.told:
            told.stage(f"Computing {len(views)} views of {len(x):,} images once: {entry.bytes / 1e6:,.0f} MB at {entry.folder}")
        compute.told = True
        return compute(start, stop)

    mapped = entry.ensure(entry.map, announced, told.progress)
    return stored(Stored(entry, mapped, 2, _Computation(x, datasets, views, seed)), len(views))


class _Computation:
    """Computes blocks of views; going on is free, going back starts anew, since random values follow from all rows before."""

    def __init__(self, x: np.ndarray, datasets: Sequence[slice], views: Views, seed: int) -> None:
        self._begin = functools.partial(stream_views, x, datasets, views, seed)
        self._stream, self._left, self._at, self.told = self._begin(), np.empty(0, np.uint8), 0, False

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Return the views of the images from `start` to before `stop`."""
        if start < self._at:
            self._stream, self._left, self._at = self._begin(), np.empty(0, np.uint8), 0
        while self._at + len(self._left) < stop:
            part = next(self._stream)
            # What lies before the block is not kept.
            left = np.concatenate([self._left, part]) if len(self._left) else part
            dropped = min(max(start - self._at, 0), len(left))
            self._left, self._at = left[dropped:], self._at + dropped
        rows = self._left[start - self._at : stop - self._at]
        self._left, self._at = self._left[stop - self._at :], stop
        return rows
