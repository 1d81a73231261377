"""The studies that come with mtl_keras and the folder of their files, found without importing them."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

__all__ = ["studies_folder", "study_summaries"]


def studies_folder() -> Path:
    """Return the folder of the studies: that of the installed package `mtl_keras.tuning`, else `tuning` in the checkout."""
    spec = importlib.util.find_spec("mtl_keras.tuning")
    if spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(__file__).resolve().parents[1] / "tuning"


def study_summaries() -> dict[str, str]:
    """Return the first line of each study's docstring, by name; files that start with an underscore are not studies."""
    files = sorted(path for path in studies_folder().glob("*.py") if not path.stem.startswith("_"))
    docs = {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in files}
    return {name: doc.partition("\n")[0] for name, doc in docs.items()}
