"""The interface of a network family, which `Backbone` uses to build every network in the same way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

__all__ = ["Family", "rename_operation", "repeat_gray"]


def rename_operation(tensor: Any, name: str) -> Any:
    """Rename the operation that produced a symbolic tensor and return the tensor; `keras.ops` functions take no name."""
    tensor._keras_history.operation.name = name
    return tensor


class Family(ABC):
    """A network under one name. It holds no Keras object and builds a new network on each call of `network`.

    Attributes:
        name: The key in `BACKBONES`.
        pretrained: Whether `"imagenet"` weights exist.
        options: Accepted options with their defaults.
        rank: Number of axes of one input: 3 for images (default), 1 for vectors, None if it depends on the options. All but
            those of images take their inputs as they are.
        min_size: Smallest height and width in px that the network accepts.
        channels: Number of input channels; None accepts any number.
    """

    name: str
    pretrained: bool = False
    options: Mapping[str, Any]
    rank: int | None = 3
    min_size: int = 1
    channels: int | None = 3

    def read_option(self, name: str, value: Any) -> Any:
        """Return an option as it is kept: hashable, with lists as tuples and NumPy's numbers as Python's."""
        if isinstance(value, list | tuple):
            return tuple(self.read_option("", each) for each in value)
        return value.item() if isinstance(value, np.generic) else value

    def option_config(self, name: str, value: Any) -> Any:
        """Return an option that is kept as plain JSON values, which `read_option` reads."""
        return list(value) if isinstance(value, tuple) else value

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raise `MTLError` if an option has a value that no image makes valid; called in the constructor of `Backbone`.

        Args:
            options: All options, including defaults.
        """

    def check(self, side: tuple[int, ...], weights: str | None, options: Mapping[str, Any]) -> None:
        """Raise `MTLError` if the options do not fit the inputs or no weights exist for them; fast, builds nothing.

        Args:
            side: Height and width in px of the network's input; the shape of one input where they are no images.
            weights: `"imagenet"`, None or a path.
            options: All options, including defaults.
        """

    def check_files(self) -> None:
        """Raise `MTLError` if `"imagenet"` weights must be installed and are not; they may still have to be downloaded."""

    def offline(self) -> bool:
        """Return whether the pretrained weights, if there are any, are available without a network connection."""
        return True

    def returns_map(self, options: Mapping[str, Any]) -> bool:
        """Return whether the network returns a feature map `[batch, height, width, channels]`, which can be pooled."""
        return self.rank == 3

    def input_dtype(self, options: Mapping[str, Any]) -> str:
        """Return the type of the inputs."""
        return "float32"

    def missing(self, options: Mapping[str, Any]) -> tuple[bool, ...]:
        """Return for each number of an input whether it may be NaN; `()` if none may."""
        return ()

    def preprocess(self, images: Any) -> Any:
        """Convert float32 images `[batch, height, width, channels]` in `[0, 255]` to the range that the network expects."""
        return images

    @abstractmethod
    def network(
        self, shape: tuple[int, ...], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        """Return a model named `backbone` from an input of `shape` to features, `[batch, n]` or a feature map.

        Args:
            shape: Of one input; `(height, width, channels)` of the preprocessed one for images.
            weights: `"imagenet"` or None.
            options: All options, including defaults.
            preprocessing: Whether to keep preprocessing layers inside the network, for families that have them.

        Raises:
            OSError: If the weights can be neither found nor downloaded.
        """


def repeat_gray(images: Any) -> Any:
    """Convert grayscale images `[batch, height, width, 1]` to three equal channels."""
    return rename_operation(ops.repeat(images, 3, axis=-1), "backbone_rgb")
