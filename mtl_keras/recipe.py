"""What fixes a model's shape, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from mtl_keras import backbones
from mtl_keras import heads as head_kinds
from mtl_keras import tasks as task_kinds
from mtl_keras.backbones import Backbone
from mtl_keras.errors import MTLError, describe, unknown
from mtl_keras.heads import Decoder, Head
from mtl_keras.tasks import Tasks

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Everything that fixes a model's shape, as one frozen value that JSON can hold.

    Args:
        tasks: What is predicted.
        backbone: The trunk.
        image_shape: Height, width and channels of one input; height and width may be None where no task needs them.
        shared: The trained dense stack that all tasks without a tap share, between trunk and heads; `Head()` is none.
        heads: Dense layers per task, or a `Decoder` for a task that gives the image back; a task that is left out gets
            none.
        freeze: True freezes the whole backbone, False nothing. A name freezes every layer of the backbone before the
            first one of that name or prefix (a block), which is trained with all that follow.
        stack: For some tasks another one, whose output probabilities are joined to the features of the first one's head. No
            gradient flows back through them, and in training they are out-of-fold; see `Phase`.
        statistics: Groups of tasks, those of each data set that is alternated: batch normalization keeps moving statistics of
            each (`mtl_keras.normalization`). Every task is in one group. None (default) are those of all images together,
            as is one group. Inference takes as many passes through the trunk as there are groups.

    Raises:
        MTLError: If the backbone refuses the image shape, a head names no task or does not suit its task, or taps and
            the backbone's pooling, or the tasks of a stack, do not fit together; or if statistics do not share out the tasks,
            or the backbone's are not trained.
    """

    tasks: Tasks
    backbone: Backbone
    image_shape: tuple[int | None, ...] = (None, None, 3)
    shared: Head = field(default_factory=Head)
    heads: Mapping[str, Head | Decoder] = field(default_factory=dict)
    freeze: bool | str = False
    stack: Mapping[str, str] = field(default_factory=dict)
    statistics: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", task_kinds.get(self.tasks))
        object.__setattr__(self, "backbone", backbones.get(self.backbone))
        object.__setattr__(self, "shared", _check_shared(head_kinds.get(self.shared)))
        for name, value in (("heads", self.heads), ("stack", self.stack)):
            if not isinstance(value, Mapping):
                raise MTLError(
                    f"`{name}` must be a dict by task name. Received: {name}={describe(value)}. "
                    f"Pass e.g. {name}={{{next(iter(self.tasks))!r}: ...}}."
                )
        if not isinstance(self.image_shape, Sequence) or isinstance(self.image_shape, str):
            raise MTLError(
                f"`image_shape` must be (height, width, channels). Received: image_shape={describe(self.image_shape)}. "
                "Pass image_shape=data.image_shape."
            )
        for name in self.heads:
            if name not in self.tasks:
                raise unknown("task in heads", name, self.tasks)
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        object.__setattr__(self, "heads", {name: head_kinds.get(self.heads.get(name, Head())) for name in self.tasks})
        if any(task.from_input for task in self.tasks.values()) and None in self.image_shape:
            raise MTLError(
                f"A task that gives the image back needs its size. Received: image_shape={self.image_shape}. "
                "Give image_shape=data.image_shape."
            )
        self.backbone.check(self.image_shape)
        drawn = [name for name, task in self.tasks.items() if task.from_input]
        head_kinds.check(self.shared, self.heads, self.backbone.pooling, drawn, self.image_shape)
        object.__setattr__(self, "stack", dict(self.stack))
        task_kinds.in_order(self.tasks, self.stack)
        groups = tuple(tuple(group) for group in self.statistics)
        if groups:
            _check_statistics(groups, self.tasks, self.stack, self.backbone, self.freeze)
        object.__setattr__(self, "statistics", groups if len(groups) > 1 else ())

    def only(self, *names: str) -> Recipe:
        """Return the same recipe for these tasks alone: with one name, its single-task baseline."""
        kept = self.tasks.only(*names)
        stack = {name: source for name, source in self.stack.items() if name in kept and source in kept}
        groups = [[name for name in group if name in kept] for group in self.statistics]
        return replace(
            self,
            tasks=kept,
            heads={name: self.heads[name] for name in kept},
            stack=stack,
            statistics=tuple(tuple(group) for group in groups if group),
        )

    def config(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values."""
        return {
            "tasks": self.tasks.config(),
            "backbone": self.backbone.config(),
            "image_shape": list(self.image_shape),
            "shared": head_kinds.config(self.shared),
            "heads": {name: head_kinds.config(head) for name, head in self.heads.items()},
            "freeze": self.freeze,
            "stack": self.stack,
            # Left out where there are none, so that trainings begun before are continued.
            **({"statistics": [list(group) for group in self.statistics]} if self.statistics else {}),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Recipe:
        """Rebuild a recipe from what `config()` returned."""
        return cls(
            tasks=task_kinds.from_config(config["tasks"]),
            backbone=Backbone.from_config(config["backbone"]),
            image_shape=tuple(config["image_shape"]),
            shared=cast(Head, head_kinds.from_config(config["shared"])),
            heads={name: head_kinds.from_config(head) for name, head in config["heads"].items()},
            freeze=config["freeze"],
            stack=config.get("stack", {}),
            statistics=config.get("statistics", ()),
        )


def _check_shared(head: Head | Decoder) -> Head:
    """Return the shared stack.

    Raises:
        MTLError: If it is a decoder.
    """
    if isinstance(head, Decoder):
        raise MTLError(
            f"`shared` must be a stack of dense layers. Received: {head}. Pass the decoder as the head of its task, "
            "heads={task: mtl.Decoder(...)}."
        )
    return head


def _check_statistics(
    groups: Sequence[Sequence[str]], tasks: Mapping[str, Any], stack: Mapping[str, str], backbone: Any, freeze: bool | str
) -> None:
    """Refuse groups of tasks that do not share out a model's tasks, or statistics that no training changes.

    Args:
        groups: Names of tasks.
        tasks: All tasks of the model; each knows its `source`.
        stack: For some tasks another one, whose output their heads take.
        backbone: The trunk.
        freeze: Whether all of it is frozen, or up to what layer.

    Raises:
        MTLError: If so.
    """
    named = [name for group in groups for name in group]
    for name in named:
        if name not in tasks:
            raise unknown("task in statistics", name, tasks)
    if sorted(named) != sorted(tasks) or not all(groups):
        raise MTLError(
            f"Each task is in one group of `statistics`. Received: {[list(group) for group in groups]} for "
            f"{', '.join(tasks)}. Give statistics=data.task_groups of data that are alternated."
        )
    number = {name: place for place, group in enumerate(groups) for name in group}
    for name in tasks:
        for source in (tasks[name].source, stack.get(name)):
            if source is not None and number[source] != number[name]:
                raise MTLError(
                    f"A task that takes another one's output has its statistics. Received: {name!r}, which takes that of "
                    f"{source!r} of another group. Put them into one group, or leave `statistics` out."
                )
    held = backbone.resolve().batch_norm == "inference"
    if held or freeze is True:
        received = (
            f"batch_norm={backbone.batch_norm!r}, {backbone.weights=}".replace("backbone.", "") if held else "freeze=True"
        )
        raise MTLError(
            f"`statistics` are kept where batch normalization is trained. Received: {received}. Give the backbone "
            "batch_norm='train' and freeze=False, or leave `statistics` out."
        )
