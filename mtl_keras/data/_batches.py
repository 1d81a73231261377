"""Batches of a split's arrays, read by row number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._array_cache import ArrayCache
from mtl_keras.data._rows import RowArrays, image_name
from mtl_keras.data._stored import is_mapped, read_rows

if TYPE_CHECKING:
    import tensorflow as tf

    from mtl_keras.tasks import Tasks

__all__ = ["BatchReader"]

#: Reads the rows with given numbers, from one or several arrays.
Read = Callable[["tf.Tensor"], "tf.Tensor"]


class BatchReader:
    """Reads `(x, {task: y}, {task: weight})` by row number; an array that several keys hold is read once a batch.

    Args:
        tasks: What is predicted.
        arrays: The split's arrays.
        views: Number of views of a row, or None; arrays of views are `[n, views, ...]`.
        cache: Keeps the tensors that the arrays were converted to.
        class_weights: Weights of classes by task; default none.
    """

    def __init__(
        self,
        tasks: Tasks,
        arrays: RowArrays,
        views: int | None,
        cache: ArrayCache,
        class_weights: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self._class_weights = {name: weights for name, weights in (class_weights or {}).items() if name in tasks}
        self._tasks, self._views, self._cache = tasks, views or 1, cache
        self._x = {name: array for (field, name), array in arrays.items() if field == "x"}
        image = image_name(self._x, views is not None)
        self._images = None if image is None else self._x[image]
        self._y = {task: arrays["y", task] for task in tasks}
        self._weight = {task: arrays["weight", task] for task in tasks}
        self._side = {name: array for (field, name), array in arrays.items() if field == "side"}
        images = [self._images, *(self._y[name] for name, task in tasks.items() if task.from_input)]
        self._of_views = {id(array) for array in images} if views else set()
        self._labels, self._weights = self._columns(self._y.values()), self._columns(self._weight.values())
        known = {key for keys, _ in (*self._labels, *self._weights) for key in keys}
        others = {
            id(array): array for array in (*self._x.values(), *self._y.values(), *self._weight.values(), *self._side.values())
        }
        self._others = {key: self._source(array) for key, array in others.items() if key not in known}

    def read(
        self, rows: tf.Tensor, counts: tf.Tensor, draws: tf.Tensor, transform: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Return one batch.

        Args:
            rows: Row numbers `[b]`.
            counts: Whether each row counts `[b]`; the others get weight 0.
            draws: Integers sampled for each row `[b, d]`, of which the first is the view.
            transform: Augments the inputs with the draws.
        """
        import tensorflow as tf

        rows_of_views = rows * self._views + draws[:, 0]
        parts = {key: read(rows_of_views if key in self._of_views else rows) for key, read in self._others.items()}
        if self._images is not None:
            parts[id(self._images)] = transform(parts[id(self._images)], draws)
        for keys, read in self._labels:
            parts |= zip(keys, tf.unstack(read(rows), len(keys)), strict=True)
        y = {name: task.target(parts[id(self._y[name])]) for name, task in self._tasks.items()}
        for keys, read in self._weights:
            parts |= zip(keys, tf.unstack(tf.where(counts, read(rows), 0.0), len(keys)), strict=True)
        weight = {name: parts[id(array)] for name, array in self._weight.items()}
        for name, weights in self._class_weights.items():
            y[name], factor = self._tasks[name].weigh(y[name], weights)
            weight[name] = weight[name] if factor is None else weight[name] * factor
        x = {name: parts[id(array)] for name, array in (*self._x.items(), *self._side.items())}
        if "" in x:
            x = {"input": x.pop(""), **x}
        return x["input"] if len(x) == 1 else x, y, weight

    def _columns(self, arrays: Iterable[np.ndarray]) -> list[tuple[list[int], Read]]:
        """Return, for arrays `[n]`, their identities and a function that reads them together, `[arrays, batch]`.

        Arrays of one type are gathered at once: a gather costs the same for one task and for fifty.
        """
        groups: dict[Any, dict[int, np.ndarray]] = {}
        for array in arrays:
            if array.ndim == 1 and all(array is not x for x in self._x.values()):
                groups.setdefault(id(array) if is_mapped(array) else array.dtype.str, {})[id(array)] = array
        return [(list(group), self._column_source(group)) for group in groups.values()]

    def _column_source(self, group: Mapping[int, np.ndarray]) -> Read:
        """Return a function that reads rows of some columns, `[columns, batch]`."""
        import tensorflow as tf

        arrays = list(group.values())
        if is_mapped(arrays[0]):
            source = self._source(arrays[0])
            return lambda rows: source(rows)[None]
        places = [self._cache.find("column", [array]) for array in arrays]
        if None in places or len({id(table) for table, _ in places}) > 1:
            table = _to_tensor(np.stack(arrays, axis=1))
            places = [self._cache.keep("column", [array], (table, number)) for number, array in enumerate(arrays)]
        table, chosen = places[0][0], [number for _, number in places]
        return lambda rows: tf.gather(tf.transpose(tf.gather(table, rows)), chosen)

    def _source(self, array: np.ndarray) -> Read:
        """Return a function that reads rows of one array; each view of a row is a row of its own here."""
        import tensorflow as tf

        flat = array.reshape(-1, *array.shape[2:]) if id(array) in self._of_views else array
        if is_mapped(array):
            dtype, row_shape = tf.as_dtype(array.dtype), flat.shape[1:]

            def read(rows: tf.Tensor) -> tf.Tensor:
                part = tf.numpy_function(lambda numbers: read_rows(flat, numbers), [rows], dtype, stateful=False)
                return tf.ensure_shape(part, [None, *row_shape])

            return read
        kind = "views" if id(array) in self._of_views else "rows"
        tensor = self._cache.find(kind, [array])
        if tensor is None:
            tensor = self._cache.keep(kind, [array], _to_tensor(flat))
        return lambda rows: tf.gather(tensor, rows)


def _to_tensor(array: np.ndarray) -> tf.Tensor:
    """Return the array as a tensor on the CPU, where batches are assembled; an accelerator's memory is for the model."""
    import tensorflow as tf

    with tf.device("CPU:0"):
        return tf.constant(array)
