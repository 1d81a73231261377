"""Batch normalization with moving statistics per data set, and the two layers that lead each image past its own.

In training a batch is of one data set, and its statistics go to that one's moving averages. In inference nobody knows what
an image is of: the trunk sees the batch once for each data set, and each head goes on with the part of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

from mtl_keras.errors import MTLError

__all__ = ["BatchNormalizationPerDataSet", "Copies", "Part", "per_data_set", "trained_on"]

#: Of each replica's own thread, while a step is traced or run.
_TRAINED_ON: ContextVar[Any] = ContextVar("trained_on")


@contextlib.contextmanager
def trained_on(data_set: Any) -> Iterator[None]:
    """Say of which data set the batch is that layers are called on with `training=True`.

    Args:
        data_set: Its number, an int or an int tensor `[]`; -1 where no label tells it, and no moving statistics change.
    """
    token = _TRAINED_ON.set(data_set)
    try:
        yield
    finally:
        _TRAINED_ON.reset(token)


def _data_set() -> Any:
    try:
        return _TRAINED_ON.get()
    except LookupError:
        raise MTLError(
            "Statistics per data set are trained where each step's data set is known. Received: a call with training=True from "
            "elsewhere. Use mtl.train, or build the model without `statistics`."
        ) from None


@keras.saving.register_keras_serializable(package="mtl_keras")
class BatchNormalizationPerDataSet(keras.layers.BatchNormalization):
    """Batch normalization whose moving mean and variance are `[data sets, channels]`; scale and offset are shared.

    With `training=True` a batch `[batch, ..., channels]` of one data set is normalized by its own statistics, which go to
    that data set's moving averages; the others stay as they are to the bit. Otherwise the input is a part for each data set,
    one behind the other, `[data sets * batch, ..., channels]`, and each is normalized by its own averages.

    Args:
        data_sets: How many.
        **options: Of `keras.layers.BatchNormalization`, without `renorm`.

    Note:
        Chang et al. give each domain its own scale and offset too. Here they are shared, as in AdaBN (Li et al.), so that all
        that is trained in the trunk is trained on all data sets.

    Reference:
        W.-G. Chang, T. You, S. Seo, S. Kwak and B. Han, Domain-specific batch normalization for unsupervised domain
        adaptation, CVPR 2019. Y. Li, N. Wang, J. Shi, J. Liu and X. Hou, Revisiting batch normalization for practical domain
        adaptation, 2016 (AdaBN).
    """

    def __init__(self, data_sets: int, **options: Any) -> None:
        super().__init__(**options)
        self.data_sets = data_sets

    def add_weight(self, shape: Any = None, *args: Any, **options: Any) -> Any:
        """Make a variable; one of moving statistics has a row for each data set."""
        # Called by Keras' own `build`, which makes all four with the shape of a row.
        if str(options.get("name")).startswith("moving_"):
            shape = (self.data_sets, *shape)
        return super().add_weight(shape, *args, **options)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize a batch of one data set, or in inference a part for each."""
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        if training:
            own = ops.equal(ops.arange(self.data_sets, dtype="int32"), ops.cast(_data_set(), "int32"))
            if self.trainable:
                axes = [axis for axis in range(len(x.shape)) if axis != self.axis % len(x.shape)]
                mean, variance = ops.moments(x, axes, synchronized=self.synchronized)
                for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                    moved = moving * self.momentum + ops.cast(value, moving.dtype) * (1.0 - self.momentum)
                    moving.assign(ops.where(own[:, None], moved, moving))
            else:
                # Frozen: the statistics of the batch's data set, as in inference.
                row = ops.argmax(ops.cast(own, "int32"))
                mean, variance = (ops.take(moving, row, axis=0) for moving in (self.moving_mean, self.moving_variance))
            normalized = self._normalized(x, mean, variance)
        else:
            # Part by part in Keras' own operation: to the bit what a plain layer with that row gives.
            parts = ops.split(x, self.data_sets, axis=0)
            rows = zip(parts, ops.unstack(self.moving_mean), ops.unstack(self.moving_variance), strict=True)
            normalized = ops.concatenate([self._normalized(*row) for row in rows], axis=0)
        return ops.cast(normalized, self.compute_dtype)

    def _normalized(self, x: Any, mean: Any, variance: Any) -> Any:
        mean, variance, offset, scale = (
            None if value is None else ops.cast(value, x.dtype) for value in (mean, variance, self.beta, self.gamma)
        )
        return ops.batch_normalization(x, mean, variance, self.axis, offset=offset, scale=scale, epsilon=self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` reads."""
        return {**super().get_config(), "data_sets": self.data_sets}


@keras.saving.register_keras_serializable(package="mtl_keras")
class Copies(keras.layers.Layer):
    """Lays copies of a batch one behind the other, `[batch, ...]` to `[copies * batch, ...]`; in training it does nothing."""

    def __init__(self, copies: int, **options: Any) -> None:
        super().__init__(**options)
        self.copies = copies

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the copies, in training the batch itself."""
        return inputs if training else ops.concatenate([inputs] * self.copies, axis=0)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` reads."""
        return {**super().get_config(), "copies": self.copies}


@keras.saving.register_keras_serializable(package="mtl_keras")
class Part(keras.layers.Layer):
    """Takes one of the parts that `Copies` laid, `[copies * batch, ...]` to `[batch, ...]`; in training it does nothing."""

    def __init__(self, part: int, copies: int, **options: Any) -> None:
        super().__init__(**options)
        self.part, self.copies = part, copies

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the part, in training the batch itself."""
        return inputs if training else ops.split(inputs, self.copies, axis=0)[self.part]

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` reads."""
        return {**super().get_config(), "part": self.part, "copies": self.copies}


def per_data_set(network: keras.Model, data_sets: int) -> keras.Model:
    """Return a network with the same layers, but batch normalization with statistics of each data set.

    Args:
        network: A functional model. Its weights are kept; moving statistics are repeated for each data set.
        data_sets: How many.

    Raises:
        MTLError: If it has no batch normalization.
    """
    made: list[tuple[Any, Any]] = []

    def replaced(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.BatchNormalization):
            return layer
        own = BatchNormalizationPerDataSet.from_config({**layer.get_config(), "data_sets": data_sets})
        made.append((layer, own))
        return own

    changed = keras.models.clone_model(network, clone_function=replaced)
    if not made:
        raise MTLError(
            f"`statistics` are those of batch normalization. Received: a backbone {network.name!r} without any. Leave "
            "`statistics` out."
        )
    for layer, own in made:
        for before, after in zip(layer.weights, own.weights, strict=True):
            after.assign(ops.broadcast_to(before, after.shape))
    return changed
