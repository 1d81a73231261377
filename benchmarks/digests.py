"""Compare the digests of the data, by which a training that is resumed knows it, with the first epoch of the training.

    python -m benchmarks.digests

45,000 images of 32 px in memory and the default SmallCNN. Both are processor time: neither threads nor other work change it.
"""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np

import mtl_keras as mtl
from benchmarks._measure import report

ROWS, RUNS = 45_000, 5


class FirstEpoch(keras.callbacks.Callback):
    """Measure the processor time of the first epoch, with tracing and validation."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds, self._start = 0.0, 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._start = time.process_time()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds = time.process_time() - self._start


def time_digests(data: mtl.data.Data) -> float:
    """Return the processor time that digests of arrays take which have none yet."""
    times = []
    for _ in range(RUNS):
        fresh = data.map_splits(lambda split: split.with_x(split.x.copy()))
        start = time.process_time()
        fresh.digests()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Run the benchmark and print its results."""
    draw = np.random.default_rng(0)
    tasks = mtl.Tasks(mtl.Classification("fine", classes=100), mtl.Classification("coarse", classes=20))
    results: dict[str, float] = {}
    for dtype in ("uint8", "float32"):
        parts = []
        for n in (ROWS, ROWS // 9):
            images = draw.integers(0, 256, (n, 32, 32, 3), "uint8").astype(dtype)
            parts.append((images, {"fine": draw.integers(0, 100, n), "coarse": draw.integers(0, 20, n)}))
        data, epoch = mtl.data.from_arrays(tasks, *parts), FirstEpoch()
        digests = time_digests(data)
        mtl.train(
            mtl.build_model(tasks, "SmallCNN", image_shape=data.image_shape), data, mtl.Phase(epochs=1), callbacks=[epoch]
        )
        results |= {f"digests of {dtype}, s": digests, f"first epoch on {dtype}, s": epoch.seconds}
        results[f"ratio, {dtype}"] = digests / epoch.seconds
    report("digests", results, "at most 0.01")


if __name__ == "__main__":
    main()
