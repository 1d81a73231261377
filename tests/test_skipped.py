"""Rows that cannot be used: all in one error, or set aside with what it costs."""

from __future__ import annotations

import csv
import io
import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mtl_keras as mtl
from mtl_keras.data._skipped import SkippedRow, describe_cost, read_good_rows, skipped_text
from mtl_keras.errors import MTLError, Problems, RowsError

FRAME = pd.DataFrame({"a": range(8), "b": list("xxxyyyyy"), "kind": ["dress"] * 3 + ["shirt"] * 4 + [None]})


def refuse(rows: list[int], reason: str = "wrong") -> None:
    if rows:
        raise RowsError(f"Values must be right. Received: {len(rows)} wrong. Correct them.", rows, reason)


def reader(bad_a: set[int], bad_b: set[int]):  # type: ignore[no-untyped-def]
    """A function that refuses values of `a` in two columns; of the second only if the first has none."""

    def read(frame: pd.DataFrame) -> list[int]:
        problems = Problems()
        values = frame["a"].tolist()
        with problems.collect("a"):
            refuse([row for row, value in enumerate(values) if value in bad_a])
        problems.raise_all()
        with problems.collect("b"):
            refuse([row for row, value in enumerate(values) if value in bad_b], "odd")
        problems.raise_all()
        return values

    return read


@given(st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)))
def test_the_good_rows_are_those_without_a_problem(bad_a: set[int], bad_b: set[int]) -> None:
    good = sorted({*range(8)} - bad_a - bad_b)
    if not good:
        with pytest.raises(MTLError, match="Values must be right"):
            read_good_rows(FRAME, reader(bad_a, bad_b), "skip")
        return
    values, kept, skipped = read_good_rows(FRAME, reader(bad_a, bad_b), "skip", ["kind"])
    assert values == kept.tolist() == good
    wrong = dict.fromkeys(bad_a, ("a", "wrong")) | dict.fromkeys(bad_b - bad_a, ("b", "odd"))
    assert skipped == tuple(SkippedRow(row, *wrong[row]) for row in sorted(wrong))


def test_an_error_is_the_default_and_lists_all() -> None:
    with pytest.raises(RowsError) as refused:
        read_good_rows(FRAME, reader({2, 5}, {3}), "raise")
    assert (refused.value.rows, refused.value.columns) == ((2, 5), ("a", "a"))
    with pytest.raises(MTLError, match="`on_error` must be one of 'raise', 'skip'"):
        read_good_rows(FRAME, reader(set(), set()), "ignore")  # type: ignore[arg-type]


def test_problems_of_several_kinds_keep_their_rows() -> None:
    problems = Problems()
    with problems.collect("image"):
        refuse([4])
    with problems.collect("price"):
        raise RowsError("Prices must be numbers. Received: texts. Correct them.", [1, 4], ["'x' is no number", "'y' is none"])
    with pytest.raises(RowsError, match=r"2 kinds of problems: \(1\) Values .* \(2\) Prices") as refused:
        problems.raise_all()
    assert refused.value.rows == (4, 1, 4)
    assert refused.value.columns == ("image", "price", "price")
    assert refused.value.reasons == ("wrong", "'x' is no number", "'y' is none")
    # One error that is not of single rows: nothing can be set aside.
    with problems.collect():
        raise MTLError("There must be a column. Received: none. Add it.")
    with pytest.raises(MTLError) as whole:
        problems.raise_all()
    assert not isinstance(whole.value, RowsError)


def test_what_is_wrong_with_the_rest_is_said_with_its_own_row_numbers() -> None:
    def read(frame: pd.DataFrame) -> None:
        refuse([row for row, value in enumerate(frame["a"]) if value == 0])
        raise MTLError("Rows must be few. Received: row 6. Drop it.")

    with pytest.raises(
        MTLError, match=r"Received: row 6\. Drop it\. Rows are counted without the 1 that were set aside before\."
    ):
        read_good_rows(FRAME, read, "skip")


def test_the_cost_is_said_by_class(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mtl_keras"):
        read_good_rows(FRAME, reader({1, 3, 4}, {7}), "skip", ["kind", "b"])
    assert caplog.messages == [
        "Set aside 4 of 8 rows (3 for 'a', 1 for 'b'), the first row 1: wrong. Cost by class of 'kind': 1 of 1 no label "
        "(100.0%), 2 of 4 shirt (50.0%), 1 of 3 dress (33.3%). Cost by class of 'b': 3 of 5 y (60.0%), 1 of 3 x (33.3%)."
    ]


def test_numbers_are_no_classes() -> None:
    frame = pd.DataFrame({"price": np.arange(100.0), "marks": [[1, 0], None] * 50})
    text = describe_cost(frame, [SkippedRow(3, "price", "wrong"), SkippedRow(3, "marks", "wrong")], ["price", "marks"])
    assert text == (
        "Set aside 1 of 100 rows (1 for 'price', 1 for 'marks'), the first row 3: wrong. Cost by class of 'marks': 1 of 50 no "
        "label (2.0%)."
    )


def test_the_file_lists_what_was_set_aside() -> None:
    rows = [SkippedRow(3, "file", 'broken, or "truncated"'), SkippedRow(5, "price", "'n/a' is no number")]
    assert [*csv.DictReader(io.StringIO(skipped_text(rows)))] == [
        {"row": "3", "column": "file", "reason": 'broken, or "truncated"'},
        {"row": "5", "column": "price", "reason": "'n/a' is no number"},
    ]


@pytest.mark.parametrize(
    ("column", "value", "options"),
    [
        ("w", -1.0, {"weight": "w"}),
        ("w", np.inf, {"weight": "w"}),
        ("group", None, {"splits": {"group": "group", "validation": 0.3}}),
        ("day", " ", {"splits": {"time": "day", "validation": 0.3}}),
        ("day", "soon", {"splits": {"time": "day", "validation": 0.3}}),
    ],
)
def test_rows_without_a_weight_a_group_or_a_time_are_set_aside(column: str, value: Any, options: dict[str, Any]) -> None:
    frame = pd.DataFrame(
        {
            "x": np.arange(20.0),
            "y": np.arange(20) % 2,
            "w": 1.0,
            "group": [f"g{row // 2}" for row in range(20)],
            "day": [f"2026-01-{row + 1:02}" for row in range(20)],
        }
    )
    frame[column] = [*frame[column][:4], value, *frame[column][5:]]
    made = mtl.data.from_table(frame, mtl.Tasks(mtl.Binary("y")), inputs={"x": "number"}, on_error="skip", **options)
    assert [(each.row, each.column) for each in made.skipped] == [(4, column)]
    assert sorted([*made.train.x[:, 0], *made.validation.x[:, 0]]) == [row for row in range(20) if row != 4]
