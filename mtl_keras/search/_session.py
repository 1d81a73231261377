"""A study with its changes applied, and the session in which its trainings run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mtl_keras.comparison._plan import Plan
from mtl_keras.comparison._reporter import Reporter
from mtl_keras.comparison._trainer import Trainer
from mtl_keras.data import Data, trivial_scores
from mtl_keras.errors import MTLError
from mtl_keras.model import MultiTaskModel
from mtl_keras.search._settings import Settings
from mtl_keras.search._space import describe, fixed_space
from mtl_keras.search._study import Context, Study
from mtl_keras.training import Run, check

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
        plan: The plan of the default values, or that of the configuration.
        configuration: Name of the configuration, if one was chosen.
    """

    study: Study
    settings: Settings
    fixed: Mapping[str, Any]
    context: Context
    space: HyperParameters
    plan: Plan
    configuration: str | None = None

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
            **({} if self.configuration is None else {"configuration": self.configuration}),
        }

    def plan_of(self, values: Mapping[str, Any]) -> Plan:
        """Return the plan of a trial's hyperparameters."""
        hp = self.space.copy()
        hp.values = dict(values)
        return self.study.space(hp, self.context)


def resolve(
    study: Study,
    changes: Mapping[str, Any],
    saved: Mapping[str, Any] | None = None,
    *,
    configuration: str | None = None,
) -> Resolved:
    """Apply changes to a study's settings and space, and check that a model can be made of its defaults.

    Args:
        study: The study.
        changes: Fields of the settings, or hyperparameters, which are then fixed.
        saved: The settings that a run began with; its values stand in for what is not changed.
        configuration: Name of one of the study's configurations, whose plan and settings are taken; None takes the defaults.

    Raises:
        MTLError: If a key or the configuration is unknown, or a value is refused.
    """
    fields = {f.name for f in dataclasses.fields(study.settings)}
    base = study.settings
    fixed: dict[str, Any] = {}
    named = None if configuration is None else study.configuration(configuration)
    if named is not None:
        base = base.changed(named.changes)
        fixed |= named.plan if isinstance(named.plan, Mapping) else {}
    if saved is not None:
        base = base.changed({k: v for k, v in saved["settings"].items() if k in fields})
        fixed |= saved["fixed"]
    settings = base.changed({k: v for k, v in changes.items() if k in fields})
    fixed |= {k: v for k, v in changes.items() if k not in fields}
    context = Context(study.tasks, settings, study.image_shape)
    space, plan = fixed_space(study, context, fixed)
    if named is not None and not isinstance(named.plan, Mapping):
        if given := sorted(changes.keys() - fields):
            raise MTLError(
                f"A configuration with a plan of its own has no hyperparameters. Received: {', '.join(given)} for "
                f"{configuration!r}. Change its settings only."
            )
        plan = named.plan(context)
    return Resolved(study, settings, fixed, context, space, plan, configuration)


@dataclass(eq=False)
class Session:
    """The trainings of one study in one process.

    Attributes:
        resolved: The study with all changes.
        data: Its images.
        trainer: Where they run.
    """

    resolved: Resolved
    data: Data
    trainer: Trainer

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
        seed = resolved.settings.seed
        trainer = Trainer.open(seed, cache_dir=cache_dir, strategy_name=strategy_name, reporter=reporter)
        reporter.stage("Loading data")
        if data is None:
            data = resolved.study.load(resolved.settings, data_dir)
        if tuple(data.image_shape) != tuple(resolved.study.image_shape):
            raise MTLError(
                f"The data has the study's image shape. Received: {tuple(data.image_shape)} for a study of "
                f"{tuple(resolved.study.image_shape)}. Correct `image_shape` of the study."
            )
        reporter.stage("Building the model")
        check(trainer.build(resolved.plan), resolved.plan.rows(data), resolved.plan.phases)
        return cls(resolved, data, trainer)

    @property
    def reporter(self) -> Reporter:
        """Hears of the progress."""
        return self.trainer.reporter

    @property
    def cache_dir(self) -> Path:
        """Folder of the feature cache."""
        return self.trainer.cache_dir

    def build(self, plan: Plan) -> MultiTaskModel:
        """Return a new model of the plan."""
        return self.trainer.build(plan)

    def train(
        self, plan: Plan, seed: int, log_dir: Path | None, output_dir: Path | None = None, *, keep: bool = False
    ) -> tuple[Run, Data]:
        """Train one model of the plan from a seed; return the run and the data it was trained on."""
        return self.trainer.train(plan, self.data, seed, log_dir, output_dir, keep=keep)


def best_values(run: Run, data: Data) -> dict[str, float]:
    """Return the validation values of a run's best epoch: `skill` over all tasks, `{task}_{metric}`, `{task}_loss`, `epoch`."""
    row = next(r for r in run.history if (r["phase"], r["epoch"]) == (run.best.phase, run.best.epoch))
    trivial = trivial_scores(data.train, data.validation)
    tasks, values = run.recipe.tasks, {}
    for name, task in tasks.items():
        for entry in (f"{name}_{task.metric.name}", f"{name}_loss"):
            values[entry] = row[f"val_{entry}"]
    own = {name: values[f"{name}_{task.metric.name}"] for name, task in tasks.items()}
    skill = tasks.mean_skill(own, {name: scores[tasks[name].metric.name] for name, scores in trivial.items()})
    return {"skill": skill, **values, "epoch": run.best.epoch}
