"""The plot of reconstructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.errors import MTLError
from mtl_keras.report._check import check_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_reconstructions"]


def plot_reconstructions(truth: np.ndarray, prediction: np.ndarray) -> Figure:
    """Plot images above their reconstructions.

    Args:
        truth: `[n, height, width, channels]` in `[0, 1]`, 1 or 3 channels; the first 10 are shown.
        prediction: The same shape.
    """
    from mtl_keras.report._drawing import grid

    axes_of = ("n", "height", "width", "channels")
    truth, prediction = check_array("truth", truth, axes_of), check_array("prediction", prediction, axes_of)
    if truth.shape != prediction.shape:
        raise MTLError(
            f"`prediction` must have the shape of `truth`. Received: {list(prediction.shape)} and {list(truth.shape)}. Pass "
            "the same rows."
        )
    shown = min(len(truth), 10)
    figure, axes = grid([(row, column, 1) for row in (0, 1) for column in range(shown)], 1.0, 1.0, "Inputs and reconstructions")
    for row, (name, images) in enumerate((("input", truth), ("output", prediction))):
        for place, image in zip(axes[row * shown : (row + 1) * shown], images, strict=False):
            pixels = np.clip(np.asarray(image, np.float32), 0.0, 1.0)
            flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
            place.imshow(flat, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
        axes[row * shown].set_ylabel(name, fontsize=9)
    return figure
