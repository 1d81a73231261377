"""Labels that are not a column of the data: groups of another column's classes, or random labels."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_keras.errors import (
    MTLError,
    check_mapping,
    check_seed,
    check_size,
    check_text,
    describe,
    list_rows,
    store,
    unknown,
)
from mtl_keras.tasks._labels import to_floats

__all__ = ["ClassMap", "LabelSource", "RandomLabels"]


@dataclass(frozen=True)
class LabelSource(ABC):
    """A source of labels other than a column name. A frozen value of plain JSON values."""

    @property
    @abstractmethod
    def column(self) -> str | None:
        """The column that the labels are derived from, or None."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in order; empty if they have none."""
        return ()

    @abstractmethod
    def read(self, column: np.ndarray | None, n: int, split: str, names: Sequence[str]) -> np.ndarray:
        """Return a raw label column `[n]`, NaN where missing.

        Args:
            column: The data column called `column`, `[n]`, or None.
            n: Number of rows.
            split: Name of the split.
            names: Names of the column's classes, if known.
        """

    def rename_columns(self, columns: Mapping[str, str]) -> LabelSource:
        """Return the same source with an alias of a column replaced by the column."""
        return self

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return plain JSON values, with the class name under `kind`."""


@dataclass(frozen=True, init=False)
class ClassMap(LabelSource):
    """Labels that group another column's classes, e.g. ten classes into animals and vehicles.

    Args:
        column: Column of class indices, e.g. `"label"`.
        groups: Name of each new class, in order, to its members: names or indices of the column's classes. Every class
            must be in exactly one group.

    Raises:
        MTLError: If there are fewer than 2 groups, a group is empty, or a class is in two groups; when data is loaded, if a
            class is unknown or in no group.

    Example:
        >>> import mtl_keras as mtl
        >>> label = mtl.ClassMap("digit", {"small": [0, 1, 2, 3, 4], "large": [5, 6, 7, 8, 9]})
        >>> tasks = mtl.Tasks(mtl.Binary("large", label=label))
        >>> mtl.data.load("digits", tasks).class_names["large"]
        ('small', 'large')
    """

    _column: str
    groups: tuple[tuple[str, tuple[str | int, ...]], ...]

    def __init__(self, column: str, groups: Mapping[str, Iterable[str | int]]) -> None:
        check_text("column", column, of="a ClassMap", example="label")
        given = check_mapping("groups", groups, of="a ClassMap", example="{'small': [0, 1], 'large': [2, 3]}")
        store(self, _column=column, groups=tuple((name, _members(name, each)) for name, each in given.items()))
        if len(self.groups) < 2:
            raise MTLError(
                f"A ClassMap must have at least 2 groups. Received: {len(self.groups)} for {column!r}. Add the others."
            )
        seen: dict[str | int, str] = {}
        for name, members in self.groups:
            if not members:
                raise MTLError(
                    f"A group must have at least one class. Received: none for {name!r} of {column!r}. Leave it out."
                )
            for member in members:
                if member in seen:
                    raise MTLError(
                        f"A class must be in one group. Received: {member!r} in {seen[member]!r} and {name!r} of {column!r}. "
                        "Remove it from one."
                    )
                seen[member] = name

    @classmethod
    def halves(cls, column: str, classes: int, seed: int) -> ClassMap:
        """Return a random split of the classes into two halves, a function of the seed.

        Args:
            column: Column of class indices.
            classes: Number of classes, at least 2.
            seed: From 0 to 2^31 - 1.
        """
        check_size("classes", classes, minimum=2)
        order = np.random.default_rng(check_seed("seed", seed)).permutation(classes).tolist()
        return cls(column, {"first": sorted(order[: classes // 2]), "second": sorted(order[classes // 2 :])})

    @property
    def column(self) -> str:
        return self._column

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.groups)

    def read(self, column: np.ndarray | None, n: int, split: str, names: Sequence[str]) -> np.ndarray:
        values = to_floats(np.asarray(column), "class indices", f"column {self._column!r}")
        present = ~np.isnan(values)
        wrong = np.flatnonzero(present & ((values < 0) | (values != np.floor(values)) | (values >= (len(names) or np.inf))))
        if wrong.size:
            raise MTLError(
                f"Labels of column {self._column!r} must be class indices{f' below {len(names)}' if names else ''}. Received: "
                f"{values[wrong[0]]:g} in {list_rows(wrong.tolist())}. Correct the column."
            )
        known = {name: index for index, name in enumerate(names)}
        group_of: dict[int, int] = {}
        kind = f"class of {self._column!r} in the class map"
        for number, (_, members) in enumerate(self.groups):
            for member in members:
                if isinstance(member, str) and member not in known:
                    raise unknown(kind, member, known)
                index = known[member] if isinstance(member, str) else int(member)
                if names and not 0 <= index < len(names):
                    raise unknown(kind, str(index), [str(i) for i in range(len(names))])
                group_of[index] = number
        every = range(len(names)) if names else np.unique(values[present]).astype(int).tolist()
        missing = [index for index in every if index not in group_of]
        if missing:
            called = f" ({names[missing[0]]})" if names else ""
            raise MTLError(
                f"A ClassMap must hold every class. Received: one of {self._column!r} without class {missing[0]}{called}, and "
                f"{len(missing) - 1} more. Add it to a group."
            )
        table = np.full(max(group_of) + 1, np.nan)
        table[list(group_of)] = list(group_of.values())
        return np.where(present, table[np.where(present, values, min(group_of)).astype(int)], np.nan)

    def rename_columns(self, columns: Mapping[str, str]) -> ClassMap:
        return ClassMap(columns.get(self._column, self._column), dict(self.groups))

    def config(self) -> dict[str, Any]:
        return {"kind": "ClassMap", "column": self._column, "groups": {name: list(members) for name, members in self.groups}}


@dataclass(frozen=True)
class RandomLabels(LabelSource):
    """Random labels 0 and 1: a control task that cannot be learned from the input.

    A model can memorize the labels of training rows; on validation and test rows, its accuracy is one half up to chance.

    Args:
        seed: From 0 (default) to 2^31 - 1; each split has labels of its own.

    Raises:
        MTLError: If the seed is out of range.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Binary("control", label=mtl.RandomLabels(seed=1)))
        >>> 0.4 < mtl.data.load("digits", tasks).test.y["control"].mean() < 0.6
        True
    """

    seed: int = 0

    def __post_init__(self) -> None:
        store(self, seed=check_seed("seed", self.seed, of="random labels"))

    @property
    def column(self) -> None:
        return None

    def read(self, column: np.ndarray | None, n: int, split: str, names: Sequence[str]) -> np.ndarray:
        return np.random.default_rng([self.seed, zlib.crc32(split.encode())]).integers(0, 2, n).astype(np.float64)

    def config(self) -> dict[str, Any]:
        return {"kind": "RandomLabels", "seed": self.seed}


def _members(name: str, members: Any) -> tuple[str | int, ...]:
    """Return the names or indices of the classes of a group, checked."""
    if not isinstance(members, Iterable) or isinstance(members, str | bytes | Mapping):
        raise MTLError(
            f"`groups` must hold the classes of each group. Received: {describe(members)} for {name!r}. Pass e.g. [0, 1]."
        )
    what = f"groups[{name!r}]"
    return tuple(each if isinstance(each, str) else check_size(what, each, minimum=0) for each in members)
