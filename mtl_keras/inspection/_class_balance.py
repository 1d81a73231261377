"""Classes that are rare, missing in a split, or spelled in several ways."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._labels import Labels
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import count, join, name_some

__all__ = ["check_class_balance"]

#: Training rows below which a class is called rare.
FEW = 10
#: Share of the most frequent class from which accuracy says little.
MAJORITY = 0.95


def check_class_balance(rows: Rows) -> Iterator[Finding]:
    """Find classes that occur outside training only, are rare, are missing in a split, or outweigh all others."""
    for label in rows.classes:
        counts = count_classes(label, rows)
        yield from _check_splits(label, counts, rows)
        yield from _check_rare(label, counts.get("train", counts.get("all")))
        yield from _check_spelling(label)


def count_classes(label: Labels, rows: Rows) -> dict[str, np.ndarray]:
    """Return the number of rows of each class, `[classes]`, by split."""
    size = len(label.classes or ())
    return {split: np.bincount(label.values[inside & label.present], minlength=size) for split, inside in rows.splits.items()}


def _check_splits(label: Labels, counts: dict[str, np.ndarray], rows: Rows) -> Iterator[Finding]:
    """Find classes that are missing in a split."""
    names = label.classes or ()
    if "train" not in counts:
        return
    total = np.sum([*counts.values()], axis=0)
    unseen = np.flatnonzero((counts["train"] == 0) & (total > 0))
    if unseen.size and not label.plural:
        where = np.flatnonzero(np.isin(label.values, unseen))
        yield Finding(
            "class_balance",
            "warning",
            label.name,
            f"{count(len(unseen), 'class')} must be learned from training rows but "
            f"{'occurs' if len(unseen) == 1 else 'occur'} outside of them only: {name_some([names[k] for k in unseen])}.",
            "Move some of these rows to training, or leave them out.",
            tuple(where),
        )
    for split, own in counts.items():
        absent = [names[k] for k in np.flatnonzero((own == 0) & (counts["train"] > 0))]
        if split != "train" and absent and own.any():
            yield Finding(
                "class_balance",
                "note",
                label.name,
                f"The {split} rows have no {name_some(absent)}: what is measured there says nothing of it.",
                "Use more rows, or hold out a larger share of them.",
            )


def _check_rare(label: Labels, train: np.ndarray | None) -> Iterator[Finding]:
    """Find classes with few training rows, and a class with nearly all of them."""
    names = label.classes or ()
    if train is None or not train.any():
        return
    rare = np.flatnonzero((train > 0) & (train < FEW))
    if rare.size and len(np.flatnonzero(train)) > 1:
        shown = [f"{names[k]} ({train[k]})" for k in rare[np.argsort(train[rare], kind="stable")]]
        yield Finding(
            "class_balance",
            "warning",
            label.name,
            f"Fewer than {FEW} training rows each have {name_some(shown)}.",
            "Add rows of these classes, or join them with others.",
        )
    top = int(train.argmax())
    share = train[top] / train.sum()
    if MAJORITY <= share < 1:
        yield Finding(
            "class_balance",
            "warning",
            label.name,
            f"{share:.1%} of the training labels are {names[top]!r}, so that a constant prediction is right as often.",
            "Look at macro F1 or AUC instead of accuracy, and consider class_weight='balanced'.",
        )


def _check_spelling(label: Labels) -> Iterator[Finding]:
    """Find classes that differ by case, spaces or punctuation alone."""
    alike: dict[str, list[str]] = {}
    for name in label.classes or ():
        plain = "".join(letter for letter in name.casefold() if letter.isalnum())
        alike.setdefault(plain, []).append(name)
    # Of signs alone, such as - and +, nothing is left.
    same = [join(map(repr, names)) for plain, names in alike.items() if plain and len(names) > 1 and not _numeric(names)]
    if same:
        yield Finding(
            "class_balance",
            "warning",
            label.name,
            f"Classes differ by case, spaces or signs alone: {name_some(same)}.",
            "Write each class in one way.",
        )


def _numeric(names: list[str]) -> bool:
    """Return whether names are numbers, such as 1.5 and 15, which signs make different."""
    return all(name.lstrip("+-").replace(".", "", 1).isdigit() for name in names)
