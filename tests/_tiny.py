"""The smallest data and model that every test of the core shares: 8x8 images, four filters, three kinds of task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mtl_keras.backbones import Backbone
from mtl_keras.data import Data, from_arrays
from mtl_keras.model import Head, MultiTaskModel, build_model
from mtl_keras.tasks import Binary, Classification, Reconstruction, Tasks

TASKS = Tasks(Classification("kind", classes=3), Binary("odd"), Reconstruction("image"))
SHAPE = (8, 8, 1)
#: Batch normalization in inference mode: the same on one replica and on two, and no function of the other rows.
BACKBONE = Backbone("SmallCNN", filters=(4,), batch_norm="inference")


def rows(n: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Noise whose brightness gives `kind` and whose left half gives `odd`, so that both can be learned."""
    rng = np.random.default_rng(seed)
    kind, odd = rng.integers(0, 3, n), rng.integers(0, 2, n)
    images = rng.integers(0, 100, (n, *SHAPE)) + 60 * kind[:, None, None, None]
    images[:, :, :4] += 30 * odd[:, None, None, None]
    return images.astype(np.uint8), {"kind": kind.astype(np.float64), "odd": odd.astype(np.float64)}


def data(
    n: int = 36, n_validation: int = 20, *, tasks: Tasks = TASKS, absent: Mapping[str, Mapping[str, Any]] | None = None
) -> Data:
    """Training and validation rows; `absent` gives by split and column the rows without a label (an index)."""
    made = {"train": rows(n, 0), "validation": rows(n_validation, 1)}
    for split, columns in (absent or {}).items():
        for column, index in columns.items():
            made[split][1][column][index] = np.nan
    return from_arrays(tasks, made["train"], made["validation"])


def model(tasks: Tasks = TASKS, backbone: Backbone = BACKBONE, **options: Any) -> MultiTaskModel:
    options = {"shared": (6,), "heads": {"odd": Head(dense=(3,))} if "odd" in tasks else {}, **options}
    return build_model(tasks, backbone, image_shape=SHAPE, **options)


def weights(network: Any) -> list[np.ndarray]:
    return [np.array(weight) for weight in network.get_weights()]
