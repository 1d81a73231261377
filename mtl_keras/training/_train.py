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
from mtl_keras.data import Data, trivial_scores
from mtl_keras.errors import check_seed
from mtl_keras.files import check_folder, remove_leftovers, writable_folder
from mtl_keras.model import Cut, MultiTaskModel
from mtl_keras.saving import MODEL
from mtl_keras.tables import ENCODER
from mtl_keras.tasks import Tasks
from mtl_keras.training._check import check
from mtl_keras.training._compiled import CompiledPhases
from mtl_keras.training._features import PhaseInputs
from mtl_keras.training._fit import PhaseJob, is_finished
from mtl_keras.training._freezing import freezing, trainable_flags
from mtl_keras.training._phase import Phase
from mtl_keras.training._run import Run
from mtl_keras.training._stacking import InitialState, add_out_of_fold_predictions, plan_stacking
from mtl_keras.versions import package_versions, warn_of_other_versions

__all__ = ["train", "train_compiled"]

CHECKPOINT = "checkpoint.npz"
#: Splits that a training depends on.
TRAINED_ON = ("train", "validation")

#: Steps per epoch below which a smaller batch would give more of them, and the batch size above which this is said.
FEW_STEPS, SMALL_BATCH = 20, 32

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
        output_dir: Folder of a checkpoint that is written after each epoch, and at the end of `model.keras`, the model at
            the best epoch, which `mtl.load_model` reads; None (default) writes none. If it holds a checkpoint of the same
            training on the same data, that one is resumed as if it had not been interrupted, and one that is finished is
            returned.
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
    seed = check_seed("seed", seed)
    if output_dir is not None:
        check_folder("output_dir", output_dir)
    if cache_dir is not None and cache_dir is not False:
        check_folder("cache_dir", cache_dir)
    fit = functools.partial(train_compiled, CompiledPhases(model), data, *phases)
    try:
        run = fit(seed=seed, output_dir=output_dir, callbacks=callbacks, cache_dir=cache_dir, verbose=verbose)
    except KeyboardInterrupt as stop:
        # Python shows it below the traceback.
        kept = f"continue with the same call and output_dir={str(output_dir)!r}" if output_dir else "nothing was written"
        stop.add_note(f"Interrupted: {kept}{'' if output_dir else '; pass output_dir to be able to continue'}.")
        raise
    if output_dir is not None:
        model.save(Path(output_dir) / MODEL)
        if data.encoder is not None:
            data.encoder.save(Path(output_dir) / ENCODER)
    return run


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
    check(model, data, phases, cached=cache_dir is not False)
    check_callbacks(callbacks)
    if output_dir is not None:
        remove_leftovers(writable_folder(Path(output_dir)))
    model.encoder = data.encoder
    model.class_names = {task: tuple(names) for task, names in data.class_names.items() if task in model.recipe.tasks}
    began = time.perf_counter()
    checkpoint = state = None
    if output_dir is not None:
        path, identity = Path(output_dir) / CHECKPOINT, _identity(model, data, phases, seed)
        state = load_state(path, identity)
        checkpoint = (path, identity, _describe_process(data, state, path))
    model.set_units({name: data.train.y[name][data.train.weight[name] > 0] for name in model.unit_layers})
    stacked = plan_stacking(model, phases, len(data.train))
    initial = InitialState.of(model, output_dir, state is not None) if any(stacked) else None
    rows = [] if state is None else _restore(model, state, callbacks)
    inputs = PhaseInputs(model, data, cache_dir)
    for number, phase in enumerate(phases):
        if state is not None and number < state.phase:
            continue
        resumed = state if state is not None and number == state.phase else None
        with freezing(model, phase):
            phase_data, cut = inputs.for_phase(phase)
            _log_idle_weighting(model, phase)
            _announce_unlabeled(data, phase.active(model.recipe.tasks))
            _announce_degenerate_monitor(model, data, phase)
            _log_few_steps(data, phase)
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
            job = PhaseJob(*(compiled, phase_data, cut, phase, position, rows, seed, callbacks, checkpoint, resumed, verbose))
            outcome = job.run()
    return Run(
        model, rows, phases, outcome.best, seed, time.perf_counter() - began, outcome.last_values, _shares_trunk=cut == Cut()
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
    # None for float32, as in checkpoints of earlier versions.
    half = model.fingerprint().get("compute_dtypes")
    # A phase that names what it freezes sets the flags of all layers.
    keeps_flags = not all(phase.sets_flags for phase in phases)
    return {
        "recipe": model.recipe.config(),
        **({"compute_dtypes": half} if half else {}),
        "phases": [phase.config() for phase in phases],
        "seed": seed,
        **({"trainable": trainable_flags(model)} if keeps_flags else {}),
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
    if len(active) > 1 and not shared and not any(network.trainable_variables for network in model.backbones.values()):
        logger.info(
            "The backbone is frozen and no trained layer is shared, so each task trains alone and loss weights change next to "
            "nothing under Adam. With shared dense layers (shared=(512,), a `shared_depth` of 1) the tasks learn together."
        )


def _announce_unlabeled(data: Data, active: Tasks) -> None:
    """Warn of tasks of a phase that have no label in the rows they are trained or chosen by: they count nowhere."""
    for split, what in ((data.train, "not trained, and left out"), (data.validation, "left out")):
        names = [name for name in active if not (split.weight[name] > 0).any()]
        if names:
            _warn_once(
                f"No label of {', '.join(names)} is in the {len(split)} {split.name or 'unnamed'} rows: what has none is "
                f"{what} of the skill and of evaluations. Add labels, or leave it out of the phase."
            )


def _announce_degenerate_monitor(model: MultiTaskModel, data: Data, phase: Phase) -> None:
    """Warn of tasks whose skill is always 0, since the trivial predictor is perfect on the monitored rows."""
    if phase.monitor.removeprefix("val_") != "skill":
        return
    held_out = phase.monitor.startswith("val_")
    active = phase.active(model.recipe.tasks)
    scores = trivial_scores(data.train, data.validation if held_out else data.train, active)
    measured = [name for name in active if name in scores]
    idle = [name for name in measured if scores[name][active[name].metric.name] == active[name].metric.perfect]
    if idle:
        rows, prefix = ("validation", "val_") if held_out else ("training", "")
        decides = f"The epoch with the lowest {prefix}loss is chosen." if idle == measured else "The other tasks decide."
        _warn_once(
            f"The monitor {phase.monitor!r} cannot tell epochs apart by {', '.join(idle)}: the trivial predictor is right in "
            f"all {rows} rows, as where they have one class, so that the skill is always 0. {decides} Take {rows} rows with "
            "other labels as well, or monitor another entry."
        )


@functools.cache
def _warn_once(line: str) -> None:
    """Log a warning unless this process has logged it before: a search trains many models on the same rows."""
    logger.warning(line)


def _log_few_steps(data: Data, phase: Phase) -> None:
    """Log where a large batch leaves few updates in an epoch."""
    steps = data.train.steps(phase.batch_size)
    if steps < FEW_STEPS and phase.batch_size > SMALL_BATCH:
        logger.info(
            f"An epoch has {steps} step{'' if steps == 1 else 's'} only: {len(data.train)} rows in batches of "
            f"{phase.batch_size}. A smaller batch_size or more epochs give more updates."
        )
