"""Checks of a table: planted duplicates and leaks are found whatever the table, and the page says all of it safely."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mtl_keras import inspection
from mtl_keras.errors import MTLError, RowsError
from mtl_keras.inspection import CHECKS, Counts, Finding, Report, Rows, class_labels, inspect, number_labels
from tests._photos import photo

# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "names", "classes", "codes"),
    [
        (["b", None, " a", "", "b "], (), ("a", "b"), [1, -1, 0, -1, 1]),
        ([2.0, np.nan, 10.0, 1.0, 2.0], (), ("1", "2", "10"), [1, -1, 2, 0, 1]),
        (["10", "9", "x", "9", None], (), ("9", "10", "x"), [1, 0, 2, 0, -1]),
        ([True, False, True, None, False], (), ("0", "1"), [1, 0, 1, -1, 0]),
        ([True, False, True, True, False], (), ("0", "1"), [1, 0, 1, 1, 0]),
        (["low", "high", "odd", "low", None], ("low", "mid", "high"), ("low", "mid", "high", "odd"), [0, 2, 3, 0, -1]),
    ],
)
def test_a_column_of_classes(values: list[Any], names: tuple[str, ...], classes: tuple[str, ...], codes: list[int]) -> None:
    labels = class_labels("kind", "Classification", pd.Series(values, name="column"), names)
    assert (labels.classes, labels.values.tolist(), labels.column) == (classes, codes, "column")
    assert labels.present.tolist() == [code >= 0 for code in codes]


def test_a_column_of_numbers() -> None:
    labels = number_labels("price", "Regression", pd.Series([1, "2.5", None, "x", np.inf]))
    np.testing.assert_array_equal(labels.values, [1, 2.5, np.nan, np.nan, np.nan])
    assert labels.present.tolist() == [True, True, False, False, False]


# --- duplicates -------------------------------------------------------------------------------------------------------


def tables() -> st.SearchStrategy[tuple[pd.DataFrame, np.ndarray]]:
    """Distinct rows of several types, of which some are then copied to other places."""

    def build(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
        rng = np.random.default_rng(seed)
        n = int(rng.integers(20, 60))
        frame = pd.DataFrame(
            {
                "number": rng.normal(size=n),
                "text": [f"text {value}" for value in rng.integers(0, 3, n)],
                "whole": rng.integers(-1, 2, n),
                "flag": rng.integers(0, 2, n).astype(bool),
            }
        )
        frame.loc[rng.random(n) < 0.2, "text"] = None
        source = np.arange(n)
        copies = rng.choice(n, n // 6, replace=False)
        # A copy of a row that is itself a copy has the same original.
        source[copies] = rng.choice(np.setdiff1d(source, copies), len(copies))
        return frame.iloc[source].reset_index(drop=True), source

    return st.integers(0, 2**32 - 1).map(build)


KINDS = {"number": "number", "text": "category", "whole": "number", "flag": "boolean"}


@given(tables(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_planted_duplicates_are_found_and_no_others(planted: tuple[pd.DataFrame, np.ndarray], random: Any) -> None:
    frame, source = planted
    sides = np.array([random.choice(["train", "test"]) for _ in source])
    labels = class_labels("kind", "Classification", pd.Series([random.choice("ab") for _ in source], name="kind"))
    found = [*CHECKS["duplicates"](Rows("t", frame, (labels,), KINDS, sides))]
    groups = [tuple(np.flatnonzero(source == row).tolist()) for row in np.unique(source)]
    groups = sorted(group for group in groups if len(group) > 1)
    by_subject = {each.subject: each for each in found}
    assert by_subject["inputs"].groups == tuple(groups)
    for subject, values in (("splits", sides), ("kind", labels.values)):
        apart = tuple(group for group in groups if len({*values[list(group)].tolist()}) > 1)
        assert (by_subject[subject].groups if subject in by_subject else ()) == apart


def test_numbers_are_equal_however_they_are_written() -> None:
    frame = pd.DataFrame({"a": pd.Series(["1", 1.0, "1.50", 1.5, -0.0, 0, None, np.nan, *range(7, 40)], dtype=object)})
    (finding,) = CHECKS["duplicates"](Rows("t", frame, inputs={"a": "number"}))
    assert finding.groups == ((0, 1), (2, 3), (4, 5), (6, 7))


# --- leaks ------------------------------------------------------------------------------------------------------------


def leaked(values: Any, kind: str, labels: Any) -> list[str]:
    frame = pd.DataFrame({"column": values})
    return [each.message for each in CHECKS["leaks"](Rows("t", frame, (labels,), {"column": kind}))]


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
@settings(max_examples=25, deadline=None)
def test_a_label_that_a_column_gives_away_is_a_leak(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, classes, 400)
    labels = class_labels("kind", "Classification", pd.Series(kind, name="kind"))
    place = rng.permutation(classes) * 2.0
    assert leaked([f"shop {place[k]}" for k in kind], "category", labels)
    # A number in an interval of its own for each class, in no order.
    assert leaked(place[kind] + rng.random(400), "number", labels)
    assert not leaked(rng.normal(size=400), "number", labels)
    assert not leaked(rng.choice(["a", "b", "c"], 400), "category", labels)
    assert not leaked([f"row {row}" for row in range(400)], "category", labels)


@pytest.mark.parametrize("change", [lambda y: y, lambda y: -5 * y + 3, np.cbrt, lambda y: np.round(y, 1)])
def test_a_target_that_a_column_is_made_from_is_a_leak(change: Any) -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=3000)
    labels = number_labels("price", "Regression", pd.Series(target, name="price"))
    assert leaked(change(target), "number", labels)
    assert not leaked(change(target) + rng.normal(size=3000), "number", labels)


def test_a_rare_class_that_is_given_away_is_a_leak_and_the_majority_is_none() -> None:
    rng = np.random.default_rng(0)
    rare = rng.random(5000) < 0.02
    labels = class_labels("rare", "Binary", pd.Series(rare.astype(int), name="rare"))
    assert leaked(np.where(rare, "returned", "sold"), "category", labels)
    # A prediction of the majority is right in 98 %, and has no skill.
    assert not leaked(rng.normal(size=5000), "number", labels)


def test_labels_that_an_image_s_size_gives_away(tmp_path: Path) -> None:
    files: list[Path | None] = []
    for row in range(80):
        files.append(tmp_path / f"{row}.png")
        photo(row, (40, 30) if row % 2 else (30, 40)).save(tmp_path / f"{row}.png")
    frame = pd.DataFrame({"kind": ["portrait", "landscape"] * 40})
    rows = Rows("t", frame, (class_labels("kind", "Binary", frame["kind"]),), files=files, image_size=(32, 32))
    assert [each.message.split(" alone")[0] for each in CHECKS["leaks"](rows)] == ["The image's height", "The image's width"]


def test_held_out_labels_are_not_looked_at() -> None:
    rng = np.random.default_rng(0)
    sides = np.repeat(["train", "test"], 500)
    kind = rng.integers(0, 2, 1000)
    frame = pd.DataFrame({"column": np.where(sides == "test", kind, rng.normal(size=1000))})
    labels = class_labels("kind", "Binary", pd.Series(kind, name="kind"))
    assert not [*CHECKS["leaks"](Rows("t", frame, (labels,), {"column": "number"}, sides))]


# --- large tables -----------------------------------------------------------------------------------------------------

LARGE = """
import resource, sys
import numpy as np, pandas as pd
from mtl_keras.inspection import Rows, class_labels, inspect, number_labels
rng, n = np.random.default_rng(0), 200_000
frame = pd.DataFrame({f"n{k}": rng.normal(size=n) for k in range(12)})
frame["id"] = [f"row {row}" for row in range(n)]
frame["city"] = rng.choice([f"city {k}" for k in range(60)], n)
flags = pd.Series(rng.integers(0, 2, n), name="a")
labels = class_labels("a", "Binary", flags), number_labels("b", "Regression", frame["n0"])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = inspect(Rows("t", frame, labels, {c: "number" if c[0] == "n" else "category" for c in frame}))
print([each.subject for each in report.findings])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
print(*[name for name in ("keras", "tensorflow") if name in sys.modules])
"""


def test_large_tables_take_bounded_memory_and_no_keras() -> None:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    subjects, megabytes, heavy = done.stdout.split("\n")[:3]
    assert subjects == "['id', 'b']"
    assert float(megabytes) < 400
    assert heavy == ""
    assert time.perf_counter() - start < 120


# --- values and report ------------------------------------------------------------------------------------------------


def test_findings_are_checked_and_sorted() -> None:
    with pytest.raises(MTLError, match="`severity` of a finding must be one of 'error', 'warning', 'note'"):
        Finding("mine", "fatal", "a", "Broken.")  # type: ignore[arg-type]
    findings = tuple(Finding("mine", severity, severity, "Found.") for severity in ("note", "error", "warning", "note"))
    report = Report("t", 3, (), findings)
    assert [each.severity for each in report.findings] == ["error", "warning", "note", "note"]
    assert (report.trainable, report.verdict) == (False, "Training would stop: 1 error, 1 warning and 2 notes.")
    assert Report("t", 3, (), findings[:1]).verdict == "Training can start: 1 note."
    assert Report("t", 3, (), ()).verdict == "Training can start: nothing was found."


def test_rows_of_a_finding_are_those_of_its_groups() -> None:
    finding = Finding("mine", "note", "a", "Found.", groups=((np.int64(4), 2), (7,)))  # type: ignore[arg-type]
    assert finding.rows == (4, 2, 7)
    assert finding.config()["rows"] == [4, 2, 7]
    many = Finding("mine", "note", "a", "Found.", rows=tuple(range(5000))).config()
    assert (many["row_count"], len(many["rows"])) == (5000, 100)


def test_tables_are_text() -> None:
    counts = Counts.of("Rows", [{"split": "train", "n": 1200, "share": 0.25}, {"split": "test", "x": 1e-7}], shares=("share",))
    assert counts.table().to_dict("list") == {
        "split": ["train", "test"],
        "n": ["1,200", ""],
        "share": ["25.0%", ""],
        "x": ["", "1e-07"],
    }
    report = Report("t", 3, (counts,), (Finding("c", "note", "a", "Found.", "Fix it.", tuple(range(9))),))
    assert report.table().to_dict("records") == [
        {"severity": "note", "subject": "a", "finding": "Found. Fix it.", "rows": "0, 1, 2, 3, 4 and 4 more"}
    ]


# --- the page ---------------------------------------------------------------------------------------------------------

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Reads a page and checks that every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


EVIL = "<script>alert('&amp;\"')</script>"


def hostile(folder: Path) -> Rows:
    """Rows in which every text of the user is code."""
    folder = folder / "<img src=x onerror=alert(1)>"
    folder.mkdir()
    files: list[Path | None] = []
    for row in range(60):
        files.append(folder / f"<b onclick='x'>{row}.jpg")
        photo(row, (50, 40)).save(str(files[-1]), "JPEG")
    for row in (1, 2, 3):
        photo(0, (50 + row, 40)).save(str(files[row]), "JPEG")
    (folder / "<b onclick='x'>5.jpg").write_bytes(b"text")
    Image.new("RGB", (9, 9)).save(str(files[6]), "JPEG")
    frame = pd.DataFrame({EVIL: [EVIL, "<i>"] * 30, "price</td>": np.exp(np.arange(60) / 5)})
    labels = (
        class_labels("kind", "Classification", frame[EVIL]),
        number_labels("price", "Regression", frame["price</td>"]),
    )
    kind, price = (replace(each, name=f"{each.name}{EVIL}", task=f"{each.name}{EVIL}") for each in labels)
    sides = np.array(["train", "train", "test"] * 20)
    refused = (RowsError(f"Values must be right. Received: {EVIL}. Correct them.", range(9), EVIL, EVIL),)
    return Rows(EVIL, frame, (kind, price), {EVIL: "category"}, sides, files=files, image_size=(32, 32), refused=refused)


def test_the_page_is_well_formed_and_everything_is_escaped(tmp_path: Path) -> None:
    report = inspect(hostile(tmp_path))
    text = inspection.page(report)
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "i", "b", "link", "iframe", "form"})
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    # Nothing is loaded from anywhere.
    sources = [attributes["src"] for tag, attributes in page.elements if tag == "img"]
    assert sources
    assert all(str(source).startswith("data:image/jpeg;base64,") for source in sources)
    assert not re.search(r"https?://|url\(|@import", text)
    for finding in report.findings:
        assert " ".join(finding.message.split()) in page.text
    for counts in report.counts:
        assert counts.title in page.text


def test_the_page_has_the_parts_of_a_document(tmp_path: Path) -> None:
    page = Page(inspection.page(inspect(hostile(tmp_path))))
    names = [tag for tag, _ in page.elements]
    assert (names.count("h1"), names.count("main"), page.elements[0]) == (1, 1, ("html", {"lang": "en"}))
    assert {"section", "article", "figure", "figcaption", "caption", "thead", "details"} <= set(names)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len({*ids}) == len(ids)
    assert [attributes["aria-labelledby"] for tag, attributes in page.elements if tag == "section"] == ids
    for tag, attributes in page.elements:
        if tag == "img":
            assert attributes["alt"]
            assert max(int(str(attributes["width"])), int(str(attributes["height"]))) == 96
        if tag == "th":
            assert attributes["scope"] == "col"
    viewport = [attributes for tag, attributes in page.elements if tag == "meta" and attributes.get("name") == "viewport"]
    assert viewport == [{"name": "viewport", "content": "width=device-width, initial-scale=1"}]


def test_the_page_stays_small_and_images_that_are_gone_are_left_out(tmp_path: Path) -> None:
    rows = hostile(tmp_path)
    report = inspect(rows)
    for file in rows.files:
        assert file is not None
        file.unlink()
    without = inspection.page(report)
    assert "<img" not in without
    Page(without)
    long = Finding("mine", "warning", "a", "Found.", rows=tuple(range(1_000_000)))
    assert len(inspection.page(Report("t", 1_000_000, (), (long,)))) < 20_000
    groups = tuple((row, row + 1) for row in range(0, 1_000_000, 2))
    many = Report("t", 1_000_000, (), (Finding("mine", "note", "a", "Found.", groups=groups),))
    assert len(inspection.page(many)) < 20_000
