"""A process in which mtl_keras is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

#: The package is importable here, so its import is refused.
SCRIPT = """
import sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "mtl_keras":
            raise ImportError("mtl_keras is not installed here")

sys.meta_path.insert(0, Absent())
import keras, numpy as np
for path in sorted(Path(sys.argv[1]).glob("*.keras")):
    model = keras.models.load_model(path, safe_mode=True)
    data = np.load(path.with_suffix(".npz"))
    {check}
    print(path.stem)
assert "mtl_keras" not in sys.modules
"""


def load_without_mtl_keras(folder: Path, check: str) -> list[str]:
    """Load every `.keras` file of a folder in a process without mtl_keras, and return their names without suffix.

    Args:
        folder: Each model has an `.npz` file of the same name.
        check: Python statements on the `model` and its `data`.
    """
    keep = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-I", "-c", SCRIPT.format(check="\n    ".join(check.strip().splitlines())), str(folder)]
    done = subprocess.run(command, cwd=folder, env=keep, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def all_are_collected(session: pytest.Session, test: Callable[..., Any], cases: Collection[str]) -> bool:
    """Return whether a parametrized test is part of the session with every case, so that its files must be there."""
    names = {item.name for item in session.items}
    return all(f"{test.__name__}[{case}]" in names for case in cases)
