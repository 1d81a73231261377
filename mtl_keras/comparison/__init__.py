"""Comparing approaches: the same seeds for all, single-task baselines from the same configuration, one look at the test split.

`compare` trains several ways of training one network (or several networks) from several seeds each, beside the baselines,
and says per task what was gained, with a paired interval. Everything it trains lies in a folder and is not trained again
when it goes on there. A search ends in the same way, with one approach.
"""

from __future__ import annotations

from mtl_keras.comparison._compare import Comparison, compare
from mtl_keras.comparison._jobs import Approach, Figures, run_approaches
from mtl_keras.comparison._plan import Plan
from mtl_keras.comparison._reporter import Reporter

__all__ = ["Approach", "Comparison", "Figures", "Plan", "Reporter", "compare", "run_approaches"]
