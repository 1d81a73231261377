"""Versions, hardware and command of a process."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtl_keras.errors import check_names
from mtl_keras.versions import package_versions

__all__ = ["environment"]


def environment(gpus: Sequence[str] = ()) -> dict[str, Any]:
    """Return versions, hardware and command of this process as plain JSON values, without importing TensorFlow.

    Args:
        gpus: Names of the GPUs in use, e.g. as TensorFlow reports them; default none.

    Returns:
        `python`, `packages` (name to version, None if not installed), `platform`, `cpu`, `cores` (those this process may
        use), `ram_gib`, `gpus`, `commit` (of the checkout, with `-dirty` where tracked files differ; None outside one)
        and `command`.

    Example:
        >>> environment()["gpus"]
        []
    """
    import psutil

    check_names("gpus", gpus)

    return {
        "python": platform.python_version(),
        "packages": package_versions(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "ram_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": list(gpus),
        "commit": _commit(Path(__file__).parent),
        # Without the folder of the program, which differs between machines.
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def _cpu() -> str:
    """Return the processor's model name, or its architecture if the name is unavailable."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit(folder: Path) -> str | None:
    """Return the commit of the checkout that tracks this file, None for an installed copy inside another checkout."""
    git = ["git", "-C", str(folder)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", "_environment.py"], capture_output=True, check=True)
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
