"""Compare `mtl.train` with `model.fit` of the same plain Keras model.

    python -m benchmarks.overhead

An unfrozen MobileNetV2 at 96 px with two heads; the epochs of both alternate, so that they see the same machine load.
"""

from __future__ import annotations

import statistics

import keras
import numpy as np

import mtl_keras as mtl
from benchmarks._measure import EpochTimer, report

ROWS, BATCH, PAIRS = 256, 64, 24


class PlainFit(keras.callbacks.Callback):
    """Train one epoch with plain Keras after each epoch of `mtl.train`."""

    def __init__(self, plain: keras.Model, data: mtl.data.Data) -> None:
        super().__init__()
        self.plain, self.data, self.timer = plain, data, EpochTimer()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.plain.fit(self.data.train.x, dict(self.data.train.y), batch_size=BATCH, callbacks=[self.timer], verbose=0)


def main() -> None:
    """Run the benchmark and print its results."""
    draw = np.random.default_rng(0)
    classes = {"fine": 100, "coarse": 20}
    tasks = mtl.Tasks(*(mtl.Classification(name, classes=n) for name, n in classes.items()))

    def rows(n: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return draw.integers(0, 256, (n, 96, 96, 3), "uint8"), {name: draw.integers(0, top, n) for name, top in classes.items()}

    data = mtl.data.from_arrays(tasks, train=rows(ROWS), validation=rows(8))
    backbone = mtl.Backbone("MobileNetV2", weights=None, alpha=0.5)
    ours = mtl.build_model(tasks, backbone, image_shape=data.image_shape)
    bare = mtl.build_model(tasks, backbone, image_shape=data.image_shape).plain()
    loss = dict.fromkeys(tasks, "sparse_categorical_crossentropy")
    bare.compile("adam", loss=loss, metrics={name: ["accuracy"] for name in tasks}, jit_compile=False)
    timer, plain = EpochTimer(), PlainFit(bare, data)
    mtl.train(ours, data, mtl.Phase(epochs=PAIRS + 1, batch_size=BATCH), callbacks=[timer, plain])
    # The first epoch includes tracing.
    mine, theirs = timer.seconds[1:], plain.timer.seconds[1:]
    ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
    report("overhead", {"mtl.train, an epoch": mine, "model.fit, an epoch": theirs, "ratio": ratio}, "at most 1.03")


if __name__ == "__main__":
    main()
