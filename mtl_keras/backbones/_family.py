"""What a family of networks answers, so that `Backbone` need not know which one it holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

__all__ = ["Family", "named", "repeat_gray"]


def named(tensor: Any, name: str) -> Any:
    """Give the operation that made a symbolic tensor a fixed name, since `keras.ops` functions take none."""
    tensor._keras_history.operation.name = name
    return tensor


class Family(ABC):
    """One network by name. Holds no Keras object: it builds one when asked.

    Attributes:
        name: The key in `BACKBONES`.
        pretrained: Whether there are `"imagenet"` weights.
        options: Accepted options with their defaults.
        min_size: Smallest side in px that the network takes.
        channels: Number of input channels, or None if any will do.
    """

    name: str
    pretrained: bool = False
    options: Mapping[str, Any]
    min_size: int = 1
    channels: int | None = 3

    def check(self, side: tuple[int, int], weights: str | None, options: Mapping[str, Any]) -> None:
        """Raise `MTLError` if the weights or options cannot be had at this size; cheap, called before any long work.

        Args:
            side: Height and width in px that the network will see.
            weights: `"imagenet"`, None or a path.
            options: All options, defaults filled in.
        """

    def offline(self) -> bool:
        """Return whether the pretrained weights (if there are any) can be had without a network."""
        return True

    @abstractmethod
    def preprocess(self, images: Any) -> Any:
        """Turn `[0, 255]` images `[batch, height, width, channels]` (float32) into what the network was trained on."""

    @abstractmethod
    def network(
        self, shape: tuple[int, int, int], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        """Return the network as a model named `backbone`, from `shape` to a feature map.

        Args:
            shape: `(height, width, channels)` of the preprocessed input.
            weights: `"imagenet"` or None.
            options: All options, defaults filled in.
            preprocessing: Whether the network keeps preprocessing of its own, for families that do it there.

        Raises:
            OSError: If the weights can neither be found nor fetched.
        """


def repeat_gray(images: Any) -> Any:
    """Repeat the one channel of `[batch, height, width, 1]` three times."""
    return named(ops.repeat(images, 3, axis=-1), "backbone_rgb")
