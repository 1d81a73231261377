"""Compare training two heads on cached features with its matrix products alone.

    python -m benchmarks.heads

Two heads of one 512-unit layer (100 and 20 classes) on 45,000 x 1,280 features, batch 512, AdamW. The reference is the
time of the same matrix products, forward and backward, in the same shapes, measured after every epoch.
"""

from __future__ import annotations

import dataclasses
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

import mtl_keras as mtl
from benchmarks._measure import EpochTimer, report

ROWS, WIDTH, UNITS, BATCH, EPOCHS = 45_000, 1_280, 512, 512, 11
CLASSES = {"fine": 100, "coarse": 20}


def create_features() -> mtl.data.Data:
    """Return random features in place of those of a backbone, with random labels."""
    rng = np.random.default_rng(0)
    tasks = mtl.Tasks(*(mtl.Classification(name, classes=classes) for name, classes in CLASSES.items()))

    def rows(n: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        x = rng.normal(size=(n, WIDTH)).astype(np.float32)
        return x, {name: rng.integers(0, classes, n) for name, classes in CLASSES.items()}

    return mtl.data.from_arrays(tasks, train=rows(ROWS), validation=rows(BATCH))


@tf.function
def multiply_matrices(
    x: tf.Tensor, first: list[tf.Tensor], last: list[tf.Tensor], hidden: list[tf.Tensor], wrong: list[tf.Tensor]
) -> tf.Tensor:
    """Compute the matrix products of one step: per head two forward, one back through the output, two for the weights."""
    total = tf.constant(0.0)
    for inner, outer, units, error in zip(first, last, hidden, wrong, strict=True):
        parts = [
            tf.matmul(x, inner),
            tf.matmul(units, outer),
            tf.matmul(error, outer, transpose_b=True),
            tf.matmul(units, error, transpose_a=True),
            tf.matmul(x, units, transpose_a=True),
        ]
        total += tf.add_n([part[0, 0] for part in parts])
    return total


class Products(keras.callbacks.Callback):
    """Time the matrix products of one epoch after each epoch of training."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        normal = tf.random.normal
        # Each head has its own matrices, so that no product is shared between them.
        self.args = (
            normal((BATCH, WIDTH)),
            [normal((WIDTH, UNITS)) for _ in CLASSES],
            [normal((UNITS, n)) for n in CLASSES.values()],
            [normal((BATCH, UNITS)) for _ in CLASSES],
            [normal((BATCH, n)) for n in CLASSES.values()],
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        start = time.perf_counter()
        for _ in range(-(-ROWS // BATCH)):
            result = multiply_matrices(*self.args)
        result.numpy()
        self.seconds.append(time.perf_counter() - start)


def main() -> None:
    """Run the benchmark and print its results."""
    data = create_features()
    backbone = mtl.Backbone("EfficientNetLite0", weights=None, image_size=None, batch_norm="inference")
    head = mtl.Head(dense=(UNITS,))
    model = mtl.build_model(data.tasks, backbone, image_shape=(32, 32, 3), freeze=True, heads=dict.fromkeys(CLASSES, head))
    data = dataclasses.replace(data, features=mtl.data.cache.digest_trunk(model.trunk, model.fingerprint()))
    timer, bare = EpochTimer(), Products()
    mtl.train(model, data, mtl.Phase(epochs=EPOCHS, batch_size=BATCH, optimizer="adamw"), callbacks=[timer, bare])
    # The first epoch includes tracing.
    ours, theirs = timer.seconds[1:], bare.seconds[1:]
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    report("heads", {"training an epoch": ours, "matrix products alone": theirs, "ratio": ratio}, "at most 1.5")


if __name__ == "__main__":
    main()
