"""Batches of the rows of a split."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._online import drawn

if TYPE_CHECKING:
    import tensorflow as tf

    from mtl_keras.data._split import Split

__all__ = ["made"]


def made(split: Split, batch_size: int, seed: int | None, epochs: int, first_epoch: int, at_least: int) -> tf.data.Dataset:
    """Return what `Split.batches` describes."""
    import tensorflow as tf

    online = None if seed is None else split.online
    bounds = (split.views or 1, *(() if online is None else online.bounds(split.x.shape[-3:])))

    # Views follow the training's seed, also where the changes have one of their own.
    own = online.seed if online is not None and online.seed is not None else seed
    seeds = [seed or 0, *[own or 0] * (len(bounds) - 1)]

    def numbered(order: tf.Tensor, draws: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the rows of one batch, which of them count, and what is drawn for each."""
        rows = order[start : start + batch_size]
        count = tf.size(rows)
        filling = tf.gather(order, tf.range(tf.maximum(at_least - count, 0)) % tf.size(order))
        rows = tf.concat([rows, filling], 0)
        return rows, tf.range(tf.size(rows)) < count, tf.gather(draws, rows)

    def row_numbers(epoch: tf.Tensor, n: int) -> tf.data.Dataset:
        """Return the batches of one pass over n rows."""
        order, draws = tf.range(n, dtype=tf.int64), tf.zeros([n, 1], tf.int64)
        if seed is not None:
            if max(bounds) > 1:
                draws = drawn(n, bounds, seeds, epoch)
            # A named algorithm, so that the order is the same on every device.
            order = tf.random.experimental.stateless_shuffle(order, [tf.cast(seed, tf.int64), epoch], alg="philox")
        return tf.data.Dataset.range(0, n, batch_size).map(lambda start: numbered(order, draws, start))

    of_views = {id(array) for array in split.of_views()} if split.views else set()
    labels, weights = _columns(split, split.y.values()), _columns(split, split.weight.values())
    known = {key for keys, _ in (*labels, *weights) for key in keys}
    arrays = {id(array): array for array in (split.x, *split.y.values(), *split.weight.values(), *split.side.values())}
    sources = {key: _source(split, array, key in of_views) for key, array in arrays.items() if key not in known}

    def batch(rows: tf.Tensor, counts: tf.Tensor, draws: tf.Tensor) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        views = rows * bounds[0] + draws[:, 0]
        parts = {key: source(views if key in of_views else rows) for key, source in sources.items()}
        if online is not None:
            parts[id(split.x)] = online(parts[id(split.x)], draws[:, 1:])
        for keys, read in labels:
            parts |= zip(keys, tf.unstack(read(rows), len(keys)), strict=True)
        y = {task: split.tasks[task].target(parts[id(split.y[task])]) for task in split.tasks}
        for keys, read in weights:
            parts |= zip(keys, tf.unstack(tf.where(counts, read(rows), 0.0), len(keys)), strict=True)
        weight = {task: parts[id(split.weight[task])] for task in split.tasks}
        x = parts[id(split.x)]
        side = {name: parts[id(array)] for name, array in split.side.items()}
        return {"input": x, **side} if side else x, y, weight

    def passes(first: int, stop: int, n: int) -> tf.data.Dataset:
        return tf.data.Dataset.range(first, stop).flat_map(lambda number: row_numbers(number, n))

    if seed is None or split.sampling is None:
        dataset, count = passes(first_epoch, epochs, len(split)), math.ceil(len(split) / batch_size)
    else:
        members = split.members()
        schedule, count = split.sampling.schedule([*map(len, members)], batch_size, seed, epochs), split.steps(batch_size)
        streams = []
        for number, rows in enumerate(members):
            done, left = divmod(int((schedule[:first_epoch] == number).sum()), math.ceil(len(rows) / batch_size))
            own = tf.constant(rows)
            stream = passes(done, tf.int64.max, len(rows)).skip(left)
            streams.append(stream.map(lambda at, counts, draws, own=own: (tf.gather(own, at), counts, draws)))
        choice = tf.data.Dataset.from_tensor_slices(schedule[first_epoch:].ravel())
        dataset = tf.data.Dataset.choose_from_datasets(streams, choice, stop_on_empty_dataset=False)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality((epochs - first_epoch) * count))
    # Few batches in flight: their memory is then used again, and fresh memory costs more than the copy itself.
    return dataset.map(batch, num_parallel_calls=2).prefetch(2)


def _columns(split: Split, arrays: Iterable[np.ndarray]) -> list[tuple[list[int], Callable[[tf.Tensor], tf.Tensor]]]:
    """Return, for arrays of one number a row, identities and a function that gives all their rows `[arrays, batch]`.

    Those of one type are gathered at once: a gather costs the same for one task and for fifty.
    """
    groups: dict[Any, dict[int, np.ndarray]] = {}
    for array in arrays:
        if array.ndim == 1 and array is not split.x:
            groups.setdefault(id(array) if isinstance(array, np.memmap) else array.dtype.str, {})[id(array)] = array
    return [(list(group), _column_reader(split, group)) for group in groups.values()]


def _column_reader(split: Split, group: dict[int, np.ndarray]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function that gives rows of some columns, by identity, `[columns, batch]`."""
    import tensorflow as tf

    first = next(iter(group.values()))
    if isinstance(first, np.memmap):
        source = _source(split, first, of_views=False)
        return lambda rows: source(rows)[None]
    held = [split._tensors[key][1] for key in group if key in split._tensors]
    if len(held) < len(group) or len({id(table) for table, _ in held}) > 1:
        # Kept on the CPU as all rows are.
        with tf.device("CPU:0"):
            table = tf.constant(np.stack(list(group.values()), axis=1))
        held = [(table, number) for number in range(len(group))]
        split._tensors.update({key: (array, place) for (key, array), place in zip(group.items(), held, strict=True)})
    table, chosen = held[0][0], [number for _, number in held]
    return lambda rows: tf.gather(tf.transpose(tf.gather(table, rows)), chosen)


def _source(split: Split, array: np.ndarray, of_views: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function that gives the rows with the numbers it gets; every view of a row is a row here."""
    import tensorflow as tf

    rows_of = array.reshape(-1, *array.shape[2:]) if of_views else array
    if isinstance(array, np.memmap):
        dtype, row_shape = tf.as_dtype(array.dtype), rows_of.shape[1:]

        def read(rows: tf.Tensor) -> tf.Tensor:
            part = tf.numpy_function(lambda numbers: np.asarray(rows_of[numbers]), [rows], dtype, stateful=False)
            return tf.ensure_shape(part, [None, *row_shape])

        return read
    if id(array) not in split._tensors:
        # Kept on the CPU: batches are put together there, and an accelerator's memory is for the model.
        with tf.device("CPU:0"):
            split._tensors[id(array)] = (array, tf.constant(rows_of))
    tensor = split._tensors[id(array)][1]
    return lambda rows: tf.gather(tensor, rows)
