"""Values of one column as float64 or as texts, whatever pandas stores them as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.errors import RowsError, describe, list_rows
from mtl_keras.tables._dates import date_format

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BOOLEANS",
    "as_text",
    "find_date_format",
    "read_booleans",
    "read_categories",
    "read_dates",
    "read_numbers",
    "read_values",
    "to_numbers",
]

#: Texts of booleans, in lower case.
BOOLEANS = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), 1.0),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), 0.0),
}
DAY = 86_400.0
#: Texts of dates from which a format is recognized.
SAMPLE = 1000

RULES = {
    "number": ("finite numbers", "Correct these values, or leave them empty"),
    "boolean": ("yes or no, true or false, or 1 or 0", "Correct these values, or make the column a category"),
    "date": ("dates such as 2024-05-31", "Correct these values, or make the column a category"),
}


def read_values(series: pd.Series, name: str, kind: str, rows: np.ndarray | None = None, *, form: str = "") -> np.ndarray:
    """Return numbers, booleans (0 or 1) or dates (days since 1970) as float64, NaN where they are missing.

    Args:
        series: A column.
        name: Its name, for messages.
        kind: `"number"`, `"boolean"` or `"date"`.
        rows: Numbers of its rows in the table; None (default) if it has all of them.
        form: Format of texts of dates; default empty, ISO 8601.

    Raises:
        MTLError: If a value does not fit; the message names column and rows.
    """
    values = to_numbers(series, kind, form)
    wrong = np.flatnonzero(np.isinf(values))
    if np.isnan(values).any():
        wrong = np.flatnonzero(np.isinf(values) | (np.isnan(values) & ~missing(series)))
    if wrong.size:
        rule, remedy = RULES[kind]
        numbers = (wrong if rows is None else rows[wrong]).tolist()
        first = np.asarray(series.iloc[wrong[:1]], object)[0]
        reason = f"{describe(first)} is not one of {rule}"
        raise RowsError(
            f"Values of the {kind} column {name!r} must be {rule}. Received: {describe(first)} in "
            f"{list_rows(numbers)} ({len(wrong):,} of {len(series):,} rows). {remedy}.",
            numbers,
            reason,
            name,
        )
    return values


def to_numbers(series: pd.Series, kind: str, form: str | None = None) -> np.ndarray:
    """Return the same as `read_values`, with NaN also for values that do not fit.

    Args:
        series: A column.
        kind: `"number"`, `"boolean"` or `"date"`.
        form: Format of texts of dates, empty for ISO 8601; None (default) recognizes it.
    """
    if kind == "date":
        return read_dates(series, find_date_format(series) if form is None else form)
    return read_numbers(series) if kind == "number" else read_booleans(series)


def missing(series: pd.Series) -> np.ndarray:
    """Return where values are None, NaN or blank texts."""
    absent = series.isna().to_numpy(bool)
    if series.dtype.kind in "biufcmM":
        return absent
    codes, texts = read_categories(series)
    return absent | np.array([*(text is None for text in texts), True])[codes]


def read_numbers(series: pd.Series) -> np.ndarray:
    """Return numbers, and texts of numbers, as float64; NaN for anything else."""
    import pandas as pd

    if series.dtype.kind in "cmM":
        return np.full(len(series), np.nan)
    if series.dtype.kind not in "biuf":
        series = pd.to_numeric(pd.Series(np.asarray(series, object)), errors="coerce")
    return series.to_numpy(np.float64, na_value=np.nan)


def read_booleans(series: pd.Series) -> np.ndarray:
    """Return booleans, 0 and 1, and texts of them as 0 or 1; NaN for anything else."""
    codes, texts = read_categories(series)
    values = [np.nan if text is None else BOOLEANS.get(text.strip().lower(), np.nan) for text in texts]
    return np.array([*values, np.nan])[codes]


def read_dates(series: pd.Series, form: str = "") -> np.ndarray:
    """Return times, dates and texts of them as days since 1970 in UTC; NaN for anything else."""
    import pandas as pd

    if series.dtype.kind in "biufcm":
        return np.full(len(series), np.nan)
    if series.dtype.kind != "M":
        # Each text once.
        codes, uniques = pd.factorize(np.asarray(series, object))
        texts = [value.strip() if isinstance(value, str) else value for value in uniques]
        parsed = pd.to_datetime(pd.Series(texts, dtype=object), format=form or "ISO8601", utc=True, errors="coerce")
        return np.append(_as_days(parsed), np.nan)[codes]
    return _as_days(series)


def _as_days(times: pd.Series) -> np.ndarray:
    """Return times as days since 1970 in UTC."""
    if not isinstance(times.dtype, np.dtype) and str(times.dtype).startswith(("date32", "date64")):
        # Days of Arrow have no zone to ask for.
        times = times.astype("datetime64[us]")
    if times.dt.tz is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    values = times.to_numpy("datetime64[us]")
    return np.where(np.isnat(values), np.nan, values.astype(np.int64) / (1e6 * DAY))


def find_date_format(series: pd.Series) -> str:
    """Return the format that all texts of dates have; empty for ISO 8601, other values, and texts without a common format."""
    if series.dtype.kind in "biufcmM":
        return ""
    texts = [text.strip() for text in series.dropna().unique() if isinstance(text, str) and text.strip()]
    # All of them only where the first do not decide between day and month.
    form = date_format(texts[:SAMPLE])
    if form is not None and form.startswith(("%d", "%m")):
        form = date_format(texts)
    return "" if form is None or form.startswith("%Y-") else form


def read_categories(series: pd.Series) -> tuple[np.ndarray, list[str | None]]:
    """Return the number of each value among the distinct ones, -1 where it is missing, and their texts.

    A blank text has the text None. Two values may have the same text, such as 1 and 1.0.
    """
    import pandas as pd

    if series.dtype == object and pd.api.types.infer_dtype(series, skipna=True).startswith("mixed"):
        # 1 and True are the same to a hash table.
        series = series.map(as_text, na_action="ignore")
    codes, uniques = pd.factorize(series)
    texts = [as_text(value) for value in np.asarray(uniques, object)]
    return codes, [text if text.strip() else None for text in texts]


def as_text(value: Any) -> str:
    """Return the text that a category is known by: `"3"` for 3, 3.0 and `"3"`.

    Example:
        >>> as_text(3.0), as_text("3.0"), as_text(True)
        ('3', '3.0', 'True')
    """
    # An integer column with a missing value is stored as floats.
    if isinstance(value, float | np.floating) and np.isfinite(value) and float(value).is_integer():
        return str(int(value))
    return str(value)
