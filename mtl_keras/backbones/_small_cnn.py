"""A few convolutions, for images of 8 to 64 px and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from mtl_keras.backbones._family import Family
from mtl_keras.errors import MTLError

__all__ = ["SmallCNN"]

CHOICES: dict[str, tuple[Any, ...]] = {
    "padding": ("same", "valid"),
    "norm": ("before", "after", None),
    "dropout_at": ("each", "last"),
}


class SmallCNN(Family):
    """Convolution, batch normalization, ReLU, once per entry of `filters`; no pretrained weights.

    Options:
        filters: Channels of each convolution; default `(32, 64)`.
        kernel_size: Side of every kernel in px; default 3.
        strides: Step of the convolutions in px, one number or one each; default 2, so that each halves the map.
        pool: Side of the max pooling behind each convolution's block, one number or one each; default 1 is none.
        padding: `"same"` (default) keeps the border, `"valid"` shrinks the map by what the kernel overhangs.
        norm: `"before"` (default) normalizes before the ReLU, `"after"` after ReLU and dropout, None not at all.
            Convolutions have a bias unless it is `"before"`.
        dropout: Share dropped behind the ReLU in training, in `[0, 1)`; default 0.
        dropout_at: `"each"` (default) drops behind each convolution, `"last"` behind the last alone.
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

    def check(self, side: tuple[int, int], weights: str | None, options: Mapping[str, Any]) -> None:
        filters = options["filters"]
        if not isinstance(filters, tuple) or not filters or not all(type(f) is int and f > 0 for f in filters):
            raise MTLError(
                f"`filters` is one positive integer per convolution. Received: filters={filters!r}. Give e.g. [32, 64]."
            )
        if type(options["kernel_size"]) is not int or options["kernel_size"] < 1:
            raise MTLError(
                f"`kernel_size` is a positive integer. Received: kernel_size={options['kernel_size']!r}. Give e.g. 3."
            )
        for option in ("strides", "pool"):
            each = _each(options, option)
            if len(each) != len(filters) or not all(type(n) is int and n > 0 for n in each):
                raise MTLError(
                    f"`{option}` is a positive integer, or one for each of the {len(filters)} convolutions. "
                    f"Received: {option}={options[option]!r}. Give e.g. 2."
                )
        if type(options["dropout"]) not in (int, float) or not 0 <= options["dropout"] < 1:
            raise MTLError(f"`dropout` lies in [0, 1). Received: dropout={options['dropout']!r}. Give e.g. 0.1.")
        for option, choices in CHOICES.items():
            if options[option] not in choices:
                raise MTLError(
                    f"`{option}` is one of {', '.join(map(repr, choices))}. Received: {option}={options[option]!r}. "
                    "Choose one of them."
                )
        left = min(side)
        for number, (stride, pool) in enumerate(zip(_each(options, "strides"), _each(options, "pool"), strict=True), start=1):
            shrunk = left - options["kernel_size"] + 1 if options["padding"] == "valid" else left
            left = -(-shrunk // stride) // pool
            if left < 1:
                raise MTLError(
                    f"Every convolution leaves a map of at least 1 px. Received: none after convolution {number} of an image "
                    f"of {side[0]} x {side[1]} px. Give smaller strides or pool, padding='same', or a larger image_size."
                )

    def preprocess(self, images: Any) -> Any:
        return layers.Rescaling(1 / 255, dtype="float32", name="backbone_rescale")(images)

    def network(
        self, shape: tuple[int, int, int], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        x = inputs = keras.Input(shape, name="backbone_input")
        norm, count = options["norm"], len(options["filters"])
        blocks = zip(options["filters"], _each(options, "strides"), _each(options, "pool"), strict=True)
        for i, (filters, stride, pool) in enumerate(blocks, start=1):
            x = layers.Conv2D(
                filters,
                options["kernel_size"],
                stride,
                padding=options["padding"],
                use_bias=norm != "before",
                name=f"conv{i}",
            )(x)
            # Small data means few steps an epoch: with the usual 0.99 the statistics would lag behind for epochs.
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


def _each(options: Mapping[str, Any], option: str) -> tuple[Any, ...]:
    """Return an option's values, one for each convolution."""
    value = options[option]
    return value if isinstance(value, tuple) else (value,) * len(options["filters"])
