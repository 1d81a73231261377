"""From the columns of a table to one row of float32 for each of its rows, as learnt from training rows alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.errors import (
    MTLError,
    Problems,
    RowsError,
    check_instances,
    check_mapping,
    check_names,
    check_number,
    check_option,
    check_path,
    check_text,
    check_unique,
    list_rows,
    store,
    unknown,
)
from mtl_keras.files import damaged, read_json, seal, write_json
from mtl_keras.tables._column import KINDS, Column
from mtl_keras.tables._values import find_date_format, read_categories, read_values

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ENCODER", "TableEncoder"]

#: Name of its file in a run folder.
ENCODER = "encoder.json"
FORMAT_VERSION = 1

#: Most codes of a column, which also are exact as float32.
MOST_CODES = 1_000_000
#: Where the mean is more standard deviations than this, float32 would lose digits of the differences.
FAR = 1e4
FLOAT_MAX, SMALLEST_SCALE = float(np.finfo(np.float32).max), 1e-36


@dataclass(frozen=True)
class Encoding:
    """How one column is encoded.

    Args:
        column: What the graph must know of the result.
        center: What is subtracted from values in float64, before they become float32.
        categories: The texts of the codes 1, 2, ...
        format: Of texts of dates, as `datetime.strptime` takes it; default empty, ISO 8601.
    """

    column: Column
    center: float = 0.0
    categories: tuple[str, ...] = ()
    format: str = ""

    def __post_init__(self) -> None:
        store(self, center=float(check_number("center", self.center, of="an encoding")))
        if self.format:
            check_text("format", self.format, of="an encoding", example="%d.%m.%Y")
        names = check_names("categories", self.categories, of="an encoding")
        store(self, categories=names)
        if len(set(names)) < len(names):
            check_unique("categories of an encoding", names)
        if self.column.size != (len(names) + 1 if self.column.categorical else 0):
            raise MTLError(
                f"`categories` of an encoding must be the texts of its codes. Received: {len(names)} for column "
                f"{self.column.name!r} of size {self.column.size}. Pass one for each code but 0."
            )

    def config(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        own = {"center": self.center, "categories": list(self.categories), "format": self.format}
        return {**self.column.config(), **own}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Encoding:
        """Create an encoding from the result of `config`."""
        own = {"center": config["center"], "categories": tuple(config["categories"]), "format": config["format"]}
        return cls(Column.from_config({name: value for name, value in config.items() if name not in own}), **own)


@dataclass(frozen=True)
class TableEncoder:
    """Encodes the columns of a table as float32; `fit` creates it from training rows.

    - A number stays as it is. Where the mean is more than 10,000 standard deviations, it is subtracted in float64, so that
      years in milliseconds or prices around a million keep their differences.
    - A date becomes the days since the first date in training: a time, a text of ISO 8601 such as `2024-05-31T12:00`, or a text
      of another format that all training texts have, such as `31.05.2024`. Times without a zone are taken as UTC.
    - A boolean (True or False, 0 or 1, yes or no, y or n, t or f, on or off) becomes 0 or 1.
    - A category becomes a whole code: 1, 2, ... in the order of the texts, and 0 for a value that is missing or does not occur
      in training. A whole number is the same category whether it is stored as an integer, a float or a text.

    None, NaN and blank texts are missing values. Where one occurs in training, a missing value becomes NaN, which the graph
    replaces by the mean and marks by an indicator; where none does, it becomes the mean and is counted as unknown.

    Args:
        encodings: How each column is encoded.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"day": ["2024-01-01", "2024-01-03"], "open": ["yes", "no"], "kind": ["b", "a"]})
        >>> encoder = TableEncoder.fit(frame, {"day": "date", "open": "boolean", "kind": "category"})
        >>> encoder.transform(frame)[0].tolist()
        [[0.0, 1.0, 2.0], [2.0, 0.0, 1.0]]
        >>> encoder.transform(frame.assign(kind=["c", "a"]))[1]
        {'day': 0, 'open': 0, 'kind': 1}
    """

    encodings: tuple[Encoding, ...]

    def __post_init__(self) -> None:
        store(self, encodings=check_instances("encodings", self.encodings, Encoding, of="an encoder"))
        check_unique("encodings", [each.column.name for each in self.encodings])
        if not self.encodings:
            raise MTLError("An encoder must have at least one column. Received: none. Name some inputs.")

    @classmethod
    def fit(cls, frame: pd.DataFrame, kinds: Mapping[str, str], rows: Sequence[int] | np.ndarray | None = None) -> TableEncoder:
        """Learn the encoding of some columns.

        Args:
            frame: A table.
            kinds: The kind of each input, by column: `"number"`, `"category"`, `"boolean"` or `"date"`. Their order is that of
                the encoded columns.
            rows: Numbers of the training rows, from 0, which alone are read; None (default) for all rows.

        Raises:
            MTLError: If a column is missing or twice in the table, there is no row, a column has no value in training, or a
                value does not fit its kind. One error names all columns, with their rows.
        """
        kinds = {name: check_option(f"kinds[{name!r}]", kind, KINDS) for name, kind in check_mapping("kinds", kinds).items()}
        _check_columns(frame, kinds)
        numbers = np.arange(len(frame)) if rows is None else np.asarray(rows, np.int64)
        if not len(numbers):
            raise MTLError("An encoder must be fitted on at least one row. Received: 0 training rows. Pass more rows.")
        return cls(tuple(_for_each(kinds, lambda name: _fit_column(frame[name], name, kinds[name], numbers)).values()))

    @property
    def columns(self) -> tuple[Column, ...]:
        """What the graph must know of each column."""
        return tuple(each.column for each in self.encodings)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column, in order."""
        return {column.name: column.kind for column in self.columns}

    def transform(self, frame: pd.DataFrame) -> tuple[np.ndarray, dict[str, int]]:
        """Encode a table.

        Args:
            frame: A table with all columns of the encoder; other columns are left out.

        Returns:
            float32 `[n, columns]`, and by column how many values training says nothing of: categories that do not occur
            there, and missing values where none was missing.

        Raises:
            MTLError: As `fit`, or if a number is not finite as float32.
        """
        _check_columns(frame, self.kinds)
        by_name = {each.column.name: each for each in self.encodings}
        encoded = _for_each(self.kinds, lambda name: _transform_column(frame[name], by_name[name]))
        x = np.empty((len(frame), len(encoded)), np.float32)
        for number, (values, _) in enumerate(encoded.values()):
            x[:, number] = values
        return x, {name: count for name, (_, count) in encoded.items()}

    def config(self) -> dict[str, Any]:
        """Return the encoder as plain JSON values."""
        return {"format_version": FORMAT_VERSION, "columns": [each.config() for each in self.encodings]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TableEncoder:
        """Create an encoder from the result of `config`, equal to the one it is from.

        Raises:
            MTLError: If it is of a later version.
        """
        if config["format_version"] > FORMAT_VERSION:
            raise MTLError(
                f"The format of an encoder must be at most version {FORMAT_VERSION}. Received: version "
                f"{config['format_version']}. Install a newer mtl-keras."
            )
        return cls(tuple(Encoding.from_config(each) for each in config["columns"]))

    def save(self, path: str | Path) -> None:
        """Write the encoder as JSON with a checksum, completely or not at all.

        Args:
            path: The file, or an existing folder, in which it is `encoder.json`.
        """
        write_json(_find_file(path), seal(self.config()))

    @classmethod
    def load(cls, path: str | Path) -> TableEncoder:
        """Read what `save` wrote.

        Args:
            path: As for `save`.

        Raises:
            MTLError: If there is no such file, or it is not as it was written.
        """
        file = _find_file(path)
        config = read_json(file, ("format_version", "columns"))
        try:
            return cls.from_config(config)
        except (KeyError, TypeError, AttributeError) as error:
            raise damaged(file, f"{type(error).__name__}: {error}") from error


def _find_file(path: str | Path) -> Path:
    given = Path(check_path("path", path))
    return given / ENCODER if given.is_dir() else given


def _check_columns(frame: Any, names: Mapping[str, str]) -> None:
    """Refuse what is no table, and one that lacks a column or has it twice."""
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise MTLError(f"A table must be a pandas DataFrame. Received: a {type(frame).__name__}. Pass pd.DataFrame(...).")
    columns = list(frame.columns)
    if lacking := [name for name in names if name not in columns]:
        hint = f"The table must have every input; it lacks {', '.join(map(repr, lacking))}."
        raise unknown("column", lacking[0], map(str, columns), hint)
    for name in names:
        if (count := columns.count(name)) > 1:
            raise MTLError(f"A table must have each input once. Received: {count} columns {name!r}. Rename the others.")


def _for_each(names: Mapping[str, str], function: Callable[[str], Any]) -> dict[str, Any]:
    """Return the result of a function for each column; what is wrong with all of them is one error."""
    results, problems = {}, Problems()
    for name in names:
        with problems.collect(name):
            results[name] = function(name)
    problems.raise_all()
    return results


def _fit_column(series: pd.Series, name: str, kind: str, rows: np.ndarray) -> Encoding:
    """Learn the encoding of one column from some rows."""
    series = series.iloc[rows]
    if kind == "category":
        _, texts = read_categories(series)
        found = tuple(sorted({text for text in texts if text is not None}))
        _check_present(name, len(found))
        if len(found) >= MOST_CODES:
            raise MTLError(
                f"A category must have fewer than {MOST_CODES:,} values. Received: {len(found):,} in column {name!r}. Leave "
                "the column out, or join rare values."
            )
        return Encoding(Column(name, kind, size=len(found) + 1), categories=found)
    form = find_date_format(series) if kind == "date" else ""
    values = read_values(series, name, kind, rows, form=form)
    present = values[~np.isnan(values)]
    _check_present(name, len(present))
    missing = len(present) < len(values)
    mean, scale = _moments(present)
    center = 0.0
    if kind == "date":
        center = float(present.min())
    elif kind == "number" and abs(mean) > FAR * scale:
        center = mean
    scale = scale if scale > SMALLEST_SCALE else 1.0
    return Encoding(Column(name, kind, mean - center, scale, missing=missing), center, format=form)


def _check_present(name: str, count: int) -> None:
    if not count:
        raise MTLError(
            f"An input must have a value in the training rows. Received: none in column {name!r}. Leave the column out."
        )


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation; those of equal values are the value and 0, without a rounding error."""
    first, span = float(values[0]), float(np.abs(values).max())
    if (values == first).all():
        return first, 0.0
    # As shares of the largest, whose squares are in the range of a float.
    shares = values / span
    return float(shares.mean() * span), float(shares.std() * span)


def _transform_column(series: pd.Series, encoding: Encoding) -> tuple[np.ndarray, int]:
    """Return a column as float32 and how many of its values are unknown."""
    column = encoding.column
    if column.categorical:
        codes, texts = read_categories(series)
        known = {text: code for code, text in enumerate(encoding.categories, start=1)}
        # The last entry is for the code -1 of missing values.
        table = np.array([*(0 if text is None else known.get(text, -1) for text in texts), 0])[codes]
        return np.maximum(table, 0).astype(np.float32), int((table < 0).sum())
    values = read_values(series, column.name, column.kind, form=encoding.format) - encoding.center
    absent = np.isnan(values)
    wrong = np.flatnonzero(~(absent | (np.abs(values) <= FLOAT_MAX)))
    if wrong.size:
        raise RowsError(
            f"Inputs must be finite as float32. Received: {values[wrong[0]] + encoding.center} in column {column.name!r} in "
            f"{list_rows(wrong.tolist())}. Correct these values, or leave them empty.",
            wrong,
            "not finite as float32",
            column.name,
        )
    if column.missing:
        return values.astype(np.float32), 0
    return np.where(absent, column.mean, values).astype(np.float32), int(absent.sum())
