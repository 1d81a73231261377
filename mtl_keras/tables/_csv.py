"""Text tables: encoding and delimiter are detected, and every column is read as texts, as it is written."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

from mtl_keras.errors import MTLError

__all__ = ["detect_delimiter", "parse_csv", "to_utf8"]

DELIMITERS = (",", ";", "\t", "|")
#: Bytes and rows from which the delimiter is detected.
SAMPLE, SAMPLE_ROWS = 2**16, 100
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
#: Marks at the beginning of a file that say how it is encoded.
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def to_utf8(data: bytes, path: Path, encoding: str | None) -> tuple[bytes, str]:
    """Return the text of a file as UTF-8, and its encoding: the given one, else what its first bytes say, else UTF-8.

    Raises:
        MTLError: If the encoding is unknown, or the file has bytes that are not part of it; the message names the line.
    """
    if encoding is None:
        encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        name = codecs.lookup(encoding).name
        if name in ("utf-8", "utf-8-sig"):
            decoder = codecs.getincrementaldecoder("utf-8")()
            for start in range(0, len(data), 2**24):
                decoder.decode(data[start : start + 2**24])
            decoder.decode(b"", final=True)
            return data.removeprefix(codecs.BOM_UTF8), encoding
        return data.decode(encoding).removeprefix("\ufeff").encode(), encoding
    except LookupError as error:
        raise MTLError(
            f"`encoding` must be one that Python knows. Received: encoding={encoding!r} for {path}. Pass e.g. 'utf-8' or "
            "'cp1252'."
        ) from error
    except UnicodeDecodeError:
        raise _wrong_bytes(data, path, encoding) from None


def _wrong_bytes(data: bytes, path: Path, encoding: str) -> MTLError:
    """Return the error for a file that is not in its encoding."""
    try:
        data.decode(encoding)
        start = 0
    except UnicodeDecodeError as error:
        start = error.start
    line = data.count(b"\n", 0, start) + 1
    near = data[max(start - 10, data.rfind(b"\n", 0, start) + 1) : start + 10]
    other = "'cp1252' (Windows) or 'latin-1'" if codecs.lookup(encoding).name.startswith("utf-8") else "'utf-8'"
    return MTLError(
        f"A text table must be in its encoding, {encoding}. Received: {path} with the byte 0x{data[start]:02x} in line {line}, "
        f"near {near!r}. Pass another encoding, such as {other}, or save the file as UTF-8."
    )


def detect_delimiter(data: bytes, path: Path) -> str:
    """Return the delimiter that divides all of the first rows into the same number of fields, the largest one."""
    if ".tsv" in [suffix.lower() for suffix in path.suffixes]:
        return "\t"
    sample = data[:SAMPLE]
    if len(data) > SAMPLE:
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    text = sample.decode("utf-8", "replace")
    best, found = (0.0, 1), ","
    for delimiter in DELIMITERS:
        widths = Counter(len(row) for _, row in zip(range(SAMPLE_ROWS), _rows(text, delimiter), strict=False) if row)
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        # A file with some rows of another width has a delimiter as well, and an error that names these rows.
        score = (1.0 if len(widths) == 1 else 0.5 * count / widths.total(), width)
        if width > 1 and score > best:
            best, found = score, delimiter
    return found


def _rows(text: str, delimiter: str) -> Any:
    """Yield the rows of a text, up to one that cannot be parsed."""
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error:
        return


def parse_csv(data: bytes, path: Path, delimiter: str) -> Any:
    """Return a `pyarrow.Table` whose columns are texts, as they are written.

    Args:
        data: UTF-8.
        path: Of the file, for messages.
        delimiter: One character.

    Raises:
        MTLError: If the header is missing, repeats a name or is repeated below, a row has another number of fields, or a
            quotation mark is not closed. The message names the line.
    """
    import pyarrow as pa
    import pyarrow.csv

    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise MTLError(
            f"`delimiter` must be one character, and neither a quotation mark nor a line break. Received: {delimiter!r}. Pass "
            "e.g. ','."
        )
    if b"\0" in data:
        raise MTLError(f"A text table must hold text. Received: {path}, which has zero bytes. Name a .csv or .tsv file.")
    quoted = b'"' in data
    if quoted and data.count(b'"') % 2:
        _refuse_open_quote(data, path, delimiter)
    names = _read_header(data, path, delimiter)
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(data),
            read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows_after_names=1),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=quoted),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise _uneven(data, path, delimiter, len(names)) or MTLError(
            f"A text table must have rows of fields. Received: {path}: {' '.join(str(error).split())[:200]}. Correct it."
        ) from error
    _refuse_second_header(table, names, path)
    return table


def _read_header(data: bytes, path: Path, delimiter: str) -> list[str]:
    """Return the names of the columns; one without a name is called as pandas does."""
    start = io.TextIOWrapper(io.BytesIO(data[: 2**20]), "utf-8", "replace", newline="")
    header = next((row for row in csv.reader(start, delimiter=delimiter) if row), [])
    names = [name.strip() or f"Unnamed: {number}" for number, name in enumerate(header)]
    if len(header) > 1 and all(NUMBER.fullmatch(name.strip()) for name in header):
        raise MTLError(
            f"The first line of a table must be the names of its columns. Received: {path}, whose first line is numbers, "
            f"{', '.join(header[:3])}. Add a line of names."
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        where = ", ".join(str(number + 1) for number, name in enumerate(names) if name == twice[0])
        raise MTLError(
            f"Columns of a table must have names of their own. Received: {path} with {twice[0]!r} as columns {where}. Rename "
            "one."
        )
    return names


def _refuse_second_header(table: Any, names: list[str], path: Path) -> None:
    """Refuse rows that repeat the header, as files that were joined have them."""
    import pyarrow.compute as pc

    rows = pc.indices_nonzero(pc.equal(table.column(0), names[0])).to_pylist()
    if rows := [row for row in rows if all(table.column(i)[row].as_py().strip() == name for i, name in enumerate(names))]:
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        raise MTLError(
            f"A table must have one header. Received: {path}, whose row {rows[0]}{more} repeats it. Remove these lines."
        )


def _refuse_open_quote(data: bytes, path: Path, delimiter: str) -> None:
    """Refuse a file whose last quoted field is not closed; a mark in the middle of a field is a character like others."""
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8", newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for _ in reader:
            line = reader.line_num + 1
    except csv.Error as error:
        if "end of data" in str(error):
            raise MTLError(
                f"Quotation marks of a table must be closed. Received: {path}, whose line {line} opens one that is not. Close "
                "it, or copy or download the file again if it was cut off."
            ) from error


def _uneven(data: bytes, path: Path, delimiter: str, width: int) -> MTLError | None:
    """Return the error for rows with another number of fields than the header."""
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8", newline=""), delimiter=delimiter)
    wrong, line = [], 1
    for row in reader:
        if row and len(row) != width:
            wrong.append((line, len(row)))
        line = reader.line_num + 1
    if not wrong:
        return None
    first, fields = wrong[0]
    last = len(wrong) == 1 and first == line - 1 and fields < width
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    remedy = "It seems to be cut off: copy or download it again" if last else "Correct these lines, or pass another delimiter"
    return MTLError(
        f"Every line of a table must have as many fields as its header, {width}. Received: {path}, whose line {first}{more} "
        f"has {fields}, divided by {delimiter!r}. {remedy}."
    )
