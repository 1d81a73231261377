"""The folder that a study's run writes to, and the study as it runs there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mtl_keras.comparison._folder import check_config, choose_folder, saved_config
from mtl_keras.errors import MTLError
from mtl_keras.search._session import Resolved, resolve
from mtl_keras.search._study import Study

__all__ = ["claim"]


def claim(
    study: Study,
    command: Literal["tune", "train"],
    changes: Mapping[str, Any],
    output_dir: str | Path | None,
    resume: bool,
    configuration: str | None = None,
) -> tuple[Path, Resolved]:
    """Return the folder of a run and the study with all changes; write nothing yet.

    Raises:
        MTLError: If a change or the folder is refused, or the folder holds another run.
    """
    folder = choose_folder(study.name, output_dir, resume, command)
    saved = saved_config(folder)
    if saved is not None and (saved["command"], saved["study"]) != (command, study.name):
        raise MTLError(
            f"A run is continued with its own study. Received: {command} {study.name} where {folder} holds {saved['command']} "
            f"{saved['study']}. Name another --output-dir."
        )
    configuration = configuration or (saved or {}).get("configuration")
    resolved = resolve(study, changes, saved, configuration=configuration)
    check_config(folder, resolved.config(command))
    return folder, resolved
