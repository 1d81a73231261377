"""results/ is current: its page and its table are what the records in it give."""

from __future__ import annotations

import shutil
from pathlib import Path

from mtl_keras.report import write_summary

RESULTS = Path(__file__).parent.parent / "results"


def test_the_generated_files_are_current(tmp_path: Path) -> None:
    copy = tmp_path / "results"
    recorded = any(path.is_file() for path in RESULTS.rglob("*"))
    if recorded:
        shutil.copytree(RESULTS, copy, ignore=shutil.ignore_patterns("*.png", "*.jsonl", "logs", "*.h5", "*.keras"))
        for name in ("README.md", "summary.csv"):
            (copy / name).unlink(missing_ok=True)
    write_summary(copy)
    generated = {name: (copy / name).read_text(encoding="utf-8") for name in ("README.md", "summary.csv")}
    if recorded:
        assert {name: (RESULTS / name).read_text(encoding="utf-8") for name in generated} == generated
    else:
        assert "There is no record yet." in generated["README.md"]
