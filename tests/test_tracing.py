"""TensorFlow's warning of retracing: not for many models that are each traced once, but for one that is traced in each call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from mtl_keras.model._tracing import count_alone

#: Six short ones of each kind, since TensorFlow warns from the fifth on.
SCRIPT = """
import sys
import mtl_keras as mtl
from mtl_keras.data import cache
from tests import _tiny

data, phase = _tiny.data(), mtl.Phase(epochs=1, batch_size=36)
images, labels = data.train.x, data.train.y
for number in range(6):
    model = _tiny.model()
    mtl.train(model, data, phase, cache_dir=False)
    model.predict(images, verbose=0)
    model.compile("sgd")
    model.evaluate(images, labels, batch_size=36, verbose=0)
    model.train_on_batch(images, labels)
    model.test_on_batch(images, labels)
    model.predict_on_batch(images)
    frozen = _tiny.model(freeze=True)
    mtl.train(frozen, data, phase, cache_dir=sys.argv[1])
    mtl.evaluate(frozen, data, cache_dir=sys.argv[1])
assert len(cache.entries(sys.argv[1])) >= 6
"""


def test_models_that_are_each_traced_once_are_not_warned_of(tmp_path: Path) -> None:
    # In a process of its own: TensorFlow counts over its whole life, and warns of a function at most twice.
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line[:200] for line in done.stderr.splitlines() if "retracing" in line] == []


def test_a_function_that_is_traced_in_each_call_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    twice = count_alone(tf.function(lambda number: 2 * number))
    tf.get_logger().addHandler(caplog.handler)
    try:
        for number in range(6):
            twice(number)
    finally:
        tf.get_logger().removeHandler(caplog.handler)
    assert [record.message for record in caplog.records if "5 out of the last 5 calls" in record.message]
