"""Measure what a second input brings: the kind of garment from a photo, and from the photo with what is known of its wearer.

    MTL_KERAS_REAL_DATA=DIR python -m benchmarks.inputs [SEEDS]

The second input is the label `kids` of the clothing photos, given as a known fact, as where a shop knows its department. It is
no property of the photo, and nothing that a model of the photo alone has. Both models have the same frozen EfficientNet-Lite0,
the same split for each seed and one shared layer; the second has an MLP of 16 units beside it. The test rows of each seed's
split are evaluated once for each model, after all choices.
"""

from __future__ import annotations

import os
import statistics
import sys
from dataclasses import replace
from typing import Any

import keras
import numpy as np

import mtl_keras as mtl
from benchmarks._measure import report
from mtl_keras.report.statistics import interval, paired_test

GARMENTS = 17
#: Test rows per training row, for the correction of differences over splits that share rows.
RESPLIT = 0.2 / 0.7


def macro_f1(data: mtl.data.Data, backbone: Any, freeze: Any, seed: int) -> float:
    """Return the macro F1 on test rows of a model trained on the data."""
    keras.utils.set_random_seed(seed)
    shared = mtl.Head(dense=(256,), dropout=0.5)
    model = mtl.build_model(data.tasks, backbone, image_shape=data.image_shape, freeze=freeze, shared=shared)
    mtl.train(model, data, mtl.Phase(epochs=30, batch_size=64), seed=seed, verbose=0)
    return mtl.evaluate(model, data, "test").value("garment", "macro_f1")


def with_kids(split: mtl.data.Split) -> mtl.data.Split:
    """Return photos with the label `kids` as a second input."""
    return split.with_x({"photo": split.x, "row": split.y["kids"].reshape(-1, 1).astype(np.float32)})


def main() -> None:
    """Run the benchmark and print its results."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    tasks = mtl.Tasks(mtl.Classification("garment", classes=GARMENTS, skill="macro_f1"), mtl.Binary("kids", classes=(0, 1)))
    image = mtl.Backbone("EfficientNetLite0", image_size=128)
    found: dict[str, list[float]] = {"photo": [], "photo and kids": []}
    for seed in range(seeds):
        load = mtl.data.LOADERS["clothing"]
        data = load(tasks, data_dir=os.environ["MTL_KERAS_REAL_DATA"], seed=seed, garments=GARMENTS, image_size=64)
        shapes = {"photo": data.image_shape, "row": (1,)}
        parts: dict[str, Any] = {name: with_kids(getattr(data, name)) for name in ("train", "validation", "test")}
        both = replace(data, image_shape=shapes, **parts).only("garment")
        trunks = {"photo": image, "row": mtl.Backbone("MLP", columns=both.columns["row"], width=16)}
        found["photo"].append(macro_f1(data.only("garment"), image, True, seed))
        found["photo and kids"].append(macro_f1(both, trunks, {"photo": True}, seed))
        print(seed, {name: round(values[-1], 4) for name, values in found.items()}, flush=True)
    gains = [100 * (second - first) for first, second in zip(*found.values(), strict=True)]
    low, high = interval(gains, RESPLIT)
    result = {name: round(statistics.mean(values), 4) for name, values in found.items()}
    rest = {"gain in points": round(statistics.mean(gains), 2), "from": round(low, 2), "to": round(high, 2)}
    report("inputs", {**result, **rest, "p": round(paired_test(gains, RESPLIT), 4), "seeds": seeds}, "none; it informs")


if __name__ == "__main__":
    main()
