"""EfficientNetLite0 against outputs of its PyTorch implementation (see make_efficientnet_lite0.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras.backbones import Backbone
from mtl_keras.backbones._efficientnet_lite import SHA256, weights_path
from mtl_keras.backbones._torch_legacy import read_state_dict

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("efficientnet_lite0.json").read_text())


def images(size: int) -> np.ndarray:
    i, row, column, c = np.ogrid[:2, :size, :size, :3]
    return ((3 * row * (i + 1) + 5 * column + 70 * c + row * column // 7) % 256).astype(np.uint8)


@pytest.mark.parametrize("size", [64, 100, 128])
def test_features_and_logits_equal_those_of_pytorch(size: int) -> None:
    golden = GOLDEN["sizes"][str(size)]
    inputs = keras.Input((size, size, 3), dtype="uint8")
    feature_map = np.asarray(keras.Model(inputs, Backbone("EfficientNetLite0", pooling=None).apply(inputs))(images(size)))
    assert list(feature_map.shape) == golden["map_shape"]
    pooled = feature_map.mean((1, 2))
    np.testing.assert_allclose(pooled[:, ::40], golden["pooled_every_40th"], atol=2e-5)
    # The classifier is not part of the backbone, but its predictions depend on every channel.
    state = read_state_dict(weights_path(), SHA256)
    logits = pooled @ state["_fc.weight"].T + state["_fc.bias"]
    top = np.argsort(-logits, axis=1)[:, :5]
    np.testing.assert_array_equal(top, golden["top_classes"])
    np.testing.assert_allclose(np.take_along_axis(logits, top, 1), golden["top_logits"], atol=2e-4)
