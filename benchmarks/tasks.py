"""Compare a training step with 10 and with 50 binary tasks with the same step for one task.

    python -m benchmarks.tasks

A small CNN (32, 64 and 128 filters, batch normalization, dropout .2, global max pooling, two shared layers of 256 units) on
random images of CIFAR's size, batch 128, Adam with clipnorm 1; once with all labels and once with a fifth of them missing.
The epochs of the three trainings alternate, so that all see the same machine load. The first epoch includes tracing.
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
ABSENT = {"all labels": 0.0, "a fifth missing": 0.2}


def create_data(count: int, missing: float) -> mtl.data.Data:
    """Return random images with `count` random binary labels each, of which a share `missing` is missing."""
    rng = np.random.default_rng(0)
    tasks = mtl.Tasks(*(mtl.Binary(f"task_{number}") for number in range(count)))

    def rows(n: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        labels = {name: np.where(rng.random(n) < missing, np.nan, rng.integers(0, 2, n)) for name in tasks}
        return rng.integers(0, 256, (n, 32, 32, 3), "uint8"), labels

    return mtl.data.from_arrays(tasks, train=rows(STEPS * BATCH), validation=rows(BATCH))


class Turn(keras.callbacks.Callback):
    """Start an epoch when the epoch of the previous training has ended."""

    def __init__(self, own: threading.Semaphore, following: threading.Semaphore) -> None:
        super().__init__()
        self.own, self.following = own, following

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.following.release()
        if epoch + 1 < EPOCHS:
            self.own.acquire()


def train_alternating(data: mtl.data.Data, turn: Turn) -> list[float]:
    """Train one model and return the seconds of each epoch."""
    turn.own.acquire()
    backbone = mtl.Backbone("SmallCNN", filters=(32, 64, 128), strides=2, dropout=0.2, pooling="max")
    model = mtl.build_model(data.tasks, backbone, image_shape=data.image_shape, shared=(256, 256))
    optimizer: dict[str, Any] = {"class_name": "Adam", "config": {"learning_rate": 1e-3, "clipnorm": 1.0}}
    timer = EpochTimer()
    mtl.train(model, data, mtl.Phase(epochs=EPOCHS, batch_size=BATCH, optimizer=optimizer), callbacks=[timer, turn])
    return timer.seconds


def main() -> None:
    """Run the benchmark and print its results."""
    for what, missing in ABSENT.items():
        sets = [create_data(count, missing) for count in COUNTS]
        gates = [threading.Semaphore(int(number == 0)) for number in range(len(COUNTS))]
        turns = [Turn(own, following) for own, following in zip(gates, [*gates[1:], gates[0]], strict=True)]
        with ThreadPoolExecutor(len(COUNTS)) as pool:
            seconds = list(pool.map(train_alternating, sets, turns))
        results: dict[str, Any] = {}
        for count, (first, *others) in zip(COUNTS, seconds, strict=True):
            results |= {
                f"{count} tasks: an epoch of {STEPS} steps": others,
                f"{count} tasks: tracing, s": first - statistics.median(others),
                f"{count} tasks: ratio": statistics.median(a / b for a, b in zip(others, seconds[0][1:], strict=True)),
            }
        report(f"tasks, {what}", results, "at most 1.1 at 10 tasks and 1.5 at 50")


if __name__ == "__main__":
    main()
