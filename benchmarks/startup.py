"""Time `mtl-keras --help`, and check that importing mtl_keras imports neither TensorFlow nor Keras.

python -m benchmarks.startup
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks._measure import report

RUNS = 15


def main() -> None:
    """Run the benchmark and print its results."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "mtl_keras", "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    probe = "import mtl_keras, sys; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    imported = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout.strip()
    report(
        "startup",
        {"mtl-keras --help": seconds, "median, s": statistics.median(seconds), "imported by mtl_keras": imported},
        "under 0.5 s, nothing imported",
    )


if __name__ == "__main__":
    main()
