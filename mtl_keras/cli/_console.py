"""Where a verb writes: results to standard output, the rest to standard error."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.logging import RichHandler

__all__ = ["Work"]


class Work:
    """The context of a verb.

    With `as_json`, everything but the answer goes to standard error, and the answer is the last line of standard output.

    Args:
        as_json: Whether the user asked for JSON.
        stdout: Standard output.
        tensorflow: Whether the verb needs TensorFlow.
    """

    def __init__(self, as_json: bool, stdout: TextIO, tensorflow: bool) -> None:
        self.tensorflow = tensorflow
        self.as_json = as_json
        self.stdout = stdout
        self.err = Console(stderr=True)
        self.out = self.err if as_json else Console(file=stdout, width=None if stdout.isatty() else 120)
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Work:
        handler = RichHandler(
            console=self.err, show_time=False, show_path=False, show_level=False, markup=False, highlighter=None
        )
        # Thirty trainings of a search would say the same thing thirty times.
        said: set[str] = set()

        def is_new(record: logging.LogRecord) -> bool:
            known = record.getMessage() in said
            said.add(record.getMessage())
            return not known

        handler.addFilter(is_new)
        log = logging.getLogger("mtl_keras")
        log.addHandler(handler)
        self._exit.callback(log.setLevel, log.level)
        log.setLevel(logging.INFO)
        # Other libraries give the root a handler of their own, which would say it once more.
        log.propagate = False
        self._exit.callback(setattr, log, "propagate", True)
        self._exit.callback(log.removeHandler, handler)
        # Libraries print where they please; standard output is the answer's.
        self._exit.enter_context(contextlib.redirect_stdout(sys.stderr))
        self._exit.enter_context(warnings.catch_warnings())
        # One warning for the user to act on is worth more than a page of other projects' deprecations.
        for kind in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", kind)
        if self.tensorflow:
            # Its start-up lines on devices it did not find tell the user nothing.
            with _silenced_stderr():
                import tensorflow

                tensorflow.config.list_physical_devices()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._exit.close()
        if kind is KeyboardInterrupt:
            self.err.print("Interrupted. What was finished is kept; --resume goes on from there.")
            raise SystemExit(130)

    def answer(self, value: dict[str, Any]) -> None:
        """Print the answer as JSON, if the user asked for it."""
        if self.as_json:
            self.stdout.write(json.dumps(value) + "\n")
            self.stdout.flush()


@contextlib.contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Send what C++ code writes to standard error to nowhere, unless TF_CPP_MIN_LOG_LEVEL asks for it."""
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
