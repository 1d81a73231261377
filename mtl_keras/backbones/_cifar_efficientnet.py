"""An EfficientNet-B0 variant for CIFAR-sized images, whose stem does not downsample.

References:
    Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019. This variant is the first
    version in K. Liu's collection of PyTorch networks for CIFAR-10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from mtl_keras.backbones._family import Family

__all__ = ["CifarEfficientNetB0"]

#: Per stage: expansion ratio, output channels, number of blocks, stride of the first block.
STAGES = (
    (1, 16, 1, 2),
    (6, 24, 2, 1),
    (6, 40, 2, 2),
    (6, 80, 3, 2),
    (6, 112, 3, 1),
    (6, 192, 4, 2),
    (6, 320, 1, 2),
)

#: Mean and standard deviation per channel of the CIFAR-10 training images in `[0, 1]`, in their usual rounding.
MEAN = (0.4914, 0.4822, 0.4465)
DEVIATION = (0.2023, 0.1994, 0.2010)


class CifarEfficientNetB0(Family):
    """16 inverted residual blocks (2.9 million parameters, 320 channels) that reduce 32 x 32 px to 1 x 1.

    Differences from `EfficientNetB0`: all kernels are 3 x 3, the activation is ReLU, there is neither a final 1 x 1
    convolution nor stochastic depth, and the stem has stride 1. Squeeze-and-excitation follows the projection and acts on its
    output channels. Each block adds a shortcut to its excited output. The shortcut is the block's input, with a 1 x 1
    convolution if the number of channels changes; in a block of stride 2 it is the block's own output before the excitation.

    Layers are named as in `EfficientNetLite0`: `stem_conv`, `block1a_expand_conv`, `block1a_dwconv`, ..., `block7a_add`. There
    are no options and no pretrained weights. Padding, initializers and batch normalization follow PyTorch.
    """

    name = "CifarEfficientNetB0"
    options: Mapping[str, Any] = {}

    def preprocess(self, images: Any) -> Any:
        scale = [1 / (255 * deviation) for deviation in DEVIATION]
        offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
        return layers.Rescaling(scale, offset, dtype="float32", name="backbone_rescale")(images)

    def network(
        self, shape: tuple[int, ...], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        inputs = keras.Input(shape, name="backbone_input")
        x = _conv(inputs, "stem_conv", 32, kernel=3)
        x = layers.ReLU(name="stem_activation")(_norm(x, "stem_bn"))
        for stage, (expand, channels, repeats, first) in enumerate(STAGES, start=1):
            for i in range(repeats):
                x = _block(x, f"block{stage}{'abcd'[i]}", expand, channels, first if i == 0 else 1)
        return keras.Model(inputs, x, name="backbone")


def _block(inputs: Any, name: str, expand: int, channels: int, stride: int) -> Any:
    width = inputs.shape[-1]
    x = _conv(inputs, f"{name}_expand_conv", width * expand)
    x = layers.ReLU(name=f"{name}_expand_activation")(_norm(x, f"{name}_expand_bn"))
    if stride > 1:
        # Zeros on every side, as in PyTorch. "same" adds none on the left and at the top of a map of even size.
        x = layers.ZeroPadding2D(1, name=f"{name}_dwconv_pad")(x)
    padding = "same" if stride == 1 else "valid"
    x = layers.DepthwiseConv2D(
        3, stride, padding=padding, use_bias=False, depthwise_initializer=_torch_uniform(3 * 3), name=f"{name}_dwconv"
    )(x)
    x = layers.ReLU(name=f"{name}_activation")(_norm(x, f"{name}_bn"))
    x = _norm(_conv(x, f"{name}_project_conv", channels), f"{name}_project_bn")
    shortcut = inputs if stride == 1 else x
    if stride == 1 and width != channels:
        shortcut = _norm(_conv(inputs, f"{name}_shortcut_conv", channels), f"{name}_shortcut_bn")
    # Squeeze and excitation
    share = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_se_squeeze")(x)
    share = _conv(share, f"{name}_se_reduce", channels // 16, activation="relu")
    share = _conv(share, f"{name}_se_expand", channels, activation="sigmoid")
    x = layers.Multiply(name=f"{name}_se_excite")([x, share])
    return layers.Add(name=f"{name}_add")([x, shortcut])


def _conv(x: Any, name: str, filters: int, kernel: int = 1, activation: str | None = None) -> Any:
    """Apply a convolution; it has a bias only with an activation, since batch normalization follows the others."""
    inputs = kernel * kernel * x.shape[-1]
    return layers.Conv2D(
        filters,
        kernel,
        padding="same",
        activation=activation,
        use_bias=activation is not None,
        kernel_initializer=_torch_uniform(inputs),
        bias_initializer=_torch_uniform(inputs),
        name=name,
    )(x)


def _norm(x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def _torch_uniform(inputs: int) -> keras.initializers.Initializer:
    """Return PyTorch's default initializer of a convolution with `inputs` inputs per output (fan-in)."""
    return keras.initializers.RandomUniform(-(inputs**-0.5), inputs**-0.5)
