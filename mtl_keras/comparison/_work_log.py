"""Which processes worked on a run, and how long: a search that was killed and resumed has taken the time of all of them."""

from __future__ import annotations

import contextlib
import datetime
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtl_keras.distribute import gpu_names
from mtl_keras.errors import MTLError
from mtl_keras.files import write_json
from mtl_keras.report import environment

__all__ = ["WorkLog", "work_log"]

ENVIRONMENT = "environment.json"


class WorkLog:
    """The sessions of one run, this process' being the last, as they stand in environment.json.

    Args:
        folder: Of the run.
        call: How the run was begun where it was not typed as a command.
        began: `time.perf_counter()` when it began.
    """

    def __init__(self, folder: Path, call: str, began: float) -> None:
        self._path = folder / ENVIRONMENT
        self._before = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else None
        self._environment = environment(gpu_names())
        command = self._environment["command"] if Path(sys.argv[0]).name == "mtl-keras" else call
        self._began = began
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._own = {"command": command, "commit": self._environment["commit"], "began": now}
        # What is killed says no more: its time stays unknown.
        self._write(self._whole(None))

    def environment(self) -> dict[str, Any]:
        """Return the environment of this process, the command of the first session, and `sessions` up to now.

        `wall_seconds` is the time of all sessions, None where one was killed.
        """
        return self._whole(round(time.perf_counter() - self._began, 1))

    def save(self) -> None:
        """Write how long this session has taken so far."""
        self._write(self.environment())

    def forget(self) -> None:
        """Take this session out again: it found nothing to do."""
        if self._before is not None:
            self._write(self._before)

    def _whole(self, seconds: float | None) -> dict[str, Any]:
        sessions = [*(self._before or {}).get("sessions", ()), {**self._own, "wall_seconds": seconds}]
        known = [session["wall_seconds"] for session in sessions]
        total = None if None in known else round(sum(known), 1)
        return {**self._environment, "command": sessions[0]["command"], "wall_seconds": total, "sessions": sessions}

    def _write(self, environment: Mapping[str, Any]) -> None:
        write_json(self._path, dict(environment))


@contextlib.contextmanager
def work_log(folder: Path, call: str, began: float) -> Iterator[WorkLog]:
    """Keep the log for the length of a block; a block that ends early has its time written all the same."""
    log = WorkLog(folder, call, began)
    try:
        yield log
    except BaseException:
        # The disk may be what ended it.
        with contextlib.suppress(MTLError):
            log.save()
        raise
