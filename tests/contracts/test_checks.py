"""Every check: finds what is planted, says it in the same form, finds nothing in clean data, and takes any rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mtl_keras.data import SkippedRow
from mtl_keras.errors import MTLError, RowsError
from mtl_keras.inspection import CHECKS, COUNTS, Finding, Rows, class_labels, inspect, number_labels
from tests._photos import COPIES, photo

ROWS = 400
SIDES = np.array((["train"] * 6 + ["validation"] * 2 + ["test"] * 2) * (ROWS // 10))


def table(**columns: Any) -> Rows:
    """Clean rows: two numbers and a category as inputs, a class, a second one and a number to predict."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "width": rng.normal(size=ROWS),
            "height": rng.normal(size=ROWS).round(3),
            "shop": rng.choice(["north", "south", "west"], ROWS),
            "kind": rng.choice(["dress", "shirt", "skirt"], ROWS),
            "kids": rng.integers(0, 2, ROWS),
            "price": rng.normal(50, 5, ROWS),
        }
    ).assign(**columns)
    return from_frame(frame)


def from_frame(frame: pd.DataFrame) -> Rows:
    labels = (
        class_labels("kind", "Classification", frame["kind"]),
        class_labels("kids", "Binary", frame["kids"]),
        number_labels("price", "Regression", frame["price"]),
    )
    return Rows("shop", frame, labels, {"width": "number", "height": "number", "shop": "category"}, SIDES[: len(frame)])


def photos(folder: Path, images: dict[int, Image.Image | bytes | None] | None = None, n: int = 100) -> Rows:
    """Clean rows of photos, some of which are replaced."""
    files: list[Path | None] = []
    for row in range(n):
        image = (images or {}).get(row, photo(row, (60, 60)))
        path = folder / f"{row}.png"
        if isinstance(image, bytes):
            path.write_bytes(image)
        elif image is not None:
            image.save(path, "PNG")
        files.append(None if image is None else path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"kind": rng.choice(["dress", "shirt"], n)})
    labels = (class_labels("kind", "Classification", frame["kind"]),)
    return Rows("photos", frame, labels, sides=np.repeat(["train", "validation"], n // 2), files=files, image_size=(32, 32))


def replaced(column: str, rows: slice | list[int], value: object) -> pd.Series:
    values = table().frame[column].astype(object)
    values.iloc[rows] = value
    return values


@dataclass(frozen=True)
class Case:
    """Rows in which a check must find something.

    Attributes:
        rows: Makes them, in a folder for images.
        severity: How bad it is.
        subject: What it is about.
        text: Part of the message.
        numbers: Row numbers, if it has any.
    """

    rows: Callable[[Path], Rows]
    severity: str
    subject: str
    text: str
    numbers: tuple[int, ...] = ()


def with_copies() -> Rows:
    frame = table().frame
    inputs = ["width", "height", "shop"]
    # Row 6 is in validation, row 10 in training.
    frame.loc[[6, 11], inputs] = frame.loc[[10, 10], inputs].to_numpy()
    frame.loc[[6, 10, 11], "kind"] = ["dress", "dress", "skirt"]
    return from_frame(frame)


def label_set() -> Rows:
    """A set of two labels, of which one is not known of test rows."""
    marks = {"red": table().frame["kids"].where(SIDES != "test"), "new": table().frame["kids"]}
    labels = tuple(class_labels(f"marks: {name}", "MultiLabel", column, task="marks") for name, column in marks.items())
    return replace(table(), labels=labels)


REFUSED = (
    RowsError("Every image must exist. Received: 1 of 400 that does not. Remove it.", [7], "there is no such file", "file"),
    MTLError("A split must have rows. Received: none. Add some."),
)
KINDS = table().frame["kind"]

CASES: dict[str, tuple[Case, ...]] = {
    "refused": (
        Case(lambda _: replace(table(), refused=REFUSED), "error", "file", "Every image must exist", (7,)),
        Case(lambda _: replace(table(), refused=REFUSED), "error", "table", "A split must have rows"),
    ),
    "set_aside": (
        Case(
            lambda _: replace(table(), skipped=(SkippedRow(7, "file", "no such file"),), cost="Set aside 1 of 401 rows."),
            "warning",
            "file",
            "Set aside 1 of 401 rows. In the table these are rows 7; all else counts",
        ),
    ),
    "split_sizes": (
        Case(
            lambda _: replace(table(), sides=np.array(["train"] * 360 + ["validation"] * 40)),
            "warning",
            "validation",
            "40 rows: the standard error of an accuracy is up to 8",
        ),
    ),
    "missing_labels": (
        Case(lambda _: table(kids=1), "warning", "kids", "All labels of the training rows are '1'"),
        Case(lambda _: table(price=[2.5] * ROWS), "warning", "price", "are '2.5'"),
        Case(lambda _: table(kids=replaced("kids", slice(0, 300), None)), "note", "kids", "75% of the training rows"),
        Case(lambda _: label_set(), "warning", "marks: red", "missing in the test rows"),
    ),
    "class_balance": (
        Case(lambda _: table(kind=replaced("kind", [6, 8], "hat")), "warning", "kind", "outside of them only: hat", (6, 8)),
        Case(lambda _: table(kind=replaced("kind", [0, 6, 8], "hat")), "warning", "kind", "training rows each have hat (1)"),
        Case(lambda _: table(kids=[0] * 390 + [1] * 10), "warning", "kids", "97.5% of the training labels are '0'"),
        Case(lambda _: table(kind=[*["a b", "A-b"] * 200]), "warning", "kind", "signs alone: 'A-b' and 'a b'"),
        Case(lambda _: table(kind=replaced("kind", [0, 1, 2, 6], "hat")), "note", "kind", "The test rows have no hat"),
    ),
    "targets": (
        Case(
            lambda _: table(price=np.exp(np.random.default_rng(0).normal(size=ROWS))),
            "warning",
            "price",
            "a few large ones dominate the loss",
        ),
        Case(
            lambda _: table(price=np.exp(np.random.default_rng(0).normal(size=ROWS)).round()),
            "warning",
            "price",
            "from 0 to",
        ),
    ),
    "combinations": (
        Case(lambda _: table(kids=np.where(KINDS == "skirt", 0, table().frame["kids"])), "note", "kind, kids", "skirt with 1"),
        Case(lambda _: table(kids=np.where(KINDS == "skirt", 0, 1)), "note", "kind, kids", "kids follows from kind"),
        Case(
            lambda _: table(kids=table().frame["kids"].where(KINDS == "skirt"), kind=KINDS.mask(KINDS == "skirt")),
            "warning",
            "kind, kids",
            "No row has labels of both",
        ),
    ),
    "constant_columns": (
        Case(lambda _: table(shop="north"), "warning", "shop", "All training rows have 'north'"),
        Case(lambda _: table(width=replaced("width", slice(0, 300), np.nan)), "note", "width", "75% of the training rows"),
    ),
    "identifiers": (
        Case(lambda _: table(shop=[f"customer {row}" for row in range(ROWS)]), "warning", "shop", "400 of 400 values"),
        Case(lambda _: table(width=np.arange(ROWS) + 7), "warning", "width", "distinct and in order"),
        Case(lambda _: table(width=np.random.default_rng(0).permutation(ROWS)), "warning", "width", "from 0 to 399 occur"),
    ),
    "files": (
        Case(lambda folder: photos(folder, {4: b"text", 9: b""}), "error", "images", "is of another kind; ", (4, 9)),
        Case(lambda folder: photos(folder, {4: None, 9: b""}), "error", "images", "9.png in row 9: it is empty", (9,)),
    ),
    "images": (
        Case(lambda folder: photos(folder, {3: photo(3, (9, 30))}), "warning", "size", "1 image is tiny: 30 x 9 px", (3,)),
        Case(lambda folder: photos(folder, {3: Image.new("RGB", (40, 40))}), "warning", "content", "of one color", (3,)),
        Case(lambda folder: photos(folder, {5: photo(5).convert("L")}), "note", "mode", "1 image is gray, the others", (5,)),
        Case(lambda folder: photos(folder, {5: photo(5, (90, 30))}), "note", "proportions", "at least 2 times as", (5,)),
        Case(
            lambda folder: replace(photos(folder, {5: photo(5, (90, 30))}), image_size=None),
            "error",
            "size",
            "have 2: 30 x 90 px, 60 x 60 px",
        ),
        Case(lambda folder: replace(photos(folder), image_size=(96, 96)), "note", "size", "enlarged", tuple(range(100))),
    ),
    "duplicates": (
        Case(lambda _: with_copies(), "warning", "splits", "(train and validation), with 1 row outside", (6, 10, 11)),
        Case(lambda _: with_copies(), "warning", "kind", "No model can be right in more than 99.75%", (6, 10, 11)),
        Case(lambda _: with_copies(), "note", "inputs", "Of 400 rows, 2 repeat the inputs", (6, 10, 11)),
        Case(lambda _: table(width=1.0, height=2.0), "note", "inputs", "100% of the rows have the same inputs"),
        Case(lambda folder: photos(folder, {60: photo(1, (60, 60))}), "warning", "splits", "equal image files", (1, 60)),
    ),
    "near_duplicates": (
        Case(lambda folder: photos(folder, {60: COPIES["brightened"](photo(1))}), "warning", "splits", "1 group", (1, 60)),
    ),
    "leaks": (
        Case(lambda _: table(width=table().frame["price"] * -3 + 1), "warning", "price", "'width' alone predicts"),
        Case(lambda _: table(shop=KINDS.str.upper()), "warning", "kind", "'shop' alone predicts"),
        Case(lambda _: table(width=KINDS.map({"dress": 1.5, "shirt": 0.5, "skirt": 7})), "warning", "kind", "'width' alone"),
    ),
}


def planted() -> list[tuple[str, Case]]:
    return [(name, case) for name, cases in CASES.items() for case in cases]


def test_every_check_has_a_case() -> None:
    assert set(CASES) == set(CHECKS)


@pytest.mark.parametrize(("name", "case"), planted(), ids=lambda each: each if isinstance(each, str) else each.text[:40])
def test_what_is_planted_is_found(name: str, case: Case, tmp_path: Path) -> None:
    rows = case.rows(tmp_path)
    before = rows.frame.copy()
    found = [*CHECKS[name](rows)]
    mine = [each for each in found if each.subject == case.subject and case.text in each.message]
    assert mine, [each.message for each in found]
    assert mine[0].severity == case.severity
    if case.numbers:
        assert tuple(sorted(mine[0].rows)) == case.numbers
    # A pure function, in one form.
    pd.testing.assert_frame_equal(rows.frame, before)
    assert [*CHECKS[name](rows)] == found
    for each in found:
        assert_form(each, name, len(rows))


def assert_form(finding: Finding, name: str, n: int) -> None:
    assert finding.check == name
    for sentence in (finding.message, finding.remedy):
        assert sentence == " ".join(sentence.split())
        assert not sentence or sentence[-1] == "."
    assert all(0 <= row < n for row in finding.rows)
    assert not finding.groups or finding.rows == tuple(row for group in finding.groups for row in group)
    json.dumps(finding.config(), allow_nan=False)


@pytest.mark.parametrize("name", CHECKS)
def test_nothing_is_found_in_clean_rows(name: str, tmp_path: Path) -> None:
    assert [*CHECKS[name](table())] == []
    assert [*CHECKS[name](photos(tmp_path))] == []


DEGENERATE: dict[str, Callable[[Path], Rows]] = {
    "one row": lambda _: from_frame(table().frame[:1]),
    "no labels": lambda _: replace(table(), labels=()),
    "no inputs": lambda _: replace(table(), inputs={}),
    "no splits": lambda _: replace(table(), sides=None),
    "nothing known": lambda _: table(width=np.nan, height=np.nan, shop=None, kind=None, kids=None, price=np.nan),
    "all equal": lambda _: table(width=1, height=1, shop="a", kind="a", kids=1, price=1),
    "huge numbers": lambda _: table(width=np.arange(ROWS) * 1e300, price=np.arange(ROWS) * 1e305),
    "no training rows": lambda _: replace(table(), sides=np.full(ROWS, "test")),
    "no image": lambda folder: photos(folder, dict.fromkeys(range(100))),
    "no readable image": lambda folder: photos(folder, dict.fromkeys(range(100), b"text")),
    "odd names": lambda _: from_frame(table(kind=["<b>&\"'\n", "|", "\u202e", "é"] * 100).frame),
}


@pytest.mark.parametrize("rows", DEGENERATE.values(), ids=DEGENERATE)
def test_any_rows_are_checked_and_counted(rows: Callable[[Path], Rows], tmp_path: Path) -> None:
    report = inspect(rows(tmp_path))
    for each in report.findings:
        assert_form(each, each.check, report.rows)
    json.dumps(report.config())
    for counts in report.counts:
        assert counts.table().shape == (len(counts.rows), len(counts.columns))


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_plain_and_repeatable(name: str, tmp_path: Path) -> None:
    for rows in (table(), photos(tmp_path)):
        first = [counts.config() for counts in COUNTS[name](rows)]
        assert first == [counts.config() for counts in COUNTS[name](rows)]
        json.dumps(first, allow_nan=False)
