"""What a network must know of one input column."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtl_keras.errors import MTLError, check_bool, check_number, check_option, check_size, check_text, describe, store

__all__ = ["KINDS", "Column", "describe_difference"]

#: Kinds of input columns.
KINDS = ("number", "category", "boolean", "date")


@dataclass(frozen=True)
class Column:
    """One column of the rows that a network takes; a frozen value that can be written as JSON.

    Args:
        name: Name of the column.
        kind: `"number"`, `"boolean"` (0 or 1), `"date"` (days since the first training date), or `"category"` (whole codes,
            of which 0 stands for a value that is missing or does not occur in training).
        mean: Mean over the training rows, 0 (default) for a category.
        scale: Standard deviation over the training rows, above 0; 1 (default) for a category or a constant column.
        size: Number of codes of a category, 0 included; 0 (default) for the other kinds.
        missing: Whether values may be NaN; default False. Never for a category.

    Raises:
        MTLError: If a value is of another type or out of range.

    Example:
        >>> Column("age", "number", mean=41.5, scale=12.0, missing=True).config()["kind"]
        'number'
    """

    name: str
    kind: str
    mean: float = 0.0
    scale: float = 1.0
    size: int = 0
    missing: bool = False

    def __post_init__(self) -> None:
        of = "a column"
        check_text("name", self.name, of=of, example="age")
        check_option("kind", self.kind, KINDS, of=of)
        mean = float(check_number("mean", self.mean, of=of))
        scale = float(check_number("scale", self.scale, 0, bounds="(]", of=of, example=1))
        size = check_size("size", self.size, minimum=0, of=of, example=3)
        missing = check_bool("missing", self.missing, of=of)
        store(self, mean=mean, scale=scale, size=size, missing=missing)
        if (size > 0) != self.categorical or (missing and self.categorical):
            raise MTLError(
                f"`size` of {of} must be at least 1 for a category, whose code of missing values is 0, and 0 for other kinds. "
                f"Received: {describe(self)}. Pass e.g. size={3 if self.categorical else 0}, and missing=False."
            )

    @property
    def categorical(self) -> bool:
        """Whether values are codes."""
        return self.kind == "category"

    def config(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Column:
        """Create a column from the result of `config`."""
        return cls(**config)


def describe_difference(own: Sequence[Column], other: Sequence[Column]) -> str:
    """Return in words what differs first between the columns of a model and those of data.

    Example:
        >>> describe_difference([Column("age", "number")], [Column("age", "number", mean=3.0)])
        "column 'age' with mean=0.0 in the model and mean=3.0 in the data"
    """
    names = [[column.name for column in columns] for columns in (own, other)]
    if names[0] != names[1]:
        return f"{describe(names[0])} in the model and {describe(names[1])} in the data"
    for mine, theirs in zip(own, other, strict=True):
        for field, value in mine.config().items():
            if value != (found := theirs.config()[field]):
                return f"column {mine.name!r} with {field}={value!r} in the model and {field}={found!r} in the data"
    return "other categories in the data"
