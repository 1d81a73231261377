"""How much each hyperparameter of a search says about the skill of a trial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FEWEST", "Importance", "importance"]

#: Of fewer trials nothing is said.
FEWEST = 10
TREES, REPEATS = 100, 5


@dataclass(frozen=True)
class Importance:
    """What a random forest learned of the trials.

    Attributes:
        r2: Share of the variance of the skill that it explains in trials that a tree has not seen; 0 or less is nothing.
        shares: By hyperparameter its part of what is lost where its values are shuffled between trials.
    """

    r2: float
    shares: Mapping[str, float]


def importance(settings: Sequence[Mapping[str, Any]], skills: Sequence[float]) -> Importance | None:
    """Return how much each hyperparameter that varies says about the skill; None of fewer than ten trials.

    Args:
        settings: Hyperparameters of each trial.
        skills: Skill of each trial.
    """
    names = list(dict.fromkeys(name for each in settings for name in each))
    columns = {name: _column([each.get(name) for each in settings]) for name in names}
    columns = {name: column for name, column in columns.items() if np.ptp(column)}
    if len(skills) < FEWEST or not columns or not np.ptp(skills):
        return None
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    x, y = np.stack([*columns.values()], axis=1), np.asarray(skills, np.float64)
    forest = RandomForestRegressor(TREES, oob_score=True, random_state=0).fit(x, y)
    lost = permutation_importance(forest, x, y, n_repeats=REPEATS, random_state=0).importances_mean.clip(min=0)
    total = lost.sum() or math.inf
    shares = dict(zip(columns, (lost / total).tolist(), strict=True))
    return Importance(float(forest.oob_score_), dict(sorted(shares.items(), key=lambda each: -each[1])))


def _column(values: Sequence[Any]) -> np.ndarray:
    """Return one hyperparameter as numbers: itself, or the place of its text; -1 below all others where a trial has none."""
    there = [value for value in values if value is not None]
    if all(isinstance(value, int | float) for value in there):
        least = min(map(float, there), default=0.0)
        return np.array([least - 1.0 if value is None else float(value) for value in values])
    places = {text: float(place) for place, text in enumerate(sorted({str(value) for value in there}))}
    return np.array([-1.0 if value is None else places[str(value)] for value in values])
