"""Searching depth, learning rate and loss weights.

A `Study` is a value: tasks, data, and a function that turns hyperparameters into a `Plan` (a recipe and phases). `tune` asks
one of keras-tuner's oracles for trials and writes every training to a log before it tells the oracle. It ends with the best
configuration trained from several seeds, next to its single-task baselines and the trivial predictor, and one test evaluation.

The objective is the mean skill over tasks on validation. It does not depend on the searched loss weights, as a validation loss
would: small weights give small losses, whatever the model has learned.

`tune` and `reproduce` take a study's name, its file or a `Study`, and everything else by keyword. `run_study`, `train_study`,
`compare_study` and `reproduce_study`, which the command line calls, take a `Study`, its changes and `mtl_keras.runs.Options`.
"""

from __future__ import annotations

from mtl_keras.search._compare import compare_study
from mtl_keras.search._configuration import Configuration, Context
from mtl_keras.search._default_space import default_space
from mtl_keras.search._evaluate import evaluate_run
from mtl_keras.search._from_file import inspect_study
from mtl_keras.search._load_study import find_run, load_study, load_study_file, study_of_run
from mtl_keras.search._oracle import oracle_seed
from mtl_keras.search._prepare import Prepared, prepare
from mtl_keras.search._reproduce import reproduce, reproduce_study
from mtl_keras.search._resolve import Resolved, resolve
from mtl_keras.search._settings import Settings
from mtl_keras.search._space import dense_stack, loss_weights
from mtl_keras.search._study import Study
from mtl_keras.search._train import train_study
from mtl_keras.search._trials import run_trials
from mtl_keras.search._tune import StudyResult, run_study, tune

__all__ = [
    "Configuration",
    "Context",
    "Prepared",
    "Resolved",
    "Settings",
    "Study",
    "StudyResult",
    "compare_study",
    "default_space",
    "dense_stack",
    "evaluate_run",
    "find_run",
    "inspect_study",
    "load_study",
    "load_study_file",
    "loss_weights",
    "oracle_seed",
    "prepare",
    "reproduce",
    "reproduce_study",
    "resolve",
    "run_study",
    "run_trials",
    "train_study",
    "study_of_run",
    "tune",
]
