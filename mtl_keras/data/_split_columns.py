"""Columns that a division reads: the names of splits, groups, values to stratify by, and times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtl_keras.data._images import SPLITS
from mtl_keras.errors import MTLError, RowsError, describe, list_rows
from mtl_keras.tables import read_categories, to_numbers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_groups", "read_sides", "read_strata", "read_times"]

#: Columns of more different numbers than this are stratified by as many parts of equal size.
BINS = 10


def read_sides(values: pd.Series, column: str) -> np.ndarray:
    """Return the split of each row from the names in a column."""
    wrong: dict[str, list[int]] = {}
    sides = []
    for row, name in enumerate(values.tolist()):
        text = name if isinstance(name, str) else ""
        sides.append(SPLITS.get(text.strip().lower(), ""))
        if not sides[-1]:
            wrong.setdefault(text, []).append(row)
    if wrong:
        shown = "; ".join(f"{name!r} in {list_rows(rows)}" for name, rows in [*wrong.items()][:5])
        pairs = [(row, name) for name, rows in wrong.items() for row in rows]
        raise RowsError(
            f"A split must be one of {', '.join(SPLITS)}. Received: {shown} of column {column!r}. Correct these rows.",
            [row for row, _ in pairs],
            [f"{name!r} is no split" for _, name in pairs],
            column,
        )
    if "train" not in sides:
        raise MTLError(
            f"The split column must have training rows. Received: none in column {column!r}. Call their split 'train'."
        )
    return np.array(sides, "<U10")


def read_groups(values: pd.Series, column: str) -> np.ndarray:
    """Return the group of each row as a number, from 0 in the order of their first rows.

    Texts may differ by outer spaces, and a whole number is the same group however it is stored.
    """
    import pandas as pd

    _check_present(values, column, "group")
    codes, texts = read_categories(values)
    return np.asarray(pd.factorize(np.array([(text or "").strip() for text in texts], object)[codes])[0], np.int64)


def read_strata(values: pd.Series, column: str) -> np.ndarray:
    """Return the stratum of each row as a number, -1 where the value is missing."""
    import pandas as pd

    codes, names = pd.factorize(values)
    if pd.api.types.is_numeric_dtype(values.dtype) and len(names) > BINS:
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        present = numbers[~np.isnan(numbers)]
        limits = np.quantile(present, np.arange(1, BINS) / BINS)
        return np.where(np.isnan(numbers), -1, np.searchsorted(limits, numbers, side="right"))
    if len(names) > 1 and len(names) == (codes >= 0).sum():
        raise MTLError(
            f"Columns to stratify by must have values that occur more than once. Received: {len(names)} different values in "
            f"column {column!r}. Leave it out of `stratify`."
        )
    return np.asarray(codes, np.int64)


def read_times(values: pd.Series, column: str) -> np.ndarray:
    """Return the time of each row as a number."""
    import pandas as pd

    _check_present(values, column, "time")
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy()
    plain = pd.api.types.is_datetime64_any_dtype(values.dtype)
    texts = values if plain else values.map(str).str.strip()
    times = to_numbers(texts, "date")
    if not plain:
        # Pandas takes words such as "today" as well.
        times = np.where(texts.str.match(r"\d"), times, np.nan)
        month_first = pd.to_datetime(texts.str[:10], format="%m/%d/%Y", errors="coerce")
        if month_first.notna().all() and month_first.dt.day.max() <= 12:
            raise MTLError(
                f"Times must have one meaning. Received: {texts.iloc[0]!r} and others in column {column!r}, which may all "
                "start with the day or the month. Write them as 2026-03-31."
            )
    if (wrong := np.flatnonzero(np.isnan(times))).size:
        raise RowsError(
            "Times must be numbers, dates, or texts of dates in one format, such as 2026-03-31 or 2026-03-31 18:00. Received: "
            f"{describe(values.iloc[wrong[0]])} in {list_rows(wrong.tolist())} of column {column!r}. Convert them, e.g. by "
            f"pd.to_datetime(df[{column!r}], format='%d %b %Y').",
            wrong.tolist(),
            "no time",
            column,
        )
    return times


def _check_present(values: pd.Series, column: str, what: str) -> None:
    """Refuse rows without a group or a time."""
    blank = values.map(lambda value: isinstance(value, str) and not value.strip()).to_numpy(bool)
    if (wrong := np.flatnonzero(values.isna().to_numpy() | blank)).size:
        raise RowsError(
            f"Every row must have a {what} where the splits depend on it. Received: none in {list_rows(wrong.tolist())} of "
            f"column {column!r}. Fill it in, or remove the rows.",
            wrong.tolist(),
            f"no {what}",
            column,
        )
