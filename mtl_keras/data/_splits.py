"""How the rows of a table are divided into training, validation and test, as a value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._divide import divide_groups, divide_times
from mtl_keras.data._split_columns import read_groups, read_sides, read_strata, read_times
from mtl_keras.data._stratify import choose_folds, stratified_choice
from mtl_keras.errors import (
    MTLError,
    check_fraction,
    check_instance,
    check_integer,
    check_mapping,
    check_names,
    check_seed,
    check_text,
    describe,
    store,
    unknown,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Splits", "parse_splits"]

VALIDATION = 0.1
MAX_FOLDS = 1000


@dataclass(frozen=True)
class Splits:
    """How the rows of a table are divided into training, validation and test.

    Rows are held out at random, keeping the proportions of classes, unless `group` or `time` says otherwise. What a split
    cannot be taken from, because a column names its rows, is left as the column says.

    Args:
        column: Column with the split of each row: `train`, `validation` (or `val`) or `test`, in any case. A split that it does
            not name is held out of its training rows.
        validation: Fraction of the rows held out for validation, in `(0, 1)`; None (default) is 0.1, or the rows that the
            column names.
        test: The same for test; None (default) holds out no rows, or the rows that the column names.
        stratify: Columns whose values keep their proportions in each split, missing ones as a value of their own, and numbers
            of more than 10 different values in 10 parts of equal size. Default: the classes of all tasks jointly.
        group: Column whose equal values, such as those of one patient, must be in one split. Splits are as near to the
            fractions and proportions as whole groups allow.
        time: Column of dates or numbers. Training rows are the earliest and test rows the latest; rows of one time are in one
            split. Nothing is random or stratified. Texts must be dates in one format, such as `2026-03-31 18:00` or
            `31.03.2026`; without a zone they are UTC.
        folds: Number of parts, at least 2, of about equal size for cross-validation; None (default) for none. One of them is
            the test split, and validation is held out of the others.
        fold: Which of them, from 0 to `folds - 1`; default 0.

    Raises:
        MTLError: If a value is of another type or out of range, or two of them exclude each other.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"patient": list("aabbccdd"), "sick": [0, 1] * 4})
        >>> Splits(test=0.25, validation=0.25, group="patient").assign(table).tolist()
        ['train', 'train', 'validation', 'validation', 'train', 'train', 'test', 'test']
    """

    column: str | None = None
    validation: float | None = None
    test: float | None = None
    stratify: Sequence[str] = ()
    group: str | None = None
    time: str | None = None
    folds: int | None = None
    fold: int = 0

    def __post_init__(self) -> None:
        of = "splits"
        for name in ("column", "group", "time"):
            if (value := getattr(self, name)) is not None:
                check_text(name, value, of=of, example="part")
        for name in ("validation", "test"):
            if (value := getattr(self, name)) is not None:
                store(self, **{name: check_fraction(name, value, of=of, example=0.1)})
        store(self, stratify=check_names("stratify", self.stratify, of=of))
        if self.folds is not None:
            store(self, folds=check_integer("folds", self.folds, 2, MAX_FOLDS, of=of, example=5))
        store(self, fold=check_integer("fold", self.fold, 0, (self.folds or 1) - 1, of=of, example=0))
        for one, other, why in (
            ("time", "column", "the column names them"),
            ("time", "group", "a group may span any time"),
            ("time", "stratify", "rows are taken in the order of time"),
            ("time", "folds", "all but the last fold would be tested on a model of later rows"),
            ("folds", "column", "each fold is the test split of one training"),
            ("folds", "test", "each fold is the test split of one training"),
        ):
            if getattr(self, one) not in (None, ()) and getattr(self, other) not in (None, ()):
                raise MTLError(
                    f"`{one}` and `{other}` of splits must not be given together: {why}. Received: {one}="
                    f"{describe(getattr(self, one))}, {other}={describe(getattr(self, other))}. Leave one of them out."
                )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that the division reads."""
        return tuple(dict.fromkeys(c for c in (self.column, *self.stratify, self.group, self.time) if c is not None))

    def config(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**dataclasses.asdict(self), "stratify": list(self.stratify)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Splits:
        """Return the value that `config` was called on; fields that are left out have their defaults.

        Raises:
            MTLError: If a field is unknown or a value is refused.
        """
        given = check_mapping("splits", config, example="{'test': 0.2}")
        known = [field.name for field in dataclasses.fields(cls)]
        for name in given:
            if name not in known:
                raise unknown("field of splits", name, known)
        return cls(**given)

    def at_fold(self, folds: int | None, fold: int) -> Splits:
        """Return the same rules for one fold, which takes the place of the test fraction; without folds the same splits.

        Raises:
            MTLError: If the splits are of a column or by time, which have no folds.
        """
        return self if folds is None else dataclasses.replace(self, test=None, folds=folds, fold=fold)

    def assign(self, frame: pd.DataFrame, strata: Sequence[np.ndarray] = (), seed: int = 0) -> np.ndarray:
        """Return the split of each row.

        Args:
            frame: The table.
            strata: Integers `[n]`, one array for each label to keep in proportion unless `stratify` names columns.
            seed: Seed of the choice, from 0; default 0. All folds of one seed are of one division.

        Returns:
            `"train"`, `"validation"` or `"test"` for each row, `[n]`.

        Raises:
            MTLError: If a column is missing or unusable, a row has no group or time, the column divides a group, or there are
                too few rows, groups or times for the splits.
        """
        seed, n, sides = check_seed("seed", seed), len(frame), self._named(frame)
        group = None if self.group is None else read_groups(frame[self.group], self.group)
        if group is not None:
            self._check_named(sides, group, frame)
        counts, left = self._count(sides), np.flatnonzero(sides == "train")
        if self.time is not None:
            times = read_times(frame[self.time], self.time)
            self._check_enough(counts, len(np.unique(times)), f"different values in column {self.time!r}")
            names = ["train", *(side for side in ("validation", "test") if side in counts)]
            wanted = [n - sum(counts.values()), *(counts[side] for side in names[1:])]
            return np.array(names, sides.dtype)[divide_times(times, wanted)]
        strata = [read_strata(frame[name], name) for name in self.stratify] or list(strata)
        if self.folds is not None:
            sides[self._choose_fold(n, group, strata, seed)] = "test"
            left = np.flatnonzero(sides == "train")
        if group is not None:
            self._divide_groups(sides, group, strata, counts, seed)
            return sides
        for side, count in counts.items():
            chosen = left[stratified_choice([column[left] for column in strata], len(left), count, seed)]
            sides[chosen] = side
            left = np.setdiff1d(left, chosen)
        return sides

    def drawn(self, frame: pd.DataFrame) -> np.ndarray:
        """Return which rows are divided one by one at random, so that another seed may part any two of them, booleans `[n]`.

        Raises:
            MTLError: As `assign`, for the column of the splits.
        """
        sides = self._named(frame)
        return (sides == "train") & (self.group is None and self.time is None and bool(self._count(sides)))

    def _named(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the split of each row as the column names it, after checking that all columns exist."""
        for name in self.columns:
            if name not in frame.columns:
                raise unknown("column", name, map(str, frame.columns), "The splits read it.")
        return np.full(len(frame), "train", "<U10") if self.column is None else read_sides(frame[self.column], self.column)

    def _count(self, sides: np.ndarray) -> dict[str, int]:
        """Return how many training rows go to each split that has no rows yet, test first; without the fold."""
        for side in ("validation", "test"):
            if (share := getattr(self, side)) is not None and side in sides:
                raise MTLError(
                    f"`{side}` must not be given if the split column has rows of that split. Received: {side}={share}, and "
                    f"{int((sides == side).sum())} rows. Remove `{side}`."
                )
        given = {"test": self.test, "validation": VALIDATION if self.validation is None else self.validation}
        asked = {side: share for side, share in given.items() if share is not None and side not in sides}
        n = int((sides == "train").sum())
        folds = self.folds or 1
        counts = {side: max(round(n * share), 1) for side, share in asked.items()}
        if n < folds or sum(counts.values()) >= n - (-(-n // folds) if folds > 1 else 0):
            received = [*(f"{side}={share}" for side, share in asked.items()), *([f"folds={folds}"] if folds > 1 else [])]
            raise MTLError(
                f"Fractions must leave a row to train on. Received: {', '.join(received)} of {n} rows. Pass smaller fractions, "
                "or more rows."
            )
        return counts

    def _check_named(self, sides: np.ndarray, group: np.ndarray, frame: pd.DataFrame) -> None:
        """Refuse a column that names several splits for one group."""
        first = sides[np.unique(group, return_index=True)[1]]
        if (wrong := np.flatnonzero(sides != first[group])).size:
            own = np.flatnonzero(group == group[wrong[0]])
            where = ", ".join(f"row {row} ({sides[row]})" for row in (own[0], wrong[0]))
            name = frame[self.group].tolist()[wrong[0]]
            raise MTLError(
                f"A group must be in one split. Received: {len(np.unique(group[wrong]))} in several, the first "
                f"{name!r} of column {self.group!r}, {where} of column {self.column!r}. Assign the "
                "rows of a group to one split."
            )

    def _check_enough(self, counts: Mapping[str, int], found: int, what: str) -> None:
        """Refuse fewer groups or times than splits."""
        names = ["train", *counts]
        if found < len(names):
            raise MTLError(
                f"Each split must have rows, and rows that belong together are in one split. Received: {found} {what} for "
                f"{', '.join(names)}. Hold out fewer splits, or add rows."
            )

    def _choose_fold(self, n: int, group: np.ndarray | None, strata: Sequence[np.ndarray], seed: int) -> np.ndarray:
        """Return the rows of the fold."""
        folds = self.folds or 1
        if group is None:
            return choose_folds(strata, n, folds, seed)[self.fold]
        if (found := int(group.max()) + 1) < folds:
            raise MTLError(
                f"Each fold must have a group. Received: folds={folds}, and {found} groups in column {self.group!r}. Pass "
                f"folds={found} or fewer."
            )
        return np.flatnonzero(divide_groups(group, strata, [n / folds] * folds, seed) == self.fold)

    def _divide_groups(
        self, sides: np.ndarray, group: np.ndarray, strata: Sequence[np.ndarray], counts: Mapping[str, int], seed: int
    ) -> None:
        """Hold whole groups out of the training rows; changes `sides`."""
        left = np.flatnonzero(sides == "train")
        names, own = np.unique(group[left], return_inverse=True)
        self._check_enough(counts, len(names), f"groups in column {self.group!r}")
        parts = np.array(["train", *counts], sides.dtype)
        wanted = [max(len(left) - sum(counts.values()), 1), *counts.values()]
        sides[left] = parts[divide_groups(own, [column[left] for column in strata], wanted, seed)]


def parse_splits(value: Any) -> Splits:
    """Return splits as a value: None is the default, a text a column that names them, a mapping a configuration.

    Raises:
        MTLError: If it is none of these.
    """
    if isinstance(value, str):
        return Splits(column=value)
    if isinstance(value, Mapping):
        return Splits.from_config(value)
    remedy = "Pass e.g. mtl.data.Splits(test=0.2), or the name of a column."
    return Splits() if value is None else check_instance("splits", value, Splits, remedy)
