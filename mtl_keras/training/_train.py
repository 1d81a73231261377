"""Training: a model, data, and one or more phases."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import tensorflow as tf

from mtl_keras.callbacks import Checkpoint, EpochEnd, Skill, StepCounts, TrainingState, assign_values, load_state
from mtl_keras.data import Data, trivial_scores
from mtl_keras.data.cache import default_cache_dir
from mtl_keras.errors import MTLError, TrialError
from mtl_keras.model import MultiTaskModel
from mtl_keras.training._check import check
from mtl_keras.training._freezing import freezing
from mtl_keras.training._objectives import Objectives
from mtl_keras.training._phase import Phase
from mtl_keras.training._run import Best, Run
from mtl_keras.training._stack import InitialState, add_out_of_fold_predictions, plan_stacking

__all__ = ["train", "train_again"]

CHECKPOINT = "checkpoint.npz"

logger = logging.getLogger("mtl_keras")


def train(
    model: MultiTaskModel,
    data: Data,
    *phases: Phase,
    seed: int = 0,
    output_dir: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    cache_dir: str | Path | Literal[False] | None = None,
) -> Run:
    """Train a model through one or more phases; each starts at the best epoch of the one before.

    Where a phase leaves the trunk frozen, the trunk's features are computed once, kept in the feature cache, and the
    phase trains what lies behind them; results equal those without the cache.

    Where a phase trains a task that is stacked on one that it does not train, models trained without part of the rows say
    beforehand what that task's outputs are for them; the model itself must not have seen labels of these rows before.

    Args:
        model: From `build_model`. It is changed in place and stands at the best epoch of the last phase afterward.
        data: Its `validation` split chooses the epoch; `test` is never touched.
        *phases: At least one.
        seed: Of the data order, which is a function of seed and epoch; at least 0.
        output_dir: Folder of the checkpoint that is written after each epoch; None (default) writes none. Where it holds
            that of the same training, training goes on from there as if it had not stopped, and a finished one is
            returned as it ended.
        callbacks: More Keras callbacks. Their `self.model` shares the layers of `model` and may begin at the features. One
            that has a method `on_resume` is first told the rows of the epochs that it did not see.
        cache_dir: Folder of the feature cache; None (default) is the user's cache folder, False computes features anew
            at every step.

    Returns:
        The run, with the history of all phases.

    Raises:
        MTLError: If phases, tasks, data and model do not fit, `output_dir` holds another training or cannot be written, or a
            loss is no longer finite.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> data = mtl.data.load("digits", tasks)
        >>> model = mtl.build_model(tasks, "SmallCNN", image_shape=data.image_shape, shared=(64,))
        >>> run = mtl.train(model, data, mtl.Phase(epochs=2))
        >>> run.best.monitor
        'val_skill'
    """
    again = functools.partial(train_again, Objectives(model), data, *phases)
    return again(seed=seed, output_dir=output_dir, callbacks=callbacks, cache_dir=cache_dir)


def train_again(
    objectives: Objectives,
    data: Data,
    *phases: Phase,
    seed: int = 0,
    output_dir: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    cache_dir: str | Path | Literal[False] | None = None,
) -> Run:
    """Train as `train` does, with objectives of a model that may have been trained before and has got other weights."""
    model = objectives.model
    check(model, data, phases)
    model.class_names = {task: tuple(names) for task, names in data.class_names.items() if task in model.recipe.tasks}
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    checkpoint = standing = None
    if output_dir is not None:
        checkpoint = (Path(output_dir) / CHECKPOINT, _identity(model, data, phases, seed))
        standing = load_state(*checkpoint)
    stacked = plan_stacking(model, phases, len(data.train))
    start = InitialState.of(model, output_dir, standing is not None) if any(stacked) else None
    if standing is not None:
        rows += standing.rows
        # Before features are computed: an earlier phase may have trained the trunk.
        with model.distribute_strategy.scope():
            assign_values(standing.variables, model.variables)
        for callback in callbacks:
            if hasattr(callback, "on_resume"):
                callback.on_resume(standing.rows)
    featurized = data if data.features else None
    for number, phase in enumerate(phases):
        if standing is not None and number < standing.phase:
            continue
        with freezing(model, phase):
            on_features = model.frozen_trunk and (data.features is not None or cache_dir is not False)
            if on_features and featurized is None:
                featurized = data.featurize(model.trunk, model.identity(), cache_dir or default_cache_dir())
            if not on_features:
                # This phase changes the trunk: what an earlier one cached is no longer its output.
                featurized = None
            if data.features and not on_features:
                raise MTLError(
                    f"A phase that trains the backbone needs the images. Received: cached features for phase {number}. "
                    "Give `train` the data before `featurize`."
                )
            _say_what_weights_do(model, phase)
            seen = featurized if on_features and featurized is not None else data
            begun = standing if standing is not None and number == standing.phase else None
            if (taken := stacked[number]) and start and not (begun and _finished(begun, phase)):
                base = seen if taken.frozen else data
                aside = objectives.copy_for_folds(start)
                fit = functools.partial(train_again, aside, seed=seed, cache_dir=cache_dir)
                seen = add_out_of_fold_predictions(
                    model, seen, base, taken, start, aside.model, folds=phase.folds, seed=seed, fit=fit
                )
            best, last_weights = _run_phase(
                objectives, seen, phase, number, rows, seed, callbacks, on_features, checkpoint, begun
            )
    return Run(model, rows, phases, best, seed, time.perf_counter() - began, last_weights, on_features)


def _run_phase(
    objectives: Objectives,
    data: Data,
    phase: Phase,
    number: int,
    rows: list[dict[str, Any]],
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback],
    on_features: bool,
    checkpoint: tuple[Path, dict[str, Any]] | None,
    standing: TrainingState | None,
) -> tuple[Best, list[Any]]:
    """Fit one phase, append its epochs to `rows`, leave the model at its best epoch; return that and the last weights."""
    model, tasks = objectives.model, objectives.model.recipe.tasks
    active = phase.active(tasks)
    steps = data.train.steps(phase.batch_size)
    replicas = model.distribute_strategy.num_replicas_in_sync
    objective = objectives.of(phase, data, on_features, callbacks)
    if standing is not None and _finished(standing, phase):
        _check_finite(rows, phase, number)
        last_weights = objective.get_weights()
        objective.set_weights(standing.best_weights)
        model.weighting_state = objective.weighting_values()
        return _best(number, phase, standing.early), last_weights
    trivial = {
        split.name: {name: scores[tasks[name].metric.name] for name, scores in trivial_scores(data.train, split).items()}
        for split in (data.train, data.validation)
    }
    history = EpochEnd(rows, number)
    early = keras.callbacks.EarlyStopping(
        monitor=phase.monitor,
        mode=phase.direction(tasks),
        patience=phase.patience or phase.epochs,
        restore_best_weights=True,
    )
    own: list[keras.callbacks.Callback] = [Skill(active, trivial), history, early]
    if (sampling := data.train.sampling) is not None:
        logger.info(sampling.describe([*map(len, data.train.rows_by_dataset())], phase.batch_size))
        own.insert(
            0, StepCounts(data.train.steps_per_dataset(phase.batch_size, seed=seed, epochs=phase.epochs), sampling.tasks)
        )
    if checkpoint is not None:
        own.append(Checkpoint(*checkpoint, model, early, rows, number, standing))
    first = 0 if standing is None else standing.epoch
    validation = data.validation.batches(max(phase.batch_size, 512), at_least=replicas)
    objective.fit(
        data.train.batches(phase.batch_size, seed=seed, epochs=phase.epochs, first_epoch=first, at_least=replicas),
        steps_per_epoch=steps,
        initial_epoch=first,
        epochs=phase.epochs,
        validation_data=_at_hand(validation) if on_features and replicas == 1 else validation,
        callbacks=[*own, *callbacks],
        shuffle=False,
        verbose=0,
    )
    _check_finite(rows, phase, number)
    model.weighting_state = objective.weighting_values()
    return _best(number, phase, vars(early)), history.last_weights


def _finished(standing: TrainingState, phase: Phase) -> bool:
    """Return whether a phase has nothing left to do."""
    return standing.stopped or standing.epoch == phase.epochs


def _at_hand(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Return the same batches, made once: Keras begins anew on them in each epoch, which takes longer than to look at them."""
    *full, last = list(batches)
    held = tf.data.Dataset.from_tensors(last)
    return (
        tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(lambda *p: tf.stack(p), *full)).concatenate(held)
        if full
        else held
    )


def _check_finite(rows: Sequence[Mapping[str, Any]], phase: Phase, number: int) -> None:
    """Refuse a phase whose loss or monitor went out of the numbers, also one that an earlier process finished."""
    its = (row for row in rows if row["phase"] == number)
    # A monitor on training rows is not there in an epoch without a step of its data set.
    wrong = next((row for row in its if not all(math.isfinite(row.get(name, 0.0)) for name in ("loss", phase.monitor))), None)
    if wrong:
        raise TrialError(
            f"Losses and metrics stay finite. Received: loss={wrong['loss']}, {phase.monitor}={wrong.get(phase.monitor)} in "
            f"epoch {wrong['epoch']} of phase {number}. Lower the learning rate, or give the optimizer a clipnorm."
        )


def _best(number: int, phase: Phase, early: Mapping[str, Any]) -> Best:
    """Return the epoch that EarlyStopping chose."""
    return Best(number, int(early["best_epoch"]) + 1, phase.monitor, float(early["best"]))


def _identity(model: MultiTaskModel, data: Data, phases: Sequence[Phase], seed: int) -> dict[str, Any]:
    """Return what fixes a training, as plain JSON values."""
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


def _say_what_weights_do(model: MultiTaskModel, phase: Phase) -> None:
    """Say so where loss weights cannot matter: nothing that is trained is shared."""
    active = phase.active(model.recipe.tasks)
    shared = any(layer.trainable_variables for layer in model.layers_by_name("shared"))
    if len(active) > 1 and not shared and not model.get_layer("backbone").trainable_variables:
        logger.info(
            "The trunk is frozen and no trained layer is shared, so each task trains alone and loss weights change next to "
            "nothing under Adam. Give shared=(512,) to let the tasks share a dense layer."
        )
