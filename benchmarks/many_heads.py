"""Compare a step of a hundred heads with the same heads in a bare TensorFlow loop, and time building and tracing.

    python -m benchmarks.many_heads [TASKS]

A small CNN, a shared layer of 256 units and a head of 32 units for each binary task, batch 128, Adam; once with all labels
and once with a fifth of them missing, which the bare loop masks. Its steps alternate with ours, so that both see the same
machine load.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import keras
import tensorflow as tf

import mtl_keras as mtl
from benchmarks._measure import report
from benchmarks.tasks import BATCH, STEPS, create_data

EPOCHS = 4
ABSENT = {"all labels": 0.0, "a fifth missing": 0.2}


def build(data: mtl.data.Data) -> mtl.MultiTaskModel:
    """Return a network with one head for each task."""
    backbone = mtl.Backbone("SmallCNN", filters=(32, 64, 128), strides=2)
    heads = dict.fromkeys(data.tasks, mtl.Head(dense=(32,)))
    return mtl.build_model(data.tasks, backbone, image_shape=data.image_shape, shared=(256,), heads=heads)


class Alternating(keras.callbacks.Callback):
    """Time each step of a training, and after it a step of a bare loop on a network of its own."""

    def __init__(self, data: mtl.data.Data) -> None:
        super().__init__()
        self.started, self.first = time.perf_counter(), 0.0
        self.ours: list[float] = []
        self.bare: list[float] = []
        self._begin = 0.0
        network, optimizer = build(data), keras.optimizers.Adam()
        self._batches = iter(data.train.batches(BATCH, seed=0, epochs=EPOCHS))

        @tf.function
        def step(batches: Any) -> tf.Tensor:
            x, y, weights = next(batches)
            with tf.GradientTape() as tape:
                outputs = network(x, training=True)
                loss = tf.add_n(
                    [
                        tf.reduce_sum(
                            keras.losses.binary_crossentropy(tf.cast(y[name], "float32")[:, None], outputs[name])
                            * tf.cast(weights[name], "float32")
                        )
                        / BATCH
                        for name in outputs
                    ]
                )
            optimizer.apply_gradients(
                zip(tape.gradient(loss, network.trainable_weights), network.trainable_weights, strict=True)
            )
            return loss

        optimizer.build(network.trainable_weights)
        self._step = step

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._begin = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        end = time.perf_counter()
        self.ours.append(end - self._begin)
        self.first = self.first or end - self.started
        self._step(self._batches).numpy()
        self.bare.append(time.perf_counter() - end)


def main() -> None:
    """Run the benchmark and print its results."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for what, missing in ABSENT.items():
        data = create_data(count, missing)
        steps = Alternating(data)
        steps.started = time.perf_counter()
        mtl.train(build(data), data, mtl.Phase(epochs=EPOCHS, batch_size=BATCH), callbacks=[steps])
        # The first steps trace; later epochs begin by filling buffers.
        ours, bare = steps.ours[STEPS:], steps.bare[STEPS:]
        results = {
            "a step of ours": ours,
            "a step of the bare loop": bare,
            "ratio": statistics.median(a / b for a, b in zip(ours, bare, strict=True)),
            "building, tracing and the first step of ours, s": steps.first,
            "tracing and the first step of the bare loop, s": steps.bare[0],
        }
        target = "ratio at most 1.1; building and tracing at most 30 s at 100 tasks and 75 s at 200"
        report(f"{count} heads, {what}", results, target)


if __name__ == "__main__":
    main()
