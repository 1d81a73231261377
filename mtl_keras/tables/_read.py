"""Tables from files and data frames."""

from __future__ import annotations

import io
import json
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError, describe, unknown
from mtl_keras.tables._bytes import FORMATS, format_of, name_of, read_bytes
from mtl_keras.tables._csv import detect_delimiter, parse_csv, to_utf8
from mtl_keras.tables._typed import MISSING, detect_decimal, first_texts, first_with, type_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Table", "read_table"]

_log = logging.getLogger("mtl_keras")


@dataclass(frozen=True, eq=False)
class Table:
    """A table with what is known of its file.

    Attributes:
        frame: One row per example. Texts are as the file has them, missing values are NaN or None.
        name: Name of the file without endings, or `"dataframe"`.
        folder: Folder that paths in the table are relative to.
        path: The file; None for a data frame.
        format: How a text table is written: `delimiter`, `decimal` and `encoding`, and the texts that stand for `missing`
            values, apart from an empty field. Empty for other tables.
    """

    frame: pd.DataFrame
    name: str
    folder: Path
    path: Path | None = None
    format: Mapping[str, Any] = field(default_factory=dict)


def read_table(
    source: pd.DataFrame | str | os.PathLike[str],
    *,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    missing: Sequence[str] | None = None,
) -> Table:
    """Read a table.

    A column of a text table is numbers or booleans (`true`, `false`) if all of its values are; otherwise it is texts as the
    file has them: `007` stays `007`, and dates stay texts.

    Args:
        source: A pandas DataFrame, or the path of a `.csv`, `.tsv`, `.parquet`, `.jsonl` or `.json` file (a list of records,
            or a mapping of columns), which may be packed (`.gz`, or `.zip` with one file).
        delimiter: Of a text table: one character. None (default) detects a comma, semicolon, tab or `|`.
        decimal: `"."` or `","`; None (default) detects it, and says so if numbers with a comma stand between commas or tabs.
        encoding: None (default) is what a mark at the beginning of the file says, else UTF-8.
        missing: Texts that stand for a missing value, besides an empty field; default: NA, N/A, n/a, NaN, nan, NULL, null,
            #N/A and <NA>.

    Raises:
        MTLError: If there is no such table, it is damaged, has no rows, or two columns of one name.

    Example:
        >>> import pandas as pd
        >>> read_table(pd.DataFrame({"age": [31, 44]})).name
        'dataframe'
    """
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return _check(Table(source, "dataframe", Path()))
    if not isinstance(source, str | os.PathLike):
        raise MTLError(
            f"`table` must be a DataFrame or the path of a file. Received: {describe(source)}. Pass e.g. 'labels.csv'."
        )
    path = Path(source).expanduser()
    kind = format_of(path)
    if kind is None:
        raise MTLError(
            f"A table must be a DataFrame, or a {', '.join(FORMATS)} file, perhaps with .gz or .zip. Received: {path}"
            f"{'' if path.exists() else ', which does not exist'}. Read other formats with pandas and pass the DataFrame."
        )
    if decimal not in (None, ".", ","):
        raise unknown("decimal sign", decimal, (".", ","))
    data = read_bytes(path)
    name = name_of(path)
    if kind == "csv":
        frame, form = _read_csv(data, path, delimiter, decimal, encoding, missing)
        return _check(Table(frame, name, path.parent, path, form))
    return _check(Table(_read_other(data, path, kind), name, path.parent, path))


def _check(table: Table) -> Table:
    """Return the table after checking that it has rows, and columns with names of their own."""
    import pandas as pd

    where = table.path or table.name
    names = [str(name) for name in table.frame.columns]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise MTLError(
            f"Columns of a table must have names of their own. Received: {where} with {twice[0]!r} more than once. Rename one."
        )
    if not len(table.frame):
        raise MTLError(f"A table must have rows. Received: {where} with 0 rows. Add some.")
    if not names:
        raise MTLError(f"A table must have columns. Received: {where} without any. Add some.")
    frame = table.frame.set_axis(pd.Index(names), axis="columns")
    return Table(frame, table.name, table.folder, table.path, table.format)


def _read_csv(
    data: bytes, path: Path, delimiter: str | None, decimal: str | None, encoding: str | None, missing: Sequence[str] | None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a text table and how it is written."""
    import pandas as pd

    data, encoding = to_utf8(data, path, encoding)
    if delimiter is None:
        delimiter = detect_delimiter(data, path)
    texts = parse_csv(data, path, delimiter)
    del data
    marks = tuple(MISSING if missing is None else {"", *missing})
    detected = decimal is None
    if decimal is None:
        decimal = detect_decimal([first_texts(texts.column(name), marks) for name in texts.column_names], delimiter)
    # Between commas or tabs a comma may as well divide thousands or labels, so that this reading is never silent.
    said = detected and decimal == "," and delimiter in (",", "\t")
    columns, names = {}, list(texts.column_names)
    with_comma: dict[str, str] = {}
    found: set[str] = set()
    for name in names:
        column = texts.column(name)
        # Each column is let go when its numbers are there, so that a large table is in memory once.
        texts = texts.drop_columns([name])
        columns[name], marked = type_column(column, decimal, marks)
        found |= marked
        if said and columns[name].dtype.kind == "f" and (value := first_with(column, ",")) is not None:
            with_comma[name] = value
    if with_comma:
        (first, value), more = next(iter(with_comma.items())), len(with_comma) - 1
        _log.warning(
            f"Commas in the numbers of {path.name} are read as decimal signs: {value!r} in column {first!r}"
            f"{f' and {more} more' if more else ''}. State decimal='.' if they divide thousands or labels, or "
            "decimal=',' if not."
        )
    form = {"delimiter": delimiter, "decimal": decimal, "encoding": encoding, "missing": sorted(found)}
    return pd.DataFrame(columns, columns=pd.Index(names), copy=False), form


def _read_other(data: bytes, path: Path, kind: str) -> pd.DataFrame:
    """Return a table that says the types of its values."""
    import pandas as pd

    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet

        try:
            return pyarrow.parquet.read_table(io.BytesIO(data)).to_pandas()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise MTLError(
                f"A .parquet table must be complete. Received: {path}: {' '.join(str(error).split())[:200]}. Copy or download "
                "it again."
            ) from error
    text = to_utf8(data, path, None)[0].decode()
    try:
        if kind == "lines":
            return pd.DataFrame([_record(line, number, path) for number, line in _lines(text)])
        return pd.DataFrame(json.loads(text))
    except MTLError:
        raise
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise MTLError(
            f"A .json table must be a list of records or a mapping of columns. Received: {path}: "
            f"{' '.join(str(error).split())[:200]}. Correct it, or pass a DataFrame."
        ) from error


def _lines(text: str) -> list[tuple[int, str]]:
    """Return the lines that are not empty, with their numbers from 1."""
    return [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _record(line: str, number: int, path: Path) -> dict[str, Any]:
    """Return the record of one line."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MTLError(
            f"Each line of a .jsonl table must be one JSON object. Received: {path}, line {number}: {error}. Correct it."
        ) from error
    if not isinstance(record, dict):
        raise MTLError(
            f"Each line of a .jsonl table must be one JSON object. Received: {path}, line {number}: {describe(record)}. "
            "Correct it."
        )
    return record
