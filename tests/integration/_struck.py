"""A command that signals itself at a step: `python -m tests.integration._struck FOLDERS STEP SIGNAL ARGUMENTS...`.

A step is whatever changes a file in the folders (a file opened to be written, moved, removed or synced, a folder made) or, if
that of the run is among them, begins a batch. Between two steps nothing on the disk changes but temporary files, so that these
are all moments that differ. The number of steps so far is in the file `steps`. Of equal runs it is equal, whatever the speed of
the machine.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Events of files by the number of their arguments that are paths.
PATHS = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1}
#: Folders of a run, in the working directory.
RUN, CACHE = "run", "cache"


class Strike:
    """Counts steps, and sends this process a signal at one of them.

    Args:
        folders: Names of folders in the working directory.
        step: From 1; 0 for none.
        number: Of the signal.
    """

    def __init__(self, folders: Sequence[str], step: int, number: int) -> None:
        self.left, self.number, self.done = step, number, 0
        self.batches = RUN in folders
        self.folders = tuple(f"{Path.cwd()}/{name}" for name in folders)

    def count(self) -> None:
        """Count a step, and strike if it is the one."""
        self.done += 1
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), self.number)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count an event of the interpreter that changes a file of the run."""
        if event == "open":
            path, _, flags = arguments
            changes = bool(flags & (os.O_WRONLY | os.O_RDWR))
            paths: tuple[Any, ...] = (path,) if changes else ()
        else:
            paths = arguments[: PATHS.get(event, 0)]
        if any(isinstance(path, str | os.PathLike) and os.path.abspath(path).startswith(self.folders) for path in paths):
            self.count()

    def sync(self, fd: int) -> None:
        """Count what is about to be synced."""
        if os.readlink(f"/proc/self/fd/{fd}").startswith(self.folders):
            self.count()

    def begin(self) -> None:
        """Count a batch."""
        if self.batches:
            self.count()


def main() -> None:
    """Run the command."""
    import keras
    import tensorflow as tf

    from mtl_keras.cli import entry

    # Sums of floating-point numbers are then the same in each process.
    tf.config.experimental.enable_op_determinism()
    folders, step, number, *sys.argv[1:] = sys.argv[1:]
    strike = Strike(folders.split(","), int(step), int(number))
    sync, begin = os.fsync, keras.callbacks.CallbackList.on_train_batch_begin

    def synced(fd: Any) -> None:
        strike.sync(fd)
        sync(fd)

    def begun(callbacks: keras.callbacks.CallbackList, *arguments: Any, **keywords: Any) -> None:
        strike.begin()
        begin(callbacks, *arguments, **keywords)

    os.fsync, keras.callbacks.CallbackList.on_train_batch_begin = synced, begun
    sys.addaudithook(strike.hear)
    try:
        entry()
    finally:
        Path("steps").write_text(str(strike.done), encoding="utf-8")


if __name__ == "__main__":
    # What a shell starts in the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
