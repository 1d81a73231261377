"""What all trainings of one study share: resolved settings, data, the frozen trunk and its features."""

from __future__ import annotations

import dataclasses
import gc
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np
import tensorflow as tf

from mtl_keras.callbacks import TensorBoardLog
from mtl_keras.data import Data, cache, trivial_scores
from mtl_keras.distribute import strategy
from mtl_keras.errors import MTLError
from mtl_keras.model import MultiTaskModel, build_model
from mtl_keras.search._reporter import Reporter
from mtl_keras.search._seeds import TRUNK, derived_seed
from mtl_keras.search._space import describe, fixed_space
from mtl_keras.search._study import Context, Plan, Settings, Study
from mtl_keras.training import Run, check, train

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["Resolved", "Session", "best_values", "resolve"]


@dataclass(frozen=True, eq=False)
class Resolved:
    """A study with all changes applied.

    Attributes:
        study: The study.
        settings: After all changes.
        fixed: Hyperparameters that were set and are not searched.
        context: What the space function sees.
        space: The search space, fixed values among it.
        plan: The plan of the default values.
    """

    study: Study
    settings: Settings
    fixed: Mapping[str, Any]
    context: Context
    space: HyperParameters
    plan: Plan

    def config(self, command: Literal["tune", "train"]) -> dict[str, Any]:
        """Return what the folder of a run remembers, as plain JSON values."""
        return {
            "command": command,
            "study": self.study.name,
            "source": self.study.source,
            "tasks": self.study.tasks.config(),
            "settings": self.settings.config(),
            "fixed": dict(self.fixed),
            "space": describe(self.space),
        }

    def plan_of(self, values: Mapping[str, Any]) -> Plan:
        """Return the plan of a trial's hyperparameters."""
        hp = self.space.copy()
        hp.values = dict(values)
        return self.study.space(hp, self.context)


def resolve(study: Study, changes: Mapping[str, Any], saved: Mapping[str, Any] | None = None) -> Resolved:
    """Apply changes to a study's settings and space, and check that a model can be made of its defaults.

    Args:
        study: The study.
        changes: Fields of the settings, or hyperparameters, which are then fixed.
        saved: The configuration that a search began with; its values stand in for what is not changed.

    Raises:
        MTLError: If a key is unknown or a value is refused.
    """
    fields = {f.name for f in dataclasses.fields(study.settings)}
    base, fixed = study.settings, {}
    if saved is not None:
        base = base.changed({k: v for k, v in saved["settings"].items() if k in fields})
        fixed = dict(saved["fixed"])
    settings = base.changed({k: v for k, v in changes.items() if k in fields})
    fixed |= {k: v for k, v in changes.items() if k not in fields}
    context = Context(study.tasks, settings, study.image_shape)
    space, plan = fixed_space(study, context, fixed)
    return Resolved(study, settings, fixed, context, space, plan)


@dataclass(eq=False)
class Session:
    """Runs trainings of one study in one process; a frozen trunk and its features are made once.

    Attributes:
        resolved: The study with all changes.
        data: Its images.
        reporter: Hears of the progress.
        cache_dir: Folder of the feature cache.
        strategy: Where models are built.
        trainings: How many have been begun.
    """

    resolved: Resolved
    data: Data
    reporter: Reporter
    cache_dir: Path
    strategy: tf.distribute.Strategy
    trainings: int = 0
    _trunks: dict[str, keras.Model] = field(default_factory=dict)
    _features: dict[str, Data] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        resolved: Resolved,
        *,
        data: Data | None,
        data_dir: str | Path | None,
        cache_dir: str | Path | None,
        strategy_name: str,
        reporter: Reporter,
    ) -> Session:
        """Load the data and build the default model, to see that both can be had; compute nothing yet.

        Raises:
            MTLError: If the data is not what the study says, weights cannot be had, or a phase does not fit the model.
        """
        chosen = strategy(strategy_name)
        reporter.stage("Loading data")
        if data is None:
            data = resolved.study.load(resolved.settings, data_dir)
        if tuple(data.image_shape) != tuple(resolved.study.image_shape):
            raise MTLError(
                f"The data has the study's image shape. Received: {tuple(data.image_shape)} for a study of "
                f"{tuple(resolved.study.image_shape)}. Correct `image_shape` of the study."
            )
        where = cache.default_cache_dir() if cache_dir is None else Path(cache_dir)
        session = cls(resolved, data, reporter, where, chosen)
        reporter.stage("Building the model")
        check(session.build(resolved.plan), data, resolved.plan.phases)
        return session

    def build(self, plan: Plan) -> MultiTaskModel:
        """Return a new model of the plan; models whose trunk stays frozen share one trunk."""
        with self.strategy.scope():
            return build_model(plan.recipe, trunk=self._trunk(plan) if _stays_frozen(plan) else None)

    def _trunk(self, plan: Plan) -> keras.Model:
        """Return the plan's frozen trunk, made once; random weights follow from the study's seed, in every process."""
        key = _trunk_key(plan)
        if key not in self._trunks:
            keras.utils.set_random_seed(derived_seed(self.resolved.settings.seed, TRUNK))
            self._trunks[key] = build_model(plan.recipe).trunk
        return self._trunks[key]

    def data_for(self, model: MultiTaskModel, plan: Plan) -> Data:
        """Return what to train the model on: features, made once, where its trunk stays frozen, else the images."""
        data = self.data
        if _stays_frozen(plan) and model.frozen_trunk:
            key = _trunk_key(plan)
            if key not in self._features:
                self.reporter.stage("Computing the frozen trunk's features")
                self._features[key] = data.featurize(
                    model.trunk, model.identity(), self.cache_dir, progress=self.reporter.features
                )
            data = self._features[key]
        return data if set(data.tasks) == set(plan.recipe.tasks) else data.only(*plan.recipe.tasks)

    def train(self, plan: Plan, seed: int, log_dir: Path | None, output_dir: Path | None = None) -> tuple[Run, Data]:
        """Train one model of the plan from a seed; return the run and the data it was trained on.

        With an `output_dir` it is checkpointed there, and goes on from what is there.
        """
        self.trainings += 1
        # The model of the training before is a ring of references.
        gc.collect()
        if _stays_frozen(plan):
            # Before the seed is set: whether the trunk is there already must not change what this training draws.
            with self.strategy.scope():
                self._trunk(plan)
        keras.utils.set_random_seed(seed)
        model = self.build(plan)
        data = self.data_for(model, plan)
        callbacks: list[keras.callbacks.Callback] = [_Epochs(self.reporter)]
        if log_dir is not None:
            callbacks.append(TensorBoardLog(log_dir, plan.recipe.tasks))
        run = train(model, data, *plan.phases, seed=seed, output_dir=output_dir, callbacks=callbacks, cache_dir=self.cache_dir)
        return run, data


def _stays_frozen(plan: Plan) -> bool:
    """Return whether no phase of the plan trains the backbone, so that its trunk can be shared with other models."""
    return plan.recipe.freeze is True and all(p.freeze is None or "backbone" in p.freeze for p in plan.phases)


def _trunk_key(plan: Plan) -> str:
    return json.dumps([plan.recipe.backbone.config(), plan.recipe.image_shape])


def best_values(run: Run, data: Data) -> dict[str, float]:
    """Return the validation values of a run's best epoch: `skill` over all tasks, `{task}_{metric}`, `{task}_loss`, `epoch`."""
    row = next(r for r in run.history if (r["phase"], r["epoch"]) == (run.best.phase, run.best.epoch))
    trivial = trivial_scores(data.train, data.validation)
    values, skills = {}, []
    for name, task in run.recipe.tasks.items():
        metric = task.metric
        values[f"{name}_{metric.name}"] = row[f"val_{name}_{metric.name}"]
        values[f"{name}_loss"] = row[f"val_{name}_loss"]
        if name in trivial:
            skills.append(metric.skill(row[f"val_{name}_{metric.name}"], trivial[name][metric.name]))
    return {"skill": float(np.mean(skills)), **values, "epoch": run.best.epoch}


class _Epochs(keras.callbacks.Callback):
    """Tells a reporter of each epoch."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self.reporter = reporter
        self.done = 0

    def on_resume(self, rows: Sequence[dict[str, Any]]) -> None:
        self.done = len(rows)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.done += 1
        self.reporter.epoch_ends(self.done, logs or {})
