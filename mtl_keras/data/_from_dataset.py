"""Data from datasets of TensorFlow, read once into arrays."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._arrays import check_tasks, from_arrays, resolve_columns
from mtl_keras.data._data import Data
from mtl_keras.errors import MTLError, check_function, describe, describe_failure

if TYPE_CHECKING:
    import tensorflow as tf

    from mtl_keras.tasks import Tasks

__all__ = ["from_dataset"]

#: Rows that are read together where the dataset yields single ones.
BATCH = 256
#: Seconds between two lines on the progress, and bytes from which on the memory is worth a warning.
PAUSE, LARGE = 10.0, 2**30

_log = logging.getLogger("mtl_keras")
_PAIR = "Pass a dataset of (x, {task: label}), e.g. by ds.map(lambda x, y: (x, {'name': y}))"

Progress = Callable[[int, int], None]


def from_dataset(
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    test: tf.data.Dataset | None,
    tasks: Tasks,
    *,
    name: str = "dataset",
    class_names: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Create `Data` from finite datasets of TensorFlow, each of which is read once into memory.

    Elements are `(x, {column: label})` or `(x, {column: label}, weight)`, single rows or batches. What a dataset shuffles or
    augments at random is read as it comes the first time: augment by `data.augment`, and leave out `repeat`.

    Args:
        train: Training rows. Inputs and labels are those of `from_arrays`; the labels of a task are those of the column that
            it reads, which has the name of the task by default. Texts are decoded as UTF-8.
        validation: Rows that every choice is made on.
        test: Rows for the final results, or None.
        tasks: What is predicted.
        name: Name of the data set in reports; default `"dataset"`.
        class_names: Names of the classes, by task or by column.
        progress: Called with the batches read and the total of all datasets, 0 where it is not known. Single rows are read in
            batches of 256.

    Returns:
        Data in memory: as many bytes as all inputs have, and for a moment those of a split once more if its number of batches
        is not known. A weight, one for all tasks or by task, multiplies that of a label: one of weight 0 counts as absent.

    Raises:
        MTLError: If a dataset is infinite, empty, of other elements, or raises an error; and as `from_arrays`.

    Example:
        >>> import numpy as np, tensorflow as tf
        >>> import mtl_keras as mtl
        >>> rows = (np.zeros((10, 8, 8, 1), "uint8"), {"cat": np.arange(10) % 2})
        >>> ds = tf.data.Dataset.from_tensor_slices(rows)
        >>> data = mtl.data.from_dataset(ds.take(8).batch(4), ds.skip(8), None, mtl.Tasks(mtl.Binary("cat")))
        >>> len(data.train), len(data.validation), data.test
        (8, 2, None)
    """
    check_tasks(tasks)
    if progress is not None:
        check_function("progress", progress, "done", "total")
    given = {"train": train, "validation": validation, **({} if test is None else {"test": test})}
    # All of them before the first is read, which may take long.
    sources = {side: _Source(side, dataset, tasks) for side, dataset in given.items()}
    batches = [source.batches for source in sources.values()]
    total, done = 0 if None in batches else sum(each or 0 for each in batches), 0

    def report() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    rows = {side: source.read(report) for side, source in sources.items()}
    weight = _add_weights(rows, tasks)
    parts = {side: (each.x, each.columns) for side, each in rows.items()}
    train_part, validation_part = parts["train"], parts["validation"]
    return from_arrays(tasks, train_part, validation_part, parts.get("test"), name=name, class_names=class_names, weight=weight)


@dataclass(frozen=True, eq=False)
class _Rows:
    """All rows of a dataset.

    Attributes:
        x: Inputs.
        columns: Labels by column.
        weights: Weights by task, or `""` for all tasks; empty if there are none.
    """

    x: np.ndarray
    columns: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]


class _Source:
    """A dataset whose elements were checked.

    Args:
        name: Name of the argument.
        dataset: Its value.
        tasks: What is predicted.

    Attributes:
        batches: Number of batches, or None where it is not known.

    Raises:
        MTLError: If it is no finite dataset of inputs and labels by name.
    """

    def __init__(self, name: str, dataset: Any, tasks: Tasks) -> None:
        import tensorflow as tf

        self.name = name
        if not isinstance(dataset, tf.data.Dataset):
            raise MTLError(f"`{name}` must be a tf.data.Dataset. Received: {name}={describe(dataset)}. {_PAIR}.")
        if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
            raise MTLError(
                f"`{name}` must be finite: it is read to its end. Received: an infinite dataset. Leave out ds.repeat(), or "
                f"pass {name}.take(n)."
            )
        x, labels = self._check_elements(dataset.element_spec)
        resolve_columns(tasks, labels)
        self._dataset = dataset if self._is_batched(x, labels, tasks) else dataset.batch(BATCH)
        batches = int(self._dataset.cardinality())
        self.batches = None if batches < 0 else batches

    def read(self, report: Callable[[], None]) -> _Rows:
        """Return all rows; `report` is called after each batch."""
        columns: dict[tuple[str, str], _Column] = {}
        rows, said, batches = 0, time.monotonic(), self._dataset.as_numpy_iterator()
        while (element := self._next(batches, rows)) is not None:
            for key, values in _flat(element):
                columns.setdefault(key, _Column(self.batches)).append(values)
            rows = columns["x", ""].rows
            report()
            if time.monotonic() - said > PAUSE:
                said = time.monotonic()
                _log.info("Reading %s: %s rows, %.1f GiB.", self.name, f"{rows:,}", columns["x", ""].bytes / 2**30)
        if not rows:
            raise MTLError(f"`{self.name}` must have at least one row. Received: an empty dataset. Pass some rows.")
        found: dict[str, dict[str, np.ndarray]] = {"x": {}, "y": {}, "weight": {}}
        for (what, name), column in columns.items():
            found[what][name] = column.array()
        x = found["x"][""]
        if x.nbytes > LARGE:
            _log.warning("The inputs of %s take %.1f GiB of memory.", self.name, x.nbytes / 2**30)
        return _Rows(x, found["y"], found["weight"])

    def _next(self, batches: Iterator[Any], rows: int) -> Any:
        """Return the next batch, or None at the end, which comes after so many rows."""
        try:
            return next(batches, None)
        except Exception as error:
            raise MTLError(
                f"`{self.name}` must be a dataset of rows of one shape that can be read to its end. Received, after {rows} "
                f"rows: {describe_failure(error)} Correct the dataset."
            ) from error

    def _check_elements(self, spec: Any) -> tuple[Any, dict[str, Any]]:
        """Return the inputs and the labels that the elements consist of."""
        import tensorflow as tf

        rule = f"Elements of `{self.name}` must be (x, {{column: label}}), perhaps with a weight."
        if not isinstance(spec, tuple) or len(spec) not in (2, 3):
            received = f"{len(spec)} values" if isinstance(spec, tuple) else describe(spec)
            raise MTLError(f"{rule} Received: {received}. {_PAIR}.")
        x, labels, weights = spec if len(spec) == 3 else (*spec, {})
        if isinstance(x, Mapping | tuple):
            raise MTLError(
                f"{rule} Received: inputs that are a {type(x).__name__} of {len(x)}. A dataset gives one input: "
                "stack them, or pass arrays by name to from_arrays."
            )
        if not isinstance(labels, Mapping):
            raise MTLError(f"{rule} Received: labels that are {describe(labels)}. {_PAIR}.")
        named = {"x": x, **{f"label {key!r}": each for key, each in labels.items()}}
        if isinstance(weights, Mapping):
            named |= {f"weight {key!r}": each for key, each in weights.items()}
        else:
            named["weight"] = weights
        for what, each in named.items():
            if not isinstance(each, tf.TensorSpec):
                raise MTLError(
                    f"{rule} Received: {what} as a {type(each).__name__}. Make it a dense tensor, e.g. by to_tensor() or "
                    "tf.sparse.to_dense."
                )
            if each.shape.rank is None:
                raise MTLError(f"{rule} Received: {what} of unknown shape. Tell it, by tf.ensure_shape in ds.map.")
        if x.dtype == tf.string or not x.shape.rank:
            raise MTLError(
                f"{rule} Received: inputs of type {x.dtype.name} and shape {x.shape}. Decode them to numbers of one shape in "
                "ds.map."
            )
        return x, dict(labels)

    def _is_batched(self, x: Any, labels: Mapping[str, Any], tasks: Tasks) -> bool:
        """Return whether elements are batches: labels, of which tasks know the shape, have one more axis then."""
        for task in tasks.values():
            if task.from_input or task.column is None:
                continue
            shape = labels[task.column].shape
            rank = shape.rank - task.label_rank
            if rank not in (0, 1):
                raise MTLError(
                    f"Labels of task {task.name!r} must be those of a row or a batch. Received: shape {shape} in "
                    f"`{self.name}`. Correct them in ds.map."
                )
            if rank and None not in (x.shape[0], shape[0]) and x.shape[0] != shape[0]:
                raise MTLError(
                    f"Inputs and labels of a batch must have the same number of rows. Received: {x.shape[0]} inputs and "
                    f"{shape[0]} labels of task {task.name!r} in `{self.name}`. Correct the dataset."
                )
            return bool(rank)
        return x.shape[0] is None


class _Column:
    """Rows that arrive in batches, in one array that grows.

    Args:
        batches: Number of all batches, or None where it is not known.
    """

    def __init__(self, batches: int | None) -> None:
        self.rows, self._array, self._batches = 0, np.empty(0), batches

    @property
    def bytes(self) -> int:
        """Size of the rows so far."""
        return self._array[: self.rows].nbytes

    def append(self, values: np.ndarray) -> None:
        """Add the rows of a batch."""
        if not self.rows:
            self._array = np.empty((len(values) * (self._batches or 1), *values.shape[1:]), values.dtype)
        if values.shape[1:] != self._array.shape[1:]:
            raise MTLError(
                f"Rows of a dataset must have one shape. Received: {list(self._array.shape[1:])} in the first batch and "
                f"{list(values.shape[1:])} after {self.rows} rows. Resize or pad them in ds.map."
            )
        end = self.rows + len(values)
        if end > len(self._array):
            larger = np.empty((max(end, len(self._array) * 3 // 2), *values.shape[1:]), values.dtype)
            larger[: self.rows] = self._array[: self.rows]
            self._array = larger
        self._array[self.rows : end] = values
        self.rows = end

    def array(self) -> np.ndarray:
        """Return all rows; texts as such."""
        array = self._array[: self.rows]
        if array.dtype == object:
            texts = [value.decode() if isinstance(value, bytes) else value for value in array.ravel().tolist()]
            return np.array(texts, object).reshape(array.shape)
        return array


def _flat(element: Any) -> list[tuple[tuple[str, str], np.ndarray]]:
    """Return the parts of an element by what they are and by name, which is empty for inputs and for a weight of all tasks."""
    x, labels, weights = element if len(element) == 3 else (*element, {})
    by_task = weights if isinstance(weights, Mapping) else {"": weights}
    parts = {("x", ""): x} | {("y", name): each for name, each in labels.items()}
    return [
        (key, np.asarray(each)) for key, each in (parts | {("weight", name): each for name, each in by_task.items()}).items()
    ]


def _add_weights(parts: Mapping[str, _Rows], tasks: Tasks) -> dict[str, str]:
    """Add weights to the columns of each split, 1 where a dataset has none, and return the column of each task."""
    given = {
        side: dict.fromkeys(tasks, part.weights[""]) if "" in part.weights else part.weights for side, part in parts.items()
    }
    names = {task: f"weight of {task}" for own in given.values() for task in own}
    for side, part in parts.items():
        part.columns.update({column: given[side].get(task, np.ones(len(part.x))) for task, column in names.items()})
    return names
