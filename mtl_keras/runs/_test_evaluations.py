"""The log of test evaluations: every evaluation of the test split is written down in the folder of the run."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtl_keras.files import append_json, read_json_lines

__all__ = ["TEST_EVALUATIONS", "find_test_evaluation", "log_test_evaluation"]

#: File in the folder of a run that test evaluations are logged in.
#: Name of the log of test evaluations in a run folder.
TEST_EVALUATIONS = "test_evaluations.jsonl"


def log_test_evaluation(folder: Path, what: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Append a test evaluation to the log.

    Args:
        folder: Folder of the run.
        what: What was evaluated, as plain JSON values.
        rows: Rows of `metrics.csv`.
    """
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    append_json(folder / TEST_EVALUATIONS, {"when": when, "what": dict(what), "split": "test", "metrics": list(rows)})


def find_test_evaluation(folder: Path, what: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the logged rows of exactly this evaluation, or None if it was not done yet.

    Raises:
        MTLError: If the log is not as it was written.
    """
    for entry in read_json_lines(folder / TEST_EVALUATIONS, ("what",), _rows):
        if entry["what"] == what:
            return _rows(entry)
    return None


def _rows(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an entry; before they were called metrics, they were called figures."""
    rows = [dict(row) for row in (entry["metrics"] if "metrics" in entry else entry["figures"])]
    for row in rows:
        float(row["value"])
    return rows
