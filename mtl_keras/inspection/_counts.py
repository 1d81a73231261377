"""What is counted of a table: rows, labels, classes, targets, inputs and images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from mtl_keras.inspection._class_balance import count_classes
from mtl_keras.inspection._finding import Counts
from mtl_keras.inspection._labels import Labels
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._targets import moments
from mtl_keras.tables import to_numbers

__all__ = [
    "count_class_balance",
    "count_images",
    "count_inputs",
    "count_labels",
    "count_label_sets",
    "count_rows",
    "count_targets",
]

#: Tables of classes, and rows of a table, that are shown.
MAX_TABLES, MAX_ROWS = 50, 30


def count_rows(rows: Rows) -> Iterator[Counts]:
    """Count the rows of each split."""
    table = [
        {"split": split, "rows": int(inside.sum()), "share": float(inside.mean())} for split, inside in rows.splits.items()
    ]
    if len(table) > 1:
        table.append({"split": "total", "rows": len(rows), "share": 1.0})
    note = "The splits are chosen at random." if rows.sampled else ""
    yield Counts.of("Rows", table, note=note, shares=("share",))


def count_labels(rows: Rows) -> Iterator[Counts]:
    """Count the labels of each task by split, and the share that is missing."""
    table = []
    for label in rows.labels[:MAX_ROWS]:
        row: dict[str, Any] = {"label": label.name, "kind": label.kind}
        for split, inside in rows.splits.items():
            n = int((label.present & inside).sum())
            row |= {split: n, f"missing in {split}": 1 - n / max(int(inside.sum()), 1)}
        table.append(row)
    shares = tuple(f"missing in {split}" for split in rows.splits)
    if table:
        yield Counts.of("Labels", table, note=_left_out(len(rows.labels), "labels"), shares=shares)


def count_class_balance(rows: Rows) -> Iterator[Counts]:
    """Count the rows of each class by split: tasks of two classes in one table, others in one each, the most frequent first."""
    pairs = [label for label in rows.classes if not label.plural and len(label.classes or ()) == 2]
    table = []
    for label in pairs[:MAX_ROWS]:
        counts = count_classes(label, rows)
        total = np.sum([*counts.values()], axis=0)
        rare = int(total.argmin())
        row: dict[str, Any] = {"task": label.name, "rarer class": (label.classes or ())[rare]}
        row |= {split: int(own[rare]) for split, own in counts.items()}
        table.append({**row, "share": float(total[rare] / max(total.sum(), 1))})
    if table:
        yield Counts.of("Tasks of two classes", table, note=_left_out(len(pairs), "tasks"), shares=("share",), bars="share")
    several = [label for label in rows.classes if not label.plural and len(label.classes or ()) != 2]
    for number, label in enumerate(several[:MAX_TABLES]):
        last = _left_out(len(several), "tasks", MAX_TABLES) if number == MAX_TABLES - 1 else ""
        yield _count_classes_of(label, rows, last)


def _count_classes_of(label: Labels, rows: Rows, note: str) -> Counts:
    """Count the rows of each class of one task."""
    counts, names = count_classes(label, rows), label.classes or ()
    total = np.sum([*counts.values()], axis=0)
    shares, order = total / max(total.sum(), 1), np.argsort(-total, kind="stable")
    if len(order) > MAX_ROWS:
        note = f"The {MAX_ROWS - 10} most and the 10 least frequent of {len(order):,} classes. {note}".strip()
        order = np.concatenate([order[: MAX_ROWS - 10], order[-10:]])
    table = [
        {"class": names[k], **{split: int(own[k]) for split, own in counts.items()}, "share": float(shares[k])}
        for k in order.tolist()
    ]
    return Counts.of(f"Classes of {label.name}", table, note=note, shares=("share",), bars="share")


def count_label_sets(rows: Rows) -> Iterator[Counts]:
    """Count how many rows have each label of a label set."""
    for task in dict.fromkeys(label.task for label in rows.classes if label.plural):
        own = [label for label in rows.classes if label.task == task]
        table = []
        for label in own[:MAX_ROWS]:
            positive = label.values == len(label.classes or ()) - 1
            row: dict[str, Any] = {"label": label.name.removeprefix(f"{task}: ")}
            row |= {split: int((positive & inside).sum()) for split, inside in rows.splits.items()}
            table.append({**row, "share": float(positive.sum() / max(int(label.present.sum()), 1))})
        note = _left_out(len(own), "labels")
        yield Counts.of(f"Labels of {task}", table, note=note, shares=("share",), bars="share")


def count_targets(rows: Rows) -> Iterator[Counts]:
    """Describe the range of each regression target by split."""
    table = []
    for label in rows.numbers[:MAX_ROWS]:
        for split, inside in rows.splits.items():
            values = label.values[label.present & inside]
            if values.size:
                low, middle, high = np.quantile(values, (0, 0.5, 1)).tolist()
                spread = dict(zip(("mean", "SD", "skewness"), moments(values), strict=True))
                table.append({"target": label.name, "split": split, "min": low, "median": middle, "max": high, **spread})
    if table:
        yield Counts.of("Targets", table, note=_left_out(len(rows.numbers), "targets"))


def count_inputs(rows: Rows) -> Iterator[Counts]:
    """Describe each input column."""
    table = []
    for column, kind in [*rows.inputs.items()][:MAX_ROWS]:
        values = rows.frame[column]
        row: dict[str, Any] = {"column": column, "kind": kind, "missing": float(values.isna().mean())}
        if kind == "number":
            numbers = to_numbers(values, "number")
            numbers = numbers[np.isfinite(numbers)]
            row["distinct"] = len(np.unique(numbers))
            if numbers.size:
                low, middle, high = np.quantile(numbers, (0, 0.5, 1)).tolist()
                row["values"] = f"{low:.4g} to {high:.4g}, median {middle:.4g}"
        else:
            frequent = values.dropna().astype(str).value_counts()
            row |= {"distinct": len(frequent), "values": ", ".join(f"{name} ({n:,})" for name, n in frequent.head(3).items())}
        table.append(row)
    if table:
        yield Counts.of("Inputs", table, note=_left_out(len(rows.inputs), "columns"), shares=("missing",))


def count_images(rows: Rows) -> Iterator[Counts]:
    """Count the images of each size and mode, the most frequent first."""
    if not len(rows.files):
        return
    photos = rows.photos
    at = np.flatnonzero(photos.readable).tolist()
    found = Counter((int(photos.heights[row]), int(photos.widths[row]), str(photos.modes[row])) for row in at)
    table = [{"height": h, "width": w, "mode": mode, "images": n} for (h, w, mode), n in found.most_common(MAX_ROWS)]
    note = f"{len(at):,} of {len(rows.files):,} rows have a readable image. {_left_out(len(found), 'sizes')}".strip()
    yield Counts.of("Images", table, note=note, bars="images")


def _left_out(number: int, what: str, shown: int = MAX_ROWS) -> str:
    """Return a sentence if not all are shown."""
    return f"The first {shown} of {number:,} {what}." if number > shown else ""
