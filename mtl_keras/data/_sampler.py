"""The batching policy of a split: which rows form each batch, and how they are augmented."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.data._online import Online, sample_integers
from mtl_keras.data._sampling import Sampling

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["BatchOrder", "Sampler"]


@dataclass(frozen=True)
class BatchOrder:
    """What a caller of `Split.batches` asks for; see there.

    Args:
        batch_size: Rows per batch.
        seed: Seed of the order, or None for the order of the rows.
        epochs: Number of the epoch to stop before.
        first_epoch: Number of the first epoch.
        at_least: Smallest number of rows of a batch.
    """

    batch_size: int
    seed: int | None
    epochs: int
    first_epoch: int
    at_least: int


@dataclass(frozen=True)
class Sampler:
    """Order of rows, views shown per epoch, online augmentation, and the schedule of several data sets.

    Args:
        views: Number of views of each row, of which each epoch shows one; None (default) for plain rows.
        online: Augmentation that is sampled anew in each epoch of seeded batches; None (default) for none.
        sampling: Schedule of the data sets that the rows come from; None (default) for one data set.
    """

    views: int | None = None
    online: Online | None = None
    sampling: Sampling | None = None

    def steps(self, rows: Sequence[int], batch_size: int) -> int:
        """Return the number of seeded batches of an epoch, given the number of rows of each data set."""
        if self.sampling is None:
            return math.ceil(sum(rows) / batch_size)
        return self.sampling.steps_per_epoch(rows, batch_size)

    def batches_of_rows(
        self, members: Sequence[np.ndarray], order: BatchOrder, image_shape: tuple[int, ...]
    ) -> tf.data.Dataset:
        """Return a dataset of `(rows, counts, draws)`, one element a batch, with known cardinality.

        `rows` are row numbers `[b]`. `counts` `[b]` is False for rows that fill up a short batch. `draws` `[b, d]` are the
        integers sampled for each row: the view, then those of online augmentation.

        Args:
            members: Row numbers of each data set.
            order: Batch size, seed and epochs.
            image_shape: Shape of one image `[h, w, c]`, for the bounds of online augmentation.
        """
        import tensorflow as tf

        plain = tf.autograph.experimental.do_not_convert
        first, stop, size, seed = order.first_epoch, order.epochs, order.batch_size, order.seed
        if seed is None or self.sampling is None:
            n = sum(map(len, members))
            dataset, steps = self._passes(n, order, image_shape, first, stop), math.ceil(n / size)
        else:
            lengths = [len(rows) for rows in members]
            schedule, steps = self.sampling.schedule(lengths, size, seed, stop), self.steps(lengths, size)
            streams = []
            for number, rows in enumerate(members):
                done, left = divmod(int((schedule[:first] == number).sum()), math.ceil(len(rows) / size))
                own = tf.constant(rows)
                stream = self._passes(len(rows), order, image_shape, done, tf.int64.max).skip(left)
                streams.append(stream.map(plain(lambda at, counts, draws, own=own: (tf.gather(own, at), counts, draws))))
            choice = tf.data.Dataset.from_tensor_slices(schedule[first:].ravel())
            dataset = tf.data.Dataset.choose_from_datasets(streams, choice, stop_on_empty_dataset=False)
        return dataset.apply(tf.data.experimental.assert_cardinality((stop - first) * steps))

    def transform(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Return the images of a batch after online augmentation, if any was sampled for them."""
        return images if self.online is None or draws.shape[1] == 1 else self.online(images, draws[:, 1:])

    def _passes(self, n: int, order: BatchOrder, image_shape: tuple[int, ...], first: int, stop: int) -> tf.data.Dataset:
        """Return the batches of passes `first` to `stop - 1` over n rows, which are numbered from 0."""
        import tensorflow as tf

        size, seed = order.batch_size, order.seed
        online = None if seed is None else self.online
        bounds = (self.views or 1, *(() if online is None else online.bounds(image_shape)))
        # The view follows the training's seed, even if online augmentation has a seed of its own.
        own = online.seed if online is not None and online.seed is not None else seed
        seeds = [seed or 0, *[own or 0] * (len(bounds) - 1)]

        def batch(order_of_rows: tf.Tensor, draws: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            rows = order_of_rows[start : start + size]
            count = tf.size(rows)
            filling = tf.gather(order_of_rows, tf.range(tf.maximum(order.at_least - count, 0)) % tf.size(order_of_rows))
            rows = tf.concat([rows, filling], 0)
            return rows, tf.range(tf.size(rows)) < count, tf.gather(draws, rows)

        # Nothing branches on a tensor here, and converting the code takes longer than tracing it.
        plain = tf.autograph.experimental.do_not_convert

        @plain
        def one_pass(number: tf.Tensor) -> tf.data.Dataset:
            rows, draws = tf.range(n, dtype=tf.int64), tf.zeros([n, 1], tf.int64)
            if seed is not None:
                if max(bounds) > 1:
                    draws = sample_integers(n, bounds, seeds, number)
                # A named algorithm, so that the order is the same on every device.
                rows = tf.random.experimental.stateless_shuffle(rows, [tf.cast(seed, tf.int64), number], alg="philox")
            return tf.data.Dataset.range(0, n, size).map(plain(lambda start: batch(rows, draws, start)))

        return tf.data.Dataset.range(first, stop).flat_map(one_pass)
