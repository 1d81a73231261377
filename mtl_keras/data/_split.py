"""A set of rows: inputs, encoded labels, and which labels are present."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._online import Online, drawn
from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    import tensorflow as tf

    from mtl_keras.tasks import Tasks

__all__ = ["Split"]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows that belong together: the training, validation or test part of a data set.

    Arrays are taken as they are, without a copy, and must not be changed afterwards.

    Args:
        tasks: What is predicted.
        x: Inputs `[n, ...]`: uint8 or float32 images in `[0, 255]`, or float32 features. A `numpy.memmap` is read row
            by row and may be larger than the memory.
        y: Stored labels of each task `[n, ...]`, as made by `Task.encode`.
        weight: Weight of each label `[n]`, float32, 0 where absent; one array for each task.
        name: `"train"`, `"validation"`, `"test"` or empty.
        views: Number V of views of each row: `x`, and targets that are the input, are then `[n, V, ...]`. None (default)
            for plain rows.
        online: Changes of the images that an epoch of seeded batches draws anew; None (default) for none.
        side: More inputs of the model by name, `[n, ...]` float32; default none.
        group: Number of what each row was made of, `[n]` integers, where several rows are views of one image; None
            (default) where each stands for itself. A division of the rows keeps a group together.

    Raises:
        MTLError: If there are no rows, numbers of rows or of views differ, or `y` or `weight` miss a task.
    """

    tasks: Tasks
    x: np.ndarray
    y: Mapping[str, np.ndarray]
    weight: Mapping[str, np.ndarray]
    name: str = ""
    views: int | None = None
    online: Online | None = None
    side: Mapping[str, np.ndarray] = field(default_factory=dict)
    group: np.ndarray | None = None
    # Tensors made from the arrays above, by identity: thirty trainings on one split convert it once.
    _tensors: dict[int, tuple[np.ndarray, Any]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not len(self.x):
            raise MTLError(
                f"A split holds at least one row. Received: 0 rows for the {self.name or 'unnamed'} split. Give more rows."
            )
        for what, arrays in (("y", self.y), ("weight", self.weight)):
            if set(arrays) != set(self.tasks):
                raise MTLError(
                    f"`{what}` has one array for each task. Received: {sorted(arrays)} for tasks {sorted(self.tasks)}."
                )
            for task, array in arrays.items():
                if len(array) != len(self.x):
                    raise MTLError(
                        f"`x` and `{what}` have equally many rows. Received: {len(self.x)} and {len(array)} for task {task!r}."
                    )
        if self.views is not None:
            for array in self._of_views():
                if array.shape[1:2] != (self.views,):
                    raise MTLError(
                        f"Inputs, and targets that are inputs, hold all views [n, {self.views}, ...]. Received: "
                        f"{list(array.shape)}. Make views with Data.with_views."
                    )
        for name, array in self.side.items():
            if len(array) != len(self.x):
                raise MTLError(f"`x` and `side` have equally many rows. Received: {len(self.x)} and {len(array)} for {name!r}.")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def complete(self) -> bool:
        """Whether every row has a label for every task."""
        return all(bool((weight > 0).all()) for weight in self.weight.values())

    def take(self, rows: np.ndarray) -> Split:
        """Return a new split with these rows, copied, in the order given.

        Args:
            rows: Row numbers `[m]`, integers.
        """
        x = self.x[rows]
        # A target that is the input itself stays the same array, so that it is held and gathered once.
        y = {task: x if array is self.x else array[rows] for task, array in self.y.items()}
        side = {name: array[rows] for name, array in self.side.items()}
        group = None if self.group is None else self.group[rows]
        weight = {task: array[rows] for task, array in self.weight.items()}
        return replace(self, x=x, y=y, weight=weight, side=side, group=group)

    def only(self, *names: str) -> Split:
        """Return the same rows for these tasks alone.

        Raises:
            MTLError: If a name is not among the tasks.
        """
        tasks = self.tasks.only(*names)
        part = replace(self, tasks=tasks, y={t: self.y[t] for t in tasks}, weight={t: self.weight[t] for t in tasks})
        object.__setattr__(part, "_tensors", self._tensors)
        return part

    def with_x(self, x: np.ndarray) -> Split:
        """Return the same labels for other inputs of the same rows, such as features of the images."""
        return replace(self, x=x)

    def first_view(self) -> Split:
        """Return the rows in their first view, without a copy; rows without views as they are."""
        if self.views is None:
            return self
        x = self.x[:, 0]
        own = {task: array[:, 0] if self.tasks[task].from_input else array for task, array in self.y.items()}
        return replace(self, x=x, y={task: x if self.y[task] is self.x else own[task] for task in own}, views=None)

    def batches(
        self, batch_size: int, *, seed: int | None = None, epochs: int = 1, first_epoch: int = 0, at_least: int = 1
    ) -> tf.data.Dataset:
        """Return a dataset of `(x, {task: y}, {task: weight})`, each with `batch_size` rows, fewer in an epoch's last.

        With more inputs in `side`, `x` is the dict `{"input": x, name: side}`.

        With a seed, the epochs `first_epoch` to `epochs - 1` follow each other and each has its own order, a function
        of the seed and the number of the epoch alone: a run that goes on at epoch k sees what it would have seen. Give
        Keras `steps_per_epoch=ceil(n / batch_size)`. Without a seed the rows come in order.

        Of a row with views an epoch shows one, and of images that are changed online one change, both functions of the
        seed, the number of the epoch and the row alone. Without a seed it is the first view, unchanged.

        Args:
            batch_size: Rows a batch, over all replicas, at least 1.
            seed: Shuffles if given; an integer from 0.
            epochs: Number of the epoch to end before, at least 1.
            first_epoch: Number of the epoch to begin with, from 0.
            at_least: Rows that an epoch's last batch has at least, from 1 (default) to `batch_size`. What is missing is made
                up of the epoch's first rows with weight 0. Give the number of replicas, so that none of them is left
                without a row: batch normalization makes NaN of no rows, and some kernels refuse them.

        Returns:
            A `tf.data.Dataset` with known cardinality `(epochs - first_epoch) * ceil(n / batch_size)`. `y` has gone
            through `Task.target`.

        Raises:
            MTLError: If `batch_size` is below 1 or no epoch is asked for.

        Example:
            >>> import mtl_keras as mtl
            >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Binary("parity")))
            >>> x, y, weight = next(iter(data.train.batches(32, seed=0)))
            >>> y["parity"].shape
            TensorShape([32])
        """
        import tensorflow as tf

        if batch_size < 1:
            raise MTLError(f"`batch_size` is at least 1. Received: batch_size={batch_size}. Give e.g. 128.")
        if not 1 <= at_least <= batch_size:
            raise MTLError(f"`at_least` is from 1 to `batch_size`. Received: at_least={at_least}, batch_size={batch_size}.")
        if not 0 <= first_epoch < epochs:
            raise MTLError(
                f"Epochs run from `first_epoch` to `epochs` - 1. Received: first_epoch={first_epoch}, epochs={epochs}."
            )
        n = len(self)

        online = None if seed is None else self.online
        bounds = (self.views or 1, *(() if online is None else online.bounds(self.x.shape[-3:])))

        # Views follow the training's seed, also where the changes have one of their own.
        own = online.seed if online is not None and online.seed is not None else seed
        seeds = [seed or 0, *[own or 0] * (len(bounds) - 1)]

        def numbered(order: tf.Tensor, draws: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            """Return the rows of one batch, which of them count, and what is drawn for each."""
            rows = order[start : start + batch_size]
            count = tf.size(rows)
            filling = tf.gather(order, tf.range(tf.maximum(at_least - count, 0)) % n)
            rows = tf.concat([rows, filling], 0)
            return rows, tf.range(tf.size(rows)) < count, tf.gather(draws, rows)

        def row_numbers(epoch: tf.Tensor) -> tf.data.Dataset:
            order, draws = tf.range(n, dtype=tf.int64), tf.zeros([n, 1], tf.int64)
            if seed is not None:
                if max(bounds) > 1:
                    draws = drawn(n, bounds, seeds, epoch)
                # A named algorithm, so that the order is the same on every device.
                order = tf.random.experimental.stateless_shuffle(order, [tf.cast(seed, tf.int64), epoch], alg="philox")
            return tf.data.Dataset.range(0, n, batch_size).map(lambda start: numbered(order, draws, start))

        of_views = {id(array) for array in self._of_views()} if self.views else set()
        arrays = {id(array): array for array in (self.x, *self.y.values(), *self.weight.values(), *self.side.values())}
        sources = {key: self._source(array, key in of_views) for key, array in arrays.items()}

        def batch(rows: tf.Tensor, counts: tf.Tensor, draws: tf.Tensor) -> tuple[Any, dict[str, Any], dict[str, Any]]:
            views = rows * bounds[0] + draws[:, 0]
            parts = {key: source(views if key in of_views else rows) for key, source in sources.items()}
            if online is not None:
                parts[id(self.x)] = online(parts[id(self.x)], draws[:, 1:])
            y = {task: self.tasks[task].target(parts[id(self.y[task])]) for task in self.tasks}
            weight = {task: tf.where(counts, parts[id(self.weight[task])], 0.0) for task in self.tasks}
            x = parts[id(self.x)]
            side = {name: parts[id(array)] for name, array in self.side.items()}
            return {"input": x, **side} if side else x, y, weight

        dataset = tf.data.Dataset.range(first_epoch, epochs).flat_map(row_numbers)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality((epochs - first_epoch) * math.ceil(n / batch_size)))
        # Few batches in flight: their memory is then used again, and fresh memory costs more than the copy itself.
        return dataset.map(batch, num_parallel_calls=2).prefetch(2)

    def _of_views(self) -> list[np.ndarray]:
        """Return the arrays that hold all views of a row, where rows have views."""
        return [self.x, *(array for task, array in self.y.items() if self.tasks[task].from_input)]

    def _source(self, array: np.ndarray, of_views: bool) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return a function that gives the rows with the numbers it gets; every view of a row is a row here."""
        import tensorflow as tf

        rows_of = array.reshape(-1, *array.shape[2:]) if of_views else array
        if isinstance(array, np.memmap):
            dtype, row_shape = tf.as_dtype(array.dtype), rows_of.shape[1:]

            def read(rows: tf.Tensor) -> tf.Tensor:
                part = tf.numpy_function(lambda numbers: np.asarray(rows_of[numbers]), [rows], dtype, stateful=False)
                return tf.ensure_shape(part, [None, *row_shape])

            return read
        if id(array) not in self._tensors:
            # Kept on the CPU: batches are put together there, and an accelerator's memory is for the model.
            with tf.device("CPU:0"):
                self._tensors[id(array)] = (array, tf.constant(rows_of))
        tensor = self._tensors[id(array)][1]
        return lambda rows: tf.gather(tensor, rows)
