"""The folder of a run: where it is, which run it belongs to, whether it may be resumed, and who writes to it."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import filelock
import tensorflow as tf

from mtl_keras.data import Data, skipped_text
from mtl_keras.errors import MTLError, describe_failure
from mtl_keras.files import atomic, check_name, damaged, read_json, remove_leftovers, seal, writable_folder, write_json
from mtl_keras.model import MultiTaskModel
from mtl_keras.report import Record, write_record
from mtl_keras.runs._old_config import with_new_names
from mtl_keras.runs._options import Options
from mtl_keras.runs._work_log import WorkLog, work_log
from mtl_keras.saving import MODEL
from mtl_keras.tables import ENCODER

__all__ = ["Command", "OpenRun", "RunFolder", "disk_is_full", "lock", "read_config", "sorted_runs"]

#: Commands that write a run folder.
Command = Literal["tune", "train", "compare", "reproduce"]

CONFIG, PAGE = "config.json", "README.md"
#: Rows of a table that were set aside.
SKIPPED = "skipped.csv"
#: Key of a configuration that holds the digests of the data.
DATA = "data"
#: Keys that may differ or have a check of their own: a study file may have been moved, or have got another comment.
OWN_CHECKS = (DATA, "source", "source_digest")
#: Keys that the configuration of a command has besides those of every one.
KINDS: dict[str, dict[str, type]] = {command: {"settings": dict, "fixed": dict} for command in ("tune", "train")}


logger = logging.getLogger("mtl_keras")


class RunFolder:
    """The folder that a command will write to. Nothing is written before `open`.

    Args:
        name: Of the study. Without an output folder, a run gets `runs/<name>/<n>`.
        command: A run is resumed by its own command only.
        options: `output_dir` and `resume` choose the folder.

    Attributes:
        path: The folder, which may not exist yet. One with a number gets a later number from `open` if another run has taken
            its own by then.
        saved: The configuration of the run that it holds, or None.
        texts: Files that `open` writes next to the configuration, by name.

    Raises:
        MTLError: If `options.output_dir` is not empty without `resume`, or holds something other than a run.
    """

    def __init__(self, name: str, command: Command, options: Options) -> None:
        self._began = time.perf_counter()
        self.path = _choose(check_name("a study", name), command, options)
        self.saved = read_config(self.path)
        self.texts: dict[str, str] = {}
        self._numbered = options.output_dir is None and self.saved is None

    def check(self, config: Mapping[str, Any]) -> None:
        """Refuse a configuration that differs from the saved one in anything but a larger number of trials.

        Raises:
            MTLError: If it differs; the message names the first difference.
        """
        if self.saved is None:
            return
        # As JSON holds them: tuples become lists.
        old_values, new_values = _flat(self.saved), _flat(with_new_names(json.loads(json.dumps(dict(config)))))
        for key in sorted(old_values.keys() | new_values.keys()):
            old, new = old_values.get(key), new_values.get(key)
            if old == new or key.partition(".")[0] in OWN_CHECKS or (key == "settings.trials" and (new or 0) > (old or 0)):
                continue
            raise MTLError(
                f"A resumed run must have the configuration that it started with; only the number of trials may grow. "
                f"Received: {key}={new!r} where {self.path} has {old!r}. Leave it out, or start again in another --output-dir."
            )

    def check_data(self, data: Data, name: str | None = None) -> None:
        """Refuse other data than what the run was started with, and keep the rows that were set aside for `open`.

        Args:
            data: The data.
            name: Of the configuration it belongs to, if a run has several; None (default) for the data of a run.

        Raises:
            MTLError: If it differs, or the folder does not say what it was; the message names what differs.
        """
        if data.skipped:
            self.texts[SKIPPED if name is None else f"{name}_{SKIPPED}"] = skipped_text(data.skipped)
        if self.saved is not None:
            saved = self.saved.get(DATA)
            data.check_digests(saved if name is None else (saved or {}).get(name), self.path)

    @contextlib.contextmanager
    def open(self, config: Mapping[str, Any], call: str) -> Iterator[OpenRun]:
        """Lock the folder and log the work in it for the length of a block, which trains and then delivers.

        A block that raises leaves a folder that can be resumed. One that ends without having delivered had nothing to do, and
        is not logged.

        Args:
            config: Written to config.json, as plain JSON values.
            call: The Python call that does the same, for the log.

        Yields:
            The open run.

        Raises:
            MTLError: If another process has the folder open, or it cannot be written.
        """
        if self._numbered:
            self.path = _reserve(self.path)
        before, now = (self.saved or {}).get("source_digest"), config.get("source_digest")
        # Settings, space and data are compared, but not the code that uses them.
        if before and now and before != now:
            logger.warning("%s goes on with another study file, which may change results: %s.", self.path, config["source"])
        with lock(self.path):
            writable_folder(self.path)
            remove_leftovers(self.path, below=True)
            for name, text in self.texts.items():
                with atomic(self.path / name) as temporary:
                    temporary.write_text(text, encoding="utf-8")
            # As the record at the end has it, too.
            config = seal(config)
            write_json(self.path / CONFIG, config)
            with work_log(self.path, call, self._began) as log:
                run = OpenRun(self.path, config, log)
                try:
                    yield run
                except KeyboardInterrupt as stop:
                    # Python shows it below the traceback.
                    stop.add_note(
                        f"Interrupted. Finished work is kept; continue with resume=True and output_dir={str(self.path)!r}."
                    )
                    raise
                if not run.delivered:
                    log.forget()


@dataclass(eq=False)
class OpenRun:
    """A run in whose folder this process works.

    Attributes:
        path: The folder.
        config: The configuration.
        delivered: Whether `deliver` was called.
    """

    path: Path
    config: Mapping[str, Any]
    _log: WorkLog
    delivered: bool = field(default=False, init=False)

    @property
    def has_record(self) -> bool:
        """Whether an earlier process has finished the run."""
        return (self.path / PAGE).exists()

    def deliver(
        self,
        model: MultiTaskModel,
        class_names: Mapping[str, Sequence[str]],
        complete: Callable[[Record], Record] = lambda record: record,
        *,
        trainings: int,
        **record: Any,
    ) -> None:
        """Write the chosen model and the record of the run.

        Args:
            model: The chosen model.
            class_names: By task; those of tasks that the model does not have are left out.
            complete: Adds to the record, e.g. what a study knows about it.
            trainings: Number of trainings that this process has run.
            **record: Fields of `mtl_keras.report.Record`, without `command`, `config` and `environment`.
        """
        model.class_names = {task: tuple(names) for task, names in class_names.items() if task in model.recipe.tasks}
        model.save(self.path / MODEL)
        if model.encoder is not None:
            # For whoever predicts without Keras.
            model.encoder.save(self.path / ENCODER)
        self._log.note_trainings(trainings)
        environment = self._log.environment()
        try:
            about = {"command": environment["command"], "config": self.config, "class_names": class_names}
            whole = Record(**about, environment=environment, **record)
            write_record(self.path, complete(whole))
        except (Exception, SystemExit) as error:
            reason = str(error) if isinstance(error, MTLError) else describe_failure(error)
            raise MTLError(
                f"The record of a run must be written after its trainings. Received: {reason} All results are kept in "
                f"{self.path}: correct the cause and write the record again with --resume --output-dir {self.path}."
            ) from error
        self.delivered = True


def read_config(folder: Path) -> dict[str, Any] | None:
    """Return the configuration of the run in a folder, or None if there is none. Old names of settings are replaced.

    Raises:
        MTLError: If config.json is not the configuration of a run, or was changed after it was written.
    """
    path = folder / CONFIG
    if not path.is_file():
        return None
    config = with_new_names(read_json(path, ("command", "study")))
    for key, kind in {"command": str, "study": str, **KINDS.get(str(config["command"]), {})}.items():
        if not isinstance(config.get(key), kind):
            raise damaged(path, f"its {key!r} is missing or no {'text' if kind is str else 'object'}")
    return config


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes for the length of a block.

    Raises:
        MTLError: If another process holds it, or if TensorFlow, which raises its own errors, finds the disk full.
    """
    writable_folder(folder)
    held = filelock.FileLock(folder / ".lock")
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        raise MTLError(
            f"Only one process may write to a folder at a time. Received: {folder}, which another process holds. Wait for it."
        ) from None
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if not disk_is_full(error):
            raise
        raise MTLError(
            f"The disk must have room for TensorBoard's logs. Received: no space left for {folder}. Free some space and "
            "continue with --resume; nothing logged before is lost."
        ) from error
    finally:
        held.release()


def disk_is_full(error: Exception) -> bool:
    """Return whether an error of TensorFlow means a full disk; it raises the same class for a full memory."""
    return "No space left" in str(error)


def sorted_runs(name: str) -> list[Path]:
    """Return the numbered folders of a study's runs, the newest first."""
    numbers = sorted((int(folder.name) for folder in Path("runs", name).glob("*") if folder.name.isdigit()), reverse=True)
    return [Path("runs", name, str(number)) for number in numbers]


def _choose(name: str, command: Command, options: Options) -> Path:
    """Return the folder to write to."""
    if options.output_dir is None:
        folders = sorted_runs(name)
        new = Path("runs", name, str(int(folders[0].name) + 1 if folders else 1))
        if not options.resume:
            return new
        # The runs of all commands share one numbering.
        return next((folder for folder in folders if (read_config(folder) or {}).get("command") == command), new)
    folder = Path(options.output_dir)
    if folder.exists() and not folder.is_dir():
        raise MTLError(f"The output folder must be a folder. Received: {folder}, which is a file. Name another --output-dir.")
    if folder.is_dir() and any(folder.iterdir()):
        if not options.resume:
            raise MTLError(
                f"The output folder must be new or empty. Received: {folder}, which is not. Name another, or continue with "
                "--resume."
            )
        if read_config(folder) is None and any(not p.name.startswith(".") for p in folder.iterdir()):
            raise MTLError(f"A resumed folder must hold a run. Received: {folder}, which holds no {CONFIG}. Name another.")
    return folder


def _reserve(folder: Path) -> Path:
    """Create a numbered folder, or the one of the next number that no other process has created."""
    writable_folder(folder.parent)
    while True:
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
        folder = folder.with_name(str(int(folder.name) + 1))


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as `{"outer.inner": value}`."""
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{prefix}.{key}" if prefix else key).items()}
