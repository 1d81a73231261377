"""Pieces of a search space: dense stacks, loss weights, and the space as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from mtl_keras.comparison._plan import Plan
from mtl_keras.errors import MTLError, unknown
from mtl_keras.model import Head
from mtl_keras.search._study import Context, Study

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["dense_stack", "describe", "fixed_space", "loss_weights"]


def dense_stack(
    hp: HyperParameters,
    name: str,
    *,
    depth: Sequence[int],
    width: Sequence[int],
    dropout: Sequence[float] = (0.0,),
    activation: Sequence[str] = ("relu",),
    default_depth: int | None = None,
    default_width: int | None = None,
) -> Head:
    """Ask for a dense stack: `{name}_depth`, `{name}_width`, `{name}_dropout`, `{name}_activation`.

    All layers of the stack are equally wide. What has one value only is not searched; what a depth of 0 makes
    meaningless is conditional on a depth above 0.

    Args:
        hp: Where to ask.
        name: `"shared"` or a task.
        depth: Numbers of layers to choose from.
        width: Units a layer to choose from.
        dropout: Dropped shares to choose from.
        activation: Activations to choose from.
        default_depth: Default is the first.
        default_width: Default is the first.
    """

    def choose(what: str, values: Sequence[Any], default: Any = None) -> Any:
        return hp.Choice(f"{name}_{what}", list(values), default=default) if len(values) > 1 else values[0]

    layers = choose("depth", depth, default_depth)
    some = [d for d in depth if d]
    with hp.conditional_scope(f"{name}_depth", some) if len(depth) > 1 and 0 in depth else nullcontext():
        units = choose("width", width, default_width)
        drop = choose("dropout", dropout)
        kind = choose("activation", activation)
    # Where the depth is 0 the others are None.
    return Head(dense=(units,) * layers, dropout=drop, activation=kind) if layers else Head()


def loss_weights(
    hp: HyperParameters,
    context: Context,
    *,
    low: float | Mapping[str, float] = 0.1,
    high: float | Mapping[str, float] = 10.0,
    only_if: tuple[str, Sequence[Any]] | None = None,
) -> dict[str, float] | str | Mapping[str, Any]:
    """Ask for loss weights: `loss_ratio_{task}`, each task's weight over the first one's, on a log scale.

    The weights returned sum to the number of tasks, so that they do not stand in for the learning rate. Where the
    settings name a `weighting`, nothing is asked for and that one is returned.

    Args:
        hp: Where to ask.
        context: Its first task is the reference and has no ratio of its own.
        low: Smallest ratio, above 0; or one for each task but the first.
        high: Largest ratio, in the same way.
        only_if: `(hyperparameter, values)`: ask only where that one has one of these values. Over a frozen trunk loss
            weights matter only if a trained layer is shared: give `("shared_depth", [1, 2])`.

    Returns:
        What `Phase(weighting=...)` takes: a weight for each task, all 1 where they are not asked for; or the settings'
        weighting.

    Raises:
        MTLError: If a ratio was fixed to a negative value.
    """
    if context.settings.weighting is not None:
        given: str | Mapping[str, Any] = context.settings.weighting
        return given
    names = list(context.tasks)
    ratios = {names[0]: 1.0}
    with hp.conditional_scope(only_if[0], list(only_if[1])) if only_if else nullcontext():
        for name in names[1:]:
            least, most = (float(bound[name]) if isinstance(bound, Mapping) else bound for bound in (low, high))
            ratio = hp.Float(f"loss_ratio_{name}", least, most, sampling="log", default=min(max(1.0, least), most))
            # None where the condition does not hold.
            ratios[name] = 1.0 if ratio is None else ratio
            if ratios[name] < 0:
                raise MTLError(f"Loss weights are at least 0. Received: loss_ratio_{name}={ratio}. Give e.g. 1.")
    scale = len(names) / sum(ratios.values())
    return {name: ratio * scale for name, ratio in ratios.items()}


def fixed_space(study: Study, context: Context, fixed: Mapping[str, Any]) -> tuple[HyperParameters, Plan]:
    """Ask a study for its whole space, with some hyperparameters fixed, and for the plan of the default values.

    Raises:
        MTLError: If a fixed hyperparameter is not in the space or is of another kind, or the values are refused.
    """
    import keras_tuner as kt
    from keras_tuner.engine import hyperparameters as kinds

    hp = kt.HyperParameters()
    study.space(hp, context)
    names = {parameter.name for parameter in hp.space}
    for name in fixed:
        if name not in names:
            raise unknown("setting or hyperparameter", name, [*names, *context.settings.config()])
    made = kt.HyperParameters()
    for parameter in hp.space:
        if parameter.name in fixed:
            parameter = kinds.Fixed(parameter.name, _allowed(parameter, fixed[parameter.name]), conditions=parameter.conditions)
        made.merge([parameter])
    return made, study.space(made.copy(), context)


def _allowed(parameter: Any, value: Any) -> Any:
    """Return the value if the hyperparameter can hold one of its kind."""
    like = parameter.default
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = number if isinstance(like, int | float) and not isinstance(like, bool) else isinstance(value, type(like))
    if isinstance(like, int) and not isinstance(like, bool) and fits:
        fits = float(value).is_integer()
        value = int(value) if fits else value
    if not fits:
        raise MTLError(
            f"Hyperparameter {parameter.name!r} takes a {type(like).__name__} such as {like!r}. Received: {value!r}. "
            f"Give --set {parameter.name}={like!r}."
        )
    return float(value) if isinstance(like, float) else value


def describe(hp: HyperParameters) -> dict[str, dict[str, Any]]:
    """Return the space as plain JSON values: `{name: {"values": [...]} or {"min": ..., "max": ..., "sampling": ...}}`."""
    described: dict[str, dict[str, Any]] = {}
    for parameter in hp.space:
        config = parameter.get_config()
        if "min_value" in config:
            entry = {"min": config["min_value"], "max": config["max_value"], "sampling": config.get("sampling") or "linear"}
            if config.get("step") is not None:
                entry["step"] = config["step"]
        elif "value" in config:
            entry = {"values": [config["value"]]}
        else:
            entry = {"values": list(config.get("values", [False, True]))}
        described[parameter.name] = entry
    return described
