"""Finding a study by its name or in a file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from mtl_keras.errors import MTLError, unknown
from mtl_keras.search._study import Study
from mtl_keras.studies import studies_folder, study_summaries

__all__ = ["find_study", "load_study"]


def load_study(name: str | Path) -> Study:
    """Return a study by name, or from a Python file that defines `STUDY`.

    Args:
        name: A name that `mtl-keras studies` lists, or a path that ends in `.py`.

    Raises:
        MTLError: If there is no such study or file, or the file cannot be imported or does not define `STUDY`.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.load_study("digits").data
        'digits'
    """
    text = str(name)
    if text.endswith(".py") or "/" in text:
        path = Path(text)
        if not path.is_file():
            raise MTLError(f"A study must be a name or a Python file. Received: {text}, which is no file. Check the path.")
    elif text not in study_summaries():
        raise unknown("study", text, study_summaries(), "`mtl-keras studies` lists them; the path of a Python file works too.")
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
