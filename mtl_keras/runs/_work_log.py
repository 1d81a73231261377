"""Which processes worked on a run, and for how long. The time of a resumed run is that of all its processes."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtl_keras.distribute import gpu_names
from mtl_keras.errors import MTLError
from mtl_keras.files import damaged, read_json, write_json
from mtl_keras.report import environment
from mtl_keras.versions import warn_of_other_versions

__all__ = ["WorkLog", "work_log"]

ENVIRONMENT = "environment.json"


class WorkLog:
    """The sessions of one run as environment.json holds them. The last one is this process.

    Args:
        folder: Folder of the run.
        call: The Python call that started the run; used if it was not started from the command line.
        began: Value of `time.perf_counter()` at the start.
    """

    def __init__(self, folder: Path, call: str, began: float) -> None:
        self._path = folder / ENVIRONMENT
        self._before = _read(self._path) if self._path.is_file() else None
        self._environment = environment(gpu_names())
        command = self._environment["command"] if Path(sys.argv[0]).name == "mtl-keras" else call
        self._began = began
        began_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._own = {"command": command, "began": began_at, **_versions(self._environment)}
        if self._before is not None:
            last = [_versions(self._before), *self._before.get("sessions", ())][-1]
            last = {**_versions(self._before), **last}
            before, now = ({"commit": each["commit"], **each["packages"]} for each in (last, self._own))
            warn_of_other_versions(before, now, folder)
        # A process that is killed writes nothing more: its time stays unknown.
        self._write(self._with_sessions(None))

    def environment(self) -> dict[str, Any]:
        """Return the environment of this process, the command of the first session, and all `sessions`.

        `wall_seconds` is the time of all sessions together, or None if one of them was killed.
        """
        return self._with_sessions(round(time.perf_counter() - self._began, 1))

    def note_trainings(self, count: int) -> None:
        """Note how many trainings this session has run: a session without any does not make a commit one that trained."""
        self._own["trainings"] = count

    def save(self) -> None:
        """Write how long this session has taken so far."""
        self._write(self.environment())

    def forget(self) -> None:
        """Remove this session from the log, for a session that had nothing to do."""
        if self._before is not None:
            self._write(self._before)

    def _with_sessions(self, seconds: float | None) -> dict[str, Any]:
        sessions = [*(self._before or {}).get("sessions", ()), {**self._own, "wall_seconds": seconds}]
        known = [session["wall_seconds"] for session in sessions]
        total = None if None in known else round(sum(known), 1)
        return {**self._environment, "command": sessions[0]["command"], "wall_seconds": total, "sessions": sessions}

    def _write(self, environment: Mapping[str, Any]) -> None:
        write_json(self._path, dict(environment))


def _read(path: Path) -> dict[str, Any]:
    """Return what earlier processes wrote."""
    environment = read_json(path, ("commit", "packages"))
    sessions = environment.get("sessions", [])
    if not isinstance(sessions, list) or not all(
        isinstance(each, dict) and {"command", "wall_seconds"} <= each.keys() for each in sessions
    ):
        raise damaged(path, "its sessions are not a list of objects with a command and wall_seconds")
    if not isinstance(environment["packages"], dict):
        raise damaged(path, "its packages are no object")
    return environment


def _versions(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an environment may change results. Sessions of earlier versions do not have all of it themselves."""
    return {"commit": environment["commit"], "packages": environment["packages"]}


@contextlib.contextmanager
def work_log(folder: Path, call: str, began: float) -> Iterator[WorkLog]:
    """Log a session for the length of a block. If the block raises, the time so far is written."""
    log = WorkLog(folder, call, began)
    try:
        yield log
    except BaseException:
        # A full disk may be what ended the block.
        with contextlib.suppress(MTLError):
            log.save()
        raise
