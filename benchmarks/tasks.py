"""A training step with 10 and with 50 binary tasks, against the same step with one.

    python -m benchmarks.tasks

A small CNN (32, 64 and 128 filters, batch normalization, dropout .2, global max pooling, two shared layers of 256 units) on
random images of CIFAR's size, batch 128, Adam with clipnorm 1; once with every label and once with a fifth of them absent.
The three take turns, an epoch each, so that all see the same machine; a first epoch holds the tracing of the step.
"""

from __future__ import annotations

import statistics
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

import mtl_keras as mtl
from benchmarks._measure import EpochTimer, report

COUNTS = (1, 10, 50)
STEPS, BATCH, EPOCHS = 20, 128, 12
ABSENT = {"every label": 0.0, "a fifth absent": 0.2}


def made(count: int, absent: float) -> mtl.data.Data:
    """Return random images with so many random yes-or-no labels each."""
    draw = np.random.default_rng(0)
    tasks = mtl.Tasks(*(mtl.Binary(f"task_{number}") for number in range(count)))

    def rows(n: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        labels = {name: np.where(draw.random(n) < absent, np.nan, draw.integers(0, 2, n)) for name in tasks}
        return draw.integers(0, 256, (n, 32, 32, 3), "uint8"), labels

    return mtl.data.from_arrays(tasks, train=rows(STEPS * BATCH), validation=rows(BATCH))


class Turn(keras.callbacks.Callback):
    """Lets an epoch begin when that of the training before has ended."""

    def __init__(self, own: threading.Semaphore, following: threading.Semaphore) -> None:
        super().__init__()
        self.own, self.following = own, following

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.following.release()
        if epoch + 1 < EPOCHS:
            self.own.acquire()


def trained(data: mtl.data.Data, turn: Turn) -> list[float]:
    """Return the seconds of each epoch."""
    turn.own.acquire()
    backbone = mtl.Backbone("SmallCNN", filters=(32, 64, 128), strides=2, dropout=0.2, pooling="max")
    model = mtl.build_model(data.tasks, backbone, image_shape=data.image_shape, shared=(256, 256))
    optimizer: dict[str, Any] = {"class_name": "Adam", "config": {"learning_rate": 1e-3, "clipnorm": 1.0}}
    timer = EpochTimer()
    mtl.train(model, data, mtl.Phase(epochs=EPOCHS, batch_size=BATCH, optimizer=optimizer), callbacks=[timer, turn])
    return timer.seconds


def main() -> None:
    """Run the benchmark and print its figures."""
    for what, absent in ABSENT.items():
        sets = [made(count, absent) for count in COUNTS]
        gates = [threading.Semaphore(int(number == 0)) for number in range(len(COUNTS))]
        turns = [Turn(own, following) for own, following in zip(gates, [*gates[1:], gates[0]], strict=True)]
        with ThreadPoolExecutor(len(COUNTS)) as pool:
            seconds = list(pool.map(trained, sets, turns))
        figures: dict[str, Any] = {}
        for count, (first, *others) in zip(COUNTS, seconds, strict=True):
            figures |= {
                f"{count} tasks: an epoch of {STEPS} steps": others,
                f"{count} tasks: tracing, s": first - statistics.median(others),
                f"{count} tasks: ratio": statistics.median(a / b for a, b in zip(others, seconds[0][1:], strict=True)),
            }
        report(f"tasks, {what}", figures, "at most 1.1 at 10 tasks and 1.5 at 50")


if __name__ == "__main__":
    main()
