"""Comparing approaches: the same seeds for all, single-task baselines of the same configuration, one test evaluation.

`compare` trains several ways of training one network (or several networks) from several seeds each, together with the
baselines, and reports per task what was gained, with a paired interval. Every training has a folder and is not repeated when
the comparison is resumed. A search ends in the same way, with one approach.
"""

from __future__ import annotations

from mtl_keras.comparison._approach import Approach, check_approach
from mtl_keras.comparison._compare import check_approaches, compare, compare_plans
from mtl_keras.comparison._comparison import Comparison
from mtl_keras.comparison._results import Results
from mtl_keras.comparison._run import run_approaches

__all__ = [
    "Approach",
    "Comparison",
    "Results",
    "check_approach",
    "check_approaches",
    "compare",
    "compare_plans",
    "run_approaches",
]
