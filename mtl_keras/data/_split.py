"""A set of rows: inputs, encoded labels, and which labels are present."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._batches import made
from mtl_keras.data._online import Online
from mtl_keras.data._sampling import Sampling
from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    import tensorflow as tf

    from mtl_keras.tasks import Tasks

__all__ = ["Split"]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows that belong together: the training, validation or test part of a data set.

    Arrays are taken as they are, without a copy, and must not be changed afterward.

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
        origin: Number of the data set that each row is of, `[n]` integers, where several are alternated; None (default) for
            one data set.
        sampling: Which of them a step is of; None (default) for one data set.

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
    origin: np.ndarray | None = None
    sampling: Sampling | None = None
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
            for array in self.of_views():
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
        origin = None if self.origin is None else self.origin[rows]
        weight = {task: array[rows] for task, array in self.weight.items()}
        return replace(self, x=x, y=y, weight=weight, side=side, group=group, origin=origin)

    def only(self, *names: str) -> Split:
        """Return the same rows for these tasks alone; of several data sets those rows whose data set has one of the tasks.

        Raises:
            MTLError: If a name is not among the tasks.
        """
        tasks = self.tasks.only(*names)
        if self.sampling is not None and self.origin is not None:
            kept = [number for number, own in enumerate(self.sampling.tasks.values()) if set(own) & set(tasks)]
            if len(kept) < len(self.sampling.tasks):
                return self._of(kept).only(*names)
        part = replace(self, tasks=tasks, y={t: self.y[t] for t in tasks}, weight={t: self.weight[t] for t in tasks})
        object.__setattr__(part, "_tensors", self._tensors)
        return part

    def pieces(self) -> list[slice]:
        """Return the stretches of rows that are of one data set each."""
        ends = [] if self.origin is None else (np.flatnonzero(np.diff(self.origin)) + 1).tolist()
        return [slice(start, stop) for start, stop in zip([0, *ends], [*ends, len(self)], strict=True)]

    def steps(self, batch_size: int) -> int:
        """Return the number of batches of an epoch of seeded batches.

        Raises:
            MTLError: If a data set that is alternated has no row.
        """
        members = self.members()
        return (
            self.sampling.steps_an_epoch([*map(len, members)], batch_size)
            if self.sampling
            else math.ceil(len(self) / batch_size)
        )

    def steps_per_dataset(self, batch_size: int, *, seed: int, epochs: int) -> list[dict[str, int]]:
        """Return for each epoch of seeded batches how many are of each data set, by its name; one data set has no names."""
        if self.sampling is None:
            return [{} for _ in range(epochs)]
        schedule = self.sampling.schedule([*map(len, self.members())], batch_size, seed, epochs)
        return [{name: int((row == number).sum()) for number, name in enumerate(self.sampling.tasks)} for row in schedule]

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

        Of several data sets each batch is of one, as `sampling` says. Each has its own passes, in orders that are functions of
        the seed and the number of the pass alone, and goes on in an epoch where it was in the one before. An epoch then has
        `steps(batch_size)` batches.

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
            A `tf.data.Dataset` with known cardinality, `(epochs - first_epoch) * ceil(n / batch_size)` for one data set. `y`
            has gone through `Task.target`.

        Raises:
            MTLError: If `batch_size` is below 1, no epoch is asked for, or a data set that is alternated has no row.

        Example:
            >>> import mtl_keras as mtl
            >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Binary("parity")))
            >>> x, y, weight = next(iter(data.train.batches(32, seed=0)))
            >>> y["parity"].shape
            TensorShape([32])
        """
        if batch_size < 1:
            raise MTLError(f"`batch_size` is at least 1. Received: batch_size={batch_size}. Give e.g. 128.")
        if not 1 <= at_least <= batch_size:
            raise MTLError(f"`at_least` is from 1 to `batch_size`. Received: at_least={at_least}, batch_size={batch_size}.")
        if not 0 <= first_epoch < epochs:
            raise MTLError(
                f"Epochs run from `first_epoch` to `epochs` - 1. Received: first_epoch={first_epoch}, epochs={epochs}."
            )
        return made(self, batch_size, seed, epochs, first_epoch, at_least)

    def members(self) -> list[np.ndarray]:
        """Return the row numbers of each data set that is alternated, or of all."""
        if self.sampling is None or self.origin is None:
            return [np.arange(len(self))]
        members = [np.flatnonzero(self.origin == number) for number in range(len(self.sampling.tasks))]
        for name, rows in zip(self.sampling.tasks, members, strict=True):
            if not len(rows):
                raise MTLError(
                    f"Each data set that is alternated has a row to train on. Received: {name!r} with none left of it in "
                    f"{len(self)} rows of the {self.name or 'unnamed'} split. Take more rows, or train without {name!r}."
                )
        return members

    def _of(self, sets: Sequence[int]) -> Split:
        """Return the rows of some of the data sets, without a copy where they follow each other."""
        assert self.sampling is not None
        assert self.origin is not None
        rows: Any = np.flatnonzero(np.isin(self.origin, sets))
        if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
            rows = slice(rows[0], rows[-1] + 1)
        part, origin = self.take(rows), np.searchsorted(sets, self.origin[rows])
        if len(sets) == 1:
            return replace(part, origin=None, sampling=None)
        names = [name for number, name in enumerate(self.sampling.tasks) if number in sets]
        return replace(part, origin=origin, sampling=self.sampling.only(names))

    def of_views(self) -> list[np.ndarray]:
        """Return the arrays that hold all views of a row, where rows have views."""
        return [self.x, *(array for task, array in self.y.items() if self.tasks[task].from_input)]
