"""Progress on standard error: bars on a terminal, one line per training elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mtl_keras.cli._interrupts import INTERRUPTS
from mtl_keras.runs import Reporter

__all__ = ["ConsoleReporter"]


class ConsoleReporter(Reporter):
    """Shows stages, features, trainings and epochs on a console, and ends the work if a signal was swallowed.

    Args:
        console: Of standard error.
        begin_training: Called when a training begins.
    """

    def __init__(self, console: Console, begin_training: Callable[[], None]) -> None:
        self.console = console
        self._begin_training = begin_training
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bars: dict[str, TaskID] = {}
        self._shown = 0.0

    def __enter__(self) -> ConsoleReporter:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.progress.stop()

    def on_stage(self, text: str) -> None:
        INTERRUPTS.check()
        for name in list(self._bars):
            self.progress.remove_task(self._bars.pop(name))
        self.console.print(text, style="bold", highlight=False, markup=False, soft_wrap=True)

    def on_images(self, done: int, total: int) -> None:
        self._show("images", "Images", done, total)

    def on_features(self, done: int, total: int) -> None:
        self._show("features", "Features", done, total)

    def _show(self, bar: str, description: str, done: int, total: int) -> None:
        INTERRUPTS.check()
        self._move(bar, description, done, total)
        # Without a terminal, a line every half minute shows that the work proceeds.
        if not self.console.is_terminal and time.monotonic() - self._shown > 30:
            self._shown = time.monotonic()
            self.console.print(f"  {done} of {total} images", highlight=False)

    def on_training_begin(self, label: str, number: int, total: int, epochs: int) -> None:
        INTERRUPTS.check()
        self._begin_training()
        self._move("trainings", "Trainings", number - 1, total)
        self._move("epochs", label, 0, epochs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        INTERRUPTS.check()
        if "epochs" in self._bars:
            self.progress.update(self._bars["epochs"], completed=epoch)

    def on_training_end(self, row: Mapping[str, Any]) -> None:
        INTERRUPTS.check()
        if "trainings" in self._bars:
            self.progress.advance(self._bars["trainings"])
        name = f"trial {row['trial']}" if isinstance(row["trial"], int) else row["trial"]
        if row["status"] == "completed":
            text = f"  {name}: skill {row['values']['skill']:.4f} in {row['seconds']:.1f} s"
        else:
            text = f"  {name}: failed: {row['error']}"
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _move(self, bar: str, description: str, done: int, total: int) -> None:
        if bar not in self._bars:
            self._bars[bar] = self.progress.add_task(description, total=total)
        self.progress.update(self._bars[bar], description=description, completed=done, total=total)
