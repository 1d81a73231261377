"""Reconstruction of the input image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError
from mtl_keras.tasks._base import Metric, Task
from mtl_keras.tasks._decoded import Decoded

__all__ = ["Reconstruction"]


@dataclass(frozen=True)
class Reconstruction(Task):
    """Reconstruct the input image: sigmoid, mean squared error over pixels, MSE and PSNR.

    The target is the input itself, scaled to `[0, 1]`; no label column is needed. The output is
    `[batch, height, width, channels]` in `[0, 1]`. Loss and metrics are means over pixels.

    Args:
        name: See `Task`.
        label: See `Task`; unused.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.Reconstruction("image").metric.direction
        'min'
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
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

    def loss(self, target: Any, prediction: Any) -> Any:
        return ops.mean(ops.square(target - prediction), axis=tuple(range(1, len(prediction.shape))))

    def row_metrics(self, target: Any, prediction: Any) -> dict[str, Any]:
        return {"mse": self.loss(target, prediction)}

    def decode(self, outputs: np.ndarray, class_names: Sequence[str] = ()) -> Decoded:
        return Decoded(outputs * 255)

    def trivial(self, stored: np.ndarray) -> np.ndarray:
        return (stored.mean(axis=0, dtype=np.float64) / 255.0).astype(np.float32)

    def score(self, stored: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        # In chunks, since 50,000 images as float64 would not fit in memory next to their predictions.
        total = sum(
            float(np.square(stored[i : i + 1024] / 255.0 - prediction[i : i + 1024]).sum()) for i in range(0, len(stored), 1024)
        )
        mse = total / max(stored.size, 1)
        return {"mse": mse, "psnr": -10.0 * math.log10(mse) if mse > 0 else math.inf}
