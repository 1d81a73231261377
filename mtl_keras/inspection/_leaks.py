"""Single columns that give a label away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._labels import class_texts
from mtl_keras.inspection._rows import Rows
from mtl_keras.tables import to_numbers

__all__ = ["check_leaks", "skill_of_column"]

#: Skill from which a single column is called a leak.
LEAK = 0.99
#: Rows that are looked at, chosen at random if there are more; pairs of column and label; and folds.
MAX_ROWS, MAX_PAIRS, FOLDS = 20_000, 5_000, 5
#: Fewest labeled rows of which it can be told.
ENOUGH = 50
#: Leaves of the tree: 8 are those of depth 3, which can tell 8 classes apart. A copy of a regression target needs more: of 8
#: values, the best ones explain .97 of a normal distribution.
LEAVES, LEAVES_OF_NUMBERS = 8, 64


def check_leaks(rows: Rows) -> Iterator[Finding]:
    """Find columns from which alone a label is predicted with a skill of at least .99.

    A small decision tree of one column (of a column that repeats its values also the most frequent label, or the mean, of each
    value) is trained on four fifths of up to 20,000 training rows and measured on the rest, five times. The skill is 0 for the
    most frequent class or the mean, and 1 for a perfect prediction. Of images, the columns are height, width and mode.
    """
    columns = _columns(rows)
    at = np.flatnonzero(rows.training)
    if at.size > MAX_ROWS:
        at = np.sort(np.random.default_rng(0).choice(at, MAX_ROWS, replace=False))
    pairs = [(column, label) for column in columns for label in rows.labels]
    # Columns of one value, and each column's values once for all labels.
    prepared: Mapping[str, tuple[np.ndarray, np.ndarray]] = {column: _prepare(values[at]) for column, values in columns.items()}
    for column, label in pairs[:MAX_PAIRS]:
        codes, places = prepared[column]
        known = label.present[at]
        if known.sum() < ENOUGH or codes.max(initial=0) == 0:
            continue
        skill = skill_of_column(codes[known], places[known], label.values[at][known], label.classes is not None)
        if skill >= LEAK:
            own = f"The column {column!r} alone" if column in rows.inputs else f"The image's {column} alone"
            yield Finding(
                "leaks",
                "warning",
                label.name,
                f"{own} predicts the label with a skill of {skill:.3f} (0: trivial, 1: perfect).",
                "If it is known only after the label is, or made from it, leave it out.",
            )
    if len(pairs) > MAX_PAIRS:
        yield Finding(
            "leaks",
            "note",
            "inputs",
            f"Of {len(pairs):,} pairs of column and label the first {MAX_PAIRS:,} were looked at.",
        )


def skill_of_column(codes: np.ndarray, places: np.ndarray, values: np.ndarray, classes: bool) -> float:
    """Return the skill of the best simple prediction of labels from one column, over all folds.

    Args:
        codes: Number of each value, integers `[n]`; equal values have equal numbers.
        places: The values on a scale that single precision can hold, `[n]`, NaN where missing; all NaN for values without an
            order.
        values: Class indices or numbers `[n]`.
        classes: Whether they are class indices.
    """
    kinds = len(np.unique(values))
    if kinds < 2:
        return 0.0
    if not classes:
        # Squares of large numbers overflow.
        values = values / np.abs(values).max()
    fold = np.random.default_rng(0).permutation(len(values)) % FOLDS
    predictors = []
    if len(np.unique(codes)) <= len(codes) / 2:
        predictors.append(lambda train, test: _look_up(codes, values, train, test, classes))
    if np.isfinite(places).any():
        leaves = max(LEAVES, 2 * kinds) if classes else LEAVES_OF_NUMBERS
        # Most columns are no leaks, which one tree tells: measured on its own training rows, it looks better than it is.
        every = np.ones(len(values), bool)
        if _skill(_grow(places, values, every, every, classes, leaves), values, classes) >= LEAK:
            predictors.append(lambda train, test: _grow(places, values, train, test, classes, leaves))
    best = 0.0
    for predict in predictors:
        predicted = np.empty(len(values), np.float64)
        for number in range(FOLDS):
            predicted[fold == number] = predict(fold != number, fold == number)
        best = max(best, _skill(predicted, values, classes))
    return best


def _columns(rows: Rows) -> dict[str, np.ndarray]:
    """Return the values of each column `[n]`: numbers, or texts."""
    if len(rows.files):
        photos = rows.photos
        return {"height": photos.heights.astype(float), "width": photos.widths.astype(float), "mode": photos.modes}
    columns = {}
    for column, kind in rows.inputs.items():
        values = rows.frame[column]
        ordered = kind in ("number", "date")
        columns[column] = to_numbers(values, kind) if ordered else class_texts(values).to_numpy(object)
    return columns


def _prepare(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of distinct values and, of numbers, where they lie; see `skill_of_column`."""
    import pandas as pd

    ordered = values.dtype.kind == "f"
    if ordered:
        values = np.where(np.isfinite(values), values, np.nan)
    codes, found = pd.factorize(values, sort=ordered)
    missing = codes < 0
    numbers = np.where(missing, len(found), codes).astype(np.int64)
    places = np.full(len(found), np.nan)
    if ordered and len(found):
        places = found / (np.abs(found).max() or 1)
        places = (places - places.min()) / (np.ptp(places) or 1)
        # A tree takes single precision, in which numbers that differ may be equal; ranks then have to do.
        if len(np.unique(places.astype(np.float32))) < len(found):
            places = np.arange(len(found), dtype=np.float64)
    return numbers, np.append(places, np.nan)[numbers]


def _look_up(codes: np.ndarray, values: np.ndarray, train: np.ndarray, test: np.ndarray, classes: bool) -> np.ndarray:
    """Return the most frequent label, or the mean, of the training rows with the same value; else that of all of them."""
    size = int(codes.max()) + 1
    own = codes[train]
    if not classes:
        count = np.bincount(own, minlength=size)
        mean = np.bincount(own, values[train], minlength=size) / np.maximum(count, 1)
        return np.where(count > 0, mean, values[train].mean())[codes[test]]
    kinds = int(values.max()) + 1
    cell, count = np.unique(own * kinds + values[train], return_counts=True)
    # In ascending order, so that the most frequent label of each value is written last.
    order = np.argsort(count, kind="stable")
    table = np.full(size, np.bincount(values[train]).argmax())
    table[cell[order] // kinds] = cell[order] % kinds
    return table[codes[test]]


def _grow(
    places: np.ndarray, values: np.ndarray, train: np.ndarray, test: np.ndarray, classes: bool, leaves: int
) -> np.ndarray:
    """Return what a small tree of one column predicts."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    tree = (DecisionTreeClassifier if classes else DecisionTreeRegressor)(max_leaf_nodes=leaves, random_state=0)
    tree.fit(places[train, None], values[train])
    return np.asarray(tree.predict(places[test, None]))


def _skill(predicted: np.ndarray, values: np.ndarray, classes: bool) -> float:
    """Return 0 for the trivial prediction and 1 for a perfect one."""
    if classes:
        wrong, trivial = (predicted != values).mean(), 1 - np.bincount(values).max() / len(values)
    else:
        wrong, trivial = np.square(predicted - values).mean(), values.var()
    return float(1 - wrong / trivial) if trivial > 0 else 0.0
