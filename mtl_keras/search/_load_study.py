"""Finding a study by its name or in a file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from mtl_keras.data import draft_study, infer_source, study_name
from mtl_keras.errors import MTLError, unknown
from mtl_keras.runs import read_config, sorted_runs
from mtl_keras.search._from_file import STUDY_FILE, study_from_file
from mtl_keras.search._study import Study
from mtl_keras.studies import studies_folder, study_summaries
from mtl_keras.tables import StudyFile, format_of, read_study_file

__all__ = ["find_run", "find_study", "load_study", "load_study_file", "study_of_run"]

#: What tells the folder of a run from a folder of images.
CONFIG = "config.json"


def load_study(
    name: str | Path,
    *,
    image: str | None = None,
    inputs: Sequence[str] = (),
    tasks: Sequence[str] = (),
    root: str | None = None,
    skip_bad: bool = False,
) -> Study:
    """Return a study by name, from a file, or for a table or a folder.

    Args:
        name: A name that `mtl-keras studies` lists; a Python file that defines `STUDY`; a study file (`.toml`); a table
            (`.csv`, `.tsv`, `.parquet`, `.jsonl`, `.json`, perhaps packed) or a folder of images, whose study is inferred; or
            the folder of a run of one of the last three.
        image: Of a table: the column with the paths of images; see `mtl_keras.tables.infer_columns`, also for the next ones.
        inputs: Of a table: input columns, or patterns.
        tasks: Of a table or a folder: columns to predict, or patterns, perhaps with their kinds.
        root: Of a table: the folder in which its images lie.
        skip_bad: Of a table, a folder or a study file: whether to leave out rows that cannot be used; default False.

    Raises:
        MTLError: If there is no such study or file, the file cannot be read or does not define a study, or it is unknown what
            to predict from what.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.load_study("digits").data
        'digits'
    """
    path = Path(name).expanduser()
    file = load_study_file(name, image=image, inputs=inputs, tasks=tasks, root=root, skip_bad=skip_bad)
    if file is None:
        return _load_python(str(name))
    if path.is_dir() and (path / CONFIG).is_file():
        return study_of_run(path)
    return study_from_file(file, source=None if path.suffix.lower() == ".toml" else path)


def load_study_file(
    name: str | Path,
    *,
    image: str | None = None,
    inputs: Sequence[str] = (),
    tasks: Sequence[str] = (),
    root: str | None = None,
    skip_bad: bool = False,
) -> StudyFile | None:
    """Return a study file, or the one that is inferred for a table or a folder of images; see `load_study` for the arguments.

    Returns:
        The study file, also that of the folder of a run; None for the names and files of other studies.

    Raises:
        MTLError: If it is refused, or there are hints for something else.
    """
    text, path = str(name), Path(name).expanduser()
    hints: dict[str, Any] = {"image": image, "inputs": tuple(inputs), "tasks": tuple(tasks), "root": root}
    python = text in study_summaries() or text.endswith(".py")
    of_run = not python and path.is_dir() and (path / CONFIG).is_file()
    inferred = not python and not of_run and (format_of(path) is not None or path.is_dir())
    written = path.suffix.lower() == ".toml"
    if not inferred and (given := [hint for hint, value in hints.items() if value]):
        raise MTLError(
            f"{', '.join(given)} must be left out unless the study is a table or a folder of images. Received: {text}. Leave "
            "them out, or change the study file."
        )
    if skip_bad and not (inferred or written):
        raise MTLError(
            f"skip_bad must be left out unless the study is a table, a folder of images or a study file. Received: {text}. "
            "Leave it out."
        )
    if of_run:
        return _file_of_run(path)[0]
    if not (inferred or written):
        return None
    file = read_study_file(path) if written else draft_study(infer_source(path, **hints)).file
    return file.with_source(on_error="skip") if skip_bad else file


def study_of_run(folder: Path, digest: str | None = None) -> Study:
    """Return the study of a run that keeps a study file, which is data.

    Args:
        folder: Folder of the run.
        digest: What the run's configuration says about the file; None (default) reads it there.

    Raises:
        MTLError: If the folder keeps no study file, or not the one that the run wrote.
    """
    file, recorded = _file_of_run(folder, digest)
    study = study_from_file(file)
    return replace(study, source_digest=recorded or study.source_digest)


def _file_of_run(folder: Path, digest: str | None = None) -> tuple[StudyFile, str | None]:
    """Return the study file that a run keeps, and its digest as the run's configuration says; see `study_of_run`."""
    path = folder / STUDY_FILE
    if not path.is_file():
        raise MTLError(
            f"The folder of a run must keep a {STUDY_FILE} to be a study. Received: {folder}, which does not. Name the study "
            "that it is a run of."
        )
    file = read_study_file(path)
    recorded = digest or (read_config(folder) or {}).get("source_digest")
    if recorded not in (None, hashlib.sha256(path.read_bytes()).hexdigest()):
        raise MTLError(
            f"The {STUDY_FILE} of a run must be the one that the run wrote. Received: {path}, which has been changed since. "
            "Copy it to another place to start a run of its own."
        )
    return file, recorded


def find_run(source: str | Path, command: str, output_dir: str | Path | None = None) -> Path | None:
    """Return the folder of the run of a table or folder of images that would be resumed; None if there is none.

    Args:
        source: The table or the folder of images.
        command: The command that would resume it.
        output_dir: The folder that was named; None (default) takes the newest run of the command.
    """
    path = Path(source).expanduser()
    if format_of(path) is None and not path.is_dir():
        return None
    folders = [Path(output_dir)] if output_dir is not None else sorted_runs(study_name(path))
    for folder in folders:
        config = read_config(folder) if (folder / STUDY_FILE).is_file() else None
        if config is not None and config["command"] == command:
            kept = read_study_file(folder / STUDY_FILE)
            if str(path.resolve()) in (kept.table.get("path"), kept.folder.get("path")):
                return folder
    return None


def _load_python(text: str) -> Study:
    """Return a study by name, or from a Python file that defines `STUDY`."""
    if text.endswith(".py") or "/" in text:
        path = Path(text)
        if not path.is_file():
            raise MTLError(
                f"A study must be a name, a Python file, a table, a folder or a .toml file. Received: {text}, which is no "
                "file. Check the path."
            )
    elif text not in study_summaries():
        raise unknown(
            "study",
            text,
            study_summaries(),
            "`mtl-keras studies` lists them; the path of a table, a folder of images or a study file works too.",
        )
    else:
        path = studies_folder() / f"{text}.py"
    module, digest = _import(path)
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study):
        raise MTLError(
            f"A study file must define STUDY = mtl_keras.Study(...). Received: {path} with STUDY "
            f"{'missing' if study is None else f'= {study!r}'}. Add it at the end of the file."
        )
    source = text if text in study_summaries() else str(path.resolve())
    return replace(study, source=source, source_digest=digest)


def find_study(study: str | Path | Study) -> Study:
    """Return a `Study` as it is, and load any other as `load_study` does."""
    return study if isinstance(study, Study) else load_study(study)


def _import(path: Path) -> tuple[ModuleType, str]:
    """Import a study's file as a module with a name of its own; return it and the digest of the file."""
    # A package for its folder, so that a study can import a module next to it (`from ._shared import ...`).
    package = f"mtl_keras_study_{hashlib.sha256(str(path.parent.resolve()).encode()).hexdigest()[:8]}"
    if package not in sys.modules:
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [str(path.parent)]
    spec = importlib.util.spec_from_file_location(f"{package}.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise MTLError(f"A study file must be a Python file. Received: {path}. Name a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    # Pickle and dataclasses look the module up while the file runs.
    sys.modules[spec.name] = module
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        spec.loader.exec_module(module)
    except MTLError:
        raise
    except (Exception, SystemExit) as error:
        raise MTLError(
            f"A study file must be importable. Received: {path}: {type(error).__name__}: {error}. {_find_remedy(path, error)}"
        ) from error
    return module, digest


def _find_remedy(path: Path, error: BaseException) -> str:
    """Return what to do about an error of a study file."""
    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if name and ((path.parent / f"{name}.py").is_file() or (path.parent / name).is_dir()):
        # Its folder is not on the path, where its modules would hide others, also those of other studies.
        return f"A module next to it is imported relatively: from .{name} import ..."
    return "Correct the file."
