"""What backbones check of their inputs, and do with images in front of the network: channels, size and preprocessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from mtl_keras.backbones._family import Family, rename_operation, repeat_gray
from mtl_keras.errors import MTLError, check_side, check_size, describe

__all__ = ["check_images", "check_shape", "prepare_images", "refuse_options"]

#: Fields of a backbone that only images, or feature maps, have a use for.
OF_IMAGES, OF_MAPS = ("image_size", "preprocessing", "interpolation"), ("pooling",)
#: What the shape of one input has, by its number of axes.
FORMS = {1: "(numbers,)", 3: "(height, width, channels)", None: "that of one input"}


def refuse_options(family: Family, given: Mapping[str, Any], *, maps: bool) -> None:
    """Refuse fields that have no use for a network.

    Args:
        family: The network.
        given: Fields with other values than their defaults.
        maps: Whether it returns a feature map.
    """
    useless = {name: "takes its inputs as they are" for name in OF_IMAGES if family.rank != 3}
    useless |= {name: "returns no feature map" for name in OF_MAPS if not maps}
    for name, reason in useless.items():
        if name in given:
            raise MTLError(
                f"`{name}` must be left out for the backbone {family.name!r}, which {reason}. Received: "
                f"{name}={describe(given[name])}. Leave it out."
            )


def check_shape(family: Family, shape: Any) -> tuple[int, ...]:
    """Return the shape of one input after checking its number of axes and their lengths.

    Args:
        family: The network.
        shape: The value received.
    """
    rank = family.rank
    if not isinstance(shape, Sequence) or isinstance(shape, str) or len(shape) != (rank or max(len(shape), 1)):
        received = tuple(shape) if isinstance(shape, list) else shape
        remedy = "Add the axis of channels, or pass image_shape=data.image_shape."
        if rank != 3:
            remedy = "Pass image_shape=data.image_shape, and 'SmallCNN' or another backbone for images."
        elif isinstance(received, tuple) and len(received) == 1:
            remedy = "Pass the backbone 'MLP' for rows of numbers."
        raise MTLError(f"`image_shape` must be {FORMS[rank]}. Received: {describe(received)}. {remedy}")
    if any(side is None for side in shape):
        raise MTLError(f"`image_shape` must be fully specified. Received: {tuple(shape)}. Pass image_shape=data.image_shape.")
    return tuple(check_side("image_shape", side) if rank == 3 else check_size("image_shape", side) for side in shape)


def check_images(family: Family, sizes: Sequence[int], side: tuple[int, int]) -> None:
    """Raise an error if a network does not accept images.

    Args:
        family: The network.
        sizes: Height, width and channels of an image.
        side: Height and width that it is resized to.
    """
    if family.channels is not None and sizes[2] not in (1, family.channels):
        raise MTLError(
            f"Images for {family.name} must have 1 or {family.channels} channels. Received: {sizes[2]} channels. "
            "Use SmallCNN, which accepts any number."
        )
    if min(side) < family.min_size:
        raise MTLError(
            f"Images for {family.name} must have at least {family.min_size} x {family.min_size} px. "
            f"Received: {side[0]} x {side[1]}. Pass image_size={max(family.min_size, 2 * min(side))} or more."
        )


def prepare_images(images: Any, family: Family, side: tuple[int, int], interpolation: str, *, preprocessing: bool) -> Any:
    """Return images as a network takes them.

    Args:
        images: Keras tensor `[batch, height, width, channels]` in `[0, 255]`.
        family: The network.
        side: Height and width that they are resized to.
        interpolation: How.
        preprocessing: Whether the preprocessing of the family is applied.
    """
    x = images
    if not keras.backend.is_float_dtype(x.dtype):
        x = rename_operation(ops.cast(x, "float32"), "backbone_cast")
    if family.channels == 3 and x.shape[-1] == 1:
        x = repeat_gray(x)
    if x.shape[1:3] != side:
        # Not `layers.Resizing`: it puts all later layers into training mode if `training` is not passed.
        x = ops.image.resize(x, side, interpolation=interpolation, data_format="channels_last")
        rename_operation(x, "backbone_resize")
    return family.preprocess(x) if preprocessing else x
