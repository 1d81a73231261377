"""Domain-specific batch normalization: moving statistics for each alternated data set.

A domain is a data set, or a group of tasks whose images come from one. In training, each batch comes from one domain and
updates the moving statistics of that domain alone. At inference the domain of an image is unknown: the trunk runs once per
domain, and each head takes the features that were normalized with the statistics of its own domain.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

from mtl_keras.errors import MTLError

__all__ = ["DomainBatchNormalization", "RepeatForDomains", "SelectDomain", "training_domain", "use_domain_batch_norm"]

#: Set per thread, and so per replica, while a training step is traced or run.
_TRAINING_DOMAIN: ContextVar[Any] = ContextVar("training_domain")

#: Options of these layers in models saved by earlier versions.
_FORMER_OPTIONS = {"data_sets": "domains", "copies": "domains", "part": "domain"}


@contextlib.contextmanager
def training_domain(domain: Any) -> Iterator[None]:
    """Set the domain of the batch on which layers are called with `training=True`.

    Args:
        domain: Index of the domain, an int or an int tensor `[]`. With -1, for a batch without labels, no moving statistics
            are updated.
    """
    token = _TRAINING_DOMAIN.set(domain)
    try:
        yield
    finally:
        _TRAINING_DOMAIN.reset(token)


def _get_training_domain() -> Any:
    try:
        return _TRAINING_DOMAIN.get()
    except LookupError:
        raise MTLError(
            "Domain-specific batch normalization must be trained where the domain of each step is known. Received: a call with "
            "training=True outside of training. Use mtl.train, or build the model without `batch_norm_groups`."
        ) from None


class _DomainLayer(keras.layers.Layer):
    """A layer that also reads the options of earlier versions."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Rebuild the layer from `get_config()`."""
        return super().from_config({_FORMER_OPTIONS.get(name, name): value for name, value in config.items()})


@keras.saving.register_keras_serializable(package="mtl_keras")
class DomainBatchNormalization(_DomainLayer, keras.layers.BatchNormalization):
    """Batch normalization with a moving mean and variance for each domain; scale and offset are shared.

    With `training=True`, a batch `[batch, ..., channels]` of one domain is normalized with its own statistics, and updates
    the moving statistics of that domain; those of other domains stay unchanged to the bit. Otherwise the input holds one
    batch for each domain, concatenated, `[domains * batch, ..., channels]`, and each is normalized with the moving
    statistics of its domain.

    Args:
        domains: Number of domains, at least 1.
        **options: Options of `keras.layers.BatchNormalization`, without `renorm`.

    Note:
        Chang et al. also give each domain its own scale and offset. Here they are shared, as in AdaBN (Li et al.), so that
        every trained weight of the trunk is trained on all domains.

    Reference:
        W.-G. Chang, T. You, S. Seo, S. Kwak and B. Han, Domain-specific batch normalization for unsupervised domain
        adaptation, CVPR 2019. Y. Li, N. Wang, J. Shi, J. Liu and X. Hou, Revisiting batch normalization for practical domain
        adaptation, 2016 (AdaBN).
    """

    def __init__(self, domains: int, **options: Any) -> None:
        super().__init__(**options)
        self.domains = domains

    def add_weight(self, shape: Any = None, *args: Any, **options: Any) -> Any:
        """Add a variable; moving statistics get one row per domain."""
        # Called by `build` of Keras, which passes the shape of one row for all four variables.
        if str(options.get("name")).startswith("moving_"):
            shape = (self.domains, *shape)
        return super().add_weight(shape, *args, **options)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize a batch of one domain in training, and the concatenated batches of all domains otherwise."""
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        if training:
            own = ops.equal(ops.arange(self.domains, dtype="int32"), ops.cast(_get_training_domain(), "int32"))
            if self.trainable:
                axes = [axis for axis in range(len(x.shape)) if axis != self.axis % len(x.shape)]
                mean, variance = ops.moments(x, axes, synchronized=self.synchronized)
                for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                    moved = moving * self.momentum + ops.cast(value, moving.dtype) * (1.0 - self.momentum)
                    moving.assign(ops.where(own[:, None], moved, moving))
            else:
                # A frozen layer normalizes as at inference, with the statistics of the batch's domain.
                row = ops.argmax(ops.cast(own, "int32"))
                mean, variance = (ops.take(moving, row, axis=0) for moving in (self.moving_mean, self.moving_variance))
            normalized = self._normalize(x, mean, variance)
        else:
            # One operation of Keras per domain: equal to the bit to a plain layer with that row of statistics.
            parts = ops.split(x, self.domains, axis=0)
            rows = zip(parts, ops.unstack(self.moving_mean), ops.unstack(self.moving_variance), strict=True)
            normalized = ops.concatenate([self._normalize(*row) for row in rows], axis=0)
        return ops.cast(normalized, self.compute_dtype)

    def _normalize(self, x: Any, mean: Any, variance: Any) -> Any:
        mean, variance, offset, scale = (
            None if value is None else ops.cast(value, x.dtype) for value in (mean, variance, self.beta, self.gamma)
        )
        return ops.batch_normalization(x, mean, variance, self.axis, offset=offset, scale=scale, epsilon=self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """Return the options that `from_config` reads."""
        return {**super().get_config(), "domains": self.domains}


@keras.saving.register_keras_serializable(package="mtl_keras")
class RepeatForDomains(_DomainLayer):
    """Repeat a batch for each domain, `[batch, ...]` to `[domains * batch, ...]`; the identity in training.

    Args:
        domains: Number of domains.
        **options: Options of `keras.layers.Layer`.
    """

    def __init__(self, domains: int, **options: Any) -> None:
        super().__init__(**options)
        self.domains = domains

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the repeated batch, or in training the batch itself."""
        return inputs if training else ops.concatenate([inputs] * self.domains, axis=0)

    def get_config(self) -> dict[str, Any]:
        """Return the options that `from_config` reads."""
        return {**super().get_config(), "domains": self.domains}


@keras.saving.register_keras_serializable(package="mtl_keras")
class SelectDomain(_DomainLayer):
    """Select the batch of one domain, `[domains * batch, ...]` to `[batch, ...]`; the identity in training.

    Args:
        domain: Index of the domain, from 0.
        domains: Number of domains.
        **options: Options of `keras.layers.Layer`.
    """

    def __init__(self, domain: int, domains: int, **options: Any) -> None:
        super().__init__(**options)
        self.domain, self.domains = domain, domains

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the batch of the domain, or in training the batch itself."""
        return inputs if training else ops.split(inputs, self.domains, axis=0)[self.domain]

    def get_config(self) -> dict[str, Any]:
        """Return the options that `from_config` reads."""
        return {**super().get_config(), "domain": self.domain, "domains": self.domains}


#: Class names in models saved by earlier versions.
keras.saving.get_custom_objects().update(
    {
        "mtl_keras>BatchNormalizationPerDataSet": DomainBatchNormalization,
        "mtl_keras>Copies": RepeatForDomains,
        "mtl_keras>Part": SelectDomain,
    }
)


def use_domain_batch_norm(network: keras.Model, domains: int) -> keras.Model:
    """Return a copy of a network with domain-specific batch normalization.

    Args:
        network: A functional model. Weights are copied; moving statistics are repeated for each domain.
        domains: Number of domains.

    Raises:
        MTLError: If the network has no batch normalization.
    """
    replaced: list[tuple[Any, Any]] = []

    def replace(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.BatchNormalization):
            return layer
        own = DomainBatchNormalization.from_config({**layer.get_config(), "domains": domains})
        replaced.append((layer, own))
        return own

    copy = keras.models.clone_model(network, clone_function=replace)
    if not replaced:
        raise MTLError(
            f"`batch_norm_groups` must be used with a backbone that has batch normalization. Received: {network.name!r} "
            "without any. Leave `batch_norm_groups` out."
        )
    for layer, own in replaced:
        for before, after in zip(layer.weights, own.weights, strict=True):
            after.assign(ops.broadcast_to(before, after.shape))
    return copy
