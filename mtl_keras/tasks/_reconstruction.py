"""Reconstruction of the input image."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError
from mtl_keras.tasks._base import Task
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._measures import Measures
from mtl_keras.tasks._metric import Metric

__all__ = ["Reconstruction"]


@dataclass(frozen=True)
class Reconstruction(Task):
    """Reconstruct the input image: sigmoid, mean squared error over pixels, MSE and PSNR.

    The target is the input itself, scaled to `[0, 1]`; no label column is needed. The output is
    `[batch, height, width, channels]` in `[0, 1]`. Loss and metrics are means over pixels.

    Args:
        name: See `Task`.
        label: See `Task`; unused.
        loss: See `Task`. Such a loss gets pixels `[batch, height, width, channels]` in `[0, 1]`.
        metrics: See `Task`.
        skill: See `Task`.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Reconstruction("image").metric.direction
        'min'
    """

    own_metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mse", "squared error per pixel in [0, 1]", "min", 0.0),
        Metric("psnr", "dB, of the mean squared error", "max", math.inf),
    )
    from_input: ClassVar[bool] = True
    probabilities: ClassVar[bool] = False

    def encode(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if column.ndim < 2 or not np.issubdtype(column.dtype, np.number):
            raise MTLError(
                f"Task {self.name!r} must have numeric inputs to reconstruct. Received: shape {list(column.shape)}, "
                f"{column.dtype}. Pass images as an array of numbers."
            )
        # Stored unchanged (uint8 stays uint8): `target` scales each batch.
        return column, np.ones(len(column), np.float32)

    def target(self, stored: Any) -> Any:
        return ops.cast(stored, "float32") / 255.0

    def head(self, features: Any, image_shape: Sequence[int | None], source: Any = None) -> Any:
        shape = tuple(int(side or 0) for side in image_shape)
        if len(features.shape) == 4:
            # The features are a decoder's map of the image's size.
            return keras.layers.Conv2DTranspose(shape[-1], 3, activation="sigmoid", padding="same", name=self.name)(features)
        pixels = keras.layers.Dense(math.prod(shape), activation="sigmoid", name=f"{self.name}_pixels")(features)
        return keras.layers.Reshape(shape, name=self.name)(pixels)

    def own_loss(self, target: Any, prediction: Any) -> Any:
        return ops.mean(ops.square(target - prediction), axis=tuple(range(1, len(prediction.shape))))

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        return {"mse": self.own_loss(target, prediction)}

    def keras_pair(self, target: Any, prediction: Any, indices: bool) -> tuple[Any, Any]:
        # Stored pixels are bytes, targets are numbers in [0, 1].
        return (self.target(target) if "int" in str(target.dtype) else target), prediction

    def example(self) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        return rng.uniform(size=(4, 3, 2, 3)).astype(np.float32), rng.uniform(size=(4, 3, 2, 3)).astype(np.float32)

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        return Decoded(outputs * 255)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        if stored.dtype != np.uint8:
            return (stored.mean(axis=0, dtype=np.float64) / 255.0).astype(np.float32)
        # In pieces, since images may lie on the disk; sums of integers are exact.
        pieces = (np.asarray(stored[i : i + 1024]) for i in range(0, len(stored), 1024))
        total = sum(piece.sum(axis=0, dtype=np.float64) for piece in pieces)
        return np.asarray(total / len(stored) / 255.0, np.float32)

    def measures(self, stored: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None) -> Measures:
        @functools.cache
        def mse() -> float:
            # In chunks, since 50,000 images as float64 would not fit in memory next to their predictions.
            total = 0.0
            for i in range(0, len(stored), 1024):
                errors = np.square(np.asarray(stored[i : i + 1024]) / 255.0 - prediction[i : i + 1024])
                if weight is not None:
                    errors = errors * weight[i : i + 1024].reshape(-1, *(1,) * (errors.ndim - 1))
                total += float(errors.sum())
            rows = len(stored) if weight is None else float(weight.sum())
            return total / max(rows * stored[:1].size, 1)

        return {"mse": mse, "psnr": lambda: -10.0 * math.log10(mse()) if mse() > 0 else math.inf}
