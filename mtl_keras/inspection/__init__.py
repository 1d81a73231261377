"""Checks of a table, or of a folder of images, before anything is trained on it.

`inspect_table` takes the arguments of `mtl_keras.data.from_table` and returns a `Report` of counts and findings; each finding
is an error that stops training, a warning or a note. `page` shows all of it. Each check is a function from `Rows`, the table as
plain values, to findings, and `inspect` runs all of them. Nothing here imports Keras or TensorFlow.

To add a check, write `_my_check.py` with a function `check_my_check(rows)` that yields `Finding`s, and add it to `CHECKS` in
`_inspect.py`. The contract test in `tests/contracts/test_checks.py` picks it up.

Example:
    >>> import pandas as pd
    >>> from mtl_keras.inspection import Rows, class_labels, inspect
    >>> frame = pd.DataFrame({"age": range(100), "kind": ["a", "b"] * 50})
    >>> report = inspect(Rows("people", frame, (class_labels("kind", "Binary", frame["kind"]),), {"age": "number"}))
    >>> [(finding.check, finding.subject) for finding in report.findings]
    [('identifiers', 'age')]
"""

from __future__ import annotations

from mtl_keras.inspection._finding import SEVERITIES, Counts, Finding, Severity
from mtl_keras.inspection._inspect import CHECKS, COUNTS, inspect
from mtl_keras.inspection._labels import Labels, class_labels, number_labels
from mtl_keras.inspection._page import page
from mtl_keras.inspection._photos import Photos, read_photos
from mtl_keras.inspection._report import Photo, Report
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._table import inspect_table

__all__ = [
    "CHECKS",
    "COUNTS",
    "SEVERITIES",
    "Counts",
    "Finding",
    "Labels",
    "Photo",
    "Photos",
    "Report",
    "Rows",
    "Severity",
    "class_labels",
    "inspect",
    "inspect_table",
    "number_labels",
    "page",
    "read_photos",
]
