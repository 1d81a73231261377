"""Tables of one's own: what is read, what is inferred, and study files."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mtl_keras.data import draft_study, infer_source
from mtl_keras.errors import MTLError
from mtl_keras.tables import InferredColumn, StudyFile, format_of, infer_columns, name_of, read_study_file, read_table

#: The folder is empty for every example.
SHARED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# What is read.

WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8
)
TEXTS = WORDS.filter(lambda text: text == text.strip()).map(lambda text: f"x{text}")
NUMBERS = st.floats(-1e12, 1e12).map(lambda value: round(value, 6))
WHOLE = st.integers(-(2**53), 2**53)


def write(path: Path, frame: pd.DataFrame, delimiter: str = ",", decimal: str = ".", encoding: str = "utf-8") -> Path:
    frame.to_csv(path, index=False, sep=delimiter, decimal=decimal, encoding=encoding)
    return path


@SHARED
@given(
    rows=st.lists(st.tuples(TEXTS, NUMBERS, WHOLE, st.booleans()), min_size=2, max_size=20),
    how=st.sampled_from(
        [(",", ".", "utf-8"), (";", ",", "utf-8"), ("\t", ".", "utf-8-sig"), (";", ".", "utf-16"), ("|", ",", "utf-8")]
    ),
)
def test_text_tables_come_back_however_they_are_written(
    rows: list[tuple[str, float, int, bool]], how: tuple[str, str, str], tmp_path: Path
) -> None:
    """Delimiter and encoding are detected; a decimal comma where a number shows it."""
    frame = pd.DataFrame(rows, columns=["text", "number", "whole", "flag"])
    table = read_table(write(tmp_path / "t.csv", frame, *how))
    assert (table.format["delimiter"], table.name, table.folder) == (how[0], "t", tmp_path)
    assert table.frame["text"].tolist() == frame["text"].tolist()
    assert table.frame["number"].tolist() == frame["number"].tolist()
    assert table.frame["whole"].tolist() == frame["whole"].tolist()
    assert table.frame["flag"].dtype == bool
    assert table.frame["flag"].tolist() == frame["flag"].tolist()


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zip", ".tsv", ".parquet", ".jsonl", ".json", ".jsonl.gz"])
def test_every_format_holds_the_same_table(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"code": ["007", "010", None], "age": [1.5, np.nan, 3.0], "n": [1, 2, 3]})
    path = tmp_path / f"my.table{suffix}"
    if ".csv" in suffix:
        frame.to_csv(path, index=False)
    elif suffix == ".tsv":
        frame.to_csv(path, index=False, sep="\t")
    elif suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines="jsonl" in suffix)
    table = read_table(path)
    assert table.name == name_of(path) == "my.table"
    assert format_of(path) is not None
    assert table.frame["code"].isna().tolist() == [False, False, True]
    assert table.frame["code"].tolist()[:2] == ["007", "010"]
    np.testing.assert_array_equal(table.frame["age"], frame["age"])
    assert table.frame["n"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", "3"], [1, 2, 3]),
        (["1", "", "NA"], [1.0, None, None]),
        (["1.5", "2", "-.5e3"], [1.5, 2.0, -500.0]),
        (["+1", "2", "3"], [1, 2, 3]),
        (["007", "1", "2"], ["007", "1", "2"]),
        (["0", "0.5", "10"], [0.0, 0.5, 10.0]),
        (["12345678901234567890", "1", "2"], ["12345678901234567890", "1", "2"]),
        (["9007199254740993", "1", "2"], [9007199254740993, 1, 2]),
        (["9007199254740993", "1", ""], ["9007199254740993", "1", None]),
        (["1,000", "2,000", "3"], ["1,000", "2,000", "3"]),
        (["1_000", "2", "3"], ["1_000", "2", "3"]),
        (["0x1f", "2", "3"], ["0x1f", "2", "3"]),
        (["None", "none", "x"], ["None", "none", "x"]),
        (["true", "FALSE", "True"], [True, False, True]),
        (["true", "", "false"], [True, None, False]),
        (["2024-01-02", "NA", "2024-01-03"], ["2024-01-02", None, "2024-01-03"]),
        ([" a", "b ", "c"], [" a", "b ", "c"]),
        (["12 cm", "13", "14"], ["12 cm", "13", "14"]),
        (["", "", ""], [None, None, None]),
    ],
)
def test_a_column_is_numbers_only_if_nothing_is_lost(values: list[str], expected: list[Any], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("v;w\n" + "".join(f"{value};a\n" for value in values), encoding="utf-8")
    series = read_table(tmp_path / "t.csv", decimal=".").frame["v"]
    assert [None if gone else value for value, gone in zip(series, series.isna(), strict=True)] == expected


def test_what_is_said_is_followed_and_what_is_detected_is_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a;b\n1,5;-99\n2;n/a\n3;é\n".encode("cp1252"))
    table = read_table(tmp_path / "t.csv", encoding="cp1252", missing=["-99"])
    assert table.format == {"delimiter": ";", "decimal": ",", "encoding": "cp1252", "missing": ["-99"]}
    assert table.frame["b"].fillna("gone").tolist() == ["gone", "n/a", "é"]
    again = read_table(tmp_path / "t.csv", **table.format)
    pd.testing.assert_frame_equal(again.frame, table.frame)
    assert read_table(tmp_path / "t.csv", delimiter="\t", encoding="latin-1").frame.shape == (3, 1)


def joined(*parts: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(b"".join(parts))

    return make


def packed(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(gzip.compress(content)[:-9])

    return make


def zipped(**members: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in members.items():
                archive.writestr(name, text)

    return make


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 5 * 2**30)


def cut_parquet(path: Path) -> None:
    stream = io.BytesIO()
    pd.DataFrame({"a": range(100)}).to_parquet(stream)
    path.write_bytes(stream.getvalue()[:-40])


BAD_FILES: list[tuple[str, Callable[[Path], None], str]] = [
    ("t.csv", joined(), "A table must have content. Received: {path}, which is empty"),
    ("t.csv", joined(b" \n\n"), "which is empty"),
    ("t.csv", joined(b"a,b\n"), "A table must have rows. Received: {path} with 0 rows"),
    ("t.csv", joined(b"a,b,a\n1,2,3\n"), "must have names of their own. Received: {path} with 'a' as columns 1, 3"),
    ("t.csv", joined(b"a,b\n1,2\na,b\n3,4\n"), "A table must have one header. Received: {path}, whose row 1 repeats it"),
    ("t.csv", joined(b"1,2\n3,4\n"), "The first line of a table must be the names of its columns"),
    ("t.csv", joined(b"a,b\n1,2\n3\n"), "whose line 3 has 1, divided by ','. It seems to be cut off"),
    ("t.csv", joined(b"a,b\n1,2,3\n4,5\n6,7,8\n"), "whose line 2 and 1 more has 3, divided by ','. Correct these lines"),
    (
        "t.csv",
        joined(b'a,b\n1,"x\n2,y\n'),
        "Quotation marks of a table must be closed. Received: {path}, whose line 2 opens one",
    ),
    (
        "t.csv",
        joined(b"a,b\n1,x\n2,caf\xe9\n"),
        "in its encoding, utf-8. Received: {path} with the byte 0xe9 in line 3, near b'2,caf",
    ),
    ("t.csv", joined(b"a,b\n1,x\0\n"), "which has zero bytes"),
    ("t.csv.gz", packed(b"a,b\n1,2\n" * 99), "A table must be complete. Received: {path}, which ends early"),
    ("t.csv.gz", joined(b"a,b\n1,2\n"), "A table must be readable. Received: {path}: Not a gzipped file"),
    ("t.csv.zip", zipped(a="a\n1\n", b="a\n1\n"), "the only file of its archive. Received: {path} with 2 files"),
    ("t.csv.zip", joined(b"PK"), "A table must be readable. Received: {path}: File is not a zip file"),
    ("t.csv", sparse, "A table must have at most 4 GiB. Received: {path}, which has more"),
    ("t.parquet", cut_parquet, "A .parquet table must be complete. Received: {path}: "),
    ("t.jsonl", joined(b'{"a": 1}\n{"a": \n'), "one JSON object. Received: {path}, line 2: Expecting value"),
    ("t.jsonl", joined(b'{"a": 1}\n3\n'), "one JSON object. Received: {path}, line 2: 3"),
    ("t.json", joined(b"{"), "A .json table must be a list of records or a mapping of columns"),
    ("t.json", joined(b"[]"), "A table must have rows"),
    ("t.xlsx", joined(b"x"), "A table must be a DataFrame, or a .csv, "),
]


@pytest.mark.parametrize(("name", "make", "message"), BAD_FILES)
def test_bad_files_are_refused_in_one_line(name: str, make: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(MTLError) as refused:
        read_table(path)
    assert message.replace("{path}", str(path)) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused_with_names_that_are_near(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    for name, said in (
        ("label.csv", "which does not exist. Did you mean 'labels.csv'?"),
        ("other/labels.csv", f"nor does the folder {tmp_path / 'other'}"),
    ):
        with pytest.raises(MTLError, match=said):
            read_table(tmp_path / name)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(MTLError, match="which is a folder"):
        read_table(tmp_path / "folder.csv")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "t.csv").write_text("a\n1\n", encoding="utf-8")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MTLError, match="A table must be readable. Received: .*: Permission denied"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": "::"}, "`delimiter` must be one character"),
        ({"decimal": "'"}, "Unknown decimal sign"),
        ({"encoding": "utf-9"}, "`encoding` must be one that Python knows"),
    ],
)
def test_what_cannot_be_how_a_table_is_written_is_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(MTLError, match=message):
        read_table(tmp_path / "t.csv", **options)


# What is inferred.

N = 60
RNG = np.random.default_rng(0)
KINDS: list[tuple[str, Any, str, str]] = [
    ("gone", [None] * N, "empty", ""),
    ("same", ["a"] * N, "constant", ""),
    ("web", [f"https://x.org/{i}.jpg" for i in range(N)], "url", ""),
    ("file", [f"photos/{i}.jpg" for i in range(N)], "image", ""),
    ("new", [i % 2 for i in range(N)], "boolean", "Binary"),
    ("old", ["yes", "no"] * (N // 2), "boolean", "Binary"),
    ("flag", [True, False] * (N // 2), "boolean", "Binary"),
    ("half", [0.0, 1.0, np.nan] * (N // 3), "boolean", "Binary"),
    ("day", [f"2024-01-{1 + i % 28:02}" for i in range(N)], "date", ""),
    ("time", [f"2024-01-{1 + i % 28:02}T{i % 24:02}:00:00" for i in range(N)], "date", ""),
    ("german", [f"{1 + i % 28}.12.2024" for i in range(N)], "date", ""),
    ("id", RNG.permutation(N), "identifier", ""),
    ("row", np.arange(N) * 3, "identifier", ""),
    ("uuid", [f"{i:08x}-ab" for i in range(N)], "identifier", ""),
    ("price", RNG.permutation(N) * 7, "number", "Regression"),
    ("size", RNG.normal(size=N), "number", "Regression"),
    ("some", [1.5, np.nan, 2.5] * (N // 3), "number", "Regression"),
    ("year", 1990 + RNG.integers(0, 30, N), "number", "Regression"),
    ("gaps", RNG.choice([1, 10, 100], N), "number", "Regression"),
    ("class", [i % 5 for i in range(N)], "category", "Classification"),
    ("from_one", [1 + i % 3 for i in range(N)], "category", "Classification"),
    ("garment", ["dress", "shirt", "hat"] * (N // 3), "category", "Classification"),
    ("city", ["New York", "Los Angeles", "San Francisco"] * (N // 3), "category", "Classification"),
    (
        "tags",
        ["red|cotton", "blue|silk", "red|silk", "blue", "cotton", "silk|blue|red"] * (N // 6),
        "multi-label",
        "MultiLabel",
    ),
    ("words", ["a b", "b c", "c", "a c", "a", "b"] * (N // 6), "multi-label", "MultiLabel"),
    ("note", [f"a note on {i} things" for i in range(N)], "text", ""),
    ("odd", [*map(str, range(100, 100 + N - 1)), "dear"], "text", ""),
    ("zone", pd.date_range("2024-03-30", periods=N, freq="h", tz="Europe/Berlin"), "date", ""),
    ("micro", pd.date_range("2024-03-30", periods=N, freq="333333us"), "date", ""),
    ("zones", [pd.Timestamp(f"2024-01-0{1 + i % 9}", tz="UTC" if i % 2 else "Asia/Tokyo") for i in range(N)], "date", ""),
    ("arrow_day", pd.array(pd.date_range("2024-01-01", periods=N).date, pd.ArrowDtype(pa.date32())), "date", ""),  # type: ignore[call-overload]
    ("arrow_time", pd.array(pd.date_range("2024-01-01", periods=N), pd.ArrowDtype(pa.timestamp("us"))), "date", ""),  # type: ignore[call-overload]
    ("exact", [Decimal(i) / 7 for i in RNG.permutation(N).tolist()], "number", "Regression"),
    ("objects", pd.Series(RNG.normal(size=N), dtype=object), "number", "Regression"),
    ("mixed", pd.Series(["a", 2, None] * (N // 3), dtype=object), "category", "Classification"),
    ("same_key", pd.Series([1, "1", True, 2] * (N // 4), dtype=object), "category", "Classification"),
    ("bytes", [b"a", b"b", b"c"] * (N // 3), "category", "Classification"),
    ("complex", RNG.normal(size=N) + 1j, "identifier", ""),
]


@pytest.mark.parametrize(("name", "values", "kind", "task"), KINDS, ids=[name for name, *_ in KINDS])
def test_what_a_column_is(name: str, values: Any, kind: str, task: str) -> None:
    frame = pd.DataFrame({name: values, "photo": [f"{i}.png" for i in range(N)], "other": [0, 1] * (N // 2)})
    column = infer(frame, image="photo")[name]
    assert column.kind == kind, column.reason
    assert column.task == task
    assert column.role == ("task" if task else "")
    assert column.count == N - round(column.missing * N)
    assert column.reason or kind == "empty"


def test_categories_without_rows_are_no_classes() -> None:
    stored = pd.Categorical(["no", "yes"] * (N // 2), categories=["no", "yes", "maybe"])
    column = infer(pd.DataFrame({"x": RNG.normal(size=N), "sure": stored}), tasks=["sure"])["sure"]
    assert (column.kind, column.values, column.rarest) == ("boolean", ("no", "yes"), 0.5)


@pytest.mark.parametrize("distinct", [5000, 1500, 300])
def test_one_text_among_many_numbers_is_said(distinct: int, tmp_path: Path) -> None:
    lines = [f"{row % distinct + 0.25},{row % 3}" if row != 4000 else "abc,1" for row in range(5000)]
    (tmp_path / "t.csv").write_text("\n".join(["v,y", *lines]))
    assert "'abc'" in infer_columns(read_table(tmp_path / "t.csv"), tasks=["y"]).columns[0].reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('v,w\n"1,234",1\n"12,345",2\n', ["1,234", "12,345"]),
        ("v\tw\n1,234\t1\n12,345\t2\n", ["1,234", "12,345"]),
        ('v,w\n"1,234",1\n"0,345",2\n', [1.234, 0.345]),
        ('v,w\n"1,5",1\n"2",2\n', [1.5, 2]),
        ("v;w\n1,234;1\n12,345;2\n", [1.234, 12.345]),
    ],
)
def test_thousands_are_not_taken_for_decimals(text: str, expected: list[Any], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert read_table(tmp_path / "t.csv").frame["v"].tolist() == expected


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_decimal_comma_between_commas_or_tabs_is_said(
    delimiter: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They may as well be two labels, or thousands."""
    frame = pd.DataFrame({"v": ["1,2", "3", "1,3"], "t": ["a,b", "c", "d"], "w": ["0,5", "7", "8"], "n": [1, 2, 3]})
    path = write(tmp_path / "t.csv", frame, delimiter)
    with caplog.at_level("WARNING", "mtl_keras"):
        assert read_table(path).frame["v"].tolist() == [1.2, 3, 1.3]
    (said,) = caplog.messages
    assert "numbers of t.csv are read as decimal signs: '1,2' in column 'v' and 1 more." in said
    caplog.clear()
    # Nothing is said where it is stated, or means nothing else.
    assert read_table(path, decimal=".").frame["v"].tolist() == ["1,2", "3", "1,3"]
    assert read_table(path, decimal=",").frame["v"].tolist() == [1.2, 3, 1.3]
    assert read_table(write(tmp_path / "s.csv", frame, ";")).frame["v"].tolist() == [1.2, 3, 1.3]
    assert not caplog.messages


def test_a_mark_at_the_beginning_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a,b\n1,2\n".encode("utf-16"))
    assert list(read_table(tmp_path / "t.csv", encoding="utf-16-le").frame.columns) == ["a", "b"]


def test_the_order_of_texts_is_left_to_the_user(tmp_path: Path) -> None:
    """Not that of the alphabet, silently."""
    frame = pd.DataFrame({"x": RNG.normal(size=N), "size": ["low", "mid", "high"] * (N // 3), "rank": [1, 2, 3] * (N // 3)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    draft = draft_study(infer_source(tmp_path / "t.csv", tasks=["size:Ordinal", "rank:Ordinal"]))
    assert draft.file.tasks == {"size": {"kind": "Ordinal"}, "rank": {"kind": "Ordinal", "classes": [1, 2, 3]}}
    assert 'add classes = [...], from the lowest to the highest, of: "high", "low", "mid"' in draft.text()


def test_a_named_kind_that_was_not_inferred_has_its_own_defaults(tmp_path: Path) -> None:
    """Neither an empty separator, nor combinations of labels as labels."""
    frame = pd.DataFrame({"x": RNG.normal(size=N), "tags": ["red|blue", "red|green"] * (N // 2)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    draft = draft_study(infer_source(tmp_path / "t.csv", tasks=["tags:MultiLabel"]))
    assert draft.file.tasks == {"tags": {"kind": "MultiLabel"}}


@pytest.mark.parametrize("name", ["a\x1bb", "a\x7fb", "a\x85b", "a\nb", "#", "a.b", "'\"", "[tasks]", "\\"])
def test_any_name_of_a_column_can_be_in_a_study_file(name: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": RNG.normal(size=N), name: ["u", "v", "w"] * (N // 3), f"of{name}": [f"t{i}" for i in range(N)]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    draft = draft_study(infer_source(tmp_path / "t.csv", tasks=[name]))
    (tmp_path / "s.toml").write_text(draft.text(), encoding="utf-8")
    assert read_study_file(tmp_path / "s.toml") == draft.file


def infer(frame: pd.DataFrame, **hints: Any) -> dict[str, InferredColumn]:
    return {column.name: column for column in infer_columns(read_table(frame), **hints).check().columns}


@SHARED
@given(
    values=st.lists(st.sampled_from(["a", "b", "c", "", "1", "1.5", "2024-01-01", "yes", "0", "x|y"]), min_size=1, max_size=30)
)
def test_every_column_is_something(values: list[str], tmp_path: Path) -> None:
    """Of a kind that its values fit: what is a number can be read as numbers, and classes are all of its values."""
    (tmp_path / "t.csv").write_text("v;w\n" + "".join(f"{value};1\n" for value in values), encoding="utf-8")
    table = read_table(tmp_path / "t.csv")
    column = infer_columns(table).columns[0]
    present = table.frame["v"].dropna()
    assert (column.count, column.distinct) == (len(present), present.nunique())
    assert (column.kind == "empty") == (not len(present))
    assert (column.kind == "constant") == (present.nunique() == 1)
    if column.kind == "number":
        assert np.isfinite(present.astype(float)).all()
    if column.kind in ("category", "boolean"):
        assert set(column.values) == set(present)


def test_roles_with_images() -> None:
    frame = pd.DataFrame(
        {
            "file": [f"{i}.png" for i in range(N)],
            "label": ["a", "b"] * (N // 2),
            "part": ["train", "train", "val", "test"] * (N // 4),
            "patient": [f"p{i}" for i in range(N)],
            "size": RNG.normal(size=N),
        }
    )
    roles = {name: column.role for name, column in infer(frame).items()}
    assert roles == {"file": "image", "label": "task", "part": "split", "patient": "", "size": "task"}
    roles = {name: column.role for name, column in infer(frame, tasks=["label"]).items()}
    assert roles == {"file": "image", "label": "task", "part": "split", "patient": "", "size": ""}
    named = infer(frame, tasks=["s*:ordinal", "label"])
    assert (named["size"].task, named["label"].task) == ("Ordinal", "Classification")


def test_roles_without_images() -> None:
    frame = pd.DataFrame(
        {"a": RNG.normal(size=N), "b": ["x", "y", "z"] * (N // 3), "c1": [0, 1] * (N // 2), "c2": [1, 0] * (N // 2)}
    )
    with pytest.raises(MTLError, match=r"a table without images, and no tasks; columns that can be learnt: a \(number\), b"):
        infer(frame)
    roles = {name: (column.role, column.task) for name, column in infer(frame, tasks=["c*"]).items()}
    assert roles == {"a": ("input", ""), "b": ("input", ""), "c1": ("task", "Binary"), "c2": ("task", "Binary")}
    roles = {name: (column.role, column.task) for name, column in infer(frame, tasks=["c2"], inputs=["a"]).items()}
    assert roles == {"a": ("input", ""), "b": ("", ""), "c1": ("", ""), "c2": ("task", "Binary")}


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ({"tasks": ["lable"]}, "Unknown column: received 'lable'. Did you mean 'label'?"),
        ({"tasks": ["z*"]}, "Unknown column: received 'z\\*'"),
        ({"tasks": ["label:Clasification"]}, "Unknown kind of task: received 'Clasification'. Did you mean 'Classification'"),
        ({"tasks": ["same"]}, "labels that can be learnt. Received: column 'same' of kind constant: one value, 'x'"),
        ({"tasks": ["same:Regression"]}, "of kind constant"),
        ({"tasks": ["note"]}, "column 'note' of kind text: 60 different texts"),
        ({"tasks": ["cm"]}, "column 'cm' of kind text: numbers with texts in between, such as '59 cm'"),
        ({"image": "web"}, "An image column must hold paths of files. Received: addresses in column 'web'. Download"),
        ({"image": "flie"}, "Unknown column: received 'flie'"),
        ({"image": "same"}, "Received: column 'same', one value, 'x'"),
        ({"image": "file", "inputs": ["file"]}, "A column must hold images or be an input. Received: 'file' as both"),
        ({"inputs": ["label"], "tasks": ["label"]}, "A column must be an input or a task. Received: 'label' as both"),
        ({"inputs": ["note"], "tasks": ["label"]}, "An input column must hold numbers, categories, booleans or dates"),
        ({"inputs": ["nr"], "tasks": ["label"]}, "or state what it is, e.g. inputs={'nr': 'number'}, or in the study file"),
        ({"image": "file", "tasks": ["label"], "root": None}, ""),
    ],
)
def test_names_that_do_not_fit_are_refused(hints: dict[str, Any], message: str) -> None:
    frame = pd.DataFrame(
        {
            "file": [f"{i}.png" for i in range(N)],
            "label": ["a", "b"] * (N // 2),
            "same": ["x"] * N,
            "note": [f"a note on {i}" for i in range(N)],
            "cm": [*map(str, range(100, 100 + N - 1)), "59 cm"],
            "web": [f"http://x/{i}.png" for i in range(N)],
            "nr": range(N),
        }
    )
    if not message:
        infer(frame, **hints)
        return
    with pytest.raises(MTLError, match=message) as refused:
        infer(frame, **hints)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("root", "suffix"), [("", ""), ("images", ""), ("images", ".png"), ("", ".PNG")])
def test_images_are_looked_for_next_to_the_table_and_below(root: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / root).mkdir(exist_ok=True)
    for row in range(10):
        Image.new("RGB", (4, 4)).save(tmp_path / root / f"n{row}{suffix or '.jpg'}", "PNG")
    frame = pd.DataFrame({"name": [f"n{row}{'' if suffix else '.jpg'}" for row in range(10)], "label": ["a", "b"] * 5})
    table = read_table(write(tmp_path / "t.csv", frame))
    column = infer_columns(table).columns[0]
    assert (column.kind, column.role) == ("image", "image")
    assert column.place is not None
    assert (column.place.root, column.place.suffix, column.place.found) == (root or ".", suffix, 1.0)


# Study files.

KEYS = st.text(min_size=1, max_size=6).filter(lambda text: "\0" not in text and text.isprintable())
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    st.lists(st.one_of(st.integers(-9, 9), st.text(st.characters(exclude_categories=["Cs"]), max_size=4)), max_size=4),
)
IMAGE_OPTIONS = {
    "image_size": st.integers(1, 99),
    "channels": st.sampled_from([1, 3]),
    "background": st.one_of(st.integers(0, 255), st.lists(st.integers(0, 255), min_size=3, max_size=3)),
    "max_pixels": st.integers(1, 99),
}
FILES = st.builds(
    StudyFile,
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    table=st.fixed_dictionaries({"path": KEYS}, optional={"delimiter": KEYS, "missing": st.lists(KEYS, max_size=3)}),
    inputs=st.one_of(
        st.fixed_dictionaries({"image": KEYS}, optional={"root": KEYS, **IMAGE_OPTIONS}),
        st.fixed_dictionaries({"columns": st.dictionaries(KEYS, KEYS, min_size=1, max_size=6)}),
    ),
    tasks=st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=3),
    splits=st.dictionaries(KEYS, VALUES, max_size=2),
    settings=st.dictionaries(KEYS, VALUES, max_size=3),
    space=st.dictionaries(KEYS, VALUES, max_size=3),
)


@SHARED
@given(file=FILES, comment=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_a_study_file_that_is_written_and_read_is_the_same(file: StudyFile, comment: str, tmp_path: Path) -> None:
    notes = {"": comment, "table": comment, "table.path": comment, "settings": comment}
    (tmp_path / "s.toml").write_text(file.text(notes), encoding="utf-8")
    again = read_study_file(tmp_path / "s.toml")
    assert again == file
    assert again.path == tmp_path / "s.toml"


GOOD = """name = "mine"
[table]
path = "t.csv"
[inputs]
image = "file"
[tasks.label]
kind = "Binary"
[splits]
test = 0.2
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("[table]", "[tabel]", 2, "Unknown key in the study file: 'tabel'. Did you mean 'table'?"),
        ("path =", "pth =", 3, "Unknown key in [table]: 'pth'. Did you mean 'path'?"),
        ('path = "t.csv"', "path = 3", 3, "table.path must be a text. Received: 3"),
        ('image = "file"', 'image = "file"\nimage_size = "96"', 6, "inputs.image_size must be a whole number"),
        ('image = "file"', 'image = "file"\nchannels = "1"', 6, "inputs.channels must be a whole number. Received: '1'"),
        ('image = "file"', 'image = "file"\nbackground = [0, 0]', 6, "inputs.background must be a whole number, or three"),
        ('image = "file"', "", 4, "[inputs] must have image or columns, or both. Received: neither"),
        ('[tasks.label]\nkind = "Binary"', "[tasks]\nlabel = 3", 7, "A task must be a section. Received: tasks.label = 3"),
        ('[tasks.label]\nkind = "Binary"', "", None, "A study file must have tasks"),
        ("[splits]", "[folder]\npath = 'x'\nlevels = ['a']\n[splits]", 8, "must have [table] or [folder]. Received: both"),
        ('name = "mine"', "name = 1", 1, "name must be a text. Received: 1"),
        ('[table]\npath = "t.csv"', 'table = "t.csv"', 2, "table must be a section"),
        ("test = 0.2", "test = ", None, "A study file must be TOML. Received: {path}: Invalid value (at line 9, column 8)"),
    ],
)
def test_what_is_wrong_with_a_study_file_is_named_by_line(
    old: str, new: str, line: int | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.toml"
    assert old in GOOD
    path.write_text(GOOD, encoding="utf-8")
    read_study_file(path)
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(MTLError) as refused:
        read_study_file(path)
    assert message.replace("{path}", str(path)) in str(refused.value)
    if line is not None:
        assert str(refused.value).startswith(f"{path}, line {line}: ")
    assert "\n" not in str(refused.value)


def test_a_study_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MTLError, match="A study file must exist"):
        read_study_file(tmp_path / "none.toml")
    (tmp_path / "s.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(MTLError, match="A study file must be readable, in UTF-8"):
        read_study_file(tmp_path / "s.toml")


def test_json_of_an_inference_is_plain(tmp_path: Path) -> None:
    frame = pd.DataFrame({"file": [f"{i}.png" for i in range(N)], "label": [0, 1] * (N // 2)})
    columns = json.loads(json.dumps(infer_columns(read_table(frame)).config()))
    assert [(column["name"], column["kind"], column["role"]) for column in columns] == [
        ("file", "image", "image"),
        ("label", "boolean", "task"),
    ]
