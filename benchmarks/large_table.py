"""Time `mtl-keras init` of a table of a million rows, and how soon and in how much memory its first batch is there.

    python -m benchmarks.large_table

1,000,000 generated rows of 20 columns: an identifier, eight numbers (two with missing values), four categories (one of texts
with 500 values), two booleans, two dates and three labels. The first batch is timed in a new process, after all imports and one
computation of TensorFlow, and includes reading the table, labels, splits and the encoder; the memory is RssAnon, sampled every
10 ms, above what TensorFlow has by then. So is the first training step, for which a network is built and traced.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._measure import report

ROWS = 1_000_000
TASKS = "bought,spent,segment"
INTERVAL = 0.01


def make_table(path: Path) -> None:
    """Write a table whose labels depend on its inputs."""
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=(ROWS, 8)).round(4)
    cities = np.array([f"city {number}" for number in range(500)])
    days = np.array(pd.date_range("2020-01-01", periods=1500).strftime("%Y-%m-%d"))
    columns: dict[str, Any] = {"row_id": np.arange(ROWS)}
    columns |= {f"number_{at}": numbers[:, at] for at in range(8)}
    columns |= {
        "city": cities[draw.integers(0, 500, ROWS)],
        "channel": np.array(["web", "shop", "phone"])[draw.integers(0, 3, ROWS)],
        "product": np.array([f"P{number:02}" for number in range(40)])[draw.integers(0, 40, ROWS)],
        "grade": draw.integers(1, 6, ROWS),
        "member": np.array(["no", "yes"])[draw.integers(0, 2, ROWS)],
        "mobile": draw.integers(0, 2, ROWS),
        "since": days[draw.integers(0, 1500, ROWS)],
        "seen": days[draw.integers(0, 1500, ROWS)],
        "bought": (numbers[:, 0] + draw.normal(size=ROWS) > 0).astype(int),
        "spent": (np.exp(numbers[:, 1]) * 20).round(2),
        "segment": np.array(["a", "b", "c", "d"])[np.digitize(numbers[:, 2], (-1, 0, 1))],
    }
    frame = pd.DataFrame(columns)
    for name in ("number_6", "number_7"):
        frame.loc[draw.random(ROWS) < 0.1, name] = np.nan
    assert frame.shape == (ROWS, 20)
    frame.to_csv(path, index=False)


class Stopped(Exception):
    """Raised after the first step."""


class Memory(threading.Thread):
    """Keeps the largest anonymous memory of this process, in MiB, until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.largest = anonymous()
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self.largest = max(self.largest, anonymous())

    def stop(self) -> float:
        """Return what was used above the beginning."""
        self._stopped.set()
        self.join()
        return max(self.largest, anonymous()) - self.before


def anonymous() -> float:
    """Return the RssAnon of this process in MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def load(study_file: str) -> None:
    """Load the table of a study file up to its first batch and first step; print seconds and memory."""
    import keras
    import tensorflow as tf

    import mtl_keras as mtl

    class FirstStep(keras.callbacks.Callback):
        """Ends the training after one step."""

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            raise Stopped

    tf.matmul(tf.ones((512, 512)), tf.ones((512, 512))).numpy()
    mtl.load_study("digits").tasks  # noqa: B018  imports what is imported at first use
    memory = Memory()
    memory.start()
    start = time.perf_counter()
    study = mtl.load_study(study_file)
    data = study.load(study.settings)
    next(iter(data.train.batches(study.settings.batch_size, seed=0)))
    batch = time.perf_counter() - start
    loaded = max(memory.largest, anonymous()) - memory.before
    model = mtl.build_model(data.tasks, mtl.Backbone("MLP", columns=data.columns), image_shape=data.image_shape)
    with suppress(Stopped):
        mtl.train(model, data, mtl.Phase(epochs=1, batch_size=study.settings.batch_size), callbacks=[FirstStep()], verbose=0)
    print(batch, loaded, time.perf_counter() - start, memory.stop())


def main() -> None:
    """Run the benchmark and print its results."""
    with tempfile.TemporaryDirectory() as folder:
        table, study = Path(folder, "large.csv"), Path(folder, "large.toml")
        make_table(table)
        start = time.perf_counter()
        command = [sys.executable, "-m", "mtl_keras", "init", str(table), "--tasks", TASKS, "-o", str(study)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        child = [sys.executable, "-m", "benchmarks.large_table", "--load", str(study)]
        printed = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout
        batch, loaded, step, trained = map(float, printed.splitlines()[-1].split())
        results = {
            "size of the table, MiB": table.stat().st_size / 2**20,
            "init, s": seconds,
            "first batch, s": batch,
            "memory up to the first batch, MiB": loaded,
            "first step, s": step,
            "memory up to the first step, MiB": trained,
        }
    report("large_table", results, "init under 10 s, first batch under 20 s and 1,024 MiB")


if __name__ == "__main__":
    if "--load" in sys.argv:
        load(sys.argv[-1])
    else:
        main()
