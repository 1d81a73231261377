"""results/ is current: its page and its table are what the records in it give."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mtl_keras.report import read_record, scores_table, write_summary

RESULTS = Path(__file__).parent.parent / "results"


def test_the_generated_files_are_current(tmp_path: Path) -> None:
    copy = tmp_path / "results"
    shutil.copytree(RESULTS, copy, ignore=shutil.ignore_patterns("*.png", "*.jsonl", "logs", "*.h5", "*.keras"))
    for name in ("README.md", "summary.csv"):
        (copy / name).unlink()
    write_summary(copy)
    generated = {name: (copy / name).read_text(encoding="utf-8") for name in ("README.md", "summary.csv")}
    assert {name: (RESULTS / name).read_text(encoding="utf-8") for name in generated} == generated


@pytest.mark.parametrize("name", ["cifar100 table", "results table"])
def test_the_values_of_the_front_page_are_those_of_their_record(name: str) -> None:
    page = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    section = page.partition(f"<!-- {name}: begin -->")[2].partition(f"<!-- {name}: end -->")[0]
    record = section.partition("](")[2].partition("/README.md)")[0]
    rows = scores_table(read_record(RESULTS.parent / record).metrics, "test").to_dict("records")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    shown = lines[2:]
    assert shown
    for task, *cells in shown:
        metric = cells.pop(0).split()[0].lower() if len(cells) == 4 else "accuracy"
        row = next(row for row in rows if (row["task"], row["metric"]) == (task.partition(",")[0], metric))
        assert [f"{cell} (3)" for cell in cells[:2]] == [row["multi-task"], row["single-task"]]
        assert cells[2] == row["trivial"]
