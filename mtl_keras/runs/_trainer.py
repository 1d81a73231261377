"""What all trainings in one process share: where models are built, frozen trunks and their features, traced networks."""

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
from mtl_keras.data import Data, cache
from mtl_keras.distribute import strategy
from mtl_keras.files import check_folder
from mtl_keras.model import MultiTaskModel, build_model
from mtl_keras.runs._options import Options
from mtl_keras.runs._plan import Plan
from mtl_keras.runs._reporter import Reporter
from mtl_keras.runs._seeds import TRUNK, derived_seed, seed_layers
from mtl_keras.training import CompiledPhases, Run, train_compiled

__all__ = ["Trainer"]

#: Sets of features that are held at once; those of ten splits would fill the memory.
FEATURES_HELD = 4
#: Models that are kept to be trained again from another seed, and the weights that all of them may have together.
MODELS_KEPT, WEIGHTS_KEPT = 32, 50_000_000
#: Weights of discarded models at which the garbage collector is called.
WEIGHTS_DISCARDED = 5_000_000


@dataclass(eq=False)
class Trainer:
    """Trains plans in one process. A frozen trunk and its features are computed once.

    Attributes:
        seed: Random weights of frozen trunks are derived from it.
        reporter: Receives the progress.
        cache_dir: Folder of the feature cache.
        strategy: Where models are built.
        trainings: How many trainings were started.
    """

    seed: int
    reporter: Reporter
    cache_dir: Path
    strategy: tf.distribute.Strategy
    trainings: int = 0
    _trunks: dict[str, keras.Model] = field(default_factory=dict)
    _features: dict[tuple[str, int], tuple[Data, Data]] = field(default_factory=dict)
    _weights_built: int = 0
    _kept: dict[str, CompiledPhases] = field(default_factory=dict)

    @classmethod
    def open(cls, seed: int, options: Options) -> Trainer:
        """Return a trainer; `cache_dir`, `strategy` and `reporter` of the options are used.

        Raises:
            MTLError: If the strategy is unknown or unavailable, or `cache_dir` is no folder that can be written.
        """
        where = cache.default_cache_dir() if options.cache_dir is None else check_folder("cache_dir", options.cache_dir)
        # Once per process, see `seed_layers`.
        keras.utils.set_random_seed(seed)
        return cls(seed, options.reporter, where, strategy(options.strategy))

    def build(self, plan: Plan) -> MultiTaskModel:
        """Return a new model of the plan. Models whose trunk stays frozen share one trunk."""
        with self.strategy.scope():
            model = build_model(plan.recipe, trunk=self._trunk(plan) if plan.stays_frozen else None)
        self._weights_built += self._count_own_weights(model)
        return model

    def data_for(self, model: MultiTaskModel, plan: Plan, data: Data) -> Data:
        """Return the data to train the model on: cached features where its trunk stays frozen, else the images."""
        if plan.stays_frozen and model.frozen_trunk:
            key = (_trunk_key(plan), id(data))
            if key not in self._features:
                self.reporter.on_stage("Computing the features of the frozen trunk")
                features = data.featurize(model.trunk, model.fingerprint(), self.cache_dir, progress=self.reporter.on_features)
                while len(self._features) >= FEATURES_HELD:
                    self._features.pop(next(iter(self._features)))
                # The data is kept too, so that no other data gets its id.
                self._features[key] = (data, features)
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
        """Train one model of the plan.

        Args:
            plan: What to build and how to train it.
            data: The images, with all tasks of the plan.
            seed: Initial weights and the order of rows are derived from it.
            log_dir: Folder for TensorBoard; None writes no logs.
            output_dir: Folder of the checkpoint, from which the training is resumed; None (default) writes none.
            keep: Whether trainings of the same plan from other seeds follow. The network is then kept for them, and the model
                of the returned run changes with the next training.

        Returns:
            The run, and the data that it was trained on.
        """
        self.trainings += 1
        if self._weights_built > WEIGHTS_DISCARDED:
            # Models refer to each other in cycles. Finding the unused ones takes half a second, so not after each training.
            gc.collect()
            self._weights_built = 0
        if plan.stays_frozen:
            # Before the seed is set: whether the trunk exists already must not change what this training draws.
            with self.strategy.scope():
                self._trunk(plan)
        seed_layers(seed)
        compiled = self._compiled(plan, keep)
        seen = self.data_for(compiled.model, plan, data)
        callbacks: list[keras.callbacks.Callback] = [_Epochs(self.reporter)]
        if log_dir is not None:
            callbacks.append(TensorBoardLog(log_dir, plan.recipe.tasks))
        fit = functools.partial(train_compiled, compiled, seen, *plan.phases)
        return fit(seed=seed, output_dir=output_dir, callbacks=callbacks, cache_dir=self.cache_dir), seen

    def model(self, plan: Plan) -> MultiTaskModel:
        """Return the kept model of the plan. Its weights are those of the last training, or random ones."""
        return self._keep(plan, None).model

    def _trunk(self, plan: Plan) -> keras.Model:
        """Return the plan's frozen trunk, built once; random weights are the same in every process."""
        key = _trunk_key(plan)
        if key not in self._trunks:
            seed_layers(derived_seed(self.seed, TRUNK))
            self._trunks[key] = build_model(plan.recipe).trunk
        return self._trunks[key]

    def _compiled(self, plan: Plan, keep: bool) -> CompiledPhases:
        """Return the compiled phases of a model of the plan with new weights.

        Trainings from different seeds differ in weights and rows only, so they share what was built and traced for the first.
        """
        model = self.build(plan)
        compiled = self._keep(plan, model) if keep else CompiledPhases(model)
        if compiled.model is not model:
            with self.strategy.scope():
                assign_values(get_values(model.variables), compiled.model.variables)
            compiled.model.weighting_state = {}
        return compiled

    def _keep(self, plan: Plan, model: MultiTaskModel | None) -> CompiledPhases:
        """Return the kept compiled phases of a plan; if there are none, keep those of `model`, or of a model built now."""
        key = json.dumps(plan.config())
        kept = self._kept.pop(key, None) or CompiledPhases(model or self.build(plan))
        self._kept[key] = kept
        while len(self._kept) > MODELS_KEPT or self._count_kept_weights() > WEIGHTS_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return kept

    def _count_kept_weights(self) -> int:
        return sum(self._count_own_weights(compiled.model) for compiled in self._kept.values())

    def _count_own_weights(self, model: MultiTaskModel) -> int:
        """Return the number of weights of a model, without those of a shared trunk."""
        networks = {id(layer) for trunk in self._trunks.values() for layer in trunk.layers}
        shared = [layer for layer in model.layers if isinstance(layer, keras.Model) and id(layer) in networks]
        return model.count_params() - sum(layer.count_params() for layer in shared)


def _trunk_key(plan: Plan) -> str:
    return json.dumps([plan.recipe.backbone.config(), plan.recipe.image_shape])


class _Epochs(keras.callbacks.Callback):
    """Passes each epoch to a reporter."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self.reporter = reporter
        self.done = 0

    def on_resume(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.done = len(rows)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.done += 1
        self.reporter.on_epoch_end(self.done, logs or {})
