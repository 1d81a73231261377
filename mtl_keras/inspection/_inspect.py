"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from mtl_keras.inspection._class_balance import check_class_balance
from mtl_keras.inspection._combinations import check_combinations
from mtl_keras.inspection._constant_columns import check_constant_columns
from mtl_keras.inspection._counts import (
    count_class_balance,
    count_images,
    count_inputs,
    count_label_sets,
    count_labels,
    count_rows,
    count_targets,
)
from mtl_keras.inspection._duplicates import check_duplicates
from mtl_keras.inspection._files import check_files
from mtl_keras.inspection._finding import Counts, Finding
from mtl_keras.inspection._identifiers import check_identifiers
from mtl_keras.inspection._images import check_images
from mtl_keras.inspection._leaks import check_leaks
from mtl_keras.inspection._missing_labels import check_missing_labels
from mtl_keras.inspection._near_duplicates import check_near_duplicates
from mtl_keras.inspection._refused import check_refused
from mtl_keras.inspection._report import Photo, Report
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._set_aside import check_set_aside
from mtl_keras.inspection._split_sizes import check_split_sizes
from mtl_keras.inspection._targets import check_targets

__all__ = ["CHECKS", "COUNTS", "inspect"]

#: Every check by the name that its findings have.
CHECKS: Mapping[str, Callable[[Rows], Iterable[Finding]]] = {
    "refused": check_refused,
    "set_aside": check_set_aside,
    "split_sizes": check_split_sizes,
    "missing_labels": check_missing_labels,
    "class_balance": check_class_balance,
    "targets": check_targets,
    "combinations": check_combinations,
    "constant_columns": check_constant_columns,
    "identifiers": check_identifiers,
    "files": check_files,
    "images": check_images,
    "duplicates": check_duplicates,
    "near_duplicates": check_near_duplicates,
    "leaks": check_leaks,
}

#: Everything that is counted, in the order of the page.
COUNTS: Mapping[str, Callable[[Rows], Iterable[Counts]]] = {
    "rows": count_rows,
    "labels": count_labels,
    "class_balance": count_class_balance,
    "label_sets": count_label_sets,
    "targets": count_targets,
    "inputs": count_inputs,
    "images": count_images,
}


def inspect(rows: Rows) -> Report:
    """Run all checks on rows and return what they found.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"age": [1.0, 2.0] * 30})
        >>> inspect(Rows("people", frame, inputs={"age": "number"})).verdict
        'Training can start: 1 note.'
    """
    counts = tuple(each for count in COUNTS.values() for each in count(rows))
    findings = tuple(each for check in CHECKS.values() for each in check(rows))
    return Report(rows.name, len(rows), counts, findings, _choose_photos(rows, findings))


def _choose_photos(rows: Rows, findings: Iterable[Finding]) -> dict[int, Photo]:
    """Return the images of the first rows of each finding."""
    if not len(rows.files):
        return {}
    shown: dict[int, Photo] = {}
    for finding in findings:
        for row in (row for group in finding.shown for row in group):
            file = rows.files[row]
            if file is not None and rows.photos.readable[row]:
                size = int(rows.photos.heights[row]), int(rows.photos.widths[row])
                shown[row] = Photo(file, _describe(rows, row), *size)
    return shown


def _describe(rows: Rows, row: int) -> str:
    """Return split, labels and file of a row in a few words."""
    parts = [f"row {row}"] if rows.sides is None else [f"row {row}, {rows.sides[row]}"]
    for label in rows.labels[:4]:
        if label.present[row]:
            value = label.values[row]
            parts.append(f"{label.name}: {label.classes[int(value)] if label.classes is not None else f'{value:.4g}'}")
    return "; ".join([*parts, rows.files[row].name])  # type: ignore[union-attr]
