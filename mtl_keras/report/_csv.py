"""CSV files of rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtl_keras.files import atomic, damaged, read_text

__all__ = ["read_csv", "write_csv"]


def read_csv(path: Path, columns: Sequence[str], numbers: Mapping[str, Callable[[str], Any]]) -> list[dict[str, Any]]:
    """Read the rows of a CSV file.

    Args:
        path: The file.
        columns: Those that it must have; `role` may be missing, which earlier versions did not write.
        numbers: How values of some columns are read; all others are text.

    Raises:
        MTLError: If the file is not as it was written; the message has the line.
    """
    rows: list[dict[str, Any]] = []
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        if missing := [column for column in columns if column not in {"role", *(reader.fieldnames or ())}]:
            raise ValueError(f"it must have the columns {', '.join(columns)}, and has no {missing[0]}")
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"it has not as many values as there are columns, {len(reader.fieldnames or ())}")
            rows.append({**row, **{column: read(row[column]) for column, read in numbers.items()}})
    except (ValueError, csv.Error) as error:
        raise damaged(path, str(error), max(reader.line_num, 1)) from error
    return rows


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows atomically and with full precision."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
