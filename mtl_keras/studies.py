"""Which studies come with mtl_keras, and where their files lie; nothing is imported to find out."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

__all__ = ["studies_folder", "study_summaries"]


def studies_folder() -> Path:
    """Return where the studies lie: the package `mtl_keras.tuning` when installed, else the checkout's `tuning` folder."""
    spec = importlib.util.find_spec("mtl_keras.tuning")
    if spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(__file__).resolve().parents[1] / "tuning"


def study_summaries() -> dict[str, str]:
    """Return the first line of each study's docstring, by name."""
    files = sorted(path for path in studies_folder().glob("*.py") if not path.stem.startswith("_"))
    docs = {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in files}
    return {name: doc.partition("\n")[0] for name, doc in docs.items()}
