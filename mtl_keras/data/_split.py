"""A set of rows: inputs, encoded labels, and which labels are present."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._array_cache import ArrayCache
from mtl_keras.data._batches import BatchReader
from mtl_keras.data._inputs import find_missing
from mtl_keras.data._online import Online
from mtl_keras.data._rows import Key, RowArrays, by_input, image_name, map_rows, read_named, unnamed
from mtl_keras.data._sampler import BatchOrder, Sampler
from mtl_keras.data._sampling import Sampling
from mtl_keras.errors import (
    MTLError,
    check_count,
    check_instance,
    check_integer,
    check_mapping,
    check_rows,
    check_seed,
    describe,
    store,
)

if TYPE_CHECKING:
    import tensorflow as tf

    from mtl_keras.tasks import Tasks

__all__ = ["Split"]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Rows that belong together: the training, validation or test part of a data set.

    Arrays are stored without a copy and must not be changed afterward. `dataclasses.replace` gives a split with some of them
    exchanged.

    Args:
        tasks: What is predicted.
        x: Inputs `[n, ...]`: uint8 or float32 images in `[0, 255]`, float32 or int32 arrays of another shape, or float32
            features. Of rows of numbers `[n, d]` some may be missing (NaN). A `numpy.memmap` is read row
            by row and may be larger than the memory. A mapping of such arrays by name for a model of several inputs.
        y: Encoded labels of each task `[n, ...]`, as returned by `Task.encode`.
        weight: Weight of each label `[n]`, float32, 0 if absent; one array per task.
        name: `"train"`, `"validation"`, `"test"` or empty.
        side: More inputs of the model by name, `[n, ...]` float32; default none.
        group: Number of the original that each row is a view of, `[n]` integers; None (default) if each row is an original.
            Cross-validation keeps a group together.
        origin: Number of the data set that each row comes from, `[n]` integers; None (default) for one data set.
        sampler: The batching policy: views, online augmentation and the schedule of several data sets. With V views, the
            images and targets that are the input are `[n, V, ...]`. Default: plain rows of one data set.
        array_cache: Keeps what was computed from the arrays, such as tensors; shared by splits derived from one another.
        class_weights: Weights of the classes in the loss by task, from `Task.class_weights`; `Data` sets them. Default none.

    Raises:
        MTLError: If there are no rows, numbers of rows or views differ, or `y` or `weight` lack a task.
    """

    tasks: Tasks
    x: Any  # an array, or arrays by name
    y: Mapping[str, np.ndarray]
    weight: Mapping[str, np.ndarray]
    name: str = ""
    side: Mapping[str, np.ndarray] = field(default_factory=dict)
    group: np.ndarray | None = None
    origin: np.ndarray | None = None
    sampler: Sampler = field(default_factory=Sampler)
    array_cache: ArrayCache = field(default_factory=ArrayCache, repr=False)
    class_weights: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_mapping("tasks", self.tasks, of="a split")
        check_mapping("class_weights", self.class_weights, of="a split")
        if isinstance(self.x, Mapping):
            store(self, x=read_named("x", self.x, lambda _, array: array))
        arrays = {f"x[{name!r}]" if name else "x": array for name, array in self.inputs.items()}
        arrays |= {n: a for n in ("group", "origin") if (a := getattr(self, n)) is not None}
        for by_name in ("y", "weight", "side"):
            given = check_mapping(by_name, getattr(self, by_name), of="a split")
            arrays |= {f"{by_name}[{name!r}]": array for name, array in given.items()}
        for what, value in arrays.items():
            if not getattr(value, "ndim", 0):
                raise MTLError(
                    f"`{what}` of a split must be an array with a row for each image. Received: {what}={describe(value)}. "
                    "Use mtl.data.from_arrays."
                )
        if not isinstance(self.name, str):
            raise MTLError(f"`name` of a split must be a text. Received: name={describe(self.name)}. Pass e.g. name='train'.")
        check_instance("sampler", self.sampler, Sampler, "Leave it out, or call `augment`.", of="a split")
        if not len(self):
            raise MTLError(
                f"`x` of a split must have at least one row. Received: 0 rows for the {self.name or 'unnamed'} split. Pass "
                "more rows."
            )
        for what, by_task in (("y", self.y), ("weight", self.weight)):
            if set(by_task) != set(self.tasks):
                raise MTLError(
                    f"`{what}` must have one array for each task. Received: {sorted(by_task)} for tasks {sorted(self.tasks)}."
                )
        for (what, name), array in self.arrays().items():
            if len(array) != len(self):
                of = f" for {name!r}" if name else ""
                raise MTLError(
                    f"`x` and `{what}` must have the same number of rows. Received: {len(self)} and {len(array)}{of}."
                )
        if self.views is not None:
            for array in self._arrays_of_views().values():
                if array.shape[1:2] != (self.views,):
                    raise MTLError(
                        f"Inputs, and targets that are inputs, must hold all views [n, {self.views}, ...]. Received: "
                        f"{list(array.shape)}. Create views with data.augment(steps, mode='views')."
                    )

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def __repr__(self) -> str:
        return f"Split {self.name!r}: {len(self):,} rows, inputs {self.input_shape}, labels of {', '.join(self.tasks)}"

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """The inputs by name; a single one has an empty name."""
        return by_input(self.x)

    @property
    def input_shape(self) -> Any:
        """The shape of one input as it is stored, or of each of several by name."""
        return unnamed({name: tuple(array.shape[1:]) for name, array in self.inputs.items()})

    @property
    def images(self) -> np.ndarray | None:
        """The input that views and online augmentation are of: the only one, or of several the one of images, if it is one."""
        name = image_name(self.inputs, self.views is not None)
        return None if name is None else self.inputs[name]

    @property
    def views(self) -> int | None:
        """Number of views of each row, or None for plain rows."""
        return self.sampler.views

    @property
    def online(self) -> Online | None:
        """Augmentation that is sampled anew in each epoch, or None."""
        return self.sampler.online

    @property
    def sampling(self) -> Sampling | None:
        """Schedule of the data sets that the rows come from, or None for one data set."""
        return self.sampler.sampling

    @property
    def complete(self) -> bool:
        """Whether every row has a label for every task."""
        return all(bool((weight > 0).all()) for weight in self.weight.values())

    @property
    def missing(self) -> Any:
        """For each column of rows of numbers `[n, d]` whether a value is missing (NaN), of several inputs by name.

        It is found once for each array.
        """
        return unnamed({name: self._missing(array) for name, array in self.inputs.items()})

    def _missing(self, array: np.ndarray) -> tuple[bool, ...]:
        found = self.array_cache.find("missing", [array])
        if found is None:
            found = self.array_cache.keep("missing", [array], tuple(find_missing(array).tolist()))
        return tuple(found)

    def arrays(self) -> dict[Key, np.ndarray]:
        """Return all row-aligned arrays by field and name: `("x", "")`, `("y", task)`, `("weight", task)`, `("side", name)`.

        Of several inputs, each has its own name, `("x", input)`.
        """
        arrays: dict[Key, np.ndarray] = {("x", name): array for name, array in self.inputs.items()}
        for what, by_name in (("y", self.y), ("weight", self.weight), ("side", self.side)):
            arrays |= {(what, name): array for name, array in by_name.items()}
        numbers = {"group": self.group, "origin": self.origin}
        return arrays | {(what, ""): array for what, array in numbers.items() if array is not None}

    def with_arrays(self, arrays: RowArrays, **changes: Any) -> Split:
        """Return a split of these arrays, keyed as by `arrays()`, with other fields replaced by `changes`."""
        fields: dict[str, Any] = {"x": {}, "y": {}, "weight": {}, "side": {}, "group": None, "origin": None}
        for (what, name), array in arrays.items():
            if name or what == "x":
                fields[what][name] = array
            else:
                fields[what] = array
        fields["x"] = unnamed(fields["x"])
        return replace(self, **{**fields, **changes})

    def take(self, rows: np.ndarray | slice) -> Split:
        """Return a split of some rows in the given order; copied unless `rows` is a slice.

        Args:
            rows: Row numbers `[m]`, integers, or a slice.
        """
        return self.with_arrays(map_rows(lambda array: array[rows], self.arrays()))

    def only(self, *names: str) -> Split:
        """Return the same rows for these tasks alone; of several data sets, only rows of those with one of the tasks.

        Raises:
            MTLError: If a name is not among the tasks.
        """
        tasks = self.tasks.only(*names)
        if self.sampling is not None and self.origin is not None:
            kept = [number for number, own in enumerate(self.sampling.tasks.values()) if set(own) & set(tasks)]
            if len(kept) < len(self.sampling.tasks):
                return self._only_datasets(kept).only(*names)
        arrays = {key: array for key, array in self.arrays().items() if key[0] not in ("y", "weight") or key[1] in tasks}
        return self.with_arrays(arrays, tasks=tasks)

    def with_x(self, x: Any) -> Split:
        """Return the same labels for other inputs of the same rows, such as features of the images."""
        return replace(self, x=x)

    def map_inputs(self, change: Callable[[np.ndarray], np.ndarray], **changes: Any) -> Split:
        """Return a split with the inputs, and targets that are the input, changed alike and other fields replaced."""
        return self.with_arrays({**self.arrays(), **map_rows(change, self._arrays_of_views())}, **changes)

    def first_view(self) -> Split:
        """Return the rows in their first view, without a copy; rows without views as they are."""
        if self.views is None:
            return self
        return self.map_inputs(lambda array: array[:, 0], sampler=replace(self.sampler, views=None))

    def dataset_slices(self) -> list[slice]:
        """Return the runs of consecutive rows that come from one data set each."""
        ends = [] if self.origin is None else (np.flatnonzero(np.diff(self.origin)) + 1).tolist()
        return [slice(start, stop) for start, stop in zip([0, *ends], [*ends, len(self)], strict=True)]

    def rows_by_dataset(self) -> list[np.ndarray]:
        """Return the row numbers of each data set, or of all rows for one data set.

        Raises:
            MTLError: If a data set has no row.
        """
        if self.sampling is None or self.origin is None:
            return [np.arange(len(self))]
        members = [np.flatnonzero(self.origin == number) for number in range(len(self.sampling.tasks))]
        for name, rows in zip(self.sampling.tasks, members, strict=True):
            if not len(rows):
                raise MTLError(
                    f"Each alternated data set must have at least one row. Received: none of {name!r} in the {len(self)} rows "
                    f"of the {self.name or 'unnamed'} split. Take more rows, or train without {name!r}."
                )
        return members

    def steps(self, batch_size: int) -> int:
        """Return the number of seeded batches of an epoch.

        Raises:
            MTLError: If an alternated data set has no row.
        """
        return self.sampler.steps([*map(len, self.rows_by_dataset())], batch_size)

    def steps_per_dataset(self, batch_size: int, *, seed: int, epochs: int) -> list[dict[str, int]]:
        """Return, for each epoch of seeded batches, the steps of each data set by name; empty dicts for one data set."""
        if self.sampling is None:
            return [{} for _ in range(epochs)]
        schedule = self.sampling.schedule([*map(len, self.rows_by_dataset())], batch_size, seed, epochs)
        return [{name: int((row == number).sum()) for number, name in enumerate(self.sampling.tasks)} for row in schedule]

    def batches(
        self, batch_size: int, *, seed: int | None = None, epochs: int = 1, first_epoch: int = 0, at_least: int = 1
    ) -> tf.data.Dataset:
        """Return a dataset of `(x, {task: y}, {task: weight})` with `batch_size` rows each, fewer in an epoch's last.

        With several inputs, `x` is a dict by name; with more of them in `side`, a single `x` is among them as `"input"`.

        Without a seed the rows come in order, in their first view and without augmentation. With a seed, the epochs
        `first_epoch` to `epochs - 1` follow each other. Order, view and augmentation of a row are functions of seed, epoch
        and row alone, so that a training resumed at epoch k sees what it would have seen. Pass
        `steps_per_epoch=split.steps(batch_size)` to Keras.

        Each seeded batch of several data sets comes from one of them, as `sampling` decides. Every data set has passes of its
        own, whose order is a function of the seed and the number of the pass, and continues across epochs.

        Args:
            batch_size: Rows per batch, over all replicas, at least 1.
            seed: Seed of the order, from 0; None (default) for the order of the rows.
            epochs: Number of the epoch to stop before, at least 1; default 1.
            first_epoch: Number of the first epoch, from 0 (default).
            at_least: Smallest number of rows of an epoch's last batch, from 1 (default) to `batch_size`. The batch is filled
                up with the epoch's first rows at weight 0. Pass the number of replicas: batch normalization of an empty
                batch is NaN, and some kernels refuse one.

        Returns:
            A `tf.data.Dataset` with known cardinality. `y` has passed through `Task.target`, and `Task.weigh` if given weights.

        Raises:
            MTLError: If `batch_size` is below 1, there is no epoch, or an alternated data set has no row.

        Example:
            >>> import mtl_keras as mtl
            >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Binary("parity")))
            >>> x, y, weight = next(iter(data.train.batches(32, seed=0)))
            >>> y["parity"].shape
            TensorShape([32])
        """
        import tensorflow as tf

        batch_size = check_rows("batch_size", batch_size)
        at_least = check_integer("at_least", at_least, 1, batch_size)
        epochs = check_count("epochs", epochs)
        first_epoch = check_integer("first_epoch", first_epoch, 0, epochs - 1)
        seed = None if seed is None else check_seed("seed", seed)
        reader = BatchReader(self.tasks, self.arrays(), self.views, self.array_cache, self.class_weights)
        order = BatchOrder(batch_size, seed, epochs, first_epoch, at_least)
        members = [np.arange(len(self))] if seed is None else self.rows_by_dataset()
        rows = self.sampler.batches_of_rows(members, order, () if self.images is None else self.images.shape[-3:])

        # Nothing branches on a tensor here, and converting the code takes longer than tracing it.
        @tf.autograph.experimental.do_not_convert
        def read(numbers: tf.Tensor, counts: tf.Tensor, draws: tf.Tensor) -> tuple[Any, dict[str, Any], dict[str, Any]]:
            return reader.read(numbers, counts, draws, self.sampler.transform)

        # Few batches in flight: their memory is then used again, and fresh memory costs more than the copy itself.
        return rows.map(read, num_parallel_calls=2).prefetch(2)

    def _only_datasets(self, numbers: Sequence[int]) -> Split:
        """Return the rows of some of the data sets, without a copy if they are consecutive."""
        assert self.sampling is not None
        assert self.origin is not None
        rows: Any = np.flatnonzero(np.isin(self.origin, numbers))
        if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
            rows = slice(rows[0], rows[-1] + 1)
        part = self.take(rows)
        if len(numbers) == 1:
            return replace(part, origin=None, sampler=replace(self.sampler, sampling=None))
        sampling = self.sampling.only([name for number, name in enumerate(self.sampling.tasks) if number in numbers])
        origin = np.searchsorted(numbers, self.origin[rows])
        return replace(part, origin=origin, sampler=replace(self.sampler, sampling=sampling))

    def _arrays_of_views(self) -> dict[Key, np.ndarray]:
        """Return the inputs and the targets that are inputs, which hold all views of a row."""
        targets = {("y", name): self.y[name] for name, task in self.tasks.items() if task.from_input}
        return {("x", name): array for name, array in self.inputs.items() if array is self.images} | targets
