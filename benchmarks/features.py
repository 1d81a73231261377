"""Compare computing features for the cache with a bare `predict` and with ONNX Runtime, and TensorFlow with and without oneDNN.

    python -m benchmarks.features [SIZE]

EfficientNet-Lite0 with its pretrained weights at 128 px, on noise of 32 px. The three ways alternate in one process. oneDNN is
chosen before TensorFlow starts, so each choice has a process of its own: as it is, off, and on with AVX2 instructions alone.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, BATCH, ROUNDS = 512, 64, 5
#: Environments of TensorFlow by name.
CHOICES = {
    "as it is": {},
    "oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "oneDNN on, AVX2": {"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}


def child(side: int, features_file: str) -> dict[str, Any]:
    """Return the images per second of each way, and the largest differences of their features."""
    import onnxruntime

    import mtl_keras as mtl

    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 32, 32, 3), "uint8")
    tasks = mtl.Tasks(mtl.Classification("fine", classes=100))
    trunk = mtl.build_model(tasks, mtl.Backbone("EfficientNetLite0", image_size=side), image_shape=(32, 32, 3)).trunk
    trunk(images[:1])
    with tempfile.TemporaryDirectory() as folder:
        trunk.export(Path(folder, "trunk.onnx"), format="onnx", verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        session = onnxruntime.InferenceSession(Path(folder, "trunk.onnx"), options, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        number = iter(range(10**6))

        def with_runtime() -> np.ndarray:
            parts = (images[start : start + BATCH].astype("float32") for start in range(0, IMAGES, BATCH))
            return np.concatenate([session.run(None, {given.name: part})[0] for part in parts])

        ways: dict[str, Callable[[], np.ndarray]] = {
            "ours": lambda: mtl.data.cache.features(trunk, images, {}, Path(folder, str(next(number))), batch_size=BATCH),
            "predict": lambda: trunk.predict(images, batch_size=BATCH, verbose=0),
            "ONNX Runtime": with_runtime,
        }
        found = {name: np.array(compute()) for name, compute in ways.items()}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, compute in ways.items():
                start = time.perf_counter()
                compute()
                seconds[name].append(time.perf_counter() - start)
    reference = Path(features_file)
    if not reference.exists():
        np.save(reference, found["ours"])
    before = np.load(reference)
    return {
        "seconds": seconds,
        "ONNX Runtime, largest difference": float(np.abs(found["ONNX Runtime"] - found["ours"]).max()),
        "largest difference from the first": float(np.abs(found["ours"] - before).max()),
        "largest feature": float(np.abs(before).max()),
    }


def main(side: int) -> None:
    """Run the benchmark and print its results."""
    from benchmarks._measure import report

    results: dict[str, Any] = {"size, px": side}
    with tempfile.TemporaryDirectory() as folder:
        for choice, environment in CHOICES.items():
            command = [sys.executable, "-m", "benchmarks.features", "--child", str(side), f"{folder}/features.npy"]
            printed = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
            ).stdout
            found = json.loads(printed.splitlines()[-1])
            rates = {name: IMAGES / statistics.median(seconds) for name, seconds in found.pop("seconds").items()}
            # The trunk is traced for each call of `ours`, which is part of its time, as it is of a run's.
            results |= {f"{choice}: {name}, images/s": rate for name, rate in rates.items()}
            results |= {f"{choice}: {name}": value for name, value in found.items()}
    report("features", results, "ONNX Runtime faster, and equal to 1e-4")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(int(sys.argv[2]), sys.argv[3])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 128)
