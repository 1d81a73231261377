"""Errors that users cause and can fix, and the argument checks that raise them.

Each message has three parts in one line: the rule, the value received and the remedy. The command line prints such an
error without a traceback and exits with code 2. Any other exception is a bug in mtl-keras and keeps its traceback.

A check returns the value as a plain Python value: NumPy's integers and numbers become Python's, and a boolean is never a
number. Frozen values check every field once, in the constructor, and store what the check returns.

Example:
    >>> from mtl_keras.errors import check_integer
    >>> check_integer("epochs", 0, 1)
    Traceback (most recent call last):
    mtl_keras.errors.MTLError: `epochs` must be an integer of at least 1. Received: epochs=0. Pass e.g. epochs=1.
"""

from __future__ import annotations

from mtl_keras.errors._choices import check_choice, check_option, choice_config, parse_choice
from mtl_keras.errors._containers import (
    check_function,
    check_image_size,
    check_input_shape,
    check_instance,
    check_instances,
    check_integers,
    check_mapping,
    check_names,
    check_sizes,
    check_unique,
    store,
)
from mtl_keras.errors._errors import MTLError, RowsError, TrialError, describe, describe_failure, list_rows, unknown
from mtl_keras.errors._numbers import (
    check_bool,
    check_count,
    check_fraction,
    check_integer,
    check_number,
    check_rate,
    check_row_weights,
    check_rows,
    check_seed,
    check_side,
    check_size,
)
from mtl_keras.errors._problems import Problems
from mtl_keras.errors._task_names import check_input_name, check_task_name
from mtl_keras.errors._texts import check_path, check_text

__all__ = [
    "MTLError",
    "Problems",
    "RowsError",
    "TrialError",
    "check_bool",
    "check_choice",
    "check_count",
    "check_fraction",
    "check_function",
    "check_image_size",
    "check_input_name",
    "check_input_shape",
    "check_instance",
    "check_instances",
    "check_integer",
    "check_integers",
    "check_mapping",
    "check_names",
    "check_number",
    "check_option",
    "check_path",
    "check_rate",
    "check_row_weights",
    "check_rows",
    "check_seed",
    "check_side",
    "check_size",
    "check_sizes",
    "check_task_name",
    "check_text",
    "check_unique",
    "choice_config",
    "describe",
    "describe_failure",
    "list_rows",
    "parse_choice",
    "store",
    "unknown",
]
