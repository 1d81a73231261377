"""Labels that are no column as it stands: another column's classes in groups, or a coin."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_keras.errors import MTLError, unknown

__all__ = ["ClassMap", "RandomLabels", "LabelSource"]


@dataclass(frozen=True)
class LabelSource(ABC):
    """Where a task's labels come from; what a plain column name cannot say. Frozen, of plain JSON values."""

    @property
    @abstractmethod
    def column(self) -> str | None:
        """The column that is read, or None."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that come out, in order; empty where there are none."""
        return ()

    @abstractmethod
    def read(self, column: np.ndarray | None, n: int, split: str, names: Sequence[str]) -> np.ndarray:
        """Return `[n]` labels as a raw column, NaN where absent.

        Args:
            column: The column that is read, `[n]`.
            n: Number of rows.
            split: Name of the split.
            names: Names of the column's classes, where known.
        """

    def renamed(self, columns: Mapping[str, str]) -> LabelSource:
        """Return the same with an alias of a column replaced by the column."""
        return self

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return it as plain JSON values, its kind among them."""


@dataclass(frozen=True, init=False)
class ClassMap(LabelSource):
    """Groups of another column's classes: animals and vehicles among ten classes.

    Args:
        column: Column of class indices, e.g. `"label"`.
        groups: Name to members, in the order of the new classes; members are names of classes, or indices. Every class
            is in one group.

    Raises:
        MTLError: If there are fewer than 2 groups, one is empty, or a class is in two; when the data is read, if a class
            is unknown or in none.

    Example:
        >>> import mtl_keras as mtl
        >>> label = mtl.ClassMap("digit", {"small": [0, 1, 2, 3, 4], "large": [5, 6, 7, 8, 9]})
        >>> tasks = mtl.Tasks(mtl.Binary("large", label=label))
        >>> mtl.data.load("digits", tasks).class_names["large"]
        ('small', 'large')
    """

    of: str
    groups: tuple[tuple[str, tuple[str | int, ...]], ...]

    def __init__(self, column: str, groups: Mapping[str, Iterable[str | int]]) -> None:
        object.__setattr__(self, "of", column)
        object.__setattr__(self, "groups", tuple((str(name), tuple(members)) for name, members in groups.items()))
        if len(self.groups) < 2:
            raise MTLError(f"A class map has at least 2 groups. Received: {len(self.groups)} for {column!r}. Give the others.")
        seen: dict[str | int, str] = {}
        for name, members in self.groups:
            if not members:
                raise MTLError(f"A group has at least one class. Received: none for {name!r} of {column!r}. Leave it out.")
            for member in members:
                if member in seen:
                    raise MTLError(
                        f"A class is in one group. Received: {member!r} in {seen[member]!r} and {name!r} of {column!r}. "
                        "Take it out of one."
                    )
                seen[member] = name

    @classmethod
    def halves(cls, column: str, classes: int, seed: int) -> ClassMap:
        """Return a random division of the classes into two halves, the same for equal seeds.

        Args:
            column: Column of class indices.
            classes: How many there are, at least 2.
            seed: From 0.
        """
        order = np.random.default_rng(seed).permutation(classes).tolist()
        return cls(column, {"first": sorted(order[: classes // 2]), "second": sorted(order[classes // 2 :])})

    @property
    def column(self) -> str:
        return self.of

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.groups)

    def read(self, column: np.ndarray | None, n: int, split: str, names: Sequence[str]) -> np.ndarray:
        values = np.asarray(column, np.float64)
        present = ~np.isnan(values)
        known = {name: index for index, name in enumerate(names)}
        group_of: dict[int, int] = {}
        for number, (_, members) in enumerate(self.groups):
            for member in members:
                if isinstance(member, str) and member not in known:
                    raise unknown(f"class of {self.of!r} in the class map", member, known)
                index = known[member] if isinstance(member, str) else int(member)
                if names and not 0 <= index < len(names):
                    raise unknown(f"class of {self.of!r} in the class map", str(index), [str(i) for i in range(len(names))])
                group_of[index] = number
        every = range(len(names)) if names else np.unique(values[present]).astype(int).tolist()
        missing = [index for index in every if index not in group_of]
        if missing:
            called = f" ({names[missing[0]]})" if names else ""
            raise MTLError(
                f"A class map names every class. Received: one of {self.of!r} without class {missing[0]}{called}, and "
                f"{len(missing) - 1} more. Put it into a group."
            )
        table = np.full(max(group_of) + 1, np.nan)
        table[list(group_of)] = list(group_of.values())
        return np.where(present, table[np.where(present, values, min(group_of)).astype(int)], np.nan)

    def renamed(self, columns: Mapping[str, str]) -> ClassMap:
        return ClassMap(columns.get(self.of, self.of), dict(self.groups))

    def config(self) -> dict[str, Any]:
        return {"kind": "ClassMap", "column": self.of, "groups": {name: list(members) for name, members in self.groups}}


@dataclass(frozen=True)
class RandomLabels(LabelSource):
    """A coin for each row, drawn once: a control that cannot be learned from the image.

    The training rows can be learned by heart; on validation and test an accuracy that differs from one half is chance.

    Args:
        seed: From 0; each split has coins of its own.

    Raises:
        MTLError: If the seed is negative.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Binary("coin", label=mtl.RandomLabels(seed=1)))
        >>> 0.4 < mtl.data.load("digits", tasks).test.y["coin"].mean() < 0.6
        True
    """

    seed: int = 0

    def __post_init__(self) -> None:
        if type(self.seed) is not int or self.seed < 0:
            raise MTLError(f"A coin's seed is a whole number from 0. Received: seed={self.seed!r}. Give e.g. 0.")

    @property
    def column(self) -> None:
        return None

    def read(self, column: np.ndarray | None, n: int, split: str, names: Sequence[str]) -> np.ndarray:
        return np.random.default_rng([self.seed, zlib.crc32(split.encode())]).integers(0, 2, n).astype(np.float64)

    def config(self) -> dict[str, Any]:
        return {"kind": "RandomLabels", "seed": self.seed}
