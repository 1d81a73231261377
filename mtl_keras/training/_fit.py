"""The training of one phase: the model is compiled, fitted and left at its best epoch."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mtl_keras.callbacks import (
    BestEpoch,
    Checkpoint,
    EpochEnd,
    Progress,
    Skill,
    StepCounts,
    TrainingState,
    Verbose,
    assign_values,
    get_values,
)
from mtl_keras.data import Data, read_errors
from mtl_keras.errors import TrialError
from mtl_keras.model import Cut, MultiTaskModel, WeightingUpdate, changing_weights
from mtl_keras.training._compiled import CompiledPhases, own_variables
from mtl_keras.training._phase import Phase
from mtl_keras.training._run import Best

__all__ = ["PhaseJob", "PhaseOutcome", "is_finished"]

logger = logging.getLogger("mtl_keras")


@dataclass(frozen=True, eq=False)
class PhaseOutcome:
    """What a phase leaves besides the model at its best epoch.

    Attributes:
        best: The best epoch.
        last_values: Weights of the last epoch by position; those left out did not change.
    """

    best: Best
    last_values: dict[int, np.ndarray]


@dataclass(frozen=True, eq=False)
class PhaseJob:
    """One phase of a training, with all that it needs.

    Attributes:
        compiled: The model, and what it was compiled with before.
        data: What is trained on.
        cut: Where in the trunk that enters; None if it is images.
        phase: The phase.
        number: Its number, from 0, and of how many.
        rows: The history, which the phase appends to.
        seed: Seed of the data order.
        callbacks: Those of the user.
        checkpoint: File of the checkpoint, identity of the training and what is written besides; None writes none.
        resumed: The state that the phase is resumed from; None if it is started.
        verbose: Whether progress is printed.
    """

    compiled: CompiledPhases
    data: Data
    cut: Cut | None
    phase: Phase
    number: tuple[int, int]
    rows: list[dict[str, Any]]
    seed: int
    callbacks: Sequence[keras.callbacks.Callback]
    checkpoint: tuple[Path, Mapping[str, Any], Mapping[str, Any]] | None
    resumed: TrainingState | None
    verbose: Verbose

    @property
    def model(self) -> MultiTaskModel:
        return self.compiled.model

    def run(self) -> PhaseOutcome:
        """Train the phase, or what is left of it; leave the model at the best epoch.

        Raises:
            TrialError: If a loss or the monitor is not finite, or no epoch had the monitor.
        """
        with self.compiled.compile(self.phase, self.data, self.cut, self.callbacks) as objective:
            if (line := objective.describe_gradients()) is not None:
                logger.info(line)
            weights = changing_weights(objective.network)
            best = BestEpoch(
                self.phase.monitor,
                self.phase.direction(self.model.recipe.tasks),
                self.phase.patience or self.phase.epochs,
                [*weights, *objective.state.variables.values()],
            )
            history = EpochEnd(self.rows, self.number[0], weights)
            if self.resumed is not None:
                assign_values(self.resumed.slots, own_variables(self.model))
            if self.resumed is not None and is_finished(self.resumed, self.phase):
                history.last_values = get_values(weights)
                best.best, best.best_epoch = self.resumed.early["best"], self.resumed.early["best_epoch"]
                assign_values(self.resumed.best_weights, best.variables)
            else:
                self._fit(best, history)
            self._check_finite()
            if best.best is None:
                raise TrialError(
                    f"The monitor must be in the log of at least one epoch. Received: monitor={self.phase.monitor!r}, of whose "
                    f"data set none of {self.phase.epochs} epochs had a step. Train more epochs, or monitor a validation entry."
                )
            chosen = Best(self.number[0], int(best.best_epoch) + 1, self.phase.monitor, float(best.best))
            position = {id(weight): number for number, weight in enumerate(self.model.weights)}
            last = {position[id(w)]: value for w, value in zip(weights, history.last_values, strict=True)}
            return PhaseOutcome(chosen, last)

    def _fit(self, best: BestEpoch, history: EpochEnd) -> None:
        phase, split, size = self.phase, self.data.train, self.phase.batch_size
        replicas = self.model.distribute_strategy.num_replicas_in_sync
        first = 0 if self.resumed is None else self.resumed.epoch
        validation = self.data.validation.batches(max(size, 512), at_least=replicas)
        with read_errors():
            self.model.fit(
                split.batches(size, seed=self.seed, epochs=phase.epochs, first_epoch=first, at_least=replicas),
                steps_per_epoch=split.steps(size),
                initial_epoch=first,
                epochs=phase.epochs,
                validation_data=_materialize(validation) if self.cut == Cut() and replicas == 1 else validation,
                callbacks=self._callbacks(best, history),
                shuffle=False,
                verbose=0,
            )

    def _callbacks(self, best: BestEpoch, history: EpochEnd) -> list[keras.callbacks.Callback]:
        """Return all callbacks in the order in which they read and extend the log."""
        phase, split, tasks = self.phase, self.data.train, self.model.recipe.tasks
        active = phase.active(tasks)
        callbacks = [Skill(self.data, active), WeightingUpdate(), history, best, *self.callbacks]
        callbacks.append(Progress(self.verbose, *self.number, active))
        if (sampling := split.sampling) is not None:
            logger.info(sampling.describe([*map(len, split.rows_by_dataset())], phase.batch_size))
            steps = split.steps_per_dataset(phase.batch_size, seed=self.seed, epochs=phase.epochs)
            callbacks.insert(0, StepCounts(steps, sampling.tasks, tasks))
        if self.checkpoint is not None:
            checkpoint = Checkpoint(
                *self.checkpoint,
                slots=own_variables(self.model),
                best=best,
                rows=self.rows,
                phase=self.number[0],
                callbacks=self.callbacks,
                resumed=self.resumed,
            )
            callbacks.append(checkpoint)
        return callbacks

    def _check_finite(self) -> None:
        """Refuse a phase whose loss or monitor is not finite, also one that an earlier process finished."""
        monitor = self.phase.monitor
        own = (row for row in self.rows if row["phase"] == self.number[0])
        # A monitor on training rows is missing in an epoch without a step of its data set.
        wrong = next((row for row in own if not all(math.isfinite(row.get(name, 0.0)) for name in ("loss", monitor))), None)
        if wrong:
            raise TrialError(
                f"Losses and metrics must stay finite. Received: loss={wrong['loss']}, {monitor}={wrong.get(monitor)} in "
                f"epoch {wrong['epoch']} of phase {self.number[0]}. Lower the learning rate, or give the optimizer a clipnorm."
            )


def is_finished(state: TrainingState, phase: Phase) -> bool:
    """Return whether nothing is left to do of a phase."""
    return state.stopped or state.epoch == phase.epochs


def _materialize(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Return the same batches, held in memory: Keras starts over on them in each epoch, which takes longer than they do."""
    *full, last = list(batches)
    final = tf.data.Dataset.from_tensors(last)
    if not full:
        return final
    return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(lambda *p: tf.stack(p), *full)).concatenate(final)
