"""What every test stands on: a quiet TensorFlow with two logical CPUs, seeds, no network, and the real data where there is any.

The environment is set before Keras is imported, since Keras reads its home folder once, at import.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests._browser import CHROMIUM

REAL_DATA = os.environ.get("MTL_KERAS_REAL_DATA")

# Nothing is read from or left in the home of whoever runs the tests.
_scratch = tempfile.TemporaryDirectory(prefix="mtl-keras-tests-")
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["MPLBACKEND"] = "Agg"
os.environ["MTL_KERAS_CACHE_DIR"] = f"{_scratch.name}/cache"
os.environ["KERAS_HOME"] = f"{REAL_DATA}/keras" if REAL_DATA else f"{_scratch.name}/keras"
os.environ["TFDS_DATA_DIR"] = f"{REAL_DATA}/tfds" if REAL_DATA else f"{_scratch.name}/tfds"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Split the CPU into two logical devices, which is possible only before TensorFlow starts, and trace without Grappler.

    The devices are there for all tests: one session then holds replicas and everything else, and on one of two devices
    sharing a thread pool nothing else runs slower. Grappler, which optimizes a traced function before its first call, takes a
    quarter of the time of a small training. Notebooks and commands in processes of their own run with it.
    """
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark real-data tests in the JUnit report, and skip them only where no folder was named."""
    for item in items:
        if item.get_closest_marker("real_data"):
            item.user_properties.append(("real_data", True))
            if REAL_DATA is None:
                item.add_marker(pytest.mark.skip(reason="MTL_KERAS_REAL_DATA names no folder of real data"))
        if item.get_closest_marker("browser") and CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="no Chromium is installed"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: `tfds/` (a TFDS data_dir), `keras/` (a KERAS_HOME), perhaps `landmarks/` and `clothing/`."""
    folder = Path(REAL_DATA or "")
    if REAL_DATA is None or not (folder / "tfds").is_dir() or not (folder / "keras").is_dir():
        pytest.fail(f"MTL_KERAS_REAL_DATA must name a folder with tfds/ and keras/. Received: {REAL_DATA!r}.")
    return folder


@pytest.fixture(autouse=True, scope="module")
def _fresh_session() -> None:
    # Once a module: it takes a sixth of a second, and models shared by a module's tests outlive it.
    import keras

    keras.utils.clear_session()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Refuse every connection that leaves this machine: a test that needs one would pass here and fail elsewhere."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise ConnectionRefusedError(f"Tests use no network. Received: a connection to {address[0]}.")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture
def stub_png(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the lines of a plot instead of an image, which takes most of the time that a record takes."""

    def lines(figure: Any) -> bytes:
        drawn = [[line.get_xydata().tolist() for line in axes.lines] for axes in figure.axes]
        return f"\x89PNG {drawn}".encode()

    monkeypatch.setattr("mtl_keras.report._drawing.png", lines)
