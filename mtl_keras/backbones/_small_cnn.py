"""A small convolutional network, for images of 8 to 64 px and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from mtl_keras.backbones._family import Family
from mtl_keras.errors import MTLError, check_fraction, check_option, check_side, check_sizes, describe

__all__ = ["SmallCNN"]

CHOICES: dict[str, tuple[Any, ...]] = {
    "padding": ("same", "valid"),
    "norm": ("before", "after", None),
    "dropout_at": ("each", "last"),
}


class SmallCNN(Family):
    """A stack of blocks of convolution, batch normalization and ReLU, one per entry of `filters`; no pretrained weights.

    Options:
        filters: Channels of each convolution; default `(32, 64)`.
        kernel_size: Height and width of all kernels in px; default 3.
        strides: Strides of the convolutions in px, one number for all or one per convolution; default 2, which halves the
            feature map.
        pool: Size of the max pooling that ends each block, one number for all or one per block; default 1, no pooling.
        padding: `"same"` (default) or `"valid"`, as in `keras.layers.Conv2D`.
        norm: `"before"` (default) puts batch normalization before the ReLU, `"after"` after ReLU and dropout; None uses
            none. Convolutions have a bias unless this is `"before"`.
        dropout: Dropout rate after the ReLU, in `[0, 1)`; default 0.
        dropout_at: `"each"` (default) applies dropout in each block, `"last"` only in the last one.
    """

    name = "SmallCNN"
    channels = None
    options: Mapping[str, Any] = {
        "filters": (32, 64),
        "kernel_size": 3,
        "strides": 2,
        "pool": 1,
        "padding": "same",
        "norm": "before",
        "dropout": 0.0,
        "dropout_at": "each",
    }

    def check_options(self, options: Mapping[str, Any]) -> None:
        filters = options["filters"]
        if not isinstance(filters, tuple) or not filters:
            raise MTLError(
                "`filters` must be a sequence of positive integers, one per convolution. "
                f"Received: filters={describe(filters)}. Pass e.g. filters=(32, 64)."
            )
        check_sizes("filters", filters, of=self.name, example=32)
        check_side("kernel_size", options["kernel_size"], of=self.name, example=3)
        for option in ("strides", "pool"):
            values = _per_convolution(options, option)
            if len(values) != len(filters) or not all(type(n) is int and n > 0 for n in values):
                raise MTLError(
                    f"`{option}` must be a positive integer, or one for each of the {len(filters)} convolutions. "
                    f"Received: {option}={describe(options[option])}. Pass e.g. {option}=2."
                )
        check_fraction("dropout", options["dropout"], bounds="[)", of=self.name, example=0.1)
        for option, choices in CHOICES.items():
            check_option(option, options[option], choices)

    def check(self, side: tuple[int, ...], weights: str | None, options: Mapping[str, Any]) -> None:
        size = min(side)
        steps = zip(_per_convolution(options, "strides"), _per_convolution(options, "pool"), strict=True)
        for number, (stride, pool) in enumerate(steps, start=1):
            shrunk = size - options["kernel_size"] + 1 if options["padding"] == "valid" else size
            size = -(-shrunk // stride) // pool
            if size < 1:
                raise MTLError(
                    "The feature map must keep at least 1 px after each convolution. Received: none after convolution "
                    f"{number} of an image of {side[0]} x {side[1]} px. Pass smaller strides or pool, padding='same', or a "
                    "larger image_size."
                )

    def preprocess(self, images: Any) -> Any:
        return layers.Rescaling(1 / 255, dtype="float32", name="backbone_rescale")(images)

    def network(
        self, shape: tuple[int, ...], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        x = inputs = keras.Input(shape, name="backbone_input")
        norm, count = options["norm"], len(options["filters"])
        blocks = zip(options["filters"], _per_convolution(options, "strides"), _per_convolution(options, "pool"), strict=True)
        for i, (filters, stride, pool) in enumerate(blocks, start=1):
            x = layers.Conv2D(
                filters,
                options["kernel_size"],
                stride,
                padding=options["padding"],
                use_bias=norm != "before",
                name=f"conv{i}",
            )(x)
            # Small data sets have few steps per epoch: with the usual 0.99 the statistics would lag behind by epochs.
            if norm == "before":
                x = layers.BatchNormalization(momentum=0.9, name=f"conv{i}_bn")(x)
            x = layers.ReLU(name=f"conv{i}_relu")(x)
            if options["dropout"] and (options["dropout_at"] == "each" or i == count):
                x = layers.Dropout(options["dropout"], name=f"conv{i}_dropout")(x)
            if norm == "after":
                x = layers.BatchNormalization(momentum=0.9, name=f"conv{i}_bn")(x)
            if pool > 1:
                x = layers.MaxPooling2D(pool, name=f"conv{i}_pool")(x)
        return keras.Model(inputs, x, name="backbone")


def _per_convolution(options: Mapping[str, Any], option: str) -> tuple[Any, ...]:
    """Return the values of an option, one per convolution."""
    value = options[option]
    return value if isinstance(value, tuple) else (value,) * len(options["filters"])
