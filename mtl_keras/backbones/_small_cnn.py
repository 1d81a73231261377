"""A few strided convolutions, for images of 8 to 64 px and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from mtl_keras.backbones._family import Family
from mtl_keras.errors import MTLError

__all__ = ["SmallCNN"]


class SmallCNN(Family):
    """Convolution, batch normalisation, ReLU, once per entry of `filters`; no pretrained weights.

    Options:
        filters: Channels of each convolution; default `(32, 64)`.
        kernel_size: Side of every kernel in px; default 3.
        strides: Step of every convolution in px; default 2, so that each halves the map.
        dropout: Share of channels dropped after each block in training, in `[0, 1)`; default 0.
    """

    name = "SmallCNN"
    channels = None
    options: Mapping[str, Any] = {"filters": (32, 64), "kernel_size": 3, "strides": 2, "dropout": 0.0}

    def check(self, side: tuple[int, int], weights: str | None, options: Mapping[str, Any]) -> None:
        filters = options["filters"]
        if not isinstance(filters, tuple) or not filters or not all(type(f) is int and f > 0 for f in filters):
            raise MTLError(
                f"`filters` is one positive integer per convolution. Received: filters={filters!r}. Give e.g. [32, 64]."
            )
        for option in ("kernel_size", "strides"):
            if type(options[option]) is not int or options[option] < 1:
                raise MTLError(f"`{option}` is a positive integer. Received: {option}={options[option]!r}. Give e.g. 3.")
        if type(options["dropout"]) not in (int, float) or not 0 <= options["dropout"] < 1:
            raise MTLError(f"`dropout` lies in [0, 1). Received: dropout={options['dropout']!r}. Give e.g. 0.1.")

    def preprocess(self, images: Any) -> Any:
        return layers.Rescaling(1 / 255, dtype="float32", name="backbone_rescale")(images)

    def network(
        self, shape: tuple[int, int, int], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        x = inputs = keras.Input(shape, name="backbone_input")
        for i, filters in enumerate(options["filters"], start=1):
            x = layers.Conv2D(
                filters, options["kernel_size"], options["strides"], padding="same", use_bias=False, name=f"conv{i}"
            )(x)
            # Small data means few steps an epoch: with the usual 0.99 the statistics would lag behind for epochs.
            x = layers.BatchNormalization(momentum=0.9, name=f"conv{i}_bn")(x)
            x = layers.ReLU(name=f"conv{i}_relu")(x)
            if options["dropout"]:
                x = layers.SpatialDropout2D(options["dropout"], name=f"conv{i}_dropout")(x)
        return keras.Model(inputs, x, name="backbone")
