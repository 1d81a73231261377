"""What training refuses before any work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mtl_keras.data import ROW, Data, by_input, trivial_scores
from mtl_keras.data.cache import digest_trunk
from mtl_keras.errors import MTLError, check_row_weights
from mtl_keras.model import MultiTaskModel, directions
from mtl_keras.tables import describe_difference
from mtl_keras.tasks import Tasks
from mtl_keras.training._freezing import freezing
from mtl_keras.training._phase import Phase
from mtl_keras.training._stacking import plan_stacking

__all__ = ["check"]


def check(model: MultiTaskModel, data: Data, phases: Sequence[Phase], *, cached: bool = True) -> None:
    """Refuse what `train` would refuse, without any work.

    Args:
        model: As for `train`.
        data: As for `train`.
        phases: As for `train`.
        cached: Whether the features of a frozen trunk are computed once; default True.

    Raises:
        MTLError: If phases, tasks, data and model do not fit together, or an entry to monitor or a layer is unknown.
    """
    _check_types(model, data, phases)
    tasks = model.recipe.tasks
    if set(data.tasks) != set(tasks):
        raise MTLError(
            f"Model and data must have the same tasks. Received: a model of {', '.join(tasks)} and data of "
            f"{', '.join(data.tasks)}. Use data.only(...), or load the data with the tasks of the model."
        )
    columns = model.recipe.backbone.columns
    if data.encoder is not None and columns and columns != data.columns:
        raise MTLError(
            f"The columns of the backbone must be those of the data. Received: "
            f"{describe_difference(by_input(columns).get(ROW, columns), by_input(data.columns).get(ROW, data.columns))}. "
            "Build mtl.Backbone('MLP', columns=data.columns), since each split of a table has its own codes and means."
        )
    tasks.check_classes(data.tasks)
    for split in (data.train, data.validation):
        shape = split.first_view().input_shape
        if data.features is None or shape != model.features.shape[1:]:
            model.check_inputs(shape)
            model.check_missing(split.missing, split.name or "unnamed")
        for name, weights in split.weight.items():
            check_row_weights(f"weight[{name!r}]", weights, of=f"the {split.name or 'unnamed'} split")
    _check_batch_norm_groups(model, data)
    replicas = model.distribute_strategy.num_replicas_in_sync
    for number, phase in enumerate(phases):
        if phase.batch_size < replicas:
            raise MTLError(
                f"A global batch must have a row for each replica. Received: batch_size={phase.batch_size} on {replicas} "
                f"replicas. Pass batch_size={replicas} or more, or train without a strategy."
            )
        phase.direction(tasks)
        if phase.train_from is not None and model.recipe.inputs:
            raise MTLError(
                f"`train_from` must be used with one input. Received: train_from={phase.train_from!r} of phase {number} for a "
                f"model of {', '.join(model.recipe.inputs)}. Freeze whole trunks by their inputs, freeze=('photo',)."
            )
        with freezing(model, phase):
            _check_trained(model, data, number, phase, cached)
            model.check_weighting(phase.weighting, tuple(phase.active(tasks)))  # type: ignore[arg-type]  # Phase has turned it
        _check_monitor(phase, data, tasks)
        data.train.steps(phase.batch_size)
    plan_stacking(model, phases, len(data.train))
    if data.features is not None and data.features != (own := digest_trunk(model.trunk, model.fingerprint())):
        raise MTLError(
            f"Cached features must be those of the model's own trunk. Received: features of trunk {data.features} for a model "
            f"with trunk {own}. Pass the data as they were before `featurize`."
        )


def _check_types(model: Any, data: Any, phases: Any) -> None:
    """Refuse arguments of other types."""
    if not isinstance(model, MultiTaskModel):
        raise MTLError(f"`model` must come from mtl.build_model. Received: {type(model).__name__}. Pass mtl.build_model(...).")
    if not isinstance(data, Data):
        raise MTLError(
            f"`data` must be a mtl.data.Data. Received: {type(data).__name__}. Use mtl.data.load or mtl.data.from_arrays, "
            "or model.compile and model.fit for arrays and datasets."
        )
    if not phases:
        raise MTLError("Training must have at least one phase. Received: none. Pass e.g. mtl.Phase(epochs=10).")
    for phase in phases:
        if not isinstance(phase, Phase):
            raise MTLError(
                f"Phases must be passed one by one, each a mtl.Phase. Received: {type(phase).__name__}. Pass e.g. "
                "train(model, data, mtl.Phase(epochs=10)), or *phases of a list."
            )


def _check_trained(model: MultiTaskModel, data: Data, number: int, phase: Phase, cached: bool) -> None:
    """Refuse a phase that trains nothing, or whose images change although their features are computed once."""
    if not model.trainable_variables:
        raise MTLError(
            f"A phase must train at least one layer. Received: phase {number}, in which everything is frozen. Leave something "
            "out of `freeze`, or name another of `tasks`."
        )
    cut = model.frozen_cut(phase.train_from)
    if data.features is not None:
        if cut is None or cut.layer is not None:
            raise MTLError(
                f"A phase that trains the backbone must have the images. Received: cached features for phase {number}. "
                "Pass the data as they were before `featurize`."
            )
        return
    if cut is None or not cached:
        return
    images = {name for name, array in data.train.inputs.items() if array is data.train.images}
    if data.train.online is not None and (not cut.inputs or images & set(cut.inputs)):
        trained = "which trains no layer of the backbone" if cut.layer is None else f"which trains it from {cut.layer!r} on"
        raise MTLError(
            "Images must stay the same in every epoch while the backbone, or its first part, is frozen, since its output is "
            f"computed once. Received: online augmentation and phase {number}, {trained}. Use views instead, train the whole "
            "backbone, or call train with cache_dir=False."
        )
    # Refuses a block that several tensors enter.
    model.fingerprint(cut)


def _check_batch_norm_groups(model: MultiTaskModel, data: Data) -> None:
    """Refuse groups of domain-specific batch normalization if a batch may have labels of more than one of them."""
    groups = model.recipe.batch_norm_groups
    if not groups:
        return
    if data.train.sampling is None:
        raise MTLError(
            "`batch_norm_groups` must be trained on alternated data, with batches of one data set each. Received: data "
            "that are not alternated. Use mtl.data.alternate, or build the model without `batch_norm_groups`."
        )
    for name, tasks in data.train.sampling.tasks.items():
        if sum(bool(set(group) & set(tasks)) for group in groups) > 1:
            raise MTLError(
                f"The tasks of a data set must be in one of `batch_norm_groups`. Received: {[list(g) for g in groups]} and "
                f"data set {name!r} with {', '.join(tasks)}. Pass batch_norm_groups=data.task_groups."
            )


def _check_monitor(phase: Phase, data: Data, tasks: Tasks) -> None:
    """Refuse a monitor that is computed from no label."""
    split = data.validation if phase.monitor.startswith("val_") else data.train
    entry = phase.monitor.removeprefix("val_")
    named = [name for name in tasks if entry in directions(tasks.only(name)) and entry not in ("loss", "skill")]
    measured = named or list(phase.active(tasks))
    if split is data.train and entry != "loss":
        apart = [name for name in measured if tasks[name].metric != tasks[name].row_metric]
        if any(entry in ("skill", f"{name}_{tasks[name].metric.name}") for name in apart):
            raise MTLError(
                f"A monitor on training rows must be a mean over rows. Received: monitor={phase.monitor!r}, made of "
                f"{tasks[apart[0]].metric.name} of {apart[0]}. Monitor 'val_{entry}'."
            )
    if not any((data.train.weight[name] > 0).any() and (split.weight[name] > 0).any() for name in measured):
        raise MTLError(
            f"The monitor must be computed from labels. Received: monitor={phase.monitor!r} and not one label of "
            f"{', '.join(measured)} in both the train and the {split.name or 'monitored'} rows. Monitor another task."
        )
    scores = trivial_scores(data.train, split, tasks)
    for name in measured:
        metric = tasks[name].metric.name
        if entry in ("skill", f"{name}_{metric}") and math.isnan(scores.get(name, {}).get(metric, 0.0)):
            raise MTLError(
                f"The monitor must be defined on the {split.name or 'monitored'} rows. Received: monitor={phase.monitor!r}, "
                f"and {metric} of {name}, which has no value there, as where all labels are of one class. Take more rows, or "
                "give the task another skill=."
            )
