"""Training: a model, data, and one or more phases."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras

from mtl_keras.callbacks import TrainingState, Verbose, assign_values, check_callbacks, load_state, set_states
from mtl_keras.data import Data
from mtl_keras.files import writable_folder
from mtl_keras.model import MultiTaskModel
from mtl_keras.training._check import check
from mtl_keras.training._compiled import CompiledPhases
from mtl_keras.training._features import PhaseInputs
from mtl_keras.training._fit import PhaseJob, is_finished
from mtl_keras.training._freezing import freezing
from mtl_keras.training._phase import Phase
from mtl_keras.training._run import Run
from mtl_keras.training._stacking import InitialState, add_out_of_fold_predictions, plan_stacking
from mtl_keras.versions import package_versions, warn_of_other_versions

__all__ = ["train", "train_compiled"]

CHECKPOINT = "checkpoint.npz"
#: Splits that a training depends on.
TRAINED_ON = ("train", "validation")

logger = logging.getLogger("mtl_keras")


def train(
    model: MultiTaskModel,
    data: Data,
    *phases: Phase,
    seed: int = 0,
    output_dir: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    cache_dir: str | Path | Literal[False] | None = None,
    verbose: Verbose = "auto",
) -> Run:
    """Train a model through one or more phases; each starts at the best epoch of the one before.

    Where a phase freezes the trunk, the features of the images are computed once and kept in the feature cache, and the
    phase trains the rest of the network on them. The results are those without the cache.

    Where a phase trains a task that is stacked on one that it does not train, the outputs of that task for training rows
    come from models that are trained without these rows. The model must not have been trained on these labels before.

    Args:
        model: From `build_model`. It is changed in place, and is at the best epoch of the last phase afterward. What it was
            compiled with is kept.
        data: The `validation` split decides on the best epoch; `test` is not used.
        *phases: At least one.
        seed: Seed of the data order, which is a function of seed and epoch; at least 0, default 0.
        output_dir: Folder of a checkpoint that is written after each epoch; None (default) writes none. If it holds a
            checkpoint of the same training on the same data, that one is resumed as if it had not been interrupted, and one
            that is finished is returned.
        callbacks: Keras callbacks. Their `self.model` is `model`, and their `mode="auto"` knows the direction of every entry
            of the log. A resumed training needs the same callbacks of Keras, whose state is restored; a method
            `on_resume(rows)` is called with the history so far. `CSVLogger` starts its file anew in each phase unless it
            has `append=True`.
        cache_dir: Folder of the feature cache; None (default) is the user's cache folder, False computes features anew
            at every step.
        verbose: 1 prints a line for each epoch, 0 nothing; `"auto"` (default) prints in a terminal and in a notebook.

    Returns:
        The run, with the history of all phases.

    Raises:
        MTLError: If phases, tasks, data, model and callbacks do not fit together, `output_dir` holds another training or
            cannot be written, or a loss is not finite.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> data = mtl.data.load("digits", tasks)
        >>> model = mtl.build_model(tasks, "SmallCNN", image_shape=data.image_shape, shared=(64,))
        >>> run = mtl.train(model, data, mtl.Phase(epochs=2))
        >>> run.best.monitor
        'val_skill'
    """
    fit = functools.partial(train_compiled, CompiledPhases(model), data, *phases)
    return fit(seed=seed, output_dir=output_dir, callbacks=callbacks, cache_dir=cache_dir, verbose=verbose)


def train_compiled(
    compiled: CompiledPhases,
    data: Data,
    *phases: Phase,
    seed: int = 0,
    output_dir: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    cache_dir: str | Path | Literal[False] | None = None,
    verbose: Verbose = 0,
) -> Run:
    """Train as `train` does, with a model that may have been compiled and trained before and was given new weights."""
    model = compiled.model
    check(model, data, phases)
    check_callbacks(callbacks)
    if output_dir is not None:
        writable_folder(Path(output_dir))
    model.class_names = {task: tuple(names) for task, names in data.class_names.items() if task in model.recipe.tasks}
    began = time.perf_counter()
    checkpoint = state = None
    if output_dir is not None:
        path, identity = Path(output_dir) / CHECKPOINT, _identity(model, data, phases, seed)
        state = load_state(path, identity)
        checkpoint = (path, identity, _describe_process(data, state, path))
    stacked = plan_stacking(model, phases, len(data.train))
    initial = InitialState.of(model, output_dir, state is not None) if any(stacked) else None
    rows = [] if state is None else _restore(model, state, callbacks)
    inputs = PhaseInputs(model, data, cache_dir)
    for number, phase in enumerate(phases):
        if state is not None and number < state.phase:
            continue
        resumed = state if state is not None and number == state.phase else None
        with freezing(model, phase):
            phase_data, on_features = inputs.for_phase(number)
            _log_idle_weighting(model, phase)
            if (taken := stacked[number]) and initial and not (resumed and is_finished(resumed, phase)):
                copy = compiled.copy_for_folds(initial)
                phase_data = add_out_of_fold_predictions(
                    model,
                    phase_data,
                    phase_data if taken.frozen else data,
                    taken,
                    initial,
                    copy.model,
                    folds=phase.folds,
                    seed=seed,
                    fit=functools.partial(train_compiled, copy, seed=seed, cache_dir=cache_dir),
                )
            position = (number, len(phases))
            job = PhaseJob(
                *(compiled, phase_data, on_features, phase, position, rows, seed, callbacks, checkpoint, resumed, verbose)
            )
            outcome = job.run()
    return Run(
        model, rows, phases, outcome.best, seed, time.perf_counter() - began, outcome.last_values, _shares_trunk=on_features
    )


def _restore(
    model: MultiTaskModel, state: TrainingState, callbacks: Sequence[keras.callbacks.Callback]
) -> list[dict[str, Any]]:
    """Restore the network and the callbacks of a training that is resumed, and return its history."""
    check_callbacks(callbacks, resumed=True)
    # Before features are computed: an earlier phase may have trained the trunk.
    with model.distribute_strategy.scope():
        assign_values(state.variables, model.variables)
    set_states(callbacks, state.callbacks)
    for callback in callbacks:
        if hasattr(callback, "on_resume"):
            callback.on_resume(state.rows)
    return list(state.rows)


def _identity(model: MultiTaskModel, data: Data, phases: Sequence[Phase], seed: int) -> dict[str, Any]:
    """Return what determines a training, as plain JSON values."""
    train = data.train
    changes: list[Any] = [train.views, None if train.online is None else train.online.config()]
    if train.sampling is not None:
        changes += [train.sampling.config(), [*map(len, train.rows_by_dataset())]]
    return {
        "recipe": model.recipe.config(),
        "phases": [phase.config() for phase in phases],
        "seed": seed,
        "data": [data.name, len(train), len(data.validation), data.features, *(changes if any(changes) else ())],
    }


def _describe_process(data: Data, state: TrainingState | None, path: Path) -> dict[str, Any]:
    """Return digests of the data and versions of all processes so far, for the checkpoint.

    Raises:
        MTLError: If the data is not what a training that is resumed was started with.
    """
    versions, now = [], package_versions()
    if state is not None:
        data.check_digests(state.digests, path, TRAINED_ON)
        versions = [*state.versions]
        warn_of_other_versions(versions[-1], now, path)
    if versions[-1:] != [now]:
        versions.append(now)
    return {"digests": data.digests(TRAINED_ON), "versions": versions}


def _log_idle_weighting(model: MultiTaskModel, phase: Phase) -> None:
    """Log where loss weights cannot matter because nothing that is trained is shared."""
    active = phase.active(model.recipe.tasks)
    shared = any(layer.trainable_variables for layer in model.layers_by_name("shared"))
    if len(active) > 1 and not shared and not model.get_layer("backbone").trainable_variables:
        logger.info(
            "The trunk is frozen and no trained layer is shared, so each task trains alone and loss weights change next to "
            "nothing under Adam. Pass shared=(512,) to let the tasks share a dense layer."
        )
