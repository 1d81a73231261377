"""keras-tuner's oracles, asked for one trial at a time and rebuilt from our own log."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn.exceptions import ConvergenceWarning

from mtl_keras.runs import ORACLE, derived_seed
from mtl_keras.search._settings import Settings

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["Proposals", "epochs_of", "oracle_seed", "plain_values"]

#: What Hyperband says about a trial; not a hyperparameter of the study.
HYPERBAND_EPOCHS = "tuner/epochs"


def oracle_seed(seed: int) -> int:
    """Return the seed that keras-tuner gets for a search with this seed.

    keras-tuner counts up from its seed, so the seeds of neighboring studies must be far apart; and it takes 0 for "no seed".
    """
    return 1 + derived_seed(seed, ORACLE)


class Proposals:
    """Proposes trials one after the other, each based on the results before.

    keras-tuner writes its state in place, so that a kill leaves it half-written, and its grid search cannot be reloaded. Here,
    the log of trials is the state: a new oracle is told the logged trials, after which it proposes the same trials as one that
    was never stopped.

    Args:
        settings: `tuner`, `seed` and `epochs` are used.
        space: The search space.
    """

    def __init__(self, settings: Settings, space: HyperParameters) -> None:
        from keras_tuner import Objective, oracles

        common: dict[str, Any] = {
            "objective": Objective("skill", "max"),
            "hyperparameters": space.copy(),
            "seed": oracle_seed(settings.seed),
            # `run_trials` decides when failed trials end the search.
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
        # keras-tuner has to write its state somewhere; it is never read.
        self._folder = tempfile.TemporaryDirectory(prefix="mtl-keras-oracle-")
        self._oracle._set_project_dir(self._folder.name, "oracle")
        self._trial: Any = None

    def next(self) -> HyperParameters | None:
        """Return the values of the next trial, or None if the space is exhausted."""
        with warnings.catch_warnings():
            # The Gaussian process of Bayesian search reports that its optimizer stopped early, which needs no action.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._trial = self._oracle.create_trial("tuner")
        if self._trial.status != "RUNNING":
            return None
        return self._trial.hyperparameters

    def tell(self, skills: Sequence[float] | None) -> None:
        """Report the skills of the proposed trial's trainings, or None if it failed."""
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
    """Return the active values of a trial as plain JSON values."""
    return {
        name: (value.item() if hasattr(value, "item") else value)
        for name, value in hp.values.items()
        if name.startswith("tuner/") or (name in hp._hps and hp.is_active(name))
    }


def epochs_of(hp: HyperParameters, default: int) -> int:
    """Return the maximum number of epochs of a trial: Hyperband's, or `default`.

    Hyperband would continue from a stopped trial's weights. Here, a promoted trial is trained from the start, so that every
    trial can be repeated by itself.
    """
    return math.ceil(hp.values.get(HYPERBAND_EPOCHS, default))
