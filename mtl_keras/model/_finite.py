"""The weights that a training changes, and that they stay finite."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import TrialError

__all__ = ["FiniteWeights", "changing_weights"]

#: Number of weights that an error names.
NAMED = 3


class FiniteWeights(keras.callbacks.Callback):
    """Ends a training whose weights are no longer finite although its loss is.

    An activation such as ReLU and a pooling turn NaN into a number on some devices: one NaN in a batch makes the weights NaN,
    and from then on the model answers the same to every image, with a loss that looks like any other.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not math.isfinite(float((logs or {}).get("loss", 0.0))):
            # The log says it already.
            return
        weights = [w for w in changing_weights(self.model.objective.network) if "float" in w.dtype]
        if not weights:
            return
        finite = ops.convert_to_numpy(ops.stack([ops.all(ops.isfinite(weight.value)) for weight in weights]))
        wrong = [weights[number].path for number in np.flatnonzero(~finite)]
        if wrong:
            named = ", ".join(wrong[:NAMED]) + (f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else "")
            raise TrialError(
                f"Weights must stay finite. Received: NaN or infinity in {named} after epoch {epoch + 1}. Look for NaN among "
                "the inputs (np.isfinite(x).all()), lower the learning rate, or give the optimizer a clipnorm."
            )


def changing_weights(network: keras.Model) -> list[Any]:
    """Return the weights that training can change: trained ones, and moving statistics of layers that are not frozen."""
    found: set[int] = set()

    def visit(layer: keras.layers.Layer) -> None:
        if isinstance(layer, keras.Model):
            for inner in layer.layers:
                visit(inner)
        elif layer.trainable:
            found.update(id(weight) for weight in layer.weights)

    visit(network)
    return [weight for weight in network.weights if weight.trainable or id(weight) in found]
