"""What all trainings in one process share: where models are built, frozen trunks and their features."""

from __future__ import annotations

import functools
import gc
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mtl_keras.callbacks import TensorBoardLog, assign_values, get_values
from mtl_keras.comparison._plan import Plan
from mtl_keras.comparison._reporter import Reporter
from mtl_keras.comparison._seeds import TRUNK, derived_seed, seed_draws
from mtl_keras.data import Data, cache
from mtl_keras.distribute import strategy
from mtl_keras.model import MultiTaskModel, build_model
from mtl_keras.training import CompiledPhases, Run, train_compiled

__all__ = ["Trainer"]

#: Sets of features that are held at once; those of ten splits would fill the memory.
FEATURES_HELD = 4
#: Models that are kept to be trained again from another seed, and weights that all of them have together.
MODELS_KEPT, WEIGHTS_KEPT = 32, 50_000_000
#: Weights of models that may be left to the garbage collector before it is called.
WEIGHTS_LEFT = 5_000_000


@dataclass(eq=False)
class Trainer:
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
    _built: int = 0
    _kept: dict[str, CompiledPhases] = field(default_factory=dict)

    @classmethod
    def open(cls, seed: int, *, cache_dir: str | Path | None, strategy_name: str, reporter: Reporter) -> Trainer:
        """Return a trainer.

        Raises:
            MTLError: If the strategy is unknown or cannot be had.
        """
        where = cache.default_cache_dir() if cache_dir is None else Path(cache_dir)
        # Once a process, see `seed_draws`.
        keras.utils.set_random_seed(seed)
        return cls(seed, reporter, where, strategy(strategy_name))

    def build(self, plan: Plan) -> MultiTaskModel:
        """Return a new model of the plan; models whose trunk stays frozen share one trunk."""
        with self.strategy.scope():
            model = build_model(plan.recipe, trunk=self._trunk(plan) if plan.stays_frozen else None)
        self._built += self._own_weights(model)
        return model

    def _trunk(self, plan: Plan) -> keras.Model:
        """Return the plan's frozen trunk, made once; random weights follow from the seed, in every process."""
        key = _trunk_key(plan)
        if key not in self._trunks:
            seed_draws(derived_seed(self.seed, TRUNK))
            self._trunks[key] = build_model(plan.recipe).trunk
        return self._trunks[key]

    def data_for(self, model: MultiTaskModel, plan: Plan, data: Data) -> Data:
        """Return what to train the model on: features, made once, where its trunk stays frozen, else the images."""
        if plan.stays_frozen and model.frozen_trunk:
            key = (_trunk_key(plan), id(data))
            if key not in self._features:
                self.reporter.stage("Computing the frozen trunk's features")
                made = data.featurize(model.trunk, model.fingerprint(), self.cache_dir, progress=self.reporter.features)
                while len(self._features) >= FEATURES_HELD:
                    self._features.pop(next(iter(self._features)))
                # The data too, so that no other one gets its id.
                self._features[key] = (data, made)
            data = self._features[key][1]
        return plan.rows(data)

    def train(
        self,
        plan: Plan,
        data: Data,
        seed: int,
        log_dir: Path | None,
        output_dir: Path | None = None,
        *,
        keep: bool = False,
    ) -> tuple[Run, Data]:
        """Train one model of the plan from a seed; return the run and the data it was trained on.

        With an `output_dir` it is checkpointed there, and goes on from what is there. `keep` says that trainings
        of the same plan from other seeds follow: the network is kept for them, and with it the run's model changes.
        """
        self.trainings += 1
        if self._built > WEIGHTS_LEFT:
            # Models are rings of references; to look for those that nobody has takes half a second.
            gc.collect()
            self._built = 0
        if plan.stays_frozen:
            # Before the seed is set: whether the trunk is there already must not change what this training draws.
            with self.strategy.scope():
                self._trunk(plan)
        seed_draws(seed)
        compiled = self._compiled(plan, keep)
        seen = self.data_for(compiled.model, plan, data)
        callbacks: list[keras.callbacks.Callback] = [_Epochs(self.reporter)]
        if log_dir is not None:
            callbacks.append(TensorBoardLog(log_dir, plan.recipe.tasks))
        fit = functools.partial(train_compiled, compiled, seen, *plan.phases)
        return fit(seed=seed, output_dir=output_dir, callbacks=callbacks, cache_dir=self.cache_dir), seen

    def model(self, plan: Plan) -> MultiTaskModel:
        """Return a model of the plan, whatever its weights: a training of the same plan has changed them, or will do so."""
        return self._kept_as(plan, None).model

    def _compiled(self, plan: Plan, keep: bool) -> CompiledPhases:
        """Return those of a model of the plan with new weights.

        Seeds differ in weights and rows alone, so that what was built and traced for one of them serves all.
        """
        model = self.build(plan)
        compiled = self._kept_as(plan, model) if keep else CompiledPhases(model)
        if compiled.model is not model:
            with self.strategy.scope():
                assign_values(get_values(model.variables), compiled.model.variables)
            compiled.model.weighting_state = {}
        return compiled

    def _kept_as(self, plan: Plan, model: MultiTaskModel | None) -> CompiledPhases:
        """Return what is kept of a plan, or the compiled of this model, or of one built now, and keep them."""
        key = json.dumps(plan.config())
        kept = self._kept.pop(key, None) or CompiledPhases(model or self.build(plan))
        self._kept[key] = kept
        while len(self._kept) > MODELS_KEPT or self._weights_kept() > WEIGHTS_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return kept

    def _weights_kept(self) -> int:
        return sum(self._own_weights(compiled.model) for compiled in self._kept.values())

    def _own_weights(self, model: MultiTaskModel) -> int:
        """Return how many weights a model has besides those of a shared trunk."""
        backbone = model.get_layer("backbone")
        shared = any(trunk.get_layer("backbone") is backbone for trunk in self._trunks.values())
        return model.count_params() - (backbone.count_params() if shared else 0)


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
