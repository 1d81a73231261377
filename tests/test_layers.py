"""Imports only go down: every module's imports, read with `ast`, against the table of levels in docs/design.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: `| 3 | `model.py` | ... |` in the table of docs/design.md: unit -> level.
LEVELS = {
    name: int(level)
    for level, names in re.findall(r"^\| (\d+) \| (.+?) \|", (ROOT / "docs/design.md").read_text(encoding="utf-8"), re.M)
    for name in re.findall(r"`(\w+)(?:\.py|/)`", names)
}
#: They speak for the whole package and stand above the table.
FACADE = {"__init__", "__main__"}
MODULES = sorted((ROOT / "mtl_keras").rglob("*.py"))


def unit(path: Path) -> str:
    """The file or folder directly under mtl_keras/ that a module belongs to."""
    return path.relative_to(ROOT / "mtl_keras").parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every dotted name a module imports, at whatever depth; of other packages without those for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    for_types = {id(inner) for guard in guards for inner in ast.walk(guard)}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                # A study may share code with a private file next to it.
                assert path.parent.name == "tuning", f"{path}: relative import"
                assert str(node.module).startswith("_"), f"{path}: import of another study"
                continue
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if id(node) not in for_types or name.startswith("mtl_keras"))


def forbidden(own: str, imported: str) -> bool:
    """Whether the unit `own` must not import `imported`."""
    root, *rest = imported.split(".")
    if root == "mtl_keras":
        other = rest[0] if rest else ""
        return other != own and LEVELS.get(other, 99) >= LEVELS[own]
    return (
        root == "tuning"
        or (own == "report" and root in ("keras", "tensorflow"))
        or (own != "search" and root == "keras_tuner")
        or (own in ("tasks", "backbones", "weighting", "evaluation") and root == "tensorflow")
    )


def test_the_table_names_every_unit() -> None:
    assert {unit(path) for path in MODULES} - FACADE == set(LEVELS)


@pytest.mark.parametrize("path", [p for p in MODULES if unit(p) not in FACADE], ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    assert [name for name in imports(path) if forbidden(unit(path), name)] == []


def private(imported: str) -> str | None:
    """Return `package._module` of an imported name that lies in a private module, else None."""
    found = re.match(r"mtl_keras\.(\w+\._[a-z]\w*)", imported)
    return found[1] if found else None


OUTSIDE = [*MODULES, *sorted((ROOT / "tuning").glob("*.py")), *sorted((ROOT / "benchmarks").glob("*.py"))]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_package_imports_a_private_module_of_another(path: Path) -> None:
    own = unit(path) if path in MODULES else ""
    modules = {module for name in imports(path) if (module := private(name))}
    assert {module for module in modules if module.split(".")[0] != own} == set()


#: Private modules that several test files are about.
SHARED = {
    "backbones._efficientnet_lite": 2,
    "backbones._torch_legacy": 2,
    "report._drawing": 2,
    "report._text": 2,
    "search._training_data": 2,
    "training._train": 2,
}


def test_a_private_module_is_imported_by_its_own_test_file_alone() -> None:
    by_module: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for name in imports(path):
            if module := private(name):
                by_module.setdefault(module, set()).add(path.name)
    assert {module: files for module, files in by_module.items() if len(files) > SHARED.get(module, 1)} == {}


@pytest.mark.parametrize("path", sorted((ROOT / "tuning").glob("*.py")), ids=lambda path: path.name)
def test_studies_use_the_public_api_alone(path: Path) -> None:
    for name in imports(path):
        assert name.split(".")[0] not in ("tuning", "tensorflow", "keras_tuner")
        assert not re.match(r"mtl_keras\.\w+\.", name)


@pytest.mark.parametrize(
    ("own", "imported", "refused"),
    [
        ("training", "mtl_keras.model.build_model", False),
        ("training", "mtl_keras.training._phase", False),
        ("training", "mtl_keras.evaluation.evaluate", True),
        ("tasks", "mtl_keras.backbones.Backbone", True),
        ("report", "keras", True),
        ("training", "keras_tuner", True),
        ("search", "tuning.digits", True),
        ("cli", "mtl_keras.tuning.digits", True),
    ],
)
def test_the_rule_itself(own: str, imported: str, refused: bool) -> None:
    assert forbidden(own, imported) is refused
