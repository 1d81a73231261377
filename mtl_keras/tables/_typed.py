"""Columns of texts as columns of numbers, where every text is a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "detect_decimal", "first_texts", "first_with", "type_column"]

#: Texts that stand for a missing value, besides an empty field. "None" is not among them, which names classes as well.
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A", "<NA>")
#: Values from which a decimal sign is detected, and whether a column can be numbers at all.
SAMPLE = 200
POINT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
COMMA = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
#: Integers that float64 holds exactly.
EXACT = 2**53


def first_texts(texts: Any, missing: Sequence[str]) -> list[str]:
    """Return the first values of a column of texts that are not missing, without spaces around them."""
    kept: list[str] = []
    for chunk in texts.chunks:
        for start in range(0, len(chunk), 10 * SAMPLE):
            values = (value.strip() for value in chunk.slice(start, 10 * SAMPLE).to_pylist() if value is not None)
            kept += [value for value in values if value not in missing]
            if len(kept) >= SAMPLE:
                return kept[:SAMPLE]
    return kept


def first_with(texts: Any, sign: str) -> str | None:
    """Return the first text of a column that has a sign; None if none has it."""
    import pyarrow.compute as pc

    row = pc.index(pc.match_substring(texts, sign), True).as_py()
    return None if row < 0 else str(texts[row].as_py())


def detect_decimal(samples: Sequence[Sequence[str]], delimiter: str) -> str:
    """Return the decimal sign of a table: a comma if some column is numbers with it, and none is numbers with a point.

    Between commas or tabs, 1,234 may be a thousand and more, and decides nothing.
    """

    def has(sign: str, pattern: re.Pattern[str], unclear: re.Pattern[str] | None = None) -> bool:
        return any(
            any(sign in value and not (unclear and unclear.fullmatch(value)) for value in sample)
            and all(pattern.fullmatch(value) for value in sample)
            for sample in samples
        )

    return "," if has(",", COMMA, THOUSANDS if delimiter in (",", "\t") else None) and not has(".", POINT) else "."


def type_column(texts: Any, decimal: str, missing: Sequence[str]) -> tuple[pd.Series, set[str]]:
    """Return a column of texts as numbers or booleans if all of its values are, else as texts, missing ones as NaN.

    A text such as `007` is no number, because a number would lose its zeros.

    Args:
        texts: A `pyarrow.ChunkedArray` of strings.
        decimal: The decimal sign.
        missing: Texts that stand for a missing value.

    Returns:
        The column, and which of the texts for missing values it has, apart from empty ones.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(texts)
    gone = pc.is_in(trimmed, value_set=pa.array(list(missing), pa.string()))
    found = set(pc.unique(pc.filter(trimmed, gone)).to_pylist()) - {""} if pc.any(gone).as_py() else set()
    if texts.null_count or pc.any(gone).as_py():
        trimmed = pc.if_else(gone, pa.scalar(None, pa.string()), trimmed)
        texts = pc.if_else(gone, pa.scalar(None, pa.string()), texts)
    return _convert(texts, trimmed, decimal), found


def _convert(texts: Any, trimmed: Any, decimal: str) -> pd.Series:
    """Return texts, and the same without spaces around them, as numbers, booleans or texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sample = first_texts(trimmed, ())
    pattern = COMMA if decimal == "," else POINT
    if sample and all(pattern.fullmatch(value) for value in sample):
        numbers = _numbers(trimmed, decimal)
        if numbers is not None:
            return numbers
    if sample and all(value.lower() in ("true", "false") for value in sample):
        lower = pc.utf8_lower(trimmed)
        if set(pc.unique(lower).to_pylist()) <= {"true", "false", None}:
            return pc.equal(lower, "true").to_pandas()
    if not sample and trimmed.null_count == len(trimmed):
        return pa.chunked_array([pa.nulls(len(trimmed), pa.float64())]).to_pandas()
    return texts.to_pandas()


def _numbers(trimmed: Any, decimal: str) -> pd.Series | None:
    """Return numbers, or None if a text is none, has a leading zero, or more digits than a number of its kind keeps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.any(pc.match_substring_regex(trimmed, r"^[+-]?0\d")).as_py():
        return None
    if decimal == ",":
        if pc.any(pc.match_substring(trimmed, ".")).as_py():
            return None
        trimmed = pc.replace_substring(trimmed, ",", ".")
    unsigned = pc.utf8_ltrim(trimmed, "+")
    try:
        whole = unsigned.cast(pa.int64())
        if not whole.null_count:
            return whole.to_pandas()
        extremes = pc.min_max(whole).as_py()
        return whole.to_pandas() if max(abs(extremes["min"]), abs(extremes["max"])) <= EXACT else None
    except pa.ArrowInvalid:
        pass
    try:
        numbers = unsigned.cast(pa.float64()).to_pandas()
    except pa.ArrowInvalid:
        return None
    # Whole numbers with more digits than a float64 holds are names.
    return None if bool((np.abs(numbers) > EXACT).any()) and _all_digits(trimmed) else numbers


def _all_digits(trimmed: Any) -> bool:
    """Return whether all texts are digits alone."""
    import pyarrow.compute as pc

    return bool(pc.all(pc.utf8_is_digit(trimmed)).as_py())
