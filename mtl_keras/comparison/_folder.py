"""The folder of a run: where it is, whose it is, and whether it may be continued."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import filelock
import tensorflow as tf

from mtl_keras.errors import MTLError
from mtl_keras.files import writable_folder, write_json

__all__ = ["Command", "check_config", "choose_folder", "disk_is_full", "lock", "saved_config", "write_config"]

Command = Literal["tune", "train", "compare", "reproduce"]

CONFIG = "config.json"
#: What a configuration holds at least.
KEYS = {"command", "study"}


def choose_folder(study: str, output_dir: str | Path | None, resume: bool, command: Command = "tune") -> Path:
    """Return the folder to write to; it may not exist yet.

    Args:
        study: Name of the study.
        output_dir: A folder that is new or empty, or with `resume` one that holds a run. None takes a new
            `runs/<study>/<n>`, or with `resume` the newest one.
        resume: Whether to continue.
        command: What is to be continued: a study's runs take their folders from the same row.

    Raises:
        MTLError: If a named folder is not empty and `resume` is not given, or it holds something else than a run.
    """
    if output_dir is None:
        numbers = sorted((int(p.name) for p in Path("runs", study).glob("*") if p.name.isdigit()), reverse=True)
        folders = [Path("runs", study, str(number)) for number in numbers]
        new = Path("runs", study, str(numbers[0] + 1 if numbers else 1))
        return next((f for f in folders if (saved_config(f) or {}).get("command") == command), new) if resume else new
    folder = Path(output_dir)
    if folder.exists() and not folder.is_dir():
        raise MTLError(f"The output folder is a folder. Received: {folder}, which is a file. Name another --output-dir.")
    if folder.is_dir() and any(folder.iterdir()):
        if not resume:
            raise MTLError(
                f"The output folder is new or empty. Received: {folder}, which is not. Name another, or continue with --resume."
            )
        if saved_config(folder) is None and any(not p.name.startswith(".") for p in folder.iterdir()):
            raise MTLError(f"A run is continued in its own folder. Received: {folder}, which holds no {CONFIG}. Name another.")
    return folder


def saved_config(folder: Path) -> dict[str, Any] | None:
    """Return the configuration that a run wrote here, or None."""
    path = folder / CONFIG
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MTLError(
            f"A run's folder remembers its study in {CONFIG}. Received: {path}, which is no JSON ({error}). Name another."
        ) from error
    if not isinstance(config, dict) or not config.keys() >= KEYS:
        raise MTLError(
            f"A run's folder remembers its study in {CONFIG}. Received: {path}, which is something else. Name another."
        )
    return config


def check_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a configuration that differs from the folder's own in more than a larger number of trials.

    Raises:
        MTLError: If it differs; the message names the first difference.
    """
    saved = saved_config(folder)
    # As JSON holds them: tuples are lists there.
    new = json.loads(json.dumps(dict(config)))
    if saved is not None:
        old_values, new_values = _flat(saved), _flat(new)
        for key in sorted(old_values.keys() | new_values.keys()):
            old, now = old_values.get(key), new_values.get(key)
            # A study file may have moved.
            if old == now or key == "source" or (key == "settings.trials" and new_values[key] > old_values[key]):
                continue
            raise MTLError(
                f"A run is continued as it was begun; only the number of trials may grow. Received: {key}={now!r} where "
                f"{folder} has {old!r}. Leave it out, or start anew in another --output-dir."
            )


def disk_is_full(error: Exception) -> bool:
    """Return whether TensorFlow says that the disk is full; it has the same error for a full memory."""
    return "No space left" in str(error)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write the configuration into a folder that can be written.

    Raises:
        MTLError: If it cannot.
    """
    writable_folder(folder)
    write_json(folder / CONFIG, dict(config))


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the folder against a second process for the length of a block.

    Raises:
        MTLError: If another process holds it, or TensorFlow, whose errors are its own, finds the disk full.
    """
    writable_folder(folder)
    held = filelock.FileLock(folder / ".lock")
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        raise MTLError(
            f"One process writes to a folder at a time. Received: {folder}, which another one holds. Wait for it."
        ) from None
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if not disk_is_full(error):
            raise
        raise MTLError(
            f"Logs for TensorBoard are written to the disk. Received: no space left for {folder}. Free some space and continue "
            "with --resume; nothing logged before is lost."
        ) from error
    finally:
        held.release()


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as `{"outer.inner": value}`."""
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{prefix}.{key}" if prefix else key).items()}
