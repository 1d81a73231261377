"""The log of a search's trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mtl_keras.errors import check_path
from mtl_keras.files import read_json_lines

__all__ = ["TRIALS", "read_trials"]

#: Name of the log in the folder of a search.
TRIALS = "trials.jsonl"


def read_trials(folder: str | Path) -> list[dict[str, Any]]:
    """Return the rows of the trials.jsonl in a folder, none if there is no such file.

    Raises:
        MTLError: If a line is not as it was written, or a training is there twice; the message has the line.
    """
    seen: set[tuple[int, int]] = set()

    def check(row: dict[str, Any]) -> None:
        training = (int(row["trial"]), int(row.get("execution", 0)))
        if training in seen:
            raise ValueError(f"trial {training[0]} is there twice")
        seen.add(training)
        if not isinstance(row["hyperparameters"], dict):
            raise TypeError("its hyperparameters are no object")
        if row["status"] == "completed":
            float(row["values"]["skill"])

    return read_json_lines(Path(check_path("folder", folder)) / TRIALS, ("trial", "status", "hyperparameters", "values"), check)
