"""Train on 20,000 photos of 224 px that stay on the disk: memory, throughput, and seconds until the first batch.

    python -m benchmarks.large_images DATA_DIR WORK_DIR

`DATA_DIR/clothing/images` holds the photos that are enlarged and varied until there are 20,000 JPEG files; WORK_DIR gets 4 GB.
Images stay on the disk as on a machine of 8 GiB, whatever this one has. A MobileNetV2 is trained in batches of 32.

- Memory: the largest RssAnon of a process that loads a table and trains 40 steps, on all photos and on 256 of them.
- Throughput: steps on rows from the disk and on the same rows from memory, 5 in turn. Warm: all rows are in
  the page cache, as after an epoch; cold: the system was told to drop the file.
- First batch: of a new process, after all imports and a computation of TensorFlow, with everything in the cache.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks._measure import EpochTimer, report
from benchmarks.large_table import Memory, Stopped, anonymous

COUNT, FEW, SIDE, BATCH = 20_000, 256, 224, 32
STEPS, ROUNDS, IN_TURN = 40, 12, 5


def make_photos(source: Path, folder: Path) -> None:
    """Write photos that differ from each other, as JPEG files of 280 px on the shorter side, and tables of them."""
    if (folder / "all.csv").exists():
        return
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    files = sorted(each for each in source.iterdir() if each.suffix in (".jpg", ".png"))
    copies = -(-COUNT // len(files))
    for number, file in enumerate(files):
        with Image.open(file) as image:
            image.draft("RGB", (280, 280))
            photo = np.asarray(image.convert("RGB").resize((280, 340)))
        for copy in range(min(copies, COUNT)):
            at = number * copies + copy
            if at < COUNT:
                changed = Image.fromarray(np.roll(photo, 7 * copy, axis=1))
                changed.save(folder / "photos" / f"{at}.jpg", quality=90)
    rows = np.arange(COUNT)
    frame = pd.DataFrame({"file": [f"{at}.jpg" for at in rows], "kind": rows // copies % 5, "moved": rows % copies % 2})
    frame.sample(FEW, random_state=0).to_csv(folder / "few.csv", index=False)
    frame.to_csv(folder / "all.csv", index=False)


def load(folder: Path, table: str) -> Any:
    """Return the data of a table, whose images stay on the disk if they are many."""
    import psutil

    import mtl_keras as mtl

    psutil.virtual_memory = lambda: SimpleNamespace(total=8 * 2**30)
    tasks = mtl.Tasks(mtl.Classification("kind", classes=5), mtl.Binary("moved"))
    return mtl.data.from_table(
        folder / table, tasks, image="file", root=folder / "photos", image_size=SIDE, cache_dir=folder / "cache"
    )


def build(data: Any) -> Any:
    import mtl_keras as mtl

    return mtl.build_model(data.tasks, mtl.Backbone("MobileNetV2", weights=None), image_shape=data.image_shape)


def warm_up() -> None:
    """Import what is imported at first use."""
    import tensorflow as tf

    import mtl_keras as mtl

    tf.matmul(tf.ones((512, 512)), tf.ones((512, 512))).numpy()
    mtl.load_study("digits").tasks  # noqa: B018


def train(folder: Path, table: str) -> dict[str, float]:
    """Load a table and train some steps; return seconds and memory."""
    import keras

    import mtl_keras as mtl

    class Steps(keras.callbacks.Callback):
        """Ends the training."""

        left = STEPS

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            self.left -= 1
            if not self.left:
                raise Stopped

    warm_up()
    memory = Memory()
    memory.start()
    start = time.perf_counter()
    data = load(folder, table)
    next(iter(data.train.batches(BATCH, seed=0)))
    first = time.perf_counter() - start
    with suppress(Stopped):
        mtl.train(build(data), data, mtl.Phase(epochs=99, batch_size=BATCH), callbacks=[Steps()], verbose=0, cache_dir=False)
    memory.stop()
    return {"first": first, "largest": max(memory.largest, anonymous())}


def compare(folder: Path) -> dict[str, Any]:
    """Return the seconds of steps on rows from the disk and on the same rows from memory, in turn."""
    from dataclasses import replace

    import mtl_keras as mtl

    warm_up()
    data = load(folder, "all.csv")
    model = build(data)
    model.compile(optimizer="adam")
    rows = np.random.default_rng(0).permutation(len(data.train))[: ROUNDS * IN_TURN * BATCH]
    stored = data.train.take(rows)
    held = stored.with_x(np.asarray(stored.x))
    (path,) = (each.path / "rows.npy" for each in mtl.data.cache.entries(folder / "cache") if each.rows == COUNT)
    seconds: dict[str, list[float]] = {"stored": [], "memory": []}

    def run(split: Any, number: int) -> float:
        timer = EpochTimer()
        # The epoch of a number has rows of its own.
        batches = split.batches(BATCH, seed=0, epochs=number + 2, first_epoch=number)
        model.fit(batches, steps_per_epoch=IN_TURN, epochs=1, callbacks=[timer], shuffle=False, verbose=0)
        return timer.seconds[0] / IN_TURN

    for split in (stored, held):
        run(split, 0)
    for number in range(ROUNDS):
        for kind, split in (("stored", stored), ("memory", held))[:: 1 if number % 2 else -1]:
            seconds[kind].append(run(split, number))
    again = replace(data, train=load(folder, "all.csv").train).train.take(rows)
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    seconds["cold"] = [run(again, ROUNDS)]
    return seconds


def child(*arguments: str) -> Any:
    """Return what a function of this file prints in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.large_images", "--child", *arguments]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(printed.splitlines()[-1])


def main(source: Path, folder: Path) -> None:
    """Run the benchmark and print its results."""
    make_photos(source, folder)
    start = time.perf_counter()
    many = child("train", str(folder), "all.csv")
    decoding = time.perf_counter() - start
    few, again = child("train", str(folder), "few.csv"), child("train", str(folder), "all.csv")
    seconds = child("compare", str(folder))
    ratio = statistics.median(held / stored for held, stored in zip(seconds["memory"], seconds["stored"], strict=True))
    results = {
        "first start with 40 steps, s": decoding,
        "first start to the first batch, s": many["first"],
        "memory above 256 photos, first start, MiB": many["largest"] - few["largest"],
        "memory above 256 photos, second start, MiB": again["largest"] - few["largest"],
        "memory with 256 photos, MiB": few["largest"],
        "second start to the first batch, s": again["first"],
        "step from the disk": seconds["stored"],
        "step from memory": seconds["memory"],
        "step from the disk, cold, s": seconds["cold"][0],
        "throughput of the disk, of that of memory": ratio,
    }
    report("large_images", results, "at most 512 MiB above 256 photos; throughput at least 0.95; second start under 2 s")


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        work: dict[str, Callable[..., Any]] = {"train": train, "compare": compare}
        print(json.dumps(work[sys.argv[2]](Path(sys.argv[3]), *sys.argv[4:])))
    else:
        main(Path(sys.argv[1], "clothing", "images"), Path(sys.argv[2]))
