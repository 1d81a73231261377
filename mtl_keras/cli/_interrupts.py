"""SIGINT and SIGTERM end a command with one line on how to continue, and with the exit code of the signal."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["INTERRUPTS", "Interrupted", "Interrupts"]


class Interrupted(BaseException):
    """A signal has ended the command. No library takes it for a KeyboardInterrupt of its own.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__("Interrupted. Finished work is kept; continue with --resume.")
        self.code = 128 + number


class Interrupts:
    """Raises `Interrupted` where a signal arrives, for the length of a block.

    A library may swallow what is raised while its code runs, for instance in a destructor. The signal is therefore remembered
    until the end of the block, and whoever calls `check` raises it again.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self._received, self._before = None, {}
        # Python delivers signals to the main thread only.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # What runs in the background of a script, or under nohup, ignores them on purpose.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._received = None

    def check(self) -> None:
        """Raise the signal that was received, if there was one.

        Raises:
            Interrupted: If so.
        """
        if self._received is not None:
            raise Interrupted(self._received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number
        raise Interrupted(number)


#: Those of the command that this process runs.
INTERRUPTS = Interrupts()
