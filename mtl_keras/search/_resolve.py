"""A study with all changes applied."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mtl_keras import weighting as weightings
from mtl_keras.errors import MTLError, check_mapping, check_number, describe, unknown
from mtl_keras.runs import Options, Plan
from mtl_keras.search._call import call_study
from mtl_keras.search._configuration import Context
from mtl_keras.search._default_space import default_space
from mtl_keras.search._settings import Settings
from mtl_keras.search._space import describe_space
from mtl_keras.search._study import Study

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["Resolved", "merge_changes", "resolve", "resolve_settings", "with_quick"]


@dataclass(frozen=True, eq=False)
class Resolved:
    """A study with all changes applied.

    Attributes:
        study: The study.
        settings: The settings after all changes.
        fixed: Hyperparameters that were set and are not searched.
        context: What the space function receives.
        space: The search space, including fixed values.
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
        """Return what the folder of a run stores, as plain JSON values."""
        network = self.plan.recipe.backbone.digest
        return {
            "command": command,
            "study": self.study.name,
            "source": self.study.source,
            "source_digest": self.study.source_digest,
            "tasks": self.study.tasks.config(),
            "settings": self.settings.config(),
            "fixed": dict(self.fixed),
            "space": describe_space(self.space),
            **({} if self.configuration is None else {"configuration": self.configuration}),
            # A file that the study reads it from may change.
            **({} if network is None else {"network": network}),
        }

    def plan_of(self, values: Mapping[str, Any]) -> Plan:
        """Return the plan of a trial's hyperparameters."""
        hp = self.space.copy()
        hp.values = dict(values)
        return _ask(self.study, hp, self.context)


def with_quick(study: Study, changes: Mapping[str, Any] | None, options: Options) -> dict[str, Any]:
    """Return the changes of a study, on top of its quick ones if the options ask for them."""
    return {**(study.quick if options.quick else {}), **(changes or {})}


def merge_changes(changes: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return changes that were passed as a mapping and by keyword.

    Raises:
        MTLError: If one was passed both ways.
    """
    merged = {} if changes is None else check_mapping("changes", changes, example="{'trials': 3}")
    for name in given:
        if name in merged:
            raise MTLError(
                f"A setting must be given once. Received: {name} by keyword and in `changes`. Leave one of them out."
            )
    return {**merged, **given}


def resolve_settings(
    study: Study, changes: Mapping[str, Any], saved: Mapping[str, Any] | None = None, *, configuration: str | None = None
) -> tuple[Settings, dict[str, Any]]:
    """Return the settings of a study after all changes, and the hyperparameters that are fixed.

    Args:
        study: The study.
        changes: Settings, or hyperparameters to fix.
        saved: Configuration of a run; its values replace the study's defaults.
        configuration: Name of one of the study's configurations.

    Raises:
        MTLError: If the configuration is unknown or a setting is refused.
    """
    fields = {f.name for f in dataclasses.fields(study.settings)}
    settings = study.settings
    fixed: dict[str, Any] = {}
    if configuration is not None:
        named = study.configuration(configuration)
        settings = settings.change(named.changes)
        fixed |= named.plan if isinstance(named.plan, Mapping) else {}
    if saved is not None:
        settings = settings.change({k: v for k, v in saved["settings"].items() if k in fields})
        fixed |= saved["fixed"]
    settings = settings.change({k: v for k, v in changes.items() if k in fields})
    if configuration is None and settings.weighting is not None:
        # Before any data is loaded; a configuration may have fewer tasks.
        weightings.get(settings.weighting).state(tuple(study.tasks))
    return settings, fixed | {k: v for k, v in changes.items() if k not in fields}


def resolve(
    study: Study, changes: Mapping[str, Any], saved: Mapping[str, Any] | None = None, *, configuration: str | None = None
) -> Resolved:
    """Apply changes to a study's settings and space, and build the plan of its default values.

    Args:
        study: The study; its image shape must be known.
        changes: Settings, or hyperparameters to fix.
        saved: Configuration of a run; its values replace the study's defaults.
        configuration: Name of one of the study's configurations, whose plan and settings are used; None (default) uses the
            default of every hyperparameter.

    Raises:
        MTLError: If a name is unknown or a value is refused.
    """
    if study.image_shape is None:
        raise MTLError(
            "The image shape of a study must be known before its models are built. Received: image_shape=None. Pass "
            "image_shape=data.image_shape."
        )
    settings, fixed = resolve_settings(study, changes, saved, configuration=configuration)
    context = Context(study.tasks, settings, study.image_shape, study.columns)
    space, plan, fixed = _fix(study, context, fixed)
    if configuration is not None and not isinstance(named := study.configuration(configuration).plan, Mapping):
        if given := sorted(changes.keys() - settings.config().keys()):
            raise MTLError(
                "Hyperparameters must be left out for a configuration with a plan of its own. Received: "
                f"{', '.join(given)} for {configuration!r}. Change its settings only."
            )
        plan = call_study("plan", f"configuration {configuration!r}", Plan, named, context)
    return Resolved(study, settings, fixed, context, space, plan, configuration)


def _fix(study: Study, context: Context, fixed: Mapping[str, Any]) -> tuple[HyperParameters, Plan, dict[str, Any]]:
    """Return a study's whole space with some hyperparameters fixed, the plan of its default values, and the fixed ones.

    Raises:
        MTLError: If a fixed hyperparameter is not in the space or of another type, or the values are refused.
    """
    import keras_tuner as kt
    from keras_tuner.engine import hyperparameters as kinds

    hp = kt.HyperParameters()
    _ask(study, hp, context)
    names = {parameter.name for parameter in hp.space}
    for name in fixed:
        if name in Options.names():
            option = f"--{name.replace('_', '-')}"
            raise MTLError(
                f"--set must name a setting or hyperparameter. Received: {name}={fixed[name]!r}. Pass {option} instead."
            )
        if name not in names:
            raise unknown("setting or hyperparameter", name, [*names, *context.settings.config(), *Options.names()])
    space, checked = kt.HyperParameters(), dict(fixed)
    for parameter in hp.space:
        if parameter.name in fixed:
            checked[parameter.name] = value = _check_type(parameter, fixed[parameter.name])
            parameter = kinds.Fixed(parameter.name, value, conditions=parameter.conditions)
        space.merge([parameter])
    return space, _ask(study, space.copy(), context), checked


def _ask(study: Study, hp: HyperParameters, context: Context) -> Plan:
    """Return the plan that a study's space builds from hyperparameters."""
    return call_study("space", f"study {study.name!r}", Plan, study.space or default_space, hp, context)


def _check_type(parameter: Any, value: Any) -> Any:
    """Return the value as the type of a hyperparameter, or refuse it."""
    like = parameter.default
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if isinstance(like, bool) and isinstance(value, bool):
        return value
    if isinstance(like, int | float) and not isinstance(like, bool) and number:
        value = check_number(parameter.name, value, example=like)
        if isinstance(like, float):
            return float(value)
        if float(value).is_integer():
            return int(value)
    elif isinstance(value, type(like)) and not isinstance(like, bool | int | float):
        return value
    raise MTLError(
        f"Hyperparameter {parameter.name!r} must be of type {type(like).__name__}, such as {like!r}. Received: "
        f"{describe(value)}. Pass --set {parameter.name}={like!r}."
    )
