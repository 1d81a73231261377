"""What all trainings in one process share: where models are built, frozen trunks and their features."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mtl_keras.callbacks import TensorBoardLog
from mtl_keras.comparison._plan import Plan
from mtl_keras.comparison._reporter import Reporter
from mtl_keras.comparison._seeds import TRUNK, derived_seed
from mtl_keras.data import Data, cache
from mtl_keras.distribute import strategy
from mtl_keras.model import MultiTaskModel, build_model
from mtl_keras.training import Run, train

__all__ = ["Workshop"]

#: Sets of features that are held at once; those of ten splits would fill the memory.
FEATURES_HELD = 4


@dataclass(eq=False)
class Workshop:
    """Runs trainings in one process; a frozen trunk and its features are made once.

    Attributes:
        seed: That random weights of frozen trunks follow from.
        reporter: Hears of the progress.
        cache_dir: Folder of the feature cache.
        strategy: Where models are built.
        trainings: How many have been begun.
    """

    seed: int
    reporter: Reporter
    cache_dir: Path
    strategy: tf.distribute.Strategy
    trainings: int = 0
    _trunks: dict[str, keras.Model] = field(default_factory=dict)
    _features: dict[tuple[str, int], tuple[Data, Data]] = field(default_factory=dict)

    @classmethod
    def open(cls, seed: int, *, cache_dir: str | Path | None, strategy_name: str, reporter: Reporter) -> Workshop:
        """Return a workshop.

        Raises:
            MTLError: If the strategy is unknown or cannot be had.
        """
        where = cache.default_cache_dir() if cache_dir is None else Path(cache_dir)
        return cls(seed, reporter, where, strategy(strategy_name))

    def build(self, plan: Plan) -> MultiTaskModel:
        """Return a new model of the plan; models whose trunk stays frozen share one trunk."""
        with self.strategy.scope():
            return build_model(plan.recipe, trunk=self._trunk(plan) if plan.stays_frozen else None)

    def _trunk(self, plan: Plan) -> keras.Model:
        """Return the plan's frozen trunk, made once; random weights follow from the seed, in every process."""
        key = _trunk_key(plan)
        if key not in self._trunks:
            keras.utils.set_random_seed(derived_seed(self.seed, TRUNK))
            self._trunks[key] = build_model(plan.recipe).trunk
        return self._trunks[key]

    def data_for(self, model: MultiTaskModel, plan: Plan, data: Data) -> Data:
        """Return what to train the model on: features, made once, where its trunk stays frozen, else the images."""
        if plan.stays_frozen and model.frozen_trunk:
            key = (_trunk_key(plan), id(data))
            if key not in self._features:
                self.reporter.stage("Computing the frozen trunk's features")
                made = data.featurize(model.trunk, model.identity(), self.cache_dir, progress=self.reporter.features)
                while len(self._features) >= FEATURES_HELD:
                    self._features.pop(next(iter(self._features)))
                # The data too, so that no other one gets its id.
                self._features[key] = (data, made)
            data = self._features[key][1]
        return plan.rows(data)

    def train(
        self, plan: Plan, data: Data, seed: int, log_dir: Path | None, output_dir: Path | None = None
    ) -> tuple[Run, Data]:
        """Train one model of the plan from a seed; return the run and the data it was trained on.

        With an `output_dir` it is checkpointed there, and goes on from what is there.
        """
        self.trainings += 1
        # The model of the training before is a ring of references.
        gc.collect()
        if plan.stays_frozen:
            # Before the seed is set: whether the trunk is there already must not change what this training draws.
            with self.strategy.scope():
                self._trunk(plan)
        keras.utils.set_random_seed(seed)
        model = self.build(plan)
        seen = self.data_for(model, plan, data)
        callbacks: list[keras.callbacks.Callback] = [_Epochs(self.reporter)]
        if log_dir is not None:
            callbacks.append(TensorBoardLog(log_dir, plan.recipe.tasks))
        run = train(model, seen, *plan.phases, seed=seed, output_dir=output_dir, callbacks=callbacks, cache_dir=self.cache_dir)
        return run, seen


def _trunk_key(plan: Plan) -> str:
    return json.dumps([plan.recipe.backbone.config(), plan.recipe.image_shape])


class _Epochs(keras.callbacks.Callback):
    """Tells a reporter of each epoch."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self.reporter = reporter
        self.done = 0

    def on_resume(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.done = len(rows)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.done += 1
        self.reporter.epoch_ends(self.done, logs or {})
