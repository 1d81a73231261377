"""Augmentation while batches are read, from numbers sampled for each epoch and row.

To add a step, write a frozen dataclass with `bounds` and `__call__`, whose fields are its options, and add it to
`ONLINE_STEPS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mtl_keras.data._views import check_pad, count_pixels, parse_steps_of_view
from mtl_keras.errors import check_seed, choice_config, store

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["ONLINE_STEPS", "Online", "OnlineStep", "parse_online", "sample_integers"]


class OnlineStep(Protocol):
    """A change of a batch of images that is a function of integers sampled for each image."""

    def bounds(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return, for images `[h, w, c]`, an upper bound (exclusive) for each integer sampled for an image."""

    def __call__(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Return images `[b, h, w, c]` changed by the integers `[b, len(bounds)]`."""


@dataclass(frozen=True)
class RandomFlip:
    """Mirror half of the images left and right."""

    def bounds(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (2,)

    def __call__(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return tf.where(draws[:, 0, None, None, None] == 1, images[:, :, ::-1], images)


@dataclass(frozen=True)
class RandomCrop:
    """Pad each image by reflection and crop it back to its size at a random position.

    Args:
        pad: Padding on each side, in px, or as a fraction of the side if below 1; default 4.
    """

    pad: float = 4

    def __post_init__(self) -> None:
        store(self, pad=check_pad(self.pad))

    def bounds(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(2 * count_pixels(self.pad, side) + 1 for side in shape[:2])

    def __call__(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        for axis in (1, 2):
            side = int(images.shape[axis])
            at = tf.range(side, dtype=tf.int64) + draws[:, axis - 1, None] - count_pixels(self.pad, side)
            # Reflection without the edge itself: -1 is 1, side is side - 2.
            at = (side - 1) - tf.abs((side - 1) - tf.abs(at))
            images = tf.gather(images, at, axis=axis, batch_dims=1)
        return images


#: Every change that can be made while batches are read, by name.
ONLINE_STEPS: dict[str, type[OnlineStep]] = {"flip_lr": RandomFlip, "crop": RandomCrop}


@dataclass(frozen=True)
class Online:
    """Steps that change every image of a batch, in order.

    Args:
        steps: Instances of the classes in `ONLINE_STEPS`.
        seed: Seed of the sampled integers, from 0; None (default) takes that of the batches.

    Raises:
        MTLError: If the seed is negative or not an integer.
    """

    steps: tuple[OnlineStep, ...]
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.seed is not None:
            store(self, seed=check_seed("seed", self.seed, of="online augmentation"))

    def bounds(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the bounds of all steps for images `[h, w, c]`, one after the other.

        Raises:
            MTLError: If a padding is not smaller than the images.
        """
        return tuple(bound for step in self.steps for bound in step.bounds(shape))

    def config(self) -> dict[str, Any]:
        """Return the augmentation as plain JSON values."""
        return {"steps": [choice_config(step, ONLINE_STEPS) for step in self.steps], "seed": self.seed}

    def __call__(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Return images `[b, h, w, c]` changed by the integers `[b, len(bounds)]` sampled for them."""
        start = 0
        for step in self.steps:
            stop = start + len(step.bounds(images.shape[1:]))
            images = step(images, draws[:, start:stop])
            start = stop
        return images


def parse_online(steps: Any) -> tuple[OnlineStep, ...]:
    """Return the steps of an online augmentation.

    Args:
        steps: As a user writes them: a step, or a sequence of steps.

    Raises:
        MTLError: If a name or an option is unknown, an option is out of range, or there is no step.
    """
    return parse_steps_of_view(steps, ONLINE_STEPS)


def sample_integers(n: int, bounds: Sequence[int], seeds: Sequence[int], epoch: tf.Tensor) -> tf.Tensor:
    """Return int64 `[n, len(bounds)]`, each column uniform from 0 to before its bound.

    The values are a function of the seed, the epoch and the row alone.

    Args:
        n: Number of rows.
        bounds: Upper bound (exclusive) of each column, at least 1.
        seeds: Seed of each column.
        epoch: Number of the epoch, an int64 scalar.
    """
    import tensorflow as tf

    def column(number: int) -> tf.Tensor:
        # Each column has a random stream of its own, different from that of the order of the rows.
        key = tf.random.fold_in([tf.cast(seeds[number], tf.int64), epoch], number + 1, alg="philox")
        return tf.random.stateless_uniform([n], key, 0, bounds[number], tf.int64, alg="philox")

    return tf.stack([column(number) for number in range(len(bounds))], 1)
