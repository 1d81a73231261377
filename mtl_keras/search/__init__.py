"""Searching depth, learning rate and loss weights.

A `Study` is a value: tasks, data, and a function that turns hyperparameters into a `Plan` (a recipe and phases).
`run_study` asks one of keras-tuner's oracles for trials, writes every execution down before the oracle hears of it, and
ends with the final figures: several seeds of the best configuration beside its single-task baselines and the trivial
predictor, looked at on the test split once.

The objective is the mean skill over tasks on validation. It does not depend on the searched loss weights, as a
validation loss would: small weights make small losses, whatever the model has learned.
"""

from __future__ import annotations

from mtl_keras.comparison import Plan, Reporter
from mtl_keras.search._compare import compare_study
from mtl_keras.search._reproduce import reproduce, reproduce_study
from mtl_keras.search._run import StudyResult, run_study, tune
from mtl_keras.search._settings import Settings
from mtl_keras.search._single import evaluate_run, train_study
from mtl_keras.search._space import dense_stack, loss_weights
from mtl_keras.search._study import Configuration, Context, Study, load_study

__all__ = [
    "Configuration",
    "Context",
    "Plan",
    "Reporter",
    "Settings",
    "Study",
    "StudyResult",
    "compare_study",
    "dense_stack",
    "evaluate_run",
    "load_study",
    "loss_weights",
    "reproduce",
    "reproduce_study",
    "run_study",
    "train_study",
    "tune",
]
