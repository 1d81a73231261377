"""`import mtl_keras` and `mtl-keras --help` answer at once; every public name resolves and is seen by type checkers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mtl_keras

HEAVY = ("keras", "tensorflow", "keras_tuner", "tensorflow_datasets", "tensorboard", "pandas", "matplotlib", "sklearn", "numpy")


def heavy_after(code: str) -> list[str]:
    """Run `code` in a fresh interpreter and return which of the heavy packages it imported."""
    ask = f"import sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", f"{code}\n{ask}"], capture_output=True, text=True, check=True).stdout
    return out.splitlines()[-1].split()


def test_the_package_imports_nothing_heavy() -> None:
    assert heavy_after("import mtl_keras") == []
    # The probe itself sees what is there.
    assert heavy_after("import numpy") == ["numpy"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["tune", "--help"], ["check", "--help"], ["--version"], ["tune", "--trails"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = 2 if "--trails" in arguments else 0
    assert heavy_after(f"from mtl_keras.cli import main\nassert main({arguments!r}) == {code}") == []


def test_python_m_runs_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "mtl_keras", "--help"], capture_output=True, text=True, check=True)
    assert "tune" in done.stdout


@pytest.mark.parametrize("name", mtl_keras.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(mtl_keras, name) is not None
    assert name in dir(mtl_keras)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = mtl_keras.trian


def test_type_checkers_see_what_is_resolved_lazily() -> None:
    tree = ast.parse(Path(mtl_keras.__file__).read_text(encoding="utf-8"))
    guard = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {f"{node.module}.{alias.name}" for node in guard.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    lazy = {f"mtl_keras.{module}.{name}" for module, names in mtl_keras._HOMES.items() for name in names}
    assert seen == lazy | {f"mtl_keras.{name}" for name in mtl_keras._MODULES}
    assert {*mtl_keras._HOME_OF, *mtl_keras._MODULES, "__version__"} == set(mtl_keras.__all__)
