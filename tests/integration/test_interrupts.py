"""A signal, at whatever moment, ends a command with its exit code and one line on how to continue."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration._tiny import command

ROOT = Path(__file__).parents[2]
LINE = "mtl-keras: Interrupted. Finished work is kept; continue with --resume."
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_that_a_library_swallows_is_not_lost(number: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def swallow() -> dict[str, str]:
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), number)
        return {}

    before = signal.getsignal(number)
    monkeypatch.setattr("mtl_keras.studies.study_summaries", swallow)
    done = command("studies")
    assert (done.code, done.err) == (code, LINE + "\n")
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("early", [True, False])
def test_a_command_says_how_to_continue(early: bool, number: int, code: int, noise: Path, tmp_path: Path) -> None:
    """While libraries are imported, and at work."""
    folder, log = tmp_path / "run", tmp_path / "log"
    program = "import sys; print('began', flush=True); from mtl_keras.cli import entry; entry()"
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "tune", str(noise), "--trials", "50", "--output-dir", str(folder)],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert process.stdout is not None
        process.stdout.readline()
        until = time.monotonic() + 60
        while not early and not (folder / "config.json").exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        assert process.wait(60) == code, log.read_text()
        process.stdout.close()
    said = log.read_text()
    assert said.splitlines()[-1] == LINE
    assert "Traceback" not in said
    assert (folder / "config.json").exists() is not early


def test_a_message_is_one_line_however_long(tmp_path: Path) -> None:
    program = """
import logging, sys
from mtl_keras.cli._console import Work
with Work(False, sys.stdout, tensorflow=False):
    logging.getLogger("mtl_keras").warning("word " * 60 + "end")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == "word " * 60 + "end\n"
