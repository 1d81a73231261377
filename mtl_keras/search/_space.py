"""Parts of a search space: dense stacks and loss weights, and the space as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError
from mtl_keras.model import Head
from mtl_keras.search._configuration import Context

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["dense_stack", "describe_space", "loss_weights"]


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

    All layers of the stack have the same width. A property with a single value is not searched. Where a depth of 0 is possible,
    the other properties are conditional on a depth above 0.

    Args:
        hp: The hyperparameters to ask.
        name: `"shared"` or the name of a task.
        depth: Numbers of layers to choose from.
        width: Units per layer to choose from.
        dropout: Dropout rates to choose from.
        activation: Activations to choose from.
        default_depth: Default depth; None (default) is the first.
        default_width: Default width; None (default) is the first.

    Example:
        >>> import keras_tuner
        >>> hp = keras_tuner.HyperParameters()
        >>> dense_stack(hp, "shared", depth=(1, 2), width=(64, 128)).dense
        (64,)
        >>> sorted(hp.values)
        ['shared_depth', 'shared_width']
    """

    def choose(what: str, values: Sequence[Any], default: Any = None) -> Any:
        return hp.Choice(f"{name}_{what}", list(values), default=default) if len(values) > 1 else values[0]

    layers = choose("depth", depth, default_depth)
    some = [d for d in depth if d]
    with hp.conditional_scope(f"{name}_depth", some) if len(depth) > 1 and 0 in depth else nullcontext():
        units = choose("width", width, default_width)
        rate = choose("dropout", dropout)
        kind = choose("activation", activation)
    # With a depth of 0 the others are None.
    return Head(dense=(units,) * layers, dropout=rate, activation=kind) if layers else Head()


def loss_weights(
    hp: HyperParameters,
    context: Context,
    *,
    low: float | Mapping[str, float] = 0.1,
    high: float | Mapping[str, float] = 10.0,
    only_if: tuple[str, Sequence[Any]] | None = None,
) -> dict[str, float] | str | Mapping[str, Any]:
    """Ask for loss weights: `loss_ratio_{task}`, each task's weight relative to the first task's, on a log scale.

    The returned weights sum to the number of tasks, so that they do not act as a second learning rate. If the settings name a
    `weighting`, nothing is asked for and that weighting is returned.

    Args:
        hp: The hyperparameters to ask.
        context: Its first task is the reference and has no ratio.
        low: Smallest ratio, above 0, or one for each task but the first.
        high: Largest ratio, in the same form.
        only_if: `(hyperparameter, values)`: ask only if it has one of these values. Over a frozen trunk, loss weights matter
            only if tasks share a trained layer: pass `("shared_depth", [1, 2])`.

    Returns:
        A value for `Phase(weighting=...)`: a weight for each task, all 1 where they are not asked for, or the settings'
        weighting.

    Raises:
        MTLError: If a ratio was fixed to a negative value.
    """
    if context.settings.weighting is not None:
        weighting: str | Mapping[str, Any] = context.settings.weighting
        return weighting
    names = list(context.tasks)
    ratios = {names[0]: 1.0}
    with hp.conditional_scope(only_if[0], list(only_if[1])) if only_if else nullcontext():
        for name in names[1:]:
            least, most = (float(bound[name]) if isinstance(bound, Mapping) else bound for bound in (low, high))
            ratio = hp.Float(f"loss_ratio_{name}", least, most, sampling="log", default=min(max(1.0, least), most))
            # None if the condition does not hold.
            ratios[name] = 1.0 if ratio is None else ratio
            if ratios[name] < 0:
                raise MTLError(f"Loss weights must be at least 0. Received: loss_ratio_{name}={ratio}. Pass e.g. 1.")
    scale = len(names) / sum(ratios.values())
    return {name: ratio * scale for name, ratio in ratios.items()}


def describe_space(hp: HyperParameters) -> dict[str, dict[str, Any]]:
    """Return a space as plain JSON values: `{name: {"values": [...]} or {"min": ..., "max": ..., "sampling": ...}}`."""
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
