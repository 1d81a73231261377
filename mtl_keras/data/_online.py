"""Changes of images while batches are made, from numbers that are drawn for each epoch and row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtl_keras.data._views import check_seed, pixels

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["ONLINE", "Online", "drawn"]

#: The changes that can be made while batches are.
ONLINE = ("flip_lr", "crop")


@dataclass(frozen=True)
class Online:
    """Changes of every image of a batch, in order.

    Args:
        steps: As `parse` returns them, of the words in `ONLINE`.
        seed: Of the draws, or None for that of the batches.
    """

    steps: tuple[Mapping[str, Any], ...]
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.seed is not None:
            check_seed(self.seed)

    def bounds(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the bounds of the numbers, from 0 to before a bound, that are drawn for an image `[h, w, c]`.

        Raises:
            MTLError: If a shift does not fit into the images.
        """
        found: list[int] = []
        for step in self.steps:
            found += [2] if step["method"] == "flip_lr" else [2 * pixels(step["pad"], side) + 1 for side in shape[:2]]
        return tuple(found)

    def config(self) -> dict[str, Any]:
        """Return the changes as plain JSON values."""
        return {"steps": [dict(step) for step in self.steps], "seed": self.seed}

    def __call__(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Return a batch `[b, h, w, c]` changed by the numbers `[b, len(bounds)]` that were drawn for it."""
        import tensorflow as tf

        column = 0
        for step in self.steps:
            if step["method"] == "flip_lr":
                images = tf.where(draws[:, column, None, None, None] == 1, images[:, :, ::-1], images)
                column += 1
                continue
            for axis in (1, 2):
                side = int(images.shape[axis])
                at = tf.range(side, dtype=tf.int64) + draws[:, column, None] - pixels(step["pad"], side)
                # Reflection without the edge itself: -1 is 1, side is side - 2.
                at = (side - 1) - tf.abs((side - 1) - tf.abs(at))
                images = tf.gather(images, at, axis=axis, batch_dims=1)
                column += 1
        return images


def drawn(n: int, bounds: Sequence[int], seeds: Sequence[int], epoch: tf.Tensor) -> tf.Tensor:
    """Return int64 `[n, len(bounds)]`, uniform from 0 to before each bound: a function of seed, epoch and place alone.

    Args:
        n: Number of rows.
        bounds: Of the numbers in each column, at least 1.
        seeds: One for each column.
        epoch: Number of the epoch, an int64 scalar.
    """
    import tensorflow as tf

    def column(number: int) -> tf.Tensor:
        # A stream of its own for each column, and none that the order of the rows is drawn from.
        key = tf.random.fold_in([tf.cast(seeds[number], tf.int64), epoch], number + 1, alg="philox")
        return tf.random.stateless_uniform([n], key, 0, bounds[number], tf.int64, alg="philox")

    return tf.stack([column(number) for number in range(len(bounds))], 1)
