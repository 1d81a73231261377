"""Compare an epoch behind the cached output of a backbone's first blocks with one that computes them at every step.

    python -m benchmarks.prefix [SIZE] [BLOCK]

EfficientNet-Lite0, trained from `block6a` on at 128 px, with two heads; the epochs of both alternate, so that they see the
same machine load. The images are noise, and reading the cache is part of the epoch, computing it is not.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time

import keras
import numpy as np

import mtl_keras as mtl
from benchmarks._measure import EpochTimer, report

ROWS, BATCH, PAIRS = 512, 64, 4


class PlainEpoch(keras.callbacks.Callback):
    """Train one epoch of another model, from images, after each epoch."""

    def __init__(self, other: mtl.MultiTaskModel, data: mtl.data.Data) -> None:
        super().__init__()
        self.other, self.timer = other, EpochTimer()
        self.x, self.y = data.train.x, dict(data.train.y)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.other.fit(self.x, self.y, batch_size=BATCH, callbacks=[self.timer], verbose=0)


def main() -> None:
    """Run the benchmark and print its results."""
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    block = sys.argv[2] if len(sys.argv) > 2 else "block6a"
    draw = np.random.default_rng(0)
    classes = {"fine": 100, "coarse": 20}
    tasks = mtl.Tasks(*(mtl.Classification(name, classes=n) for name, n in classes.items()))

    def rows(n: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return draw.integers(0, 256, (n, side, side, 3), "uint8"), {
            name: draw.integers(0, top, n) for name, top in classes.items()
        }

    data = mtl.data.from_arrays(tasks, train=rows(ROWS), validation=rows(8))
    build = {"tasks": tasks, "backbone": "EfficientNetLite0", "image_shape": data.image_shape}
    ours, plain = mtl.build_model(**build), mtl.build_model(**build, freeze=block)
    plain.compile("adam", weighting="equal")
    timer, other = EpochTimer(), PlainEpoch(plain, data)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        before = ours.before(mtl.model.Cut(block))
        data.featurize(before, ours.fingerprint(mtl.model.Cut(block)), folder)
        seconds = time.perf_counter() - start
        phase = mtl.Phase(epochs=PAIRS + 1, batch_size=BATCH, train_from=block)
        mtl.train(ours, data, phase, callbacks=[timer, other], cache_dir=folder)
        # The first epoch includes tracing.
        mine, theirs = timer.seconds[1:], other.timer.seconds[1:]
        results = {
            "size, px": side,
            "block": block,
            "cached row": str(before.output_shape[1:]),
            "computing the cache, images/s": ROWS / seconds,
            "behind the cache, an epoch": mine,
            "from images, an epoch": theirs,
            "behind the cache, images/s": ROWS / statistics.median(mine),
            "ratio": statistics.median(a / b for a, b in zip(theirs, mine, strict=True)),
        }
    report("prefix", results, "at least 3")


if __name__ == "__main__":
    main()
