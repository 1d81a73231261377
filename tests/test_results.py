"""results/ is current: its pages, figures and summary are what the code makes of the raw rows of each record.

`python -m tests.test_results --write` draws every record again after a change of the code that writes them.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import mtl_keras as mtl
from mtl_keras.report import Record, read_record, scores_table, write_record, write_summary
from tests._front_page import front_page

README = Path(__file__).parent.parent / "README.md"
RESULTS = README.parent / "results"
RECORDS = sorted(path.parent.relative_to(RESULTS).as_posix() for path in RESULTS.glob("*/*/metrics.csv"))
#: What is written by hand, or was when the record was made.
WRITTEN = ("record.json", "README.md")


def complete(record: Record) -> Record:
    """Return a record with what its study says about it today, and otherwise with the sentence that its rows give."""
    study = mtl.load_study(record.config["study"])
    if record.config["command"] != "reproduce":
        return replace(record, finding="")
    own = record.config["configurations"]
    published = [
        {"note": "", "run": name, **row}
        for name in own
        if name in study.configurations
        for row in study.configurations[name].published
    ]
    record = replace(record, published=published)
    if not record.claims and set(own) != set(study.configurations):
        # It is about a part of the configurations: claims and finding are about all.
        return replace(study.complete(record, judge=False), finding="")
    return study.complete(record)


def test_the_generated_files_are_current(tmp_path: Path) -> None:
    copy = tmp_path / "results"
    shutil.copytree(RESULTS, copy, ignore=shutil.ignore_patterns("*.png", "*.jsonl", "logs", "*.h5", "*.keras"))
    for name in ("README.md", "summary.csv"):
        (copy / name).unlink()
    write_summary(copy)
    generated = {name: (copy / name).read_text(encoding="utf-8") for name in ("README.md", "summary.csv")}
    assert {name: (RESULTS / name).read_text(encoding="utf-8") for name in generated} == generated


@pytest.mark.usefixtures("stub_png")
@pytest.mark.parametrize("name", RECORDS)
def test_a_page_is_what_its_rows_give(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "record"
    shutil.copytree(RESULTS / name, folder)
    write_record(folder, complete(read_record(folder)))
    for file in WRITTEN:
        assert (folder / file).read_text(encoding="utf-8") == (RESULTS / name / file).read_text(encoding="utf-8")
    rows = {path.name: path.read_bytes() for path in (RESULTS / name).glob("*.csv")}
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == rows, "raw rows stay as they are"


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_opens_with_its_finding_and_says_what_it_was_trained_on(name: str) -> None:
    record = read_record(RESULTS / name, history=False)
    page = (RESULTS / name / "README.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {record.title}\n\n**{record.finding}**\n")
    assert record.finding.endswith(".")
    assert not re.search(r"[.!?] [A-Z]", record.finding), "one sentence"
    assert {each.run for each in record.budgets} == {row["run"] for row in record.metrics} - {"trivial"}


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


def test_the_front_page_says_what_the_rows_give() -> None:
    page = README.read_text(encoding="utf-8")
    assert front_page(page) == page


if __name__ == "__main__":
    if "--write" not in sys.argv:
        sys.exit("Draws every record in results/ again. Pass --write, and the records' names to draw these only.")
    for name in [argument for argument in sys.argv[1:] if argument in RECORDS] or RECORDS:
        print(name)
        write_record(RESULTS / name, complete(read_record(RESULTS / name)))
    write_summary(RESULTS)
    README.write_text(front_page(README.read_text(encoding="utf-8")), encoding="utf-8")
