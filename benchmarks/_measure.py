"""Timers, and the format of benchmark results."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import keras

__all__ = ["EpochTimer", "report"]


class EpochTimer(keras.callbacks.Callback):
    """Record the seconds that the training steps of each epoch take, without validation, on the wall or in the process."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__()
        self.clock = clock
        self.seconds: list[float] = []
        self._start = 0.0
        self._open = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start, self._open = self.clock(), True

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._stop()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._open:
            self.seconds.append(self.clock() - self._start)
            self._open = False


def report(name: str, results: dict[str, Any], target: str) -> None:
    """Print the results, the target and the machine: readable lines, then one line of JSON."""
    versions = {package: _version(package) for package in ("mtl-keras", "keras", "tensorflow", "keras-tuner")}
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "load": round(os.getloadavg()[0], 2)}
    print(f"\n{name} (target: {target})")
    for key, value in results.items():
        print(f"  {key}: {_format(value)}")
    print(json.dumps({"benchmark": name, "target": target, **results, "versions": versions, "machine": machine}))


def _format(value: Any) -> str:
    if isinstance(value, list):
        return f"median {statistics.median(value):.3f} s, from {min(value):.3f} to {max(value):.3f} s, n {len(value)}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
