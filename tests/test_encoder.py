"""The table encoder: learnt from training rows alone, equal to plain pandas, and the same after a round trip through JSON."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_keras.errors import MTLError, RowsError
from mtl_keras.tables import Column, TableEncoder

NUMBERS = st.one_of(st.none(), st.floats(-1e12, 1e12), st.integers(-(10**6), 10**6))
WORDS = st.one_of(st.none(), st.sampled_from(["red", "Red", " red", "é", "1", "", "  ", "nan"]), st.text(max_size=3))
FLAGS = st.one_of(st.none(), st.sampled_from([True, False, 0, 1, "yes", "No", "TRUE", "f", ""]))
DAYS = st.one_of(st.none(), st.datetimes(pd.Timestamp(1700, 1, 1), pd.Timestamp(2200, 1, 1)))
KINDS = {"age": "number", "city": "category", "open": "boolean", "day": "date"}


def encode(values: Any, kind: str, rows: Any = None) -> tuple[np.ndarray, int, Column]:
    """One column, encoded by what its training rows say."""
    frame = pd.DataFrame({"a": values})
    encoder = TableEncoder.fit(frame, {"a": kind}, rows)
    x, unknown = encoder.transform(frame)
    assert x.dtype == np.float32
    assert x.shape == (len(frame), 1)
    return x[:, 0], unknown["a"], encoder.columns[0]


def blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


@st.composite
def tables(draw: Any) -> tuple[pd.DataFrame, np.ndarray]:
    """A table of all kinds and its training rows, in which no column is empty."""
    n = draw(st.integers(2, 12))
    columns = {"age": NUMBERS, "city": WORDS, "open": FLAGS, "day": DAYS}
    frame = pd.DataFrame(
        {name: pd.Series(draw(st.lists(values, min_size=n, max_size=n)), dtype=object) for name, values in columns.items()}
    )
    frame.loc[0] = [draw(st.floats(-1e6, 1e6)), "red", True, pd.Timestamp(2000, 1, 1)]
    return frame, np.array([0, *draw(st.sets(st.integers(1, n - 1)))])


@settings(max_examples=150, deadline=None)
@given(tables())
def test_it_agrees_with_plain_python(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    frame, rows = table
    encoder = TableEncoder.fit(frame, KINDS, rows)
    x, unknown = encoder.transform(frame)
    number, category, boolean, date = encoder.columns
    # Categories: their rank among the texts of training rows, from 1.
    texts = [None if blank(value) else str(value) for value in frame["city"]]
    known = sorted({text for row in rows if (text := texts[row]) is not None})
    assert x[:, 1].tolist() == [known.index(t) + 1 if t in known else 0 for t in texts]
    assert unknown["city"] == sum(t is not None and t not in known for t in texts)
    assert (category.size, category.missing) == (len(known) + 1, False)
    # Booleans and dates.
    flags = [math.nan if blank(v) else float(str(v).lower() in ("true", "1", "yes")) for v in frame["open"]]
    times = pd.to_datetime(frame["day"])
    days = ((times - times.iloc[rows].min()) / pd.Timedelta(days=1)).to_numpy()
    ages = frame["age"].astype(float).to_numpy()
    for place, column, values in ((2, boolean, np.array(flags)), (3, date, days), (0, number, ages)):
        training = values[rows]
        assert column.missing == bool(np.isnan(training).any())
        center = ages[~np.isnan(ages)][0] if False else 0.0
        mean = np.nanmean(training)
        if column is number:
            center = mean - column.mean
            assert center == pytest.approx(
                0 if abs(mean) <= 1e4 * np.nanstd(training) else mean, abs=1e-4 * (1 + abs(mean)) ** 0.5
            )
        expected = values - center
        if not column.missing:
            assert unknown[column.name] == np.isnan(values).sum()
            expected = np.where(np.isnan(values), column.mean, expected)
        np.testing.assert_allclose(
            x[:, place], expected.astype(np.float32), rtol=1e-6, atol=1e-6 * (1 + np.nanmax(np.abs(training)))
        )
        deviation = np.nanstd(training)
        assert column.scale == pytest.approx(deviation if deviation > 1e-30 else 1, rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(tables(), st.randoms())
def test_it_is_the_same_after_json_and_learns_from_training_rows_alone(
    table: tuple[pd.DataFrame, np.ndarray], random: Any
) -> None:
    frame, rows = table
    encoder = TableEncoder.fit(frame, KINDS, rows)
    again = TableEncoder.from_config(json.loads(json.dumps(encoder.config())))
    assert again == encoder
    assert hash(again.columns) == hash(encoder.columns)
    assert [Column.from_config(json.loads(json.dumps(c.config()))) for c in encoder.columns] == [*encoder.columns]
    x, unknown = encoder.transform(frame)
    np.testing.assert_array_equal(again.transform(frame)[0], x)
    # Whatever is in the other rows, and in whatever order the training rows are.
    shuffled = [*rows]
    random.shuffle(shuffled)
    other = TableEncoder.fit(frame.iloc[shuffled], KINDS)
    assert [e.categories for e in other.encodings] == [e.categories for e in encoder.encodings]
    for mine, theirs in zip(encoder.columns, other.columns, strict=True):
        assert mine.scale == pytest.approx(theirs.scale, rel=1e-6)
    # Each row for itself.
    assert sum(sum(encoder.transform(frame.iloc[[i]])[1].values()) for i in range(len(frame))) == sum(unknown.values())
    np.testing.assert_array_equal(np.concatenate([encoder.transform(frame.iloc[[i]])[0] for i in range(len(frame))]), x)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=6))
def test_any_finite_numbers_are_encoded_or_refused_by_row(values: list[float]) -> None:
    # The differences of very large numbers may be larger than any float32.
    if max(map(abs, values)) > 1e38:
        with contextlib.suppress(MTLError):
            assert np.isfinite(encode(values, "number")[0]).all()
        return
    x, _, column = encode(values, "number")
    assert np.isfinite(x).all()
    assert 0 < column.scale < np.inf


STORED = {
    "bool": pd.Series([True, False, True]),
    "nullable": pd.Series([True, None, True], dtype="boolean"),
    "int": pd.Series([1, 0, 1]),
    "text": pd.Series([" Yes", "no ", None]),
    "category": pd.Series(["on", "OFF", "on"], dtype="category"),
    "mixed": pd.Series([True, 0, "1"], dtype=object),
}


@pytest.mark.parametrize("name", STORED)
def test_booleans_are_read_however_they_are_stored(name: str) -> None:
    expected = [1.0, np.nan if name == "nullable" else 0.0, np.nan if name == "text" else 1.0]
    np.testing.assert_array_equal(encode(STORED[name], "boolean")[0], expected)


def test_numbers_are_read_however_they_are_stored() -> None:
    for series in (
        pd.Series([1, 2, 4], dtype="Int64"),
        pd.Series(["1", " 2 ", "4e0"]),
        pd.Series([True, 2, "4.0"], dtype=object),
        pd.Series(["1", "2", "4"], dtype="category"),
        pd.Series([1, 2, 4], dtype="uint8"),
    ):
        assert encode(series, "number")[0].tolist() == [1, 2, 4]
    assert np.isnan(encode(pd.Series([1, None, 4], dtype="Int64"), "number")[0]).tolist() == [False, True, False]


def test_dates_are_days_since_the_first_of_training() -> None:
    for series in (
        pd.Series(["2024-03-01", "2024-02-28T12:00", None]),
        pd.Series([pd.Timestamp("2024-03-01"), pd.Timestamp("2024-02-28 12:00"), pd.NaT]),
        pd.Series([pd.Timestamp("2024-03-01 02:00+02:00"), pd.Timestamp("2024-02-28 14:00+02:00"), pd.NaT]),
        pd.Series([pd.Timestamp("2024-03-01").date(), pd.Timestamp("2024-02-28 12:00"), None], dtype=object),
        pd.Series(["2024-03-01", "2024-02-28T12:00", None], dtype=pd.ArrowDtype(pa.timestamp("us"))),
    ):
        np.testing.assert_array_equal(encode(series, "date", [0, 2])[0], [0, -1.5, np.nan])


def test_days_of_arrow_are_dates() -> None:
    days = pd.Series(pd.to_datetime(["2024-03-01", "2024-02-28"]).date, dtype=pd.ArrowDtype(pa.date32()))
    assert encode(days, "date")[0].tolist() == [2, 0]


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["31.12.2023", "01.01.2024"], [0, 1]),
        (["12/31/2023", "01/01/2024"], [0, 1]),
        (["01/02/2024", "02/02/2024"], [0, 1]),
        (["2023/12/31 06:00", " 2024/01/01 18:00 "], [0, 1.5]),
    ],
)
def test_other_formats_of_dates_are_learnt_from_training(texts: list[str], days: list[float]) -> None:
    frame = pd.DataFrame({"a": [*texts, "9.9.99"]})
    encoder = TableEncoder.fit(frame, {"a": "date"}, [0, 1])
    again = TableEncoder.from_config(json.loads(json.dumps(encoder.config())))
    assert again.transform(frame[:2])[0][:, 0].tolist() == days
    with pytest.raises(RowsError, match="must be dates .* Received: '9.9.99' in row 2") as error:
        again.transform(frame)
    assert (error.value.rows, error.value.columns) == ((2,), ("a",))


def test_a_whole_number_is_one_category_however_it_is_stored() -> None:
    encoder = TableEncoder.fit(pd.DataFrame({"a": [7, 8, 10]}), {"a": "category"})
    assert encoder.encodings[0].categories == ("10", "7", "8")
    for stored in ([8.0, 7.0, np.nan], ["8", "7", None], pd.Series([8, 7, None], dtype="Int64")):
        x, unknown = encoder.transform(pd.DataFrame({"a": stored}))
        assert (x[:, 0].tolist(), unknown) == ([3, 2, 0], {"a": 0})


def test_the_codes_do_not_depend_on_the_order_of_the_rows() -> None:
    words = [f"w{number}" for number in range(50)]
    expected = TableEncoder.fit(pd.DataFrame({"a": words}), {"a": "category"})
    assert TableEncoder.fit(pd.DataFrame({"a": words[::-1]}), {"a": "category"}) == expected


def test_numbers_far_from_zero_keep_their_differences() -> None:
    values = 1.7e12 + np.arange(1000.0)
    x, _, column = encode(values, "number")
    np.testing.assert_allclose(x, values - values.mean(), rtol=1e-6)
    assert column.mean == 0
    assert column.scale == pytest.approx(values.std())
    plain, _, column = encode(np.arange(1000.0), "number")
    assert plain.tolist() == [*range(1000)]
    assert column.mean == pytest.approx(499.5)
    assert column.scale == pytest.approx(288.675, rel=1e-5)


def test_constant_and_missing_values() -> None:
    x, _, column = encode([0.1] * 7, "number")
    assert (column.scale, column.missing) == (1, False)
    assert (x == column.mean).all()
    # Training says nothing of a missing value here: it is the mean, and counted.
    x, unknown, column = encode([1.0, 3.0, np.nan], "number", [0, 1])
    assert (x.tolist(), unknown, column.missing) == ([1, 3, 2], 1, False)
    x, unknown, column = encode([1.0, 3.0, np.nan], "number")
    assert (x.tolist()[:2], bool(np.isnan(x[2])), unknown, column.missing) == ([1, 3], True, 0, True)


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ([1.0, np.inf, 2.0, -np.inf], "number", "column 'a' must be finite numbers. Received: inf in rows 1, 3"),
        ([1, "12,5", 3], "number", "must be finite numbers. Received: '12,5' in row 1 (1 of 3 rows)"),
        ([1 + 2j, 0j], "number", "must be finite numbers"),
        ([1.0, 1e39], "number", "must be finite as float32. Received: 1e+39 in column 'a' in row 1"),
        (["yes", "maybe"], "boolean", "must be yes or no, true or false, or 1 or 0. Received: 'maybe' in row 1"),
        ([0, 2], "boolean", "Received: 2 in row 1"),
        (["2024-01-31", "31.1.2024"], "date", "must be dates such as 2024-05-31. Received: '31.1.2024' in row 1"),
        ([20240131, 20240201], "date", "must be dates such as 2024-05-31"),
        ([None, np.nan], "number", "must have a value in the training rows. Received: none in column 'a'"),
        (["", None], "category", "must have a value in the training rows"),
        ([1, 2], "text", "must be one of 'number', 'category'"),
    ],
)
def test_values_that_do_not_fit_are_refused_with_their_rows(values: list[Any], kind: str, text: str) -> None:
    with pytest.raises(MTLError) as error:
        encode(values, kind)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_one_error_names_all_columns_and_rows_of_the_whole_table() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, np.inf], "b": [0, 1, 5]})
    with pytest.raises(MTLError) as error:
        TableEncoder.fit(frame, {"a": "number", "b": "boolean"}, [1, 2])
    assert "2 kinds of problems" in str(error.value)
    assert str(error.value).count("in row 2") == 2
    encoder = TableEncoder.fit(frame, {"a": "number", "b": "boolean"}, [0, 1])
    with pytest.raises(MTLError, match=r"\(1\).*row 2.*\(2\).*row 2"):
        encoder.transform(frame)


def test_tables_without_a_column_are_refused() -> None:
    frame = pd.DataFrame({"age": [1.0, 2.0]})
    encoder = TableEncoder.fit(frame, {"age": "number"})
    with pytest.raises(MTLError, match="Unknown column: received 'age'. Did you mean 'ages'"):
        encoder.transform(frame.rename(columns={"age": "ages"}))
    with pytest.raises(MTLError, match="must have each input once. Received: 2 columns 'age'"):
        encoder.transform(pd.concat([frame, frame], axis=1))
    with pytest.raises(MTLError, match="must be a pandas DataFrame. Received: a list"):
        encoder.transform([[1.0]])  # type: ignore[arg-type]
    with pytest.raises(MTLError, match="at least one column"):
        TableEncoder.fit(frame, {})
    with pytest.raises(MTLError, match="at least one row"):
        TableEncoder.fit(frame, {"age": "number"}, [])


def test_the_file_is_checked(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [0.1, 1e-7, None], "b": ["x", "y", None], "d": ["2024-01-01", "2024-01-02T03:04:05.678", None]})
    encoder = TableEncoder.fit(frame, {"a": "number", "b": "category", "d": "date"})
    encoder.save(tmp_path)
    assert TableEncoder.load(tmp_path) == TableEncoder.load(tmp_path / "encoder.json") == encoder
    text = (tmp_path / "encoder.json").read_text()
    (tmp_path / "encoder.json").write_text(text.replace('"x"', '"z"'))
    with pytest.raises(MTLError, match="checksum is of other content"):
        TableEncoder.load(tmp_path)
    (tmp_path / "encoder.json").write_text('{"format_version": 9, "columns": []}')
    with pytest.raises(MTLError, match="at most version 1"):
        TableEncoder.load(tmp_path)
    (tmp_path / "encoder.json").write_text('{"format_version": 1, "columns": [{"name": "a"}]}')
    with pytest.raises(MTLError, match=r"encoder\.json: KeyError"):
        TableEncoder.load(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{"kind": "text"}, {"name": ""}, {"scale": 0}, {"mean": math.nan}, {"size": 3}, {"missing": 1}, {"kind": "category"}],
)
def test_a_column_is_valid_or_does_not_exist(changes: dict[str, Any]) -> None:
    with pytest.raises(MTLError):
        Column(**{"name": "a", "kind": "number", **changes})


def test_it_needs_neither_keras_nor_tensorflow(tmp_path: Path) -> None:
    TableEncoder.fit(pd.DataFrame({"a": [1.0, 2.0]}), {"a": "number"}).save(tmp_path)
    code = (
        "import sys, pandas as pd; from mtl_keras.tables import TableEncoder; "
        f"print(TableEncoder.load({str(tmp_path)!r}).transform(pd.DataFrame({{'a': [3]}}))[0].tolist()); "
        "print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[[3.0]]", "set()"]
