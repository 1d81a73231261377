"""A line of progress for each epoch."""

from __future__ import annotations

import sys
import time
from typing import Any, Literal

import keras

from mtl_keras.errors import MTLError
from mtl_keras.tasks import Tasks

__all__ = ["Progress", "Verbose"]

#: When to print progress: 1 always, 0 never, `"auto"` in a terminal or notebook.
Verbose = Literal["auto", 0, 1]

#: Tasks whose losses fit on a line.
TASKS_SHOWN = 4


class Progress(keras.callbacks.Callback):
    """Prints one line for each epoch, with losses and skill.

    Args:
        verbose: 1 prints, 0 does not; `"auto"` prints in a terminal and in a notebook.
        phase: Number of the phase, from 0.
        phases: Number of phases.
        tasks: The tasks that are trained.

    Raises:
        MTLError: If `verbose` is none of these.
    """

    def __init__(self, verbose: Verbose, phase: int, phases: int, tasks: Tasks) -> None:
        super().__init__()
        if verbose not in ("auto", 0, 1):
            raise MTLError(f'`verbose` must be "auto", 0 or 1. Received: verbose={verbose!r}. Pass verbose=1 to see progress.')
        self.shows = _is_interactive() if verbose == "auto" else bool(verbose)
        self.prefix = f"Phase {phase + 1}/{phases}, epoch" if phases > 1 else "Epoch"
        shown = [*tasks] if 1 < len(tasks) <= TASKS_SHOWN else []
        self.entries = ["loss", *(f"{name}_loss" for name in shown), "skill"]
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.shows:
            names = [f"{prefix}{entry}" for prefix in ("", "val_") for entry in self.entries]
            values = ", ".join(f"{name} {logs[name]:.4g}" for name in names if logs and name in logs)
            seconds = time.perf_counter() - self._began
            sys.stdout.write(f"{self.prefix} {epoch + 1}/{self.params['epochs']}: {values} ({seconds:.1f} s)\n")
            sys.stdout.flush()


def _is_interactive() -> bool:
    """Return whether someone watches the output: it goes to a terminal or to a notebook."""
    # A notebook's kernel has imported IPython; a script that merely could has not.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return sys.stdout.isatty() or getattr(shell, "kernel", None) is not None
