"""keras-tuner's oracles, asked one trial at a time and rebuilt from our own log."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn.exceptions import ConvergenceWarning

from mtl_keras.comparison._seeds import ORACLE, derived_seed
from mtl_keras.search._settings import Settings

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["Proposals"]

#: What Hyperband says about a trial; not a hyperparameter of the study.
HYPERBAND_EPOCHS = "tuner/epochs"


class Proposals:
    """Proposes trials one after the other, each in the light of the results before.

    keras-tuner writes its state in place, so that a kill leaves it half-written, and its grid search cannot be reloaded.
    Here the log of seeds_per_trial is the truth: an oracle is made anew and led through the logged trials, which gives the
    same proposals as if it had never stopped.

    Args:
        settings: `tuner`, `seed` and `epochs` are read.
        space: The search space.
    """

    def __init__(self, settings: Settings, space: HyperParameters) -> None:
        from keras_tuner import Objective, oracles

        common: dict[str, Any] = {
            "objective": Objective("skill", "max"),
            "hyperparameters": space.copy(),
            # keras-tuner counts on from its seed, so that those of neighboring studies must lie far apart; it takes 0
            # for "draw one".
            "seed": 1 + derived_seed(settings.seed, ORACLE),
            # Failed trials are ours to judge.
            "max_consecutive_failed_trials": 10**9,
        }
        if settings.tuner == "random":
            self._oracle = oracles.RandomSearchOracle(max_trials=None, **common)
        elif settings.tuner == "bayesian":
            self._oracle = oracles.BayesianOptimizationOracle(max_trials=None, **common)
        elif settings.tuner == "grid":
            self._oracle = oracles.GridSearchOracle(max_trials=None, **common)
        else:
            self._oracle = oracles.HyperbandOracle(max_epochs=settings.epochs, **common)
        self._oracle.verbose = 0
        # keras-tuner insists on writing its state somewhere; nobody reads it.
        self._folder = tempfile.TemporaryDirectory(prefix="mtl-keras-oracle-")
        self._oracle._set_project_dir(self._folder.name, "oracle")
        self._trial: Any = None

    def next(self) -> HyperParameters | None:
        """Return the values of the next trial, or None if the space is exhausted."""
        with warnings.catch_warnings():
            # The Gaussian process of Bayesian search says that its optimizer stopped early; there is nothing to mend.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._trial = self._oracle.create_trial("tuner")
        if self._trial.status != "RUNNING":
            return None
        return self._trial.hyperparameters

    def tell(self, skills: Sequence[float] | None) -> None:
        """Report the proposed trial's seeds_per_trial, or None if it failed."""
        if skills:
            self._oracle.update_trial(self._trial.trial_id, {"skill": sum(skills) / len(skills)})
            self._trial.status = "COMPLETED"
        else:
            self._trial.status = "FAILED"
        self._oracle.end_trial(self._trial)

    def close(self) -> None:
        """Remove what keras-tuner wrote."""
        self._folder.cleanup()


def plain_values(hp: HyperParameters) -> dict[str, Any]:
    """Return a trial's active values as plain JSON values."""
    return {
        name: (value.item() if hasattr(value, "item") else value)
        for name, value in hp.values.items()
        if name.startswith("tuner/") or (name in hp._hps and hp.is_active(name))
    }


def epochs_of(hp: HyperParameters, default: int) -> int:
    """Return how many epochs a trial may train: Hyperband's allowance, else `default`.

    Hyperband would go on from a stopped trial's weights; here a promoted trial trains its whole allowance anew, so that
    every trial can be repeated by itself.
    """
    return math.ceil(hp.values.get(HYPERBAND_EPOCHS, default))
