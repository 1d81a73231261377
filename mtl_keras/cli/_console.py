"""Where a verb writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console

from mtl_keras.cli._interrupts import Interrupted

__all__ = ["Work"]

#: Columns of tables that are written to a file or a pipe.
WIDTH = 120


class _Lines(logging.Handler):
    """Prints each message above the progress bars, as one line of whatever length.

    A message about the rows of a training waits until one begins: every part, fold and seed has its own, and none matters
    beside an error. The first is printed.

    Args:
        console: Of standard error.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        self._waiting: logging.LogRecord | None = None
        self._training = False

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "of_training", False):
            self._waiting = self._waiting or record
        else:
            self._print(record)

    def begin_training(self) -> None:
        """Print what waits for the first training."""
        if not self._training and self._waiting is not None:
            self._print(self._waiting)
        self._training = True

    def _print(self, record: logging.LogRecord) -> None:
        self.console.print(self.format(record), highlight=False, markup=False, soft_wrap=True)


class Work:
    """The context of a verb.

    With `as_json`, the answer is the last line of standard output and everything else goes to standard error.

    Args:
        as_json: Whether the user asked for JSON.
        stdout: Standard output.
        tensorflow: Whether the verb needs TensorFlow.
    """

    def __init__(self, as_json: bool, stdout: TextIO, tensorflow: bool) -> None:
        self.tensorflow = tensorflow
        self.as_json = as_json
        self.stdout = stdout
        self.err = Console(stderr=True, width=None if sys.stderr.isatty() else WIDTH)
        self.out = self.err if as_json else Console(file=stdout, width=None if stdout.isatty() else WIDTH)
        self._lines = _Lines(self.err)
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Work:
        handler = self._lines
        # Thirty trainings of a search would log the same message thirty times.
        logged: set[str] = set()

        def is_new(record: logging.LogRecord) -> bool:
            known = record.getMessage() in logged
            logged.add(record.getMessage())
            return not known

        handler.addFilter(is_new)
        log = logging.getLogger("mtl_keras")
        log.addHandler(handler)
        self._exit.callback(log.setLevel, log.level)
        log.setLevel(logging.INFO)
        # Other libraries add a handler to the root logger, which would print the message again.
        log.propagate = False
        self._exit.callback(setattr, log, "propagate", True)
        self._exit.callback(log.removeHandler, handler)
        # Other libraries print to standard output, which is for the answer.
        self._exit.enter_context(contextlib.redirect_stdout(sys.stderr))
        self._exit.enter_context(warnings.catch_warnings())
        # Deprecations in other projects would bury the warnings that a user can act on.
        for kind in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", kind)
        if self.tensorflow:
            # At start-up it prints lines about devices that it did not find.
            with _silence_stderr():
                import tensorflow

                tensorflow.config.list_physical_devices()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._exit.close()
        if kind is KeyboardInterrupt:
            raise Interrupted(signal.SIGINT) from error

    def begin_training(self) -> None:
        """Show what waits for the first training."""
        self._lines.begin_training()

    def answer(self, value: dict[str, Any]) -> None:
        """Print the answer as JSON, if the user asked for it."""
        if self.as_json:
            self.stdout.write(json.dumps(value) + "\n")
            self.stdout.flush()


@contextlib.contextmanager
def _silence_stderr() -> Iterator[None]:
    """Discard what C++ code writes to standard error, unless TF_CPP_MIN_LOG_LEVEL is set."""
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
