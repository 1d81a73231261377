"""CifarEfficientNetB0: its size, its preprocessing, and the computation of its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl

TASKS = mtl.Tasks(mtl.Classification("garment", classes=5), mtl.Classification("object", classes=10))
BACKBONE = mtl.Backbone("CifarEfficientNetB0")


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return keras.Model(inputs := keras.Input((32, 32, 3)), BACKBONE.apply(inputs)).get_layer("backbone")


def test_the_number_of_parameters_is_that_of_pytorch() -> None:
    model = mtl.build_model(TASKS, BACKBONE, image_shape=(32, 32, 3))
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 2_913_694


def test_sixteen_blocks_reduce_32_px_to_one(network: keras.Model) -> None:
    ends = [layer.output.shape[1:] for layer in network.layers if layer.name.endswith("_add")]
    assert len(ends) == 16
    assert [side for side, _, _ in ends] == [16] * 3 + [8] * 2 + [4] * 6 + [2] * 4 + [1]
    assert ends[-1] == (1, 1, 320)
    assert mtl.Backbone("CifarEfficientNetB0", pooling="flatten").apply(keras.Input((32, 32, 3))).shape == (None, 320)


def test_images_are_normalized_as_cifar_is() -> None:
    inputs = keras.Input((4, 4, 3))
    layer = mtl.backbones.BACKBONES["CifarEfficientNetB0"].preprocess
    model = keras.Model(inputs, keras.layers.Identity()(layer(inputs)))
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.float32)
    expected = (images / 255 - [0.4914, 0.4822, 0.4465]) / [0.2023, 0.1994, 0.2010]
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-5)


def outputs(network: keras.Model, names: Sequence[str]) -> list[np.ndarray]:
    """Outputs of these layers for random images."""
    images = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
    return [np.asarray(out) for out in keras.Model(network.input, [network.get_layer(n).output for n in names])(images)]


def excite(network: keras.Model, block: str, x: np.ndarray) -> np.ndarray:
    """Squeeze-and-excitation of `[n, h, w, c]`, computed from the weights of the layers."""
    share: Any = x.mean(axis=(1, 2))
    reduce, expand = (network.get_layer(f"{block}_se_{which}").get_weights() for which in ("reduce", "expand"))
    share = np.maximum(share @ reduce[0][0, 0] + reduce[1], 0)
    return np.asarray(x / (1 + np.exp(-(share @ expand[0][0, 0] + expand[1])))[:, None, None])


def test_a_block_adds_its_shortcut(network: keras.Model) -> None:
    cases = {
        "block3a": "block3a_project_bn",  # stride 2: its own output
        "block2a": "block2a_shortcut_bn",  # more channels: a convolution of its input
        "block2b": "block2a_add",  # neither: its input
    }
    for block, shortcut in cases.items():
        x, other, end = outputs(network, [f"{block}_project_bn", shortcut, f"{block}_add"])
        np.testing.assert_allclose(end, excite(network, block, x) + other, rtol=1e-4, atol=1e-5)
    named = {layer.name for layer in network.layers}
    assert {name for name in named if name.endswith("_shortcut_conv")} == {"block2a_shortcut_conv", "block5a_shortcut_conv"}


def test_a_strided_convolution_is_padded_on_every_side(network: keras.Model) -> None:
    before, after = outputs(network, ["block1a_expand_activation", "block1a_dwconv"])
    kernel = network.get_layer("block1a_dwconv").get_weights()[0][..., 0]
    padded = np.pad(before, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = sum(kernel[i, j] * padded[:, i : i + 32 : 2, j : j + 32 : 2] for i in range(3) for j in range(3))
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


def test_weights_are_initialized_as_in_pytorch(network: keras.Model) -> None:
    for name, inputs in (("stem_conv", 27), ("block6a_dwconv", 9), ("block6a_project_conv", 672), ("block7a_se_reduce", 320)):
        for weights in network.get_layer(name).get_weights():
            assert np.abs(weights).max() <= inputs**-0.5
        assert np.abs(network.get_layer(name).get_weights()[0]).max() > 0.95 * inputs**-0.5
    norm = network.get_layer("stem_bn")
    assert (norm.epsilon, norm.momentum) == (1e-5, 0.9)
